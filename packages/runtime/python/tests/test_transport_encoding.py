from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hognose.codec import Codec, Encoded
from hognose.errors import ProtocolError
from hognose.gen.messages import HOST_DEFAULTS, LAYOUT
from hognose.handles import HandleTable
from hognose.transport import LargeMessage, Packed, grpc_encoding, socket_encoding
from hognose.transport.grpc_messages import message_class
from hognose.transport.packed import PART_BYTES
from hognose.transport.socket_reader import complete
from hognose.transport.socket_writer import identify as identify_in_msgpack

CODEC = Codec(HandleTable(), lambda path: path)
WorkerFrame = message_class("WorkerFrame")
WorkerMessage = message_class("WorkerMessage")
HostMessage = message_class("HostMessage")

NUMBERS = st.one_of(st.just(0), st.integers(0, 300), st.integers(0, (1 << 53) - 1))


def field(name: str, holds: str, repeated: bool, inner: str, depth: int) -> st.SearchStrategy[Any]:
    if repeated:
        return st.lists(field(name, holds, False, inner, depth), max_size=0 if depth > 2 else 3)
    if holds == "message":
        value = st.nothing() if depth > 2 else fields(inner, depth + 1)
        return value if name in ("exceptions", "frames", "functions") else st.none() | value
    return {
        "number": st.sampled_from((0, 1)) if name in ("source", "level", "line") else SMALL.get(name, NUMBERS),
        "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        "bool": st.booleans(),
        "bytes": st.binary(max_size=20),
        "value": st.integers(-5, 100_000) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    }[holds]


#: Fields of 32 bits.
SMALL = {
    name: st.integers(0, (1 << 32) - 1)
    for name in ("handles", "functions", "running", "waiting", "streams", "received", "worker_id", "pid")
} | {"protocol_version": st.just(1), "role": st.sampled_from((1, 2, 3)), "payload_versions": st.integers(0, 9)}


def fields(message: str, depth: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.tuples(*(field(*one, depth) for one in LAYOUT[message])).map(list)


def of_kind(number: int, message: str) -> st.SearchStrategy[list[Any]]:
    return fields(message).map(lambda values: [number, *values])


WORKER_MESSAGES = st.one_of(
    *(of_kind(number, message) for number, (_, _, _, message) in enumerate(LAYOUT["WorkerMessage"], 1))
)


def bytes_of(packed: Packed) -> bytes:
    return b"".join(packed.pieces) if isinstance(packed, LargeMessage) else packed


@settings(max_examples=300, deadline=None)
@given(WORKER_MESSAGES)
def test_the_socket_lane_writes_every_message_with_its_fields_in_order(message: list[Any]) -> None:
    packed = bytes_of(socket_encoding.pack_message(message, CODEC.encode))
    assert msgpack.unpackb(packed) == message


def as_fields(message: Any, kind: str) -> list[Any]:
    result: list[Any] = []
    for name, holds, repeated, inner in LAYOUT[kind]:
        value = getattr(message, name)
        if holds == "value":
            result.append(msgpack.unpackb(value.msgpack))
        elif holds == "message" and repeated:
            result.append([as_fields(item, inner) for item in value])
        elif holds == "message":
            result.append(as_fields(value, inner) if message.HasField(name) else None)
        else:
            result.append(list(value) if repeated else value)
    return result


@settings(max_examples=300, deadline=None)
@given(st.lists(WORKER_MESSAGES, max_size=3))
def test_the_grpc_lane_writes_every_message_as_protobuf_reads_it(messages: list[list[Any]]) -> None:
    packed = [bytes_of(grpc_encoding.pack_message(message, CODEC.encode)) for message in messages]
    read = []
    for union in WorkerFrame.FromString(grpc_encoding.write_frame(packed)).messages:
        number, (name, _, _, inner) = next(
            one for one in enumerate(LAYOUT["WorkerMessage"], 1) if one[1][0] == union.WhichOneof("message")
        )
        read.append([number, *as_fields(getattr(union, name), inner)])
    assert read == messages


@settings(max_examples=200, deadline=None)
@given(WORKER_MESSAGES)
def test_both_lanes_tell_the_kind_and_the_call_of_a_message(message: list[Any]) -> None:
    number = message[0]
    for module, identify in ((socket_encoding, identify_in_msgpack), (grpc_encoding, grpc_encoding.identify)):
        kind, first = identify(bytes_of(module.pack_message(message, CODEC.encode)))
        assert kind == number
        if number in (3, 4, 5, 7, 8):
            assert first == message[1]


@pytest.mark.parametrize("module", [socket_encoding, grpc_encoding])
@pytest.mark.parametrize("size", [0, 100, PART_BYTES - 20, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES])
def test_a_large_value_is_not_copied_and_is_the_same_in_pieces(module: Any, size: int) -> None:
    value = CODEC.encode(b"x" * size)
    packed = module.pack_message([3, 77, Encoded(value)], CODEC.encode)
    assert isinstance(packed, LargeMessage) == (len(value) > PART_BYTES)
    if isinstance(packed, LargeMessage):
        assert any(piece is value for piece in packed.pieces)
        assert (packed.call, packed.kind, len(packed)) == (77, 3, len(bytes_of(packed)))
    if module is socket_encoding:
        assert msgpack.unpackb(bytes_of(packed)) == [3, 77, b"x" * size]
    else:
        result = WorkerMessage.FromString(bytes_of(packed)).result
        assert (result.id, result.value.msgpack) == (77, value)


@settings(max_examples=500, deadline=None)
@given(
    st.recursive(
        st.none() | st.integers(-2, 20) | st.text(max_size=2) | st.binary(max_size=2),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 3), inner, max_size=2),
        max_leaves=12,
    )
)
def test_whatever_stands_in_a_frame_is_messages_with_all_fields_or_a_protocol_error(frame: Any) -> None:
    try:
        complete(frame)
    except ProtocolError:
        return
    assert all(len(message) == len(HOST_DEFAULTS[message[0]]) for message in frame)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60))
def test_whatever_a_host_sends_over_grpc_is_read_or_a_protocol_error(data: bytes) -> None:
    try:
        union = HostMessage.FromString(data)
    except Exception:  # protobuf's own error: gRPC ends the stream before this worker sees it
        return
    try:
        message, _ = grpc_encoding.Reader(CODEC.decode_frame).read(union)
    except ProtocolError:
        return
    assert len(message) == len(HOST_DEFAULTS[message[0]])
