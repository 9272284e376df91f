"""Turns annotations, evaluated or still text, into the IR's small algebra of types."""

from __future__ import annotations

import ast
import builtins
import collections.abc
import contextlib
import datetime
import decimal
import enum
import fractions
import inspect
import sys
import types
import typing
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from .ir import NO_SLOT, UNKNOWN, IrType, LiteralValue, Slot

# A union of more arms than this says nothing to a reader.
MAX_ARMS = 12
# Recursive aliases end here.
MAX_DEPTH = 12

_SIMPLE: dict[Any, str] = {
    None: "none",
    type(None): "none",
    bool: "bool",
    int: "int",
    float: "float",
    complex: "complex",
    str: "str",
    bytes: "bytes",
    bytearray: "bytes",
    memoryview: "bytes",
    object: "any",
    Any: "any",
}

_ONE_ITEM: dict[Any, str] = {
    list: "list",
    collections.abc.Sequence: "sequence",
    collections.abc.MutableSequence: "sequence",
    collections.abc.Iterable: "iterable",
    collections.abc.Collection: "collection",
    collections.abc.Container: "collection",
    collections.abc.Reversible: "collection",
    set: "set",
    frozenset: "set",
    collections.abc.Set: "set",
    collections.abc.MutableSet: "set",
}

_KEY_AND_VALUE: dict[Any, str] = {
    dict: "dict",
    collections.abc.Mapping: "mapping",
    collections.abc.MutableMapping: "mapping",
}

# What they wrap is what a reader needs: (origin, index of the argument).
_TRANSPARENT: dict[Any, int] = {
    typing.Annotated: 0,
    typing.ClassVar: 0,
    typing.Final: 0,
    collections.abc.Awaitable: 0,
    collections.abc.Coroutine: 2,
}

# Instances travel by value under rules of their own, so that they are neither handles nor plain data.
_BY_VALUE: tuple[type, ...] = (
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    bytearray,
    list,
    tuple,
    dict,
    set,
    frozenset,
    enum.Enum,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
)


def describe_annotation(annotation: object, namespace: Mapping[str, object]) -> Slot:
    """Describes one annotation.

    Args:
        annotation: What stands in the signature; ``inspect.Parameter.empty`` for nothing.
        namespace: The names that text in annotations may use.

    Returns:
        The slot. An annotation that cannot be understood is unknown, with source ``none``.
    """
    if annotation is inspect.Parameter.empty:
        return NO_SLOT
    described = _describe(annotation, namespace, 0)
    return NO_SLOT if described["kind"] == "unknown" else {"type": described, "source": "runtime"}


def describe_value(value: object) -> Slot:
    """The type of a constant: only of the plain scalars, whose exact type says how they travel."""
    kind = _SIMPLE.get(type(value)) if type(value) in (type(None), bool, int, float, str) else None
    return {"type": {"kind": kind}, "source": "runtime"} if kind else NO_SLOT


def _describe(annotation: Any, namespace: Mapping[str, object], depth: int) -> IrType:
    if depth > MAX_DEPTH:
        return UNKNOWN

    def inner(argument: Any) -> IrType:
        return _describe(argument, namespace, depth + 1)

    if isinstance(annotation, str):
        return _describe_text(annotation, namespace, depth + 1)
    if isinstance(annotation, typing.ForwardRef):
        return _describe_text(annotation.__forward_arg__, namespace, depth + 1)
    try:
        simple = _SIMPLE.get(annotation)
    except TypeError:
        simple = None
    if simple is not None:
        return {"kind": simple}
    if _is_special(annotation, "Self"):
        return {"kind": "self"}
    if isinstance(annotation, typing.NewType):
        return inner(annotation.__supertype__)
    origin: Any = typing.get_origin(annotation)
    if type(annotation).__name__ == "TypeAliasType":
        return inner(annotation.__value__)
    if origin is None:
        return _describe_class(annotation)
    arguments = typing.get_args(annotation)
    if type(origin).__name__ == "TypeAliasType":
        try:
            return inner(origin.__value__[arguments])
        except TypeError:
            return UNKNOWN
    if origin in _TRANSPARENT and len(arguments) > _TRANSPARENT[origin]:
        return inner(arguments[_TRANSPARENT[origin]])
    if origin is typing.Literal:
        return _literal(arguments)
    if origin is collections.abc.Callable:
        parameters = arguments[0] if arguments else ...
        return {
            "kind": "callable",
            "parameters": [inner(each) for each in parameters] if isinstance(parameters, list) else None,
            "result": inner(arguments[-1]) if arguments else UNKNOWN,
        }
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is ...:
            return {"kind": "tuple", "item": inner(arguments[0])}
        # Before 3.11 an empty tuple is spelt with one empty argument.
        return {"kind": "tuple", "items": [inner(each) for each in arguments if each != ()]}
    if _qualified_name(origin) == "numpy.ndarray":
        return _ndarray(arguments)
    return _build(origin, [inner(argument) for argument in arguments])


