"""The rules of single types: plain forms, short reprs, codecs, packed lists, foreign types."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import enum
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from hognose.codec import Codec
from hognose.errors import DecodeError, EncodeError
from hognose.gen.messages import RESULT_MODE_VALUE
from hognose.handles import HandleTable
from hognose.values import register_codec
from hognose.values.extensions import EXT_CODEC, EXT_FLOATS, EXT_HANDLE, EXT_INTEGERS, EXT_RECORDS
from hognose.values.packed import records
from hognose.values.short_repr import ReprCost, short_repr


def nowhere(target: str) -> object:
    raise DecodeError(target)


@pytest.fixture
def codec() -> Codec:
    return Codec(HandleTable(), nowhere)


def extension(encoded: bytes) -> msgpack.ExtType:
    value = msgpack.unpackb(encoded)
    assert isinstance(value, msgpack.ExtType)
    return value


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Size(enum.IntEnum):
    SMALL = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Unit(str, enum.Enum):
    METRE = "m"


Pair = collections.namedtuple("Pair", "left right")


@dataclasses.dataclass
class Point:
    x: int
    parts: list[Any]


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "not the text"


class Number(int):
    def __int__(self) -> int:
        return -1


class Table(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        return ()


class Rows(list):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        return iter(())


PLAIN_FORMS: list[tuple[object, object]] = [
    (Colour.RED, "red"),
    (Colour.PAIR, (1, 2)),
    (Size.SMALL, 1),
    (Access.READ | Access.WRITE, 3),
    (Unit.METRE, "m"),
    (Pair(1, [2]), (1, [2])),
    (Point(1, [Pair(2, Size.SMALL)]), {"x": 1, "parts": [(2, 1)]}),
    (collections.Counter("aab"), {"a": 2, "b": 1}),
    (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (collections.defaultdict(int, a=1), {"a": 1}),
    (Text("text"), "text"),
    (Number(7), 7),
    (type("Ratio", (float,), {})(1.5), 1.5),
    (type("Data", (bytes,), {})(b"x"), b"x"),
    (Table(a=1), {"a": 1}),
    (Rows([1, 2]), [1, 2]),
    (type("Group", (set,), {})({1}), {1}),
    (type("Fixed", (frozenset,), {})({1}), frozenset({1})),
    (np.str_("x"), "x"),
    (sys.hash_info, tuple(sys.hash_info)),
]


@pytest.mark.parametrize(("value", "plain"), PLAIN_FORMS, ids=lambda item: type(item).__name__)
def test_s19_what_has_a_plain_form_travels_in_it_when_it_is_asked_for(
    codec: Codec, value: object, plain: object
) -> None:
    for wrap in (lambda item: item, lambda item: [item], lambda item: {"k": (item,)}):
        back = codec.decode(codec.encode(wrap(value), RESULT_MODE_VALUE))
        assert repr(back) == repr(wrap(plain))


@pytest.mark.parametrize("value", [value for value, _ in PLAIN_FORMS], ids=lambda item: type(item).__name__)
def test_s19_and_stays_here_with_its_type_otherwise(codec: Codec, value: object) -> None:
    handle = extension(codec.encode(value))
    assert handle.code == EXT_HANDLE
    assert msgpack.unpackb(handle.data)[1] == f"{type(value).__module__}.{type(value).__qualname__}"


@pytest.mark.parametrize(
    "value",
    [object(), re.compile("x"), iter([]), range(3), Point, np.zeros(1, object), collections.deque([1])],
    ids=lambda item: type(item).__name__,
)
def test_what_has_no_plain_form_is_refused_when_it_is_asked_for(codec: Codec, value: object) -> None:
    with pytest.raises(EncodeError, match="cannot travel as plain data: ask for a handle instead"):
        codec.encode([Point(1, [value])], RESULT_MODE_VALUE)


class TestShortRepr:
    def test_is_one_short_line(self) -> None:
        class Verbose:
            def __repr__(self) -> str:
                return "a\n  b" + "x" * 1000

        text = short_repr(Verbose(), ReprCost())
        assert text is not None
        assert text.startswith("a b")
        assert len(text) == 200

    @pytest.mark.parametrize(
        "value", ["x" * 10**7, b"x" * 10**7, bytearray(10**7), list(range(10**6)), {1: [2] * 10**6}]
    )
    def test_cuts_large_values_before_their_text_is_made(self, value: object) -> None:
        cost = ReprCost()
        text = short_repr(value, cost)
        assert text is not None
        assert len(text) <= 200
        assert cost.total_ns < 50_000_000  # the whole texts take ten times as long

    def test_never_fails(self) -> None:
        class Failing:
            def __repr__(self) -> str:
                raise RuntimeError("no")

        class Wrong:
            def __repr__(self) -> Any:
                return 7

        assert short_repr(Failing(), ReprCost()) is None
        assert short_repr(Wrong(), ReprCost()) is None

    def test_is_given_up_for_a_class_whose_reprs_take_long(self) -> None:
        class Slow:
            asked = 0

            def __repr__(self) -> str:
                Slow.asked += 1
                return "slow"

        cost = ReprCost()
        assert short_repr(Slow(), cost) == "slow"
        cost.total_ns += 10**9
        assert short_repr(Slow(), cost) is None
        assert Slow.asked == 1

    def test_lets_through_what_ends_a_call(self) -> None:
        class Ending:
            def __repr__(self) -> str:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            short_repr(Ending(), ReprCost())


class TestRegisteredCodecs:
    def test_travel_under_their_name(self, codec: Codec) -> None:
        class Vector:
            def __init__(self, x: float, y: float) -> None:
                self.x, self.y = x, y

        register_codec(
            "test.Vector", Vector, lambda value: (value.x, [value.y]), lambda pair: Vector(pair[0], *pair[1])
        )
        written = extension(codec.encode(Vector(1.5, 2.5)))
        assert written.code == EXT_CODEC
        back = codec.decode(codec.encode({"v": [Vector(1.5, 2.5)]}))["v"][0]
        assert type(back) is Vector
        assert (back.x, back.y) == (1.5, 2.5)
        derived = type("Derived", (Vector,), {})(1, 2)
        assert extension(codec.encode(derived)).code == EXT_HANDLE

    def test_that_fail_fail_the_value_loudly(self, codec: Codec) -> None:
        class Broken:
            pass

        def fail(_: object) -> Any:
            raise RuntimeError("no way")

        register_codec("test.Broken", Broken, fail, fail)
        with pytest.raises(EncodeError, match=r"the codec 'test\.Broken' failed for a .*Broken: RuntimeError: no way"):
            codec.encode([Broken()])
        payload = msgpack.packb([["test.Broken", 1]][0])
        value, is_broken = codec.decode_frame(msgpack.packb(msgpack.ExtType(EXT_CODEC, payload)))
        assert is_broken
        assert "the codec 'test.Broken' failed: RuntimeError: no way" in value.reason

    def test_that_never_end_are_a_handle(self, codec: Codec) -> None:
        class Endless:
            pass

        register_codec("test.Endless", Endless, lambda value: [value], lambda _: Endless())
        assert extension(codec.encode(Endless())).code == EXT_HANDLE

    def test_are_registered_once(self) -> None:
        class One:
            pass

        class Two:
            pass

        def same(value: Any) -> Any:
            return value

        register_codec("test.One", One, same, same)
        register_codec("test.One", One, same, same)
        with pytest.raises(ValueError, match=r"the codec 'test\.One' is registered for .*One"):
            register_codec("test.One", Two, same, same)
        with pytest.raises(ValueError, match=r"choose another name than 'test\.Other'"):
            register_codec("test.Other", One, same, same)
        for kind in (int, dict, object, 7):
            with pytest.raises(TypeError, match="a codec is for a class of your own"):
                register_codec("test.Wrong", kind, same, same)  # type: ignore[arg-type]


class TestPackedLists:
    def test_are_lists_like_any_other(self, codec: Codec) -> None:
        integers = [0, -1, 2**63 - 1, -(2**63)]
        floats = [0.0, -0.0, float("inf"), 5e-324]
        packed = [
            msgpack.ExtType(EXT_INTEGERS, struct.pack("<4q", *integers)),
            msgpack.ExtType(EXT_FLOATS, struct.pack("<4d", *floats)),
        ]
        assert repr(codec.decode(msgpack.packb(packed))) == repr([integers, floats])

    @pytest.mark.parametrize("count", [1, 8, 31, 32, 500])
    @pytest.mark.parametrize(
        "keys", [["a"], ["a", "b c", "'\"\\\n", "\ud800", "__proto__", "zip"], [str(i) for i in range(70)]]
    )
    def test_of_records_are_dicts_of_their_own(self, count: int, keys: list[str]) -> None:
        columns: list[list[Any]] = [[f"{key} {row}" for row in range(count)] for key in keys]
        made = records(keys, columns)
        assert made == [{key: f"{key} {row}" for key in keys} for row in range(count)]
        assert all(list(row) == keys for row in made)
        made[0]["new"] = 1
        assert count == 1 or "new" not in made[1]

    def test_of_records_hold_any_value(self, codec: Codec) -> None:
        columns = [msgpack.ExtType(EXT_INTEGERS, struct.pack("<2q", 1, 2)), [None, msgpack.ExtType(1, b"\x91\x07")]]
        payload = msgpack.packb([["n", "v"], *columns])
        assert codec.decode(msgpack.packb(msgpack.ExtType(EXT_RECORDS, payload))) == [
            {"n": 1, "v": None},
            {"n": 2, "v": (7,)},
        ]


class TestForeignTypes:
    @pytest.mark.parametrize("inner", [msgpack.ExtType(EXT_HANDLE, b"\x92\x01\xa1x"), msgpack.Timestamp(1, 2)])
    @pytest.mark.parametrize(
        "hold",
        [
            lambda item: item,
            lambda item: [1, [item]],
            lambda item: {"a": {"b": item}},
            lambda item: {item: 1},
            lambda item: (1, [(item,)]),
            lambda item: {item},
        ],
    )
    def test_of_msgpack_stay_here_like_any_object(self, inner: object, hold: Callable[[object], object]) -> None:
        table = HandleTable()
        codec = Codec(table, nowhere)
        value = hold(inner)
        assert codec.decode(codec.encode(value)) == value
        assert len(table) == 1
        with pytest.raises(EncodeError):
            codec.encode(value, RESULT_MODE_VALUE)

    def test_elsewhere_change_nothing(self, codec: Codec) -> None:
        elsewhere = [msgpack.ExtType(5, b"x") for _ in range(3)]
        value: list[object] = [1, {"a": (2, [3])}]
        assert codec.decode(codec.encode(value)) == value
        assert len(elsewhere) == 3

    def test_are_looked_for_only_where_there_can_be_any(self) -> None:
        """A reference that a module of the worker took later would have every value looked at."""
        source = (
            "import hognose.codec, hognose.worker, hognose.values.foreign as foreign; "
            "assert not foreign.may_hold_extensions(); import msgpack; kept = msgpack.ExtType(1, b''); "
            "assert foreign.may_hold_extensions()"
        )
        root = Path(__file__).parents[1]
        subprocess.run([sys.executable, "-c", source], check=True, cwd=root, timeout=60)


def test_unhashable_classes_travel_like_any_other(codec: Codec) -> None:
    class Meta(type):
        __hash__ = None  # type: ignore[assignment]

        def __eq__(cls, other: object) -> bool:
            return False

    class Odd(metaclass=Meta):
        pass

    assert extension(codec.encode(Odd())).code == EXT_HANDLE
    assert extension(codec.encode(Odd())).code == EXT_HANDLE


def test_a_value_that_changes_while_it_is_written_harms_no_later_one(codec: Codec) -> None:
    value: list[object] = []

    class Changing:
        def __repr__(self) -> str:
            value.append(1)
            return "changing"

    value.extend([Changing(), 2])
    with contextlib.suppress(EncodeError, RuntimeError):
        codec.encode(value)
    assert codec.decode(codec.encode([1, 2])) == [1, 2]


def test_a_codec_within_a_codec_on_the_same_thread(codec: Codec) -> None:
    class Outer:
        pass

    register_codec("test.Outer", Outer, lambda _: codec.encode((1, (2,))), codec.decode)
    assert codec.decode(codec.encode([Outer(), (3,)])) == [(1, (2,)), (3,)]
