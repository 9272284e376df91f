from __future__ import annotations

import signal
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hognose.codec import Codec, Encoded, Undecodable
from hognose.errors import ProtocolError
from hognose.gen.messages import HOST_DEFAULTS, HOST_MESSAGE_CALL, HOST_MESSAGE_CHUNK, HOST_MESSAGE_GOODBYE
from hognose.handles import HandleTable
from hognose.transport import INTERRUPTIBLE, NOTHING, LargeMessage
from hognose.transport.packed import PART_BYTES
from hognose.transport.socket_lane import ControlLane, SocketLane
from hognose.transport.socket_reader import MAX_FRAME_BYTES

RESULT, RAISED, AWAITING, RECALLED, ITEMS, END, RELEASE_FUNCTIONS, CHUNK = 3, 4, 5, 6, 7, 8, 10, 15
#: Fails a test that would hang.
PATIENCE_S = 20


def make_codec() -> Codec:
    return Codec(HandleTable(), lambda path: path)


class Host:
    """The other end of a lane."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.settimeout(PATIENCE_S)

    def send(self, *messages: object) -> None:
        self.connection.sendall(frame(*messages))

    def read(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            part = self.connection.recv(min(count - len(data), 1 << 20))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def receive(self) -> list[list[Any]]:
        (length,) = struct.unpack("<I", self.read(4))
        messages: list[list[Any]] = msgpack.unpackb(self.read(length), strict_map_key=False)
        return messages

    def receive_whole(self, count: int) -> list[tuple[list[Any], int]]:
        """The next messages, those in parts put together, each with the number of parts that had come by then."""
        parts: dict[int, bytearray] = {}
        number_of_parts = 0
        whole: list[tuple[list[Any], int]] = []
        while len(whole) < count:
            for message in self.receive():
                if message[0] != CHUNK:
                    whole.append((message, number_of_parts))
                    continue
                number_of_parts += 1
                _, identifier, total, data, _ = message
                parts.setdefault(identifier, bytearray()).extend(data)
                if len(parts[identifier]) == total:
                    whole.append((msgpack.unpackb(parts.pop(identifier)), number_of_parts))
        return whole


def frame(*messages: object) -> bytes:
    body: bytes = msgpack.packb(list(messages))
    return struct.pack("<I", len(body)) + body


def tuple_of(*items: int) -> msgpack.ExtType:
    return msgpack.ExtType(1, msgpack.packb(list(items)))


def chunks(identifier: int, message: object, size: int, call: int = 0) -> Iterator[list[Any]]:
    data: bytes = msgpack.packb(message)
    for at in range(0, len(data), size):
        yield [HOST_MESSAGE_CHUNK, identifier, len(data), data[at : at + size], call]


@pytest.fixture(params=[0, 50_000], ids=["blocking", "spinning"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[SocketLane, Host]]:
    ours, theirs = socket.socketpair()
    lane = SocketLane(ours, make_codec(), spin_ns=request.param)
    yield lane, Host(theirs)
    theirs.close()
    lane.close()


def call_message(call: int, *args: object) -> list[Any]:
    return [HOST_MESSAGE_CALL, call, 1, 1, "m.f", list(args)]


def test_a_short_message_gets_the_defaults_of_the_fields_that_it_leaves_out(ends: tuple[SocketLane, Host]) -> None:
    lane, host = ends
    host.send(call_message(7, 1, 2), [HOST_MESSAGE_GOODBYE])
    assert lane.receive() == (
        [
            [HOST_MESSAGE_CALL, 7, 1, 1, "m.f", [1, 2], *HOST_DEFAULTS[HOST_MESSAGE_CALL][6:]],
            [HOST_MESSAGE_GOODBYE, ""],
        ],
        False,
    )


def test_fields_of_a_newer_host_are_left_out(ends: tuple[SocketLane, Host]) -> None:
    lane, host = ends
    host.send([HOST_MESSAGE_GOODBYE, "bye", "and something new", 3])
    assert lane.receive() == ([[HOST_MESSAGE_GOODBYE, "bye"]], False)


def test_a_value_that_cannot_be_read_is_told_of_its_frame(ends: tuple[SocketLane, Host]) -> None:
    lane, host = ends
    host.send(call_message(1, msgpack.ExtType(99, b"")))
    host.send(call_message(2, 1))
    (message,), is_broken = lane.receive() or ([], False)
    assert is_broken
    assert isinstance(message[5][0], Undecodable)
    assert (lane.receive() or ([], True))[1] is False


def test_frames_arrive_whole_however_the_stream_is_cut(ends: tuple[SocketLane, Host]) -> None:
    lane, host = ends
    stream = b"".join(frame(call_message(index, "x" * index * 40)) for index in range(60))
    received: list[int] = []

    def feed() -> None:
        for size in (1, 2, 3, 5, 8, 13, 1000, 4096, 100_000):
            for at in range(0, len(stream), size) if size > 500 else range(0, 400, size):
                host.connection.sendall(stream[at : at + size] if size > 500 else stream[at : min(at + size, 400)])
            if size <= 500:
                host.connection.sendall(stream[400:])

    thread = threading.Thread(target=feed)
    thread.start()
    while len(received) < 60 * 9:
        got = lane.receive()
        assert got is not None
        for message in got[0]:
            assert message[5] == ["x" * message[1] * 40]
            received.append(message[1])
    thread.join()
    assert received == list(range(60)) * 9


def test_a_frame_larger_than_the_buffer_arrives_and_its_memory_is_not_kept(ends: tuple[SocketLane, Host]) -> None:
    lane, host = ends
    sender = threading.Thread(target=host.send, args=(call_message(1, b"y" * (5 << 20)), call_message(2, 2)))
    sender.start()
    messages, _ = lane.receive() or ([], False)
    sender.join()
    assert [len(message[5][0]) for message in messages[:1]] == [5 << 20]
    assert messages[1][5] == [2]
    assert len(lane._buffer) == 1 << 16


def test_the_end_is_none_again_and_again(ends: tuple[SocketLane, Host]) -> None:
    lane, host = ends
    host.connection.sendall(frame(call_message(1)) + b"\x05\x00")  # within a length
    host.connection.close()
    assert lane.receive() is not None
    assert lane.receive() is None
    assert lane.receive_or_wake() is None
    assert lane.receive_now() is None


def test_receive_now_never_waits(ends: tuple[SocketLane, Host]) -> None:
    lane, host = ends
    assert lane.receive_now() is NOTHING
    host.connection.sendall(frame(call_message(1))[:9])
    assert lane.receive_now() is NOTHING
    host.connection.sendall(frame(call_message(1))[9:])
    assert (lane.receive_now() or NOTHING)[0][0][1] == 1


def test_a_wake_ends_the_wait_that_is_under_way_or_else_the_next(ends: tuple[SocketLane, Host]) -> None:
    lane, host = ends
    lane.wake()
    lane.wake()
    assert lane.receive_or_wake() is NOTHING
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.extend((lane.receive_or_wake(), lane.receive_or_wake())))
    thread.start()
    lane.wake()
    host.send(call_message(1))
    # A wake may end one wait without a reason; then the frame is still there for the next.
    thread.join(PATIENCE_S)
    assert got[0] is NOTHING or got[1] is NOTHING
    frames = [one for one in (*got, lane.receive_now()) if one is not NOTHING]
    assert [one[0][0][1] for one in frames if isinstance(one, tuple)] == [1]


def test_an_exception_in_the_wait_loses_nothing() -> None:
    ours, theirs = socket.socketpair()
    lane, host = SocketLane(ours, make_codec()), Host(theirs)

    class InterruptedCall(BaseException):
        pass

    raised_in: list[object] = []
    waiting = threading.Event()

    def interrupt(_number: int, stack: Any) -> None:
        raised_in.append(stack.f_code)
        if stack.f_code in INTERRUPTIBLE:
            raise InterruptedCall

    previous = signal.signal(signal.SIGUSR1, interrupt)
    data = frame(call_message(3, "x" * 100))
    host.connection.sendall(data[:20])

    def disturb() -> None:
        while not waiting.is_set():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            waiting.wait(0.001)

    thread = threading.Thread(target=disturb)
    thread.start()
    interruptions = 0
    try:
        while interruptions < 50:
            try:
                lane.receive_or_wake()
            except InterruptedCall:
                interruptions += 1
        host.connection.sendall(data[20:])
        received = None
        while received is None:
            try:
                received = lane.receive_or_wake()
            except InterruptedCall:
                continue
    finally:
        waiting.set()
        thread.join()
        signal.signal(signal.SIGUSR1, previous)
    assert received[0][0][5] == ["x" * 100]
    lane.close()
    theirs.close()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (struct.pack("<I", 2) + b"\xc1\xc1", "a frame of the host cannot be read: FormatError"),
        (struct.pack("<I", 3) + b"\x91\x91\x63", "unknown kind 99: it is newer than this worker .hognose 0.1.0."),
        (struct.pack("<I", 1) + b"\x05", "holds a int and not an array of messages"),
        (struct.pack("<I", 2) + b"\x91\x05", "holds a int where a message is an array"),
        (struct.pack("<I", 2) + b"\x91\x90", "holds a list where a message is an array of fields"),
        (struct.pack("<I", 2) + b"\x90\x90", "ExtraData"),
        (
            struct.pack("<I", MAX_FRAME_BYTES + 1) + b"\x91",
            f"{MAX_FRAME_BYTES + 1} bytes, and {MAX_FRAME_BYTES} is the",
        ),
        (b"GET / HTTP/1.1\r\n\r\n", "does not speak this protocol"),
        (frame([HOST_MESSAGE_CHUNK, 1, 10, "text"]), "two numbers and bytes"),
        (frame([HOST_MESSAGE_CHUNK, 1, 10, b""]), "0 bytes after 0 more"),
        (frame([HOST_MESSAGE_CHUNK, 1, 3, b"12"], [HOST_MESSAGE_CHUNK, 1, 3, b"34"]), "4 bytes after 2 more, of 3"),
        (frame([HOST_MESSAGE_CHUNK, 1, 9, b"12"], [HOST_MESSAGE_CHUNK, 1, 8, b"34"]), "of 8 where 9 were announced"),
        (frame([HOST_MESSAGE_CHUNK, 1, 1, b"\xc1"]), "in parts cannot be read"),
        (frame(*([HOST_MESSAGE_CHUNK, index, 9, b"1"] for index in range(257))), "more than 256 messages in parts"),
    ],
)
def test_what_is_no_frame_is_a_protocol_error_and_no_hang(
    ends: tuple[SocketLane, Host], data: bytes, reason: str
) -> None:
    lane, host = ends
    host.connection.sendall(data)
    with pytest.raises(ProtocolError, match=reason):
        lane.receive()


def test_a_message_in_parts_arrives_when_it_is_whole_and_others_between_its_parts(
    ends: tuple[SocketLane, Host],
) -> None:
    lane, host = ends
    parts = list(chunks(1, call_message(5, b"z" * 1000), 300, call=5))
    for index, part in enumerate(parts):
        host.send(part, call_message(100 + index))
    order: list[int] = []
    while len(order) < len(parts) + 1:
        got = lane.receive()
        assert got is not None
        order += [message[1] for message in got[0]]
        for message in got[0]:
            assert len(message) == len(HOST_DEFAULTS[HOST_MESSAGE_CALL])
    assert order == [100, 101, 102, 5, 103]


def test_a_message_that_the_host_gives_up_is_forgotten(ends: tuple[SocketLane, Host]) -> None:
    lane, host = ends
    first = next(chunks(1, call_message(5, b"z" * 1000), 300, call=5))
    host.send(first, [HOST_MESSAGE_CHUNK, 1, 0])
    host.send(*chunks(1, call_message(6, 1), 4, call=6))
    assert [message[1] for message in (lane.receive() or NOTHING)[0]] == [6]


def test_a_call_in_parts_that_cannot_be_read_fails_alone(ends: tuple[SocketLane, Host]) -> None:
    lane, host = ends
    host.send([HOST_MESSAGE_CHUNK, 1, 2, b"\xc1\xc1", 44], call_message(45))
    messages, is_broken = lane.receive() or NOTHING
    assert is_broken
    assert [message[1] for message in messages] == [44, 45]
    assert isinstance(messages[0][5], Undecodable)
    assert "FormatError" in messages[0][5].reason


def test_messages_that_are_written_together_go_in_one_frame(ends: tuple[SocketLane, Host]) -> None:
    lane, host = ends
    lane.write(lane.pack([RESULT, index, Encoded(msgpack.packb(index))]) for index in (1, 2, 1 << 40))
    assert host.receive() == [[RESULT, 1, 1], [RESULT, 2, 2], [RESULT, 1 << 40, 1 << 40]]
    lane.write([])
    lane.write([lane.pack([AWAITING, 9])])
    assert host.receive() == [[AWAITING, 9]]


def test_values_are_encoded_by_the_codec_and_nothing_else_is(ends: tuple[SocketLane, Host]) -> None:
    lane, host = ends
    ids = list(range(20))  # as a value it would be packed
    error = ["E", "m", ["m.E"], "text \udc80", (1, 2), [["f", 1, "n", "s"]], [], None, "", [], 0]
    lane.write([lane.pack([RECALLED, ids]), lane.pack([RAISED, 3, error]), lane.pack([RESULT, 4, (1,)])])
    raw = host.read(struct.unpack("<I", host.read(4))[0])
    messages = msgpack.unpackb(raw, unicode_errors="surrogatepass")
    assert messages[0] == [RECALLED, ids]
    assert messages[1][2][3:6] == ["text \udc80", tuple_of(1, 2), [["f", 1, "n", "s"]]]
    assert messages[2] == [RESULT, 4, tuple_of(1)]


def test_a_large_message_leaves_in_parts_and_others_between_them(ends: tuple[SocketLane, Host]) -> None:
    lane, host = ends
    size = 40 * PART_BYTES
    packed = lane.pack([RESULT, 8, b"q" * size])
    assert isinstance(packed, LargeMessage)
    assert size < len(packed) < size + 30
    lane.write([packed, lane.pack([RESULT, 1, 1])])  # does not wait: nobody reads yet
    lane.write([lane.pack([RESULT, 2, 2])])
    received = host.receive_whole(3)
    assert {message[1]: message[2] for message, _ in received} == {1: 1, 2: 2, 8: b"q" * size}
    assert received[-1][0][1] == 8
    assert received[-1][1] > 40


def test_what_must_not_overtake_a_large_message_stays_behind_it(ends: tuple[SocketLane, Host]) -> None:
    lane, host = ends
    items = lane.pack([ITEMS, 8, [b"q" * (4 * PART_BYTES)]])
    lane.write([items, lane.pack([ITEMS, 8, [1]]), lane.pack([END, 8, None, False]), lane.pack([END, 9, None, False])])
    lane.write([lane.pack([RELEASE_FUNCTIONS, [[3, 1]]]), lane.pack([AWAITING, 10])])
    order = [(message[0], message[1]) for message, _ in host.receive_whole(6)]
    assert order.index((END, 9)) < order.index((ITEMS, 8))
    assert order.index((AWAITING, 10)) < order.index((ITEMS, 8))
    assert [one for one in order if one not in [(END, 9), (AWAITING, 10)]] == [
        (ITEMS, 8),
        (ITEMS, 8),
        (END, 8),
        (RELEASE_FUNCTIONS, [[3, 1]]),
    ]


def test_threads_write_whole_frames_and_lose_none(ends: tuple[SocketLane, Host]) -> None:
    lane, host = ends

    def write(start: int) -> None:
        for index in range(start, start + 200):
            lane.write([lane.pack([RESULT, index, "v" * (index % 50)])])

    threads = [threading.Thread(target=write, args=(start,)) for start in range(0, 1600, 200)]
    for thread in threads:
        thread.start()
    lane.write([lane.pack([RESULT, 9000, b"q" * (8 * PART_BYTES)])])
    received = [message for message, _ in host.receive_whole(1601)]
    for thread in threads:
        thread.join()
    assert sorted(message[1] for message in received) == [*range(1600), 9000]
    for start in range(0, 1600, 200):
        own = [message[1] for message in received if start <= message[1] < start + 200]
        assert own == sorted(own)


def test_a_write_within_a_write_goes_behind_it() -> None:
    ours, theirs = socket.socketpair()
    lane, host = SocketLane(ours, make_codec()), Host(theirs)
    send = lane._send
    depth: list[int] = []

    def send_with_interruption(data: Any) -> None:
        if not depth:
            depth.append(1)
            lane.write([lane.pack([AWAITING, 2])])  # as a finalizer or a signal handler would
        send(data)

    lane._send = send_with_interruption  # type: ignore[assignment]
    lane.write([lane.pack([AWAITING, 1])])
    assert [host.receive(), host.receive()] == [[[AWAITING, 1]], [[AWAITING, 2]]]
    lane.close()
    theirs.close()


def test_closing_waits_for_what_was_written_and_ends_whoever_receives(ends: tuple[SocketLane, Host]) -> None:
    lane, host = ends
    got: list[object] = []
    receiving = threading.Thread(target=lambda: got.append(lane.receive()))
    receiving.start()
    lane.write([lane.pack([RESULT, 8, b"q" * (20 * PART_BYTES)])])
    reading = threading.Thread(target=lambda: got.append(host.receive_whole(1)[0][0][1]))
    reading.start()
    lane.close()
    for thread in (receiving, reading):
        thread.join(PATIENCE_S)
    assert sorted(got, key=str) == [8, None]
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the platform
        lane.write([lane.pack([AWAITING, 1])])


def test_the_control_lane_receives_and_ends() -> None:
    ours, theirs = socket.socketpair()
    control, host = ControlLane(ours, make_codec()), Host(theirs)
    host.send([5, 1])
    assert control.receive() == ([[5, 1, 0]], False)
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(control.receive()))
    thread.start()
    control.close()
    thread.join(PATIENCE_S)
    assert got == [None]
    theirs.close()


def test_what_is_no_frame_ends_the_control_connection() -> None:
    ours, theirs = socket.socketpair()
    control, host = ControlLane(ours, make_codec()), Host(theirs)
    theirs.sendall(b"GET / HTTP/1.1")
    with pytest.raises(ProtocolError, match="does not speak this protocol"):
        control.receive()
    with pytest.raises(EOFError):
        host.read(1)
    theirs.close()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_a_host_sends_a_lane_returns_or_raises_a_protocol_error(data: st.DataObject) -> None:
    stream = bytearray(
        b"".join(
            frame(*data.draw(st.lists(st.sampled_from(MESSAGES), max_size=4)))
            for _ in range(data.draw(st.integers(1, 3)))
        )
    )
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(stream) - 1), st.integers(0, 255)), max_size=4)):
        stream[at] = value
    ours, theirs = socket.socketpair()
    lane = SocketLane(ours, make_codec())
    theirs.sendall(stream)
    theirs.close()
    try:
        while (got := lane.receive()) is not None:
            for message in got[0]:
                assert len(message) == len(HOST_DEFAULTS[message[0]])
    except ProtocolError:
        pass
    finally:
        lane.close()
        ours.close()


MESSAGES: list[Any] = [
    call_message(1, 1, "two", 3.0, None, {"a": [1]}, msgpack.ExtType(1, b"\x91\x01")),
    [HOST_MESSAGE_GOODBYE, "bye"],
    [2, [[1, 1], [2, 5]]],
    [6, [1, 2, 3]],
    [HOST_MESSAGE_CHUNK, 1, 4, b"\x92\x04", 0],
    [HOST_MESSAGE_CHUNK, 1, 4, b"\xa1x", 0],
    [HOST_MESSAGE_CHUNK, 2, 9, b"\xc1", 7],
    [HOST_MESSAGE_CHUNK, 2, 0],
]