def _build(origin: Any, arguments: list[IrType]) -> IrType:
    """A generic whose arguments are described already."""
    if origin in (typing.Union, types.UnionType):
        return _union(arguments)
    if origin is typing.Optional:
        return _union([*arguments, {"kind": "none"}])
    if origin in _ONE_ITEM:
        return {"kind": _ONE_ITEM[origin], "item": arguments[0] if arguments else UNKNOWN}
    if origin in _KEY_AND_VALUE:
        key, value = arguments if len(arguments) == 2 else (UNKNOWN, UNKNOWN)
        return {"kind": _KEY_AND_VALUE[origin], "key": key, "value": value}
    if origin is tuple:
        return {"kind": "tuple", "items": arguments}
    return _describe_class(origin)


def _describe_class(annotation: Any) -> IrType:
    """A class without arguments; anything else that is not understood is unknown."""
    if not isinstance(annotation, type):
        # `typing.List` and its like, bare.
        origin = getattr(annotation, "__origin__", None)
        return _build(origin, []) if isinstance(origin, type) and origin is not annotation else UNKNOWN
    if annotation in _ONE_ITEM or annotation in _KEY_AND_VALUE:
        return _build(annotation, [])
    if annotation is tuple:
        return {"kind": "tuple", "item": UNKNOWN}
    if annotation is collections.abc.Callable:
        return {"kind": "callable", "parameters": None, "result": UNKNOWN}
    name = _qualified_name(annotation)
    if name == "numpy.ndarray":
        return {"kind": "ndarray"}
    if typing.is_typeddict(annotation):
        return {"kind": "dict", "key": {"kind": "str"}, "value": {"kind": "any"}}
    # A protocol or an abstract base describes what an argument can do, not what it is.
    if getattr(annotation, "_is_protocol", False) or name.startswith(("typing.", "collections.abc.")):
        return UNKNOWN
    if issubclass(dict, annotation) or annotation is type:
        return UNKNOWN
    by_value = issubclass(annotation, _BY_VALUE) or any(
        _qualified_name(base) == "numpy.generic" for base in annotation.__mro__
    )
    return {"kind": "value" if by_value else "handle", "name": name}


def _describe_text(text: str, namespace: Mapping[str, object], depth: int) -> IrType:
    """An annotation that is still text: evaluated where that works, else read piece by piece."""
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return UNKNOWN
    return _describe_node(node, namespace, depth)


def _describe_node(node: ast.expr, namespace: Mapping[str, object], depth: int) -> IrType:
    if depth > MAX_DEPTH:
        return UNKNOWN
    evaluated, value = _evaluate(node, namespace)
    if evaluated:
        return _describe(value, namespace, depth + 1)

    def inner(child: ast.expr) -> IrType:
        return _describe_node(child, namespace, depth + 1)

    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union([inner(node.left), inner(node.right)])
    if isinstance(node, ast.Subscript):
        evaluated, head = _evaluate(node.value, namespace)
        if not evaluated:
            return UNKNOWN
        children = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        origin: Any = head if head is typing.Optional else (typing.get_origin(head) or head)
        if origin is collections.abc.Callable:
            parameters = children[0]
            return {
                "kind": "callable",
                "parameters": [inner(each) for each in parameters.elts] if isinstance(parameters, ast.List) else None,
                "result": inner(children[-1]),
            }
        if origin is tuple and len(children) == 2 and isinstance(children[1], ast.Constant):
            return {"kind": "tuple", "item": inner(children[0])}
        if origin in _TRANSPARENT and len(children) > _TRANSPARENT[origin]:
            return inner(children[_TRANSPARENT[origin]])
        return _build(origin, [inner(child) for child in children])
    return UNKNOWN


