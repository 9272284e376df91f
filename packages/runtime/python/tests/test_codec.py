from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import fractions
import importlib
import math
import random
import threading
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any

import ml_dtypes
import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hognose.codec import Codec, find_undecodable
from hognose.codec import Undecodable as UndecodableValue
from hognose.errors import DecodeError, EncodeError
from hognose.gen.messages import RESULT_MODE_HANDLE, RESULT_MODE_NONE, RESULT_MODE_VALUE
from hognose.handles import HandleTable
from hognose.values.arrays import DTYPES
from hognose.values.extensions import (
    EXT_FUNCTION,
    EXT_HANDLE,
    EXT_HOST_ERROR,
    EXT_ITERABLE,
    EXT_REFERENCE,
    EXT_SET,
    EXT_SOURCE,
    EXT_TUPLE,
    MAX_EXTENSION_DEPTH,
)


def resolve(target: str) -> object:
    """The attribute of a module."""
    module, _, name = target.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.fixture
def codec() -> Codec:
    return Codec(HandleTable(), resolve)


def round_trip(value: object) -> Any:
    codec = Codec(HandleTable(), resolve)
    return codec.decode(codec.encode(value))


def read(codec: Codec, code: int, payload: object) -> Any:
    """What an extension with this payload becomes."""
    return codec.decode(msgpack.packb(msgpack.ExtType(code, msgpack.packb(payload))))


def handle_of(encoded: bytes) -> list[Any]:
    """The payload of a value that is a handle as a whole."""
    value = msgpack.unpackb(encoded, strict_map_key=False)
    assert isinstance(value, msgpack.ExtType)
    assert value.code == EXT_HANDLE
    payload: list[Any] = msgpack.unpackb(value.data)
    return payload


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.binary()
    | st.text(st.characters(exclude_categories=()))
)
ZONES = st.sampled_from(
    [
        None,
        dt.timezone.utc,
        dt.timezone(dt.timedelta(minutes=-90), "odd"),
        *map(zoneinfo.ZoneInfo, ("Europe/Berlin", "America/New_York", "Asia/Kathmandu")),
    ]
)
SPECIAL = (
    st.datetimes(timezones=ZONES)
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.uuids()
    | st.complex_numbers(allow_nan=False)
)
KEYS = (
    st.integers()
    | st.text()
    | st.booleans()
    | st.none()
    | st.binary()
    | st.tuples(st.integers(), st.text())
    | st.frozensets(st.integers())
    | SPECIAL
)
VALUES = st.recursive(
    SCALARS | SPECIAL,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(KEYS, inner)
        | st.sets(KEYS)
        | st.frozensets(KEYS)
        | st.lists(st.floats(allow_nan=False), min_size=8, max_size=20)
        | st.lists(st.fixed_dictionaries({"a": inner, "b": st.integers()}), min_size=8, max_size=10)
    ),
    max_leaves=30,
)


