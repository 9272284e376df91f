from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import msgpack
import pytest

from hognose.codec import Codec, Encoded, Undecodable
from hognose.errors import ProtocolError
from hognose.gen.messages import HOST_DEFAULTS, HOST_MESSAGE_CALL, HOST_MESSAGE_CANCEL
from hognose.handles import HandleTable
from hognose.transport import NOTHING, LargeMessage
from hognose.transport.grpc_lane import GrpcLane, serve
from hognose.transport.grpc_messages import message_class
from hognose.transport.packed import PART_BYTES

RESULT, RAISED, AWAITING, LOG = 3, 4, 5, 11
PATIENCE_S = 20

HostFrame = message_class("HostFrame")
HostMessage = message_class("HostMessage")
WorkerFrame = message_class("WorkerFrame")
WorkerMessage = message_class("WorkerMessage")


class Host:
    """A stock gRPC client of a worker."""

    def __init__(self, address: str, secret: str = "s") -> None:
        self.channel = grpc.insecure_channel(
            address, (("grpc.default_authority", "localhost"), ("grpc.max_receive_message_length", -1))
        )
        self._frames: queue.SimpleQueue[Any] = queue.SimpleQueue()
        attach = self.channel.stream_stream(
            "/hognose.v1.Worker/Attach",
            request_serializer=lambda frame: frame.SerializeToString(),
            response_deserializer=WorkerFrame.FromString,
        )
        self.answers = attach(iter(self._frames.get, None), metadata=(("hognose-secret", secret),), timeout=PATIENCE_S)

    def send(self, *messages: Any) -> None:
        self._frames.put(HostFrame(messages=messages))

    def end(self) -> None:
        self._frames.put(None)

    def receive(self) -> list[Any]:
        return list(next(self.answers).messages)

    def receive_whole(self, count: int) -> list[Any]:
        parts: dict[int, bytearray] = {}
        whole: list[Any] = []
        while len(whole) < count:
            for message in self.receive():
                if message.WhichOneof("message") != "chunk":
                    whole.append(message)
                    continue
                chunk = message.chunk
                parts.setdefault(chunk.id, bytearray()).extend(chunk.data)
                if len(parts[chunk.id]) == chunk.total_bytes:
                    whole.append(WorkerMessage.FromString(bytes(parts.pop(chunk.id))))
        return whole


def call(identifier: int, *args: object) -> Any:
    message = HostMessage()
    message.call.id = identifier
    message.call.args.msgpack = msgpack.packb(list(args))
    return message


def chunks(identifier: int, data: bytes, size: int, call_id: int = 0) -> Iterator[Any]:
    for at in range(0, len(data), size):
        message = HostMessage()
        message.chunk.id = identifier
        message.chunk.total_bytes = len(data)
        message.chunk.data = data[at : at + size]
        message.chunk.call = call_id
        yield message


@pytest.fixture
def lane(tmp_path: Path) -> Iterator[GrpcLane]:
    served = serve(f"unix:{tmp_path}/s", "s", Codec(HandleTable(), lambda path: path))
    yield served
    served.close()


@pytest.fixture
def host(lane: GrpcLane, tmp_path: Path) -> Iterator[Host]:
    dialled = Host(f"unix:{tmp_path}/s")
    yield dialled
    dialled.channel.close()


def test_messages_arrive_with_all_their_fields(lane: GrpcLane, host: Host) -> None:
    host.send(call(7, 1, [2]), HostMessage(cancel={"id": 3}))
    messages, is_broken = lane.receive() or NOTHING
    assert messages == [
        [HOST_MESSAGE_CALL, 7, 0, 0, "", [1, [2]], *(list(x) if x == () else x for x in DEFAULTS[6:])],
        [HOST_MESSAGE_CANCEL, 3, 0],
    ]
    assert is_broken is False


DEFAULTS: list[Any] = list(HOST_DEFAULTS[HOST_MESSAGE_CALL])


def test_a_value_that_cannot_be_read_is_told_of_its_frame(lane: GrpcLane, host: Host) -> None:
    host.send(call(7, msgpack.ExtType(99, b"")))
    messages, is_broken = lane.receive() or NOTHING
    assert is_broken
    assert isinstance(messages[0][5][0], Undecodable)


def test_a_message_of_an_unknown_kind_is_a_protocol_error(lane: GrpcLane, host: Host) -> None:
    host.send(HostMessage.FromString(b"\xfa\x07\x00"))
    with pytest.raises(ProtocolError, match=r"newer than this worker .hognose 0.1.0., which knows the kinds 1 to 18"):
        lane.receive()


def test_a_value_that_is_no_msgpack_is_a_protocol_error(lane: GrpcLane, host: Host) -> None:
    message = HostMessage()
    message.call.args.msgpack = b"\xc1"
    host.send(message)
    with pytest.raises(ProtocolError, match="FormatError"):
        lane.receive()


def test_a_wake_ends_a_wait_and_what_has_arrived_stays(lane: GrpcLane, host: Host) -> None:
    assert lane.receive_now() is NOTHING
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(lane.receive_or_wake()))
    thread.start()
    lane.wake()
    thread.join(PATIENCE_S)
    assert got == [NOTHING]
    host.send(call(1), call(2))
    frame = NOTHING
    while not frame[0]:
        frame = lane.receive_or_wake() or NOTHING
    assert [message[1] for message in frame[0]] == [1, 2]


def test_the_end_is_none_again_and_again(lane: GrpcLane, host: Host) -> None:
    host.send(call(1))
    assert lane.receive() is not None
    host.channel.close()
    assert [lane.receive(), lane.receive_or_wake(), lane.receive_now()] == [None, None, None]


