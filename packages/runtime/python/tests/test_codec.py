from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hognose.codec import DTYPES, EXT_HANDLE, EXT_REFERENCE, EXT_TUPLE, MAX_TUPLE_DEPTH, Codec, HandleOnly, PlainOnly
from hognose.codec import Undecodable as UndecodableValue
from hognose.dispatch import resolve
from hognose.errors import EncodeError
from hognose.handles import HandleTable


@pytest.fixture
def codec() -> Codec:
    return Codec(HandleTable(), resolve)


def round_trip(value: object) -> Any:
    codec = Codec(HandleTable(), resolve)
    return codec.decode(codec.encode(value))


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
KEYS = st.integers() | st.text() | st.booleans() | st.none() | st.binary() | st.tuples(st.integers(), st.text())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(KEYS, inner),
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
    sample = codec.encode([(1, "é", (2.5,)), {1: "a", (1, 2): b"x"}, 2**70, np.arange(3.0)])
    generator = random.Random(5)
    for _ in range(5000):
        data = bytearray(sample)
        for _ in range(generator.randint(1, 3)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        with contextlib.suppress(ValueError, msgpack.UnpackException):
            codec.decode(bytes(data))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), -0.0])
def test_floats_keep_their_kind(value: float) -> None:
    assert repr(round_trip(value)) == repr(value)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3)])
def test_arrays_keep_dtype_and_shape(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
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
        np.zeros(2, np.float16),
        np.zeros(2, "U3"),
        np.zeros(2, object),
        np.zeros(2, "i4,f8"),
        np.zeros(2, "M8[s]"),
        np.complex128(1),
        np.str_("x"),
        np.ma.zeros(2),
        object(),
        {1, 2},
        range(3),
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
    number, name = handle_of(codec.encode(value))
    assert number == 1
    assert name == f"{type(value).__module__}.{type(value).__qualname__}"


@pytest.mark.parametrize(
    ("value", "plain"),
    [(np.int64(2**62), 2**62), (np.uint8(7), 7), (np.bool_(True), True), (np.float32(0.5), 0.5), (np.float64(3), 3.0)],
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
    assert not codec.found_undecodable


@pytest.mark.parametrize(
    ("code", "data", "reason"),
    [
        (EXT_HANDLE, msgpack.packb([99]), "handle 99 is unknown"),
        (EXT_REFERENCE, b"math.nothing", "AttributeError"),
        (EXT_REFERENCE, b"\xff", "UnicodeDecodeError"),
        (77, b"", "extension type 77 is unknown"),
        (4, msgpack.packb(["float16", [1], b"ab"]), "dtype 'float16' cannot be read"),
        (4, msgpack.packb(["int32", [3], b"abcd"]), "cannot reshape"),
        (EXT_TUPLE, b"\xc0", "TypeError"),
        (EXT_TUPLE, b"", "cannot be read"),
    ],
)
def test_what_cannot_be_read_stands_in_its_place(codec: Codec, code: int, data: bytes, reason: str) -> None:
    value = codec.decode(msgpack.packb([1, msgpack.ExtType(code, data)]))
    assert value[0] == 1
    assert isinstance(value[1], UndecodableValue)
    assert reason in value[1].reason
    assert codec.found_undecodable


def test_a_key_that_cannot_be_hashed_spoils_its_map_alone(codec: Codec) -> None:
    key = msgpack.ExtType(EXT_TUPLE, msgpack.packb([[1]]))
    data = b"\x92\x81" + msgpack.packb(key) + b"\x01\x81\x01\x02"
    broken, whole = codec.decode(data)
    assert isinstance(broken, UndecodableValue)
    assert "unhashable type: 'list'" in broken.reason
    assert whole == {1: 2}
    assert codec.found_undecodable


def nested(depth: int, make: Any) -> Any:
    value: Any = make(())
    for _ in range(depth):
        value = make((value,))
    return value


def test_depth_becomes_a_handle_and_never_an_overflow(codec: Codec) -> None:
    assert handle_of(codec.encode(nested(100_000, list)))[1] == "builtins.list"
    assert handle_of(codec.encode(nested(MAX_TUPLE_DEPTH, tuple)))[1] == "builtins.tuple"
    assert round_trip(nested(MAX_TUPLE_DEPTH - 1, tuple)) == nested(MAX_TUPLE_DEPTH - 1, tuple)
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
    assert handle_of(codec.encode(HandleOnly([1])))[1] == "builtins.list"
    assert codec.decode(codec.encode(PlainOnly([1, (2,)]))) == [1, (2,)]
    with pytest.raises(EncodeError, match=r"builtins\.object cannot travel as plain data"):
        codec.encode(PlainOnly([(object(),)]))
    with pytest.raises(EncodeError, match="nested too deeply or contains itself"):
        codec.encode(PlainOnly(nested(2000, list)))


def test_memoryviews_keep_the_type_of_their_elements() -> None:
    assert round_trip(memoryview(b"ab")) == b"ab"
    assert same_array(round_trip(memoryview(np.arange(4.0).reshape(2, 2))), np.arange(4.0).reshape(2, 2))
    assert isinstance(round_trip(memoryview(np.zeros(2, np.complex128))), memoryview)


def same_array(left: Any, right: Any) -> bool:
    return left.dtype == right.dtype and np.array_equal(left, right)


@pytest.mark.parametrize("inner", [msgpack.ExtType(EXT_HANDLE, b"\x92\x01\xa1x"), msgpack.Timestamp(1, 2)])
@pytest.mark.parametrize(
    "hold",
    [
        lambda item: item,
        lambda item: [1, [item]],
        lambda item: {"a": {"b": item}},
        lambda item: {item: 1},
        lambda item: (1, [(item,)]),
    ],
)
def test_a_value_that_holds_a_type_of_msgpack_stays_here_as_a_whole(
    inner: object, hold: Callable[[object], object]
) -> None:
    table = HandleTable()
    codec = Codec(table, resolve)
    value = hold(inner)
    number, _ = handle_of(codec.encode(value))
    assert table.get(number) is value
    with pytest.raises(EncodeError):
        codec.encode(PlainOnly(value))


def test_values_travel_as_plain_data_while_there_are_types_of_msgpack_elsewhere(codec: Codec) -> None:
    elsewhere = [msgpack.ExtType(5, b"x") for _ in range(3)]
    value: list[object] = [1, {"a": (2, [3])}]
    assert codec.decode(codec.encode(value)) == value
    assert len(elsewhere) == 3
