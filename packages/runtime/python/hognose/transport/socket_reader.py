"""Reads frames of a socket on the calling thread: a hand-over between threads costs as much as a whole call."""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, Final

from hognose import __version__
from hognose.codec import Codec, Undecodable
from hognose.errors import ProtocolError
from hognose.gen.messages import CALL_TYPE_FUNCTION, HOST_DEFAULTS, HOST_MESSAGE_CALL, HOST_MESSAGE_CHUNK
from hognose.transport import NOTHING, Frame
from hognose.transport.chunks import Assembly, Unassembled
from hognose.transport.waiting import Waker, wait_readable

__all__ = ["LENGTH_BYTES", "MAX_FRAME_BYTES", "SocketReader", "complete"]

#: Bytes of the length that stands before a frame.
LENGTH_BYTES: Final = 4
#: A larger frame is no frame: what is large travels in parts.
MAX_FRAME_BYTES: Final = 1 << 26

#: Kept between frames: a buffer made per read would be mapped and unmapped each time.
_BUFFER_BYTES: Final = 1 << 16
#: A larger buffer is not kept for the next frame.
_KEPT_BYTES: Final = 1 << 20

_length_of: Final = struct.Struct("<I").unpack_from
#: Without it (on Windows) a single read cannot be told not to wait.
_HAS_NO_WAIT: Final = hasattr(socket, "MSG_DONTWAIT")
_NO_WAIT: Final[int] = getattr(socket, "MSG_DONTWAIT", 0)
_yield_processor: Final[Callable[[], None]] = getattr(os, "sched_yield", lambda: None)
#: After so many frames that were there at the first look (the host runs on this processor, or is ahead), polling gains
#: nothing: so many waits begin without it.
_MOST_PROMPT: Final = 16
_SLEEPS: Final = 256
#: What `_poll` returns when there is nothing to read.
_NOTHING_YET: Final = -1


class SocketReader:
    """The receiving half of a lane over a socket.

    Args:
        connection: Connected and blocking.
        codec: Reads the values in the frames.
        spin_ns: How long to poll before a wait blocks.
    """

    def __init__(self, connection: socket.socket, codec: Codec, *, spin_ns: int = 0) -> None:
        self._connection = connection
        self._receive_into = connection.recv_into
        self._receive_now_into = connection.recv_into if _HAS_NO_WAIT else _ReceiveWithoutFlag(connection)
        self._decode = codec.decode_frame
        self._spin_ns = spin_ns if _HAS_NO_WAIT else 0
        #: How many frames in a row were there at the first look, and how many waits are not begun by polling.
        self._prompt = 0
        self._sleeps = 0
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        # What has arrived and was not taken yet: buffer[start:end].
        self._start = 0
        self._end = 0
        self._assembly = Assembly()
        self._waker = Waker(connection)

    def receive(self) -> Frame | None:
        """See `Lane.receive`."""
        while True:
            if self._end and (frame := self._take()) is not None:
                return frame
            if self._sleeps:
                self._sleeps -= 1
                count = _NOTHING_YET
            else:
                count = self._poll(self._spin_ns) if self._spin_ns else _NOTHING_YET
            if count == _NOTHING_YET:
                try:
                    count = self._receive_into(self._buffer[self._end :] if self._end else self._buffer)
                except ConnectionError:
                    return None
            if count == 0:
                return None
            self._end += count

    def receive_or_wake(self) -> Frame | None:
        """See `Lane.receive_or_wake`."""
        while True:
            if self._end and (frame := self._take()) is not None:
                return frame
            if self._waker.is_woken:
                self._waker.clear()
                return NOTHING
            count = self._poll(self._spin_ns)
            if count == 0:
                return None
            if count == _NOTHING_YET:
                wait_readable(self._waker.poller)
            else:
                self._end += count

    def receive_now(self) -> Frame | None:
        """See `Lane.receive_now`."""
        while True:
            if self._end and (frame := self._take()) is not None:
                return frame
            count = self._poll(0)
            if count == 0:
                return None
            if count == _NOTHING_YET:
                return NOTHING
            self._end += count

    def wake(self) -> None:
        """See `Lane.wake`."""
        self._waker.wake()

    def _poll(self, spin_ns: int) -> int:
        """Reads what is there without waiting, for `spin_ns` again and again; 0 at the end, -1 for nothing."""
        target = self._buffer[self._end :] if self._end else self._buffer
        until = 0
        if spin_ns:
            # Where the host shares this processor it runs now, and its next frame is there at the first look: one that
            # finds nothing raises an exception, which takes longer than to decode a call.
            _yield_processor()
        while True:
            try:
                count = self._receive_now_into(target, 0, _NO_WAIT)
            except BlockingIOError:
                self._prompt = 0
            except ConnectionError:
                return 0
            else:
                if spin_ns and until == 0:
                    self._prompt += 1
                    if self._prompt == _MOST_PROMPT:
                        self._prompt, self._sleeps = 0, _SLEEPS
                return count
            if spin_ns == 0 or self._waker.is_woken:
                return _NOTHING_YET
            now = perf_counter_ns()
            if until == 0:
                until = now + spin_ns
            elif now >= until:
                return _NOTHING_YET
            _yield_processor()

    def _take(self) -> Frame | None:
        """The next whole frame that holds a message; None where there is none yet, with room for the rest of it."""
        while True:
            start = self._start
            body = start + LENGTH_BYTES
            if body > self._end:
                break
            (length,) = _length_of(self._buffer, start)
            stop = body + length
            if stop > self._end:
                break
            try:
                messages, is_broken = self._decode(self._buffer[body:stop])
            except (ValueError, RecursionError) as error:
                raise ProtocolError(f"a frame of the host cannot be read: {type(error).__name__}: {error}") from error
            if stop < self._end:
                self._start = stop
            else:
                self._start = self._end = 0
                if len(self._buffer) > _KEPT_BYTES:
                    self._buffer = memoryview(bytearray(_BUFFER_BYTES))
            if complete(messages):
                messages, is_broken = self._without_chunks(messages, is_broken)
            if messages:
                return messages, is_broken
            if not self._end:
                return None
        self._make_room()
        return None

    def _make_room(self) -> None:
        """Makes room for the rest of the frame that has begun to arrive."""
        start, size = self._start, self._end - self._start
        wanted = _BUFFER_BYTES
        if size >= LENGTH_BYTES:
            (length,) = _length_of(self._buffer, start)
            if length > MAX_FRAME_BYTES:
                raise ProtocolError(
                    f"the host announces a frame of {length} bytes, and {MAX_FRAME_BYTES} is the limit: it does not "
                    "speak this protocol, or does not send what is large in parts"
                )
            wanted = max(LENGTH_BYTES + length, _BUFFER_BYTES)
        if wanted > len(self._buffer):
            larger = memoryview(bytearray(wanted))
            larger[:size] = self._buffer[start : self._end]
            self._buffer = larger
        elif start:
            self._buffer[:size] = self._buffer[start : self._end]
        self._start, self._end = 0, size

    def _without_chunks(self, messages: list[list[Any]], is_broken: bool) -> Frame:
        """The messages, with those that parts complete in the place of the last part."""
        result: list[list[Any]] = []
        for message in messages:
            if message[0] != HOST_MESSAGE_CHUNK:
                result.append(message)
                continue
            call = message[4]
            try:
                data = self._assembly.add(message)
                if data is None:
                    continue
                whole, is_whole_broken = self._decode(data)
                complete([whole])
                result.append(whole)
                is_broken = is_broken or is_whole_broken
            except Unassembled as error:
                result.append(undecodable_call(call, error.reason))
                is_broken = True
            except (ValueError, RecursionError, MemoryError) as error:
                if call == 0:
                    raise ProtocolError(
                        f"a message of the host that came in parts cannot be read: {type(error).__name__}: {error}"
                    ) from error
                result.append(undecodable_call(call, f"the call cannot be read: {type(error).__name__}: {error}"))
                is_broken = True
        return result, is_broken