def _evaluate(node: ast.expr, namespace: Mapping[str, object]) -> tuple[bool, Any]:
    """The value of an expression; names imported for type checkers only are looked up in ``typing``."""
    names = _Names((namespace, vars(builtins), vars(typing)))
    try:
        return True, eval(compile(ast.Expression(node), "<annotation>", "eval"), {"__builtins__": {}}, names)
    except Exception:
        return False, None


class _Names(dict[str, object]):
    """Looks a name up in one mapping after the other, without a copy of any."""

    def __init__(self, mappings: tuple[Mapping[str, object], ...]) -> None:
        super().__init__()
        self._mappings = mappings

    def __missing__(self, name: str) -> object:
        for mapping in self._mappings:
            if name in mapping:
                return mapping[name]
        raise KeyError(name)


def _union(arms: list[IrType]) -> IrType:
    """A union without nesting and repetition, in source order; one unknown arm makes all of it unknown."""
    flat: list[IrType] = []
    for arm in arms:
        for each in arm["arms"] if arm["kind"] == "union" else [arm]:
            if each not in flat:
                flat.append(each)
    for whole in ("unknown", "any"):
        if any(arm["kind"] == whole for arm in flat):
            return {"kind": whole}
    if len(flat) > MAX_ARMS:
        return UNKNOWN
    return flat[0] if len(flat) == 1 else {"kind": "union", "arms": flat}


def _literal(values: tuple[Any, ...]) -> IrType:
    plain: list[LiteralValue] = []
    others: list[IrType] = []
    for value in values:
        if value is None or type(value) in (str, bool) or (type(value) is int and abs(value) < 2**53):
            plain.append(value)
        else:
            others.append(_SIMPLE_OF_VALUE.get(type(value)) or _describe_class(type(value)))
    literal: list[IrType] = [{"kind": "literal", "values": plain}] if plain else []
    return _union([*literal, *others]) if literal or others else UNKNOWN


_SIMPLE_OF_VALUE: dict[type, IrType] = {int: {"kind": "int"}, bytes: {"kind": "bytes"}}


def _ndarray(arguments: tuple[Any, ...]) -> IrType:
    """``numpy.ndarray[shape, numpy.dtype[numpy.float64]]``."""
    scalars = typing.get_args(arguments[1]) if len(arguments) == 2 else ()
    scalar = scalars[0] if scalars else None
    # An abstract scalar type, such as `numpy.number`, has no dtype of its own.
    is_concrete = isinstance(scalar, type) and scalar.__module__ == "numpy" and not scalar.__subclasses__()
    return {"kind": "ndarray", "dtype": scalar.__name__} if is_concrete and scalar is not None else {"kind": "ndarray"}


def _is_special(annotation: object, name: str) -> bool:
    return annotation in _specials(name)


def _specials(name: str) -> list[object]:
    modules = (sys.modules.get("typing"), sys.modules.get("typing_extensions"))
    return [getattr(module, name) for module in modules if hasattr(module, name)]


def _qualified_name(value: Any) -> str:
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"


def namespace_of(function: object) -> dict[str, object]:
    """The names that the text of a function's annotations may use."""
    unwrapped: Callable[..., object] | object = function
    with contextlib.suppress(ValueError, TypeError):
        unwrapped = inspect.unwrap(function)  # type: ignore[arg-type]
    namespace = getattr(unwrapped, "__globals__", None)
    return namespace if isinstance(namespace, dict) else {}
