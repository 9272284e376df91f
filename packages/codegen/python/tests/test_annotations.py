# ruff: noqa: UP006, UP007, UP045 -- the old spellings are what is tested
from __future__ import annotations

import collections.abc
import datetime
import decimal
import enum
import inspect
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NewType, Optional, Protocol, TypedDict, TypeVar, Union

import numpy as np
import numpy.typing as npt
import pytest
from typing_extensions import TypeAliasType

from hognose_introspect.annotations import describe_annotation, describe_value

INT = {"kind": "int"}
STR = {"kind": "str"}
NONE = {"kind": "none"}
UNKNOWN = {"kind": "unknown"}
T = TypeVar("T")
UserId = NewType("UserId", int)


Ints = TypeAliasType("Ints", list[int])
ListOf = TypeAliasType("ListOf", list[T], type_params=(T,))


class Plain: ...


class Color(enum.Enum):
    RED = 1


class Options(TypedDict):
    depth: int


class Closes(Protocol):
    def close(self) -> None: ...


@dataclass
class Point:
    x: int


class Own(dict[str, int]): ...


def union(*arms: object) -> dict[str, object]:
    return {"kind": "union", "arms": list(arms)}


def described(annotation: object, **names: object) -> object:
    return describe_annotation(annotation, names or globals())["type"]


CASES: list[tuple[object, object]] = [
    (None, NONE),
    (bool, {"kind": "bool"}),
    (int, INT),
    (float, {"kind": "float"}),
    (complex, {"kind": "complex"}),
    (str, STR),
    (bytes, {"kind": "bytes"}),
    (bytearray, {"kind": "bytes"}),
    (Any, {"kind": "any"}),
    (object, {"kind": "any"}),
    (list, {"kind": "list", "item": UNKNOWN}),
    (list[int], {"kind": "list", "item": INT}),
    (typing.List[int], {"kind": "list", "item": INT}),
    (typing.List, {"kind": "list", "item": UNKNOWN}),
    (collections.abc.Sequence[str], {"kind": "sequence", "item": STR}),
    (collections.abc.Iterable[str], {"kind": "iterable", "item": STR}),
    (collections.abc.Collection[str], {"kind": "collection", "item": STR}),
    (frozenset[int], {"kind": "set", "item": INT}),
    (dict[str, int], {"kind": "dict", "key": STR, "value": INT}),
    (dict, {"kind": "dict", "key": UNKNOWN, "value": UNKNOWN}),
    (collections.abc.Mapping[str, Any], {"kind": "mapping", "key": STR, "value": {"kind": "any"}}),
    (tuple, {"kind": "tuple", "item": UNKNOWN}),
    (tuple[int, ...], {"kind": "tuple", "item": INT}),
    (tuple[int, str], {"kind": "tuple", "items": [INT, STR]}),
    (tuple[()], {"kind": "tuple", "items": []}),
    (Optional[int], union(INT, NONE)),
    (int | None, union(INT, NONE)),
    (Union[int, str, None], union(INT, STR, NONE)),
    (Union[int, T], UNKNOWN),
    (Union[int, Any], {"kind": "any"}),
    (Literal["a", 1, None, True], {"kind": "literal", "values": ["a", 1, None, True]}),
    (Literal[b"x"], {"kind": "bytes"}),
    (Literal["a", 2**70], union({"kind": "literal", "values": ["a"]}, INT)),
    (collections.abc.Callable[[int], str], {"kind": "callable", "parameters": [INT], "result": STR}),
    (collections.abc.Callable[..., int], {"kind": "callable", "parameters": None, "result": INT}),
    (typing.Callable, {"kind": "callable", "parameters": None, "result": UNKNOWN}),
    (Annotated[int, "positive"], INT),
    (UserId, INT),
    (Ints, {"kind": "list", "item": INT}),
    (ListOf[str], {"kind": "list", "item": STR}),
    (T, UNKNOWN),
    (type[int], UNKNOWN),
    (collections.abc.Awaitable[int], INT),
    (collections.abc.Coroutine[Any, Any, int], INT),
    (collections.abc.Iterator[int], UNKNOWN),
    (Options, {"kind": "dict", "key": STR, "value": {"kind": "any"}}),
    (Closes, UNKNOWN),
    (collections.abc.Hashable, UNKNOWN),
    (Plain, {"kind": "handle", "name": f"{__name__}.Plain"}),
    (Point, {"kind": "handle", "name": f"{__name__}.Point"}),
    (Color, {"kind": "value", "name": f"{__name__}.Color"}),
    (Own, {"kind": "value", "name": f"{__name__}.Own"}),
    (decimal.Decimal, {"kind": "value", "name": "decimal.Decimal"}),
    (datetime.datetime, {"kind": "value", "name": "datetime.datetime"}),
    (np.float64, {"kind": "value", "name": "numpy.float64"}),
    (np.ndarray, {"kind": "ndarray"}),
    (npt.NDArray[np.float64], {"kind": "ndarray", "dtype": "float64"}),
    (npt.NDArray[np.number], {"kind": "ndarray"}),
    (npt.NDArray[Any], {"kind": "ndarray"}),
    (3, UNKNOWN),
    ("not python", UNKNOWN),
    ("int", INT),
    ("'int'", INT),
    ("Optional[int]", union(INT, NONE)),
    ("Plain | None", union({"kind": "handle", "name": f"{__name__}.Plain"}, NONE)),
    (list["int"], {"kind": "list", "item": INT}),
]