def undecodable_call(call: int, reason: str) -> list[Any]:
    """A call in the place of one that cannot be read: it fails like any other with an argument that cannot."""
    message = [HOST_MESSAGE_CALL, call, 1, CALL_TYPE_FUNCTION, "", Undecodable(reason)]
    complete([message])
    return message


def complete(messages: Any) -> bool:
    """Gives each message all the fields of its kind; returns whether a chunk is among them.

    Raises:
        ProtocolError: When these are no messages, or one is of a kind that this worker does not know.
    """
    has_chunks = False
    try:
        for message in messages:
            kind = message[0]
            tails = _TAILS[kind]
            size = len(message)
            if size < len(tails):
                message += tails[size]  # noqa: PLW2901 - in place, as it is a list
            elif size > len(tails):
                del message[len(tails) :]  # of a newer host
            if kind == HOST_MESSAGE_CHUNK:
                has_chunks = True
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise _refusal(messages) from error
    return has_chunks


#: For each kind and number of fields what is missing behind them.
_TAILS: Final = {
    kind: tuple(tuple(defaults[size:]) for size in range(len(defaults))) for kind, defaults in HOST_DEFAULTS.items()
}


def _refusal(messages: Any) -> ProtocolError:
    if not isinstance(messages, list):
        return ProtocolError(f"a frame holds a {type(messages).__name__} and not an array of messages")
    for message in messages:
        if not isinstance(message, list) or not message:
            return ProtocolError(f"a frame holds a {type(message).__name__} where a message is an array of fields")
        kind = message[0]
        if not isinstance(kind, int) or kind not in HOST_DEFAULTS:
            return ProtocolError(
                f"the host sent a message of the unknown kind {kind!r}: it is newer than this worker (hognose "
                f"{__version__}), which knows the kinds 1 to {max(HOST_DEFAULTS)}"
            )
    return ProtocolError("a frame of the host is no array of messages")


class _ReceiveWithoutFlag:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def __call__(self, target: memoryview, count: int, flags: int) -> int:
        if not select.select((self._connection,), (), (), 0)[0]:
            raise BlockingIOError
        return self._connection.recv_into(target, count, flags)
