"""The shape of the intermediate representation. ``src/ir.ts`` holds the same shape for its reader."""

from __future__ import annotations

from typing import Literal, TypedDict

LiteralValue = str | int | bool | None


class _Kind(TypedDict):
    kind: str


class IrType(_Kind, total=False):
    """One type. ``kind`` says which of the other fields are there.

    ``none bool int float complex str bytes any unknown self`` stand alone; ``list sequence iterable collection
    set`` have ``item``; ``dict mapping`` have ``key`` and ``value``; ``tuple`` has ``items``, or ``item`` where its
    length is open; ``union`` has ``arms``; ``literal`` has ``values``; ``callable`` has ``parameters`` (null: any) and
    ``result``; ``handle`` and ``value`` have ``name``, the qualified name of a class whose instances stay in Python
    or travel by value; ``ndarray`` has ``dtype`` where it is known.
    """

    item: IrType
    key: IrType
    value: IrType
    items: list[IrType]
    arms: list[IrType]
    values: list[LiteralValue]
    parameters: list[IrType] | None
    result: IrType
    name: str
    dtype: str


class Slot(TypedDict):
    """The type of one parameter, result, property or constant, and where it was found."""

    type: IrType
    source: Literal["runtime", "none"]


class ParameterIr(TypedDict):
    """One parameter. ``default`` is what the documentation shows, null where there is nothing safe to show."""

    name: str
    kind: Literal["positional_only", "positional_or_keyword", "var_positional", "keyword_only", "var_keyword"]
    hasDefault: bool
    default: str | None
    slot: Slot


class SignatureIr(TypedDict):
    """Parameters without ``self`` or ``cls``, and the result."""

    parameters: list[ParameterIr]
    result: Slot


class MethodIr(TypedDict):
    """A method of a class. ``signature`` is null where Python itself cannot tell it."""

    kind: Literal["method"]
    name: str
    binding: Literal["instance", "class", "static"]
    signature: SignatureIr | None
    doc: str | None


class FunctionIr(TypedDict):
    """A function, or another object that can be called."""

    kind: Literal["function"]
    name: str
    signature: SignatureIr | None
    doc: str | None


class PropertyIr(TypedDict):
    """A property, slot, cached property or annotated field."""

    kind: Literal["property"]
    name: str
    slot: Slot
    doc: str | None


class ClassIr(TypedDict):
    """A class with its own and inherited public members, ``object``'s left out."""

    kind: Literal["class"]
    name: str
    qualifiedName: str
    doc: str | None
    signature: SignatureIr | None
    methods: list[MethodIr]
    properties: list[PropertyIr]


class ConstantIr(TypedDict):
    """A value that is neither called nor a class. Only its type is kept: a value may differ on the next machine."""

    kind: Literal["constant"]
    name: str
    slot: Slot


class SkippedIr(TypedDict):
    """A public name for which nothing is generated, and why. ``name`` is dotted below the module."""

    name: str
    reason: str


class ModuleIr(TypedDict):
    """One module; members and skipped names are sorted by code point."""

    name: str
    doc: str | None
    members: list[FunctionIr | ClassIr | ConstantIr]
    skipped: list[SkippedIr]


class PackageIr(TypedDict):
    """An installed distribution. ``record`` is a hash of what it installed, null where it has no RECORD."""

    name: str
    version: str
    record: str | None


class Ir(TypedDict):
    """The whole answer to one request."""

    irVersion: int
    python: str
    modules: list[ModuleIr]
    packages: list[PackageIr]


class ImportFailure(TypedDict):
    """A module that could not be imported, with the last line of Python's own message."""

    module: str
    error: str
    missing: str | None


UNKNOWN: IrType = {"kind": "unknown"}
NO_SLOT: Slot = {"type": UNKNOWN, "source": "none"}