@pytest.mark.parametrize(("annotation", "expected"), CASES, ids=lambda value: str(value)[:60])
def test_each_annotation_has_its_type(annotation: object, expected: object) -> None:
    assert described(annotation) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Missing", UNKNOWN),
        ("list[Missing]", {"kind": "list", "item": UNKNOWN}),
        ("dict[str, Missing]", {"kind": "dict", "key": STR, "value": UNKNOWN}),
        ("Missing | None", UNKNOWN),
        ("missing.Type[int]", UNKNOWN),
        ("tuple[int, Missing]", {"kind": "tuple", "items": [INT, UNKNOWN]}),
        ("tuple[Missing, ...]", {"kind": "tuple", "item": UNKNOWN}),
        ("Callable[[Missing], int]", {"kind": "callable", "parameters": [UNKNOWN], "result": INT}),
        ("Optional[list[Missing]]", union({"kind": "list", "item": UNKNOWN}, NONE)),
        ("Sequence[int]", {"kind": "sequence", "item": INT}),
        ("1 / 0", UNKNOWN),
        ("[" * 200, UNKNOWN),
    ],
)
def test_text_with_names_for_type_checkers_only_keeps_what_is_known(text: str, expected: object) -> None:
    assert described(text, Plain=Plain) == expected


def test_a_slot_says_where_its_type_came_from() -> None:
    assert describe_annotation(int, {})["source"] == "runtime"
    assert describe_annotation(inspect.Parameter.empty, {}) == {"type": UNKNOWN, "source": "none"}
    assert describe_annotation("Missing", {})["source"] == "none"


def test_self_is_known_from_either_module() -> None:
    own_self = getattr(typing, "Self", None)
    if own_self is None:
        own_self = pytest.importorskip("typing_extensions").Self
    assert described(own_self) == {"kind": "self"}


def test_an_endless_alias_ends() -> None:
    names: dict[str, object] = {}
    names["Json"] = typing.Union[int, typing.ForwardRef("list[Json]")]
    assert describe_annotation("Json", names)["type"]["kind"] == "union"


def test_a_union_of_very_many_says_nothing() -> None:
    assert described(Literal["a"] | Union[tuple(list[Literal[n]] for n in range(13))]) == UNKNOWN


@pytest.mark.parametrize(("value", "kind"), [(None, "none"), (True, "bool"), (1, "int"), (1.5, "float"), ("x", "str")])
def test_a_constant_of_plain_type_is_typed(value: object, kind: str) -> None:
    assert describe_value(value) == {"type": {"kind": kind}, "source": "runtime"}


@pytest.mark.parametrize("value", [np.float64(1), Color.RED, b"x", [1], {}, Plain()])
def test_a_constant_of_another_type_is_not(value: object) -> None:
    assert describe_value(value)["source"] == "none"