def same(left: Any, right: Any) -> bool:
    """Equal, of the same types throughout, and with the same signs of zero."""
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        pairs = zip(left.items(), right.items(), strict=True) if len(left) == len(right) else None
        return pairs is not None and all(same(a, c) and same(b, d) for (a, b), (c, d) in pairs)
    if isinstance(left, (set, frozenset)):
        return left == right and sorted(type(item).__name__ for item in left) == sorted(
            type(item).__name__ for item in right
        )
    if isinstance(left, (dt.datetime, dt.time)):
        return repr(left) == repr(right)  # fold and zone included
    if isinstance(left, decimal.Decimal):
        return str(left) == str(right)
    if isinstance(left, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    return bool(left == right)


@given(VALUES)
@settings(max_examples=300, deadline=None)
def test_plain_values_survive_a_round_trip(value: object) -> None:
    assert same(round_trip(value), value)


@given(st.binary(max_size=60))
@settings(max_examples=500, deadline=None)
def test_bytes_of_any_kind_are_a_value_or_a_value_error(data: bytes) -> None:
    codec = Codec(HandleTable(), resolve_nothing)
    with contextlib.suppress(ValueError, msgpack.UnpackException):  # what ends the lane
        codec.decode(data)


def resolve_nothing(_target: str) -> object:
    return None


def test_mutated_values_are_a_value_or_a_value_error() -> None:
    codec = Codec(HandleTable(), resolve_nothing)
    packed = [
        msgpack.ExtType(17, bytes(range(16))),
        msgpack.ExtType(18, bytes(range(16))),
        msgpack.ExtType(19, msgpack.packb([["a", "b"], [1, 2], msgpack.ExtType(17, bytes(16))])),
        msgpack.ExtType(20, msgpack.packb(["geo.Point", [1]])),
    ]
    sample = codec.encode(
        [
            *[(1, "é", (2.5,)), {1: "a", (1, 2): b"x"}, 2**70, np.arange(3.0), {1, (2,)}, frozenset({3}), 1j],
            *[dt.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")), dt.time(1), dt.date(1, 1, 1)],
            *[dt.timedelta(-1), decimal.Decimal("1.10"), fractions.Fraction(1, 3), uuid.UUID(int=7), "\ud800"],
        ]
    )
    sample = b"\x92" + sample + msgpack.packb(packed)
    generator = random.Random(5)
    for _ in range(5000):
        data = bytearray(sample)
        for _ in range(generator.randint(1, 3)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        with contextlib.suppress(ValueError, msgpack.UnpackException):
            codec.decode(bytes(data))


def test_specials_keep_all_that_they_are() -> None:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    for value in [
        dt.datetime(2024, 10, 27, 2, 30, fold=0, tzinfo=berlin),
        dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=berlin),
        dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-5, microseconds=1), "odd")),
        dt.time(23, 59, 59, 999_999, tzinfo=dt.timezone.utc, fold=1),
        decimal.Decimal("sNaN123"),
        decimal.Decimal("-0E-10"),
        fractions.Fraction(2**100, 3),
        uuid.UUID(int=2**128 - 1),
        complex(-0.0, float("inf")),
        {frozenset({(1, frozenset())})},
        "\ud800 lone, \U0001f600",
        {"\udc80": ["\udc80", ("\ud800",)]},
    ]:
        assert repr(round_trip(value)) == repr(value)
        assert repr(round_trip([value])) == repr([value])
    aware = round_trip(dt.datetime(2024, 6, 1, tzinfo=berlin))
    assert type(aware.tzinfo) is zoneinfo.ZoneInfo
    assert round_trip(dt.datetime(2024, 6, 1, tzinfo=dt.timezone.utc)).tzinfo is dt.timezone.utc


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), -0.0])
def test_floats_keep_their_kind(value: float) -> None:
    assert repr(round_trip(value)) == repr(value)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3)])