def test_answers_arrive_in_the_frames_in_which_they_were_written(lane: GrpcLane, host: Host) -> None:
    error = ["E", "m", ["m.E"], "text \udc80", (), [["f", 1, "n", "s"]], [], None, "", [], 300]
    lane.write([lane.pack([RESULT, 1 << 40, Encoded(b"\x05")]), lane.pack([AWAITING, 2])])
    lane.write([lane.pack([RAISED, 3, error])])
    lane.write(lane.pack([RESULT, index, None]) for index in (127, 128))
    first = host.receive()
    assert [(message.result.id, message.result.value.msgpack, message.awaiting.id) for message in first] == [
        (1 << 40, b"\x05", 0),
        (0, b"", 2),
    ]
    (raised,) = host.receive()
    assert (raised.raised.error.message, raised.raised.error.host_error) == ("text \\udc80", 300)
    assert [(message.result.id, message.result.value.msgpack) for message in host.receive()] == [
        (127, b"\xc0"),
        (128, b"\xc0"),
    ]


def test_a_large_message_leaves_in_parts_and_others_between_them(lane: GrpcLane, host: Host) -> None:
    packed = lane.pack([RESULT, 8, b"q" * (30 * PART_BYTES)])
    assert isinstance(packed, LargeMessage)
    lane.write([packed])
    lane.write([lane.pack([RESULT, 1, 1])])
    received = host.receive_whole(2)
    assert [message.result.id for message in received] == [1, 8]
    assert msgpack.unpackb(received[1].result.value.msgpack) == b"q" * (30 * PART_BYTES)
    lane.write([lane.pack([LOG, 0, 30, "l", "t" * (2 * PART_BYTES), "f", 1, 4, 5])])
    (log,) = host.receive_whole(1)
    assert (len(log.log.text), log.log.time_ms) == (2 * PART_BYTES, 5)


def test_a_message_in_parts_arrives_when_it_is_whole(lane: GrpcLane, host: Host) -> None:
    data = call(5, b"z" * 1000).SerializeToString()
    for index, part in enumerate(chunks(1, data, 300)):
        host.send(part, call(100 + index))
    order: list[int] = []
    while len(order) < 5:
        order += [message[1] for message in (lane.receive() or NOTHING)[0]]
    assert order == [100, 101, 102, 5, 103]


def test_a_call_in_parts_that_cannot_be_read_fails_alone(lane: GrpcLane, host: Host) -> None:
    host.send(*chunks(1, b"\xff\xff", 2, call_id=44), call(45))
    messages, is_broken = lane.receive() or NOTHING
    assert is_broken
    assert [message[1] for message in messages] == [44, 45]
    assert isinstance(messages[0][5], Undecodable)


def test_a_second_host_and_one_without_the_secret_are_refused(lane: GrpcLane, host: Host, tmp_path: Path) -> None:
    lane.write([lane.pack([AWAITING, 1])])
    host.receive()
    for secret, status in (("s", grpc.StatusCode.FAILED_PRECONDITION), ("x", grpc.StatusCode.UNAUTHENTICATED)):
        other = Host(f"unix:{tmp_path}/s", secret)
        with pytest.raises(grpc.RpcError) as raised:
            other.receive()
        assert raised.value.code() is status
        other.channel.close()


def test_closing_sends_all_that_was_written_and_ends_the_stream(lane: GrpcLane, host: Host) -> None:
    lane.write([lane.pack([AWAITING, 1])])
    host.receive()
    lane.write([lane.pack([RESULT, 8, b"q" * (10 * PART_BYTES)]), lane.pack([13, "drained"])])
    closing = threading.Thread(target=lane.close)
    closing.start()
    received = host.receive_whole(2)
    assert [message.WhichOneof("message") for message in received] == ["result", "goodbye"]
    with pytest.raises(StopIteration):
        host.receive()
    closing.join(PATIENCE_S)
    assert not closing.is_alive()


def test_a_lane_without_a_host_closes_however_often(lane: GrpcLane) -> None:
    closing = threading.Thread(target=lambda: [close() for close in (lane.close, lane.close)], daemon=True)
    closing.start()
    closing.join(PATIENCE_S)
    assert not closing.is_alive()


def test_health_is_watched_until_the_worker_ends(lane: GrpcLane, host: Host) -> None:
    watch = host.channel.unary_stream("/grpc.health.v1.Health/Watch")
    answers = watch(b"", timeout=PATIENCE_S)
    unknown = watch(b"\n\x01x", timeout=PATIENCE_S)
    assert next(answers) == b"\x08\x01"
    assert next(unknown) == b"\x08\x03"
    unknown.cancel()
    closing = threading.Thread(target=lane.close)
    closing.start()
    assert next(answers) == b"\x08\x02"
    with pytest.raises(StopIteration):
        next(answers)
    closing.join(PATIENCE_S)


def test_watchers_leave_threads_for_the_host(lane: GrpcLane, tmp_path: Path) -> None:
    channel = grpc.insecure_channel(f"unix:{tmp_path}/s", (("grpc.default_authority", "localhost"),))
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
    watching = [watch(b"", timeout=PATIENCE_S) for _ in range(8)]
    assert [next(answers) for answers in watching] == [b"\x08\x01"] * 8
    with pytest.raises(grpc.RpcError) as raised:
        next(watch(b"", timeout=PATIENCE_S))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    host = Host(f"unix:{tmp_path}/s")
    host.send(call(1))
    assert (lane.receive() or NOTHING)[0][0][1] == 1
    host.channel.close()
    channel.close()
