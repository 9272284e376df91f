from __future__ import annotations

import enum
import functools
from collections import namedtuple
from typing import Any

from hognose_introspect.classes import describe_class
from hognose_introspect.ir import ClassIr, SkippedIr


class Base:
    size: int
    kind = "base"

    def method(self) -> int:
        """Inherited docs."""
        return 1

    def gone(self) -> None: ...

    def call(self, function: Any) -> None: ...

    partial = functools.partialmethod(call, len)

    @property
    def read_only(self) -> str:
        """A property."""
        return "x"

    @classmethod
    def make(cls, n: int = 1) -> Base:
        return cls()

    @staticmethod
    def help(n: int) -> int:
        return n


class Derived(Base):
    gone = None  # type: ignore[assignment]

    def method(self) -> int:
        return 2

    def _private(self) -> None: ...

    class Inner: ...


class Raising:
    def __get__(self, instance: object, owner: object = None) -> object:
        raise OSError(f"not here: {object()!r}")


class Broken:
    fine = property(lambda self: 1)
    broken = Raising()


def describe(cls: type) -> tuple[ClassIr, list[SkippedIr]]:
    skipped: list[SkippedIr] = []
    return describe_class(cls.__name__, cls, skipped), skipped


def test_inherited_members_are_there_and_removed_ones_are_not() -> None:
    described, skipped = describe(Derived)
    assert {method["name"]: method["binding"] for method in described["methods"]} == {
        "call": "instance",
        "help": "static",
        "make": "class",
        "method": "instance",
        "partial": "instance",
    }
    assert [each["name"] for each in described["properties"]] == ["read_only", "size"]
    assert {each["name"]: each["reason"] for each in skipped} == {
        "Derived.Inner": "nested class",
        "Derived.gone": "class attribute",
        "Derived.kind": "class attribute",
    }


def test_a_method_without_a_docstring_has_that_of_what_it_overrides() -> None:
    described, _ = describe(Derived)
    docs = {method["name"]: method["doc"] for method in described["methods"]}
    assert docs["method"] == "Inherited docs."
    assert described["doc"] is None


def test_neither_self_nor_cls_is_a_parameter() -> None:
    described, _ = describe(Derived)
    parameters = {
        method["name"]: [each["name"] for each in method["signature"]["parameters"]]
        for method in described["methods"]
        if method["signature"]
    }
    assert parameters == {"call": ["function"], "help": ["n"], "make": ["n"], "method": [], "partial": []}


def test_a_member_that_raises_is_recorded_without_an_address() -> None:
    described, skipped = describe(Broken)
    assert [each["name"] for each in described["properties"]] == ["fine"]
    assert skipped == [{"name": "Broken.broken", "reason": "OSError: not here: <object object>"}]


def test_an_enum_has_the_properties_of_its_members() -> None:
    class Color(enum.Enum):
        RED = 1

    described, skipped = describe(Color)
    assert [each["name"] for each in described["properties"]] == ["name", "value"]
    assert skipped == [{"name": "Color.RED", "reason": "class attribute"}]


def test_classes_in_c_and_their_descriptors_are_described() -> None:
    described, _ = describe(namedtuple("Pair", ["left", "right"]))
    assert [each["name"] for each in described["properties"]] == ["left", "right"]
    exception, _ = describe(KeyError)
    assert "args" in [each["name"] for each in exception["properties"]]
    assert "with_traceback" in [each["name"] for each in exception["methods"]]