def test_arrays_keep_dtype_and_shape(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(math.prod(shape)).reshape(shape).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    back = round_trip(array)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert np.array_equal(back, array)
    assert back.flags.writeable


def test_arrays_in_any_layout_travel_in_c_order() -> None:
    array = np.arange(24, dtype=">i4").reshape(2, 3, 4).transpose(2, 0, 1)[::-1]
    back = round_trip(array)
    assert back.dtype == np.int32
    assert np.array_equal(back, array)


@pytest.mark.parametrize(
    "value",
    [
        np.zeros(2, np.longdouble),
        np.zeros(2, "U3"),
        np.zeros(2, object),
        np.zeros(2, "i4,f8"),
        np.zeros(2, "M8[s]"),
        np.longdouble(1),
        np.datetime64("2024-01-01"),
        np.str_("x"),
        np.ma.zeros(2),
        object(),
        range(3),
        dt.datetime(2024, 1, 1, tzinfo=type("Zone", (dt.tzinfo,), {"utcoffset": lambda *_: dt.timedelta(0)})()),
        dt.time(1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
        type("Stamp", (dt.datetime,), {})(2024, 1, 1),
        type("Money", (decimal.Decimal,), {})("1.10"),
        len,
        int,
        type("Text", (str,), {})("x"),
        type("Number", (int,), {})(1),
        type("Table", (dict,), {})(),
        type("Row", (tuple,), {})(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_plain_data_becomes_a_handle_of_its_class(codec: Codec, value: object) -> None:
    number, name, bases, text = handle_of(codec.encode(value))
    assert number == 1
    assert name == f"{type(value).__module__}.{type(value).__qualname__}"
    assert bases == [f"{base.__module__}.{base.__qualname__}" for base in type(value).__mro__[1:-1]]
    assert text is None or (len(text) <= 200 and "\n" not in text)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.int64(2**62), 2**62),
        (np.uint8(7), 7),
        (np.bool_(True), True),
        (np.float16(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.float64(3), 3.0),
        (np.complex64(1 + 2j), 1 + 2j),
        (np.complex128(1 + 2j), 1 + 2j),
    ],
)
def test_scalars_of_numpy_are_plain(value: object, plain: object) -> None:
    assert same(round_trip([value]), [plain])


def test_only_the_leaves_that_cannot_travel_become_handles(codec: Codec) -> None:
    leaf = object()
    decoded = msgpack.unpackb(codec.encode([{"a": 1, "b": leaf}, leaf]), strict_map_key=False)
    assert decoded[0]["a"] == 1
    assert decoded[0]["b"] == decoded[1]
    assert decoded[1].code == EXT_HANDLE


def test_handles_and_references_are_the_objects_themselves(codec: Codec) -> None:
    table = HandleTable()
    codec = Codec(table, resolve)
    value = object()
    number = table.put(value)
    assert codec.decode(msgpack.packb(msgpack.ExtType(EXT_HANDLE, msgpack.packb([number])))) is value
    assert codec.decode(msgpack.packb(msgpack.ExtType(EXT_REFERENCE, b"math.sqrt"))) is math.sqrt
    assert codec.decode_frame(msgpack.packb([1])) == ([1], False)


@pytest.mark.parametrize(
    ("code", "data", "reason"),
    [
        (EXT_HANDLE, msgpack.packb([99]), "handle 99 is unknown"),
        (EXT_REFERENCE, b"math.nothing", "AttributeError"),
        (EXT_REFERENCE, b"\xff", "UnicodeDecodeError"),
        (77, b"", "extension type 77 is unknown"),
        (4, msgpack.packb(["float128", [1], b"ab"]), "dtype 'float128' cannot be read"),
        (4, msgpack.packb(["int32", [3], b"abcd"]), "cannot reshape"),
        (EXT_TUPLE, b"\xc0", "an array was expected, and there is a NoneType"),
        (EXT_TUPLE, msgpack.packb({}), "an array was expected, and there is a dict"),
        (EXT_SET, msgpack.packb([1, True]), "two elements of a Set are equal in Python"),
        (EXT_SET, msgpack.packb([[1]]), "unhashable type"),
        (8, msgpack.packb([2023, 2, 29, 0, 0, 0, 0, 0, None, None, None]), "day"),
        (8, msgpack.packb([2023, 2, 28, 0, 0, 0, 0, 0, 0, "Nowhere/Here", None]), "No time zone found"),
        (12, b"1.2.3", "InvalidOperation"),
        (13, msgpack.packb([1, 0]), "ZeroDivisionError"),
        (14, b"short", "16"),
        (17, b"1234567", "cannot be read"),
        (19, msgpack.packb([["a", "a"], [1], [2]]), "keys and 2 columns"),
        (19, msgpack.packb([["a", "b"], [1], [2, 3]]), "one length"),
        (19, msgpack.packb([["a", 1], [1], [2]]), "string keys"),
        (19, msgpack.packb([[]]), "0 keys"),
        (20, msgpack.packb(["geo.Nothing", 1]), "the codec 'geo.Nothing' is not registered in this worker"),
        (EXT_FUNCTION, msgpack.packb([1, "f"]), "cannot stand here"),
        (EXT_ITERABLE, msgpack.packb([1, False]), "cannot stand here"),
        (EXT_SOURCE, msgpack.packb([1]), "cannot stand here"),
        (EXT_HOST_ERROR, msgpack.packb([1, "Error", "", ""]), "cannot stand here"),
        (EXT_TUPLE, b"", "cannot be read"),
    ],
)
def test_what_cannot_be_read_stands_in_its_place(codec: Codec, code: int, data: bytes, reason: str) -> None:
    value, is_broken = codec.decode_frame(msgpack.packb([1, msgpack.ExtType(code, data)]))
    assert is_broken
    assert value[0] == 1
    assert isinstance(value[1], UndecodableValue)
    assert reason in value[1].reason
    assert find_undecodable(value) is value[1]


@pytest.mark.parametrize("code", [EXT_TUPLE, EXT_SET, 7, 19, 20])
def test_what_holds_a_value_that_cannot_be_read_cannot_be_read_itself(codec: Codec, code: int) -> None:
    bad = msgpack.ExtType(77, b"")
    payload = {19: [["a"], [bad]], 20: ["name", bad]}.get(code, [1, [bad]])
    value, is_broken = codec.decode_frame(msgpack.packb([msgpack.ExtType(code, msgpack.packb(payload))]))
    assert is_broken
    assert isinstance(value[0], UndecodableValue)
    assert "extension type 77 is unknown" in value[0].reason


def test_a_key_that_cannot_be_hashed_spoils_its_map_alone(codec: Codec) -> None:
    key = msgpack.ExtType(EXT_TUPLE, msgpack.packb([[1]]))
    data = b"\x92\x81" + msgpack.packb(key) + b"\x01\x81\x01\x02"
    (broken, whole), is_broken = codec.decode_frame(data)
    assert is_broken
    assert isinstance(broken, UndecodableValue)
    assert "unhashable type: 'list'" in broken.reason
    assert whole == {1: 2}


class Hooks:
    """Stands for the host, and notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.made: dict[int, object] = {}

    def _make(self, *fields: Any) -> object:
        self.asked.append(fields)
        return self.made.setdefault(fields[1], type("Made", (Exception,), {})())

    def make_function(self, function_id: int, name: str) -> object:
        return self._make("function", function_id, name)

    def make_iterable(self, function_id: int, is_async: bool) -> object:
        return self._make("iterable", function_id, is_async)

    def find_source(self, call_id: int) -> object:
        if call_id == 99:
            raise DecodeError("call 99 is unknown")
        return self._make("source", call_id)

    def make_host_error(self, error_id: int, name: str, message: str, stack: str) -> object:
        return self._make("error", error_id, name, message, stack)

    def function_id(self, value: object) -> int | None:
        return next((number for number, made in self.made.items() if made is value and number < 10), None)

    def host_error_fields(self, value: object) -> tuple[int, str, str, str] | None:
        number = next((number for number, made in self.made.items() if made is value), None)
        return None if number is None else (number, "TypeError", "wrong", "at x")


def test_what_lives_in_the_host_is_made_by_the_hooks_and_goes_back_under_its_number() -> None:
    hooks = Hooks()
    codec = Codec(HandleTable(), resolve, hooks)
    function = read(codec, EXT_FUNCTION, [1, "f"])
    iterable = read(codec, EXT_ITERABLE, [2, True])
    error = read(codec, EXT_HOST_ERROR, [11, "TypeError", "wrong", "at x"])
    read(codec, EXT_SOURCE, [20])
    assert hooks.asked == [
        ("function", 1, "f"),
        ("iterable", 2, True),
        ("error", 11, "TypeError", "wrong", "at x"),
        ("source", 20),
    ]
    written = msgpack.unpackb(codec.encode([function, iterable, error, object()]))
    assert [(item.code, msgpack.unpackb(item.data)) for item in written[:3]] == [
        (EXT_FUNCTION, [1]),
        (EXT_FUNCTION, [2]),
        (EXT_HOST_ERROR, [11, "TypeError", "wrong", "at x"]),
    ]
    assert written[3].code == EXT_HANDLE
    assert codec.decode_frame(msgpack.packb([msgpack.ExtType(EXT_SOURCE, msgpack.packb([99]))]))[1]


def test_nothing_is_made_twice_where_a_value_is_read_again() -> None:
    hooks = Hooks()
    codec = Codec(HandleTable(), resolve, hooks)
    function = msgpack.packb(msgpack.ExtType(EXT_FUNCTION, msgpack.packb([1, "f"])))
    unhashable = msgpack.packb(msgpack.ExtType(EXT_TUPLE, msgpack.packb([[1]])))
    value, is_broken = codec.decode_frame(b"\x93" + function + b"\x81" + unhashable + b"\x01" + function)
    assert is_broken
    assert value[0] is value[2] is hooks.made[1]
    assert len(hooks.asked) == 2


def nested(depth: int, make: Any) -> Any:
    value: Any = make(())
    for _ in range(depth):
        value = make((value,))
    return value


def test_depth_becomes_a_handle_and_never_an_overflow(codec: Codec) -> None:
    assert handle_of(codec.encode(nested(100_000, list)))[1] == "builtins.list"
    assert handle_of(codec.encode(nested(MAX_EXTENSION_DEPTH, tuple)))[1] == "builtins.tuple"
    assert round_trip(nested(MAX_EXTENSION_DEPTH - 1, tuple)) == nested(MAX_EXTENSION_DEPTH - 1, tuple)
    around: Any = (nested(700, list),)
    for _ in range(700):
        around = [around]
    assert handle_of(codec.encode(around))[1] == "builtins.list"
    assert round_trip([nested(60, tuple), nested(60, tuple)]) == [nested(60, tuple), nested(60, tuple)]


def test_a_value_that_contains_itself_is_a_handle_and_leaves_no_other(codec: Codec) -> None:
    table = HandleTable()
    codec = Codec(table, resolve)
    cycle: list[object] = [object(), (object(),)]
    cycle.append(cycle)
    handle_of(codec.encode(cycle))
    assert len(table) == 1


def test_the_mode_of_a_result_decides(codec: Codec) -> None:
    assert handle_of(codec.encode([1], RESULT_MODE_HANDLE))[1] == "builtins.list"
    assert handle_of(codec.encode(None, RESULT_MODE_HANDLE))[1] == "builtins.NoneType"
    assert codec.encode(object(), RESULT_MODE_NONE) == b"\xc0"
    assert codec.decode(codec.encode([1, (2,)], RESULT_MODE_VALUE)) == [1, (2,)]
    with pytest.raises(EncodeError, match=r"^result\[0\]\[1\]\['k'\]: a builtins\.object cannot travel as plain data"):
        codec.encode([(1, {"k": object()})], RESULT_MODE_VALUE)
    with pytest.raises(EncodeError, match=r"nested too deeply(,| or) contains itself"):
        codec.encode(nested(2000, list), RESULT_MODE_VALUE)


def test_a_handle_tells_its_session() -> None:
    codec = Codec(HandleTable(), resolve)
    assert handle_of(codec.encode(object(), session_id=7))[4] == 7
    assert len(handle_of(codec.encode(object()))) == 4


def test_a_failed_writing_leaves_no_handle() -> None:
    table = HandleTable()
    codec = Codec(table, resolve)
    with pytest.raises(EncodeError):
        codec.encode([object(), {}, nested(2000, list)], RESULT_MODE_VALUE)
    assert len(table) == 0
    handle_of(codec.encode([object(), nested(2000, list)]))
    assert len(table) == 1  # the list as a whole


def test_one_codec_serves_many_threads_at_once() -> None:
    codec = Codec(HandleTable(), resolve)
    bad = msgpack.packb([msgpack.ExtType(77, b"")])
    start = threading.Barrier(4)
    wrong: list[object] = []

    def use(number: int) -> None:
        value = [number, (number, {number}), {"k": (number,)}]
        start.wait()
        for _ in range(300):
            if codec.decode(codec.encode(value)) != value or codec.decode_frame(bad)[1] is not True:
                wrong.append(number)
            if codec.decode_frame(codec.encode(value))[1]:
                wrong.append(number)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_memoryviews_keep_the_type_of_their_elements() -> None:
    assert round_trip(memoryview(b"ab")) == b"ab"
    assert same_array(round_trip(memoryview(np.arange(4.0).reshape(2, 2))), np.arange(4.0).reshape(2, 2))
    assert isinstance(round_trip(memoryview(np.zeros(2, np.complex128))), memoryview)


@pytest.mark.parametrize(
    "hold",
    [
        lambda item: [item],
        lambda item: {"a": [1, {"b": item}]},
        lambda item: (1, [(item,)]),
        lambda item: [1.5, b"bytes", item, 2**70],
    ],
)
def test_memoryviews_keep_the_type_of_their_elements_wherever_they_stand(hold: Callable[[object], object]) -> None:
    array = np.arange(4.0).reshape(2, 2)
    back = round_trip(hold(memoryview(array)))
    assert repr(back) == repr(hold(array))
    assert round_trip(hold(memoryview(b"ab"))) == hold(b"ab")
    table = HandleTable()
    Codec(table, resolve).encode(hold(memoryview(np.zeros(2, np.complex128))))
    assert len(table) == 1


def same_array(left: Any, right: Any) -> bool:
    return left.dtype == right.dtype and np.array_equal(left, right)
