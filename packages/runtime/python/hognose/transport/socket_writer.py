"""Writes frames to a socket, from any thread; what is large leaves in parts on a thread of its own."""

from __future__ import annotations

import queue
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgpack

from hognose.codec import Codec
from hognose.gen.messages import WORKER_MESSAGE_CHUNK
from hognose.transport.order import Backlog
from hognose.transport.packed import PART_BYTES, LargeMessage, Packed
from hognose.transport.socket_encoding import array_header, pack_message

__all__ = ["SocketWriter", "identify"]

_LENGTH: Final = struct.Struct("<I")
#: The length, and the start of an array of one.
_SINGLE: Final = struct.Struct("<IB")
_ARRAY_OF_ONE: Final = 0x91
#: Messages that were written together go in one frame up to this size.
_FULL_FRAME_BYTES: Final = 1 << 22


class SocketWriter:
    """The sending half of a lane over a socket.

    Whoever holds the lock sends all that is pending, and looks again after it has let the lock go: so nobody waits for
    another thread's write, and a write within a write (by a finalizer, a signal handler) goes behind it.

    Args:
        connection: Connected and blocking.
        codec: Writes the values in the messages.
    """

    def __init__(self, connection: socket.socket, codec: Codec) -> None:
        self._send = connection.sendall
        self._encode = codec.encode
        #: Frames that another thread sends, or this one when it is done.
        self._pending: deque[bytes] = deque()
        self._write_lock = threading.Lock()
        self._backlog = Backlog(identify)
        self._tokens: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._sender: threading.Thread | None = None
        #: Taken once, by the thread that starts the sender.
        self._starts_sender = threading.Lock()
        self._last_large_id = 0

    def pack(self, message: list[Any]) -> Packed:
        """See `Lane.pack`."""
        return pack_message(message, self._encode)

    def write(self, packed: Iterable[Packed]) -> None:
        """See `Lane.write`."""
        messages: list[Any] = packed if type(packed) is list else list(packed)
        if self._backlog.items:
            messages = self._write_in_order(messages)
        else:
            for message in messages:
                if type(message) is not bytes:
                    messages = self._write_in_order(messages)
                    break
        if len(messages) == 1:
            message = messages[0]
            frame = _SINGLE.pack(len(message) + 1, _ARRAY_OF_ONE) + message
        elif messages:
            frame = self._frame(messages)
        else:
            return
        if self._pending or not self._write_lock.acquire(blocking=False):
            self._pending.append(frame)
            self._send_pending()
            return
        try:
            self._send(frame)
        finally:
            self._write_lock.release()
        if self._pending:  # of a thread that found the lock taken
            self._send_pending()

    def finish(self) -> None:
        """Waits until all that was written has left; nothing large may be written after it.

        Raises:
            OSError: When the host is gone.
        """
        if self._sender is not None and self._sender is not threading.current_thread():
            self._tokens.put(False)
            self._sender.join()
        with self._write_lock:
            self._send_all()

    def _write_in_order(self, messages: list[Packed]) -> list[bytes]:
        """Leaves what must wait to the sender, and returns the rest."""
        ready = self._backlog.sort(messages)
        if self._backlog.items:
            if self._starts_sender.acquire(blocking=False):
                self._sender = threading.Thread(target=self._send_backlog, name="hognose-sender", daemon=True)
                self._sender.start()
            self._tokens.put(True)
        return ready

    def _frame(self, messages: list[bytes]) -> bytes:
        """A frame of several messages; two or more frames where it would be too large."""
        size = sum(map(len, messages))
        if size > _FULL_FRAME_BYTES and len(messages) > 1:
            middle = len(messages) // 2
            return self._frame(messages[:middle]) + self._frame(messages[middle:])
        header = array_header(len(messages))
        return b"".join((_LENGTH.pack(size + len(header)), header, *messages))

    def _send_pending(self) -> None:
        while self._pending and self._write_lock.acquire(blocking=False):
            try:
                self._send_all()
            finally:
                self._write_lock.release()

    def _send_all(self) -> None:
        while self._pending:
            self._send(self._pending.popleft())

    def _send_backlog(self) -> None:
        try:
            while self._tokens.get():
                while (item := self._backlog.first()) is not None:
                    if isinstance(item, LargeMessage):
                        self._last_large_id += 1
                        for frame in _part_frames(self._last_large_id, item):
                            with self._write_lock:
                                for piece in frame:
                                    self._send(piece)
                            self._send_pending()
                    else:
                        self._pending.append(self._frame([item]))
                        self._send_pending()
                    self._backlog.items.popleft()
        except OSError:
            pass  # the host is gone: whoever receives sees it too


def _part_frames(identifier: int, message: LargeMessage) -> Iterator[tuple[bytes | memoryview, ...]]:
    start = b"".join((b"\x91\x95", *map(msgpack.packb, (WORKER_MESSAGE_CHUNK, identifier, message.size))))
    call: bytes = msgpack.packb(message.call)
    for piece in message.pieces:
        view = memoryview(piece)
        for at in range(0, len(piece), PART_BYTES):
            part = view[at : at + PART_BYTES]
            head = b"%b\xc6%b" % (start, len(part).to_bytes(4, "big"))
            yield _LENGTH.pack(len(head) + len(part) + len(call)) + head, part, call


def identify(message: bytes) -> tuple[int, int]:
    """The kind of a message, and its first field where that is a number: the call's id in all that answer one."""
    fields = msgpack.Unpacker(max_buffer_size=0)
    fields.feed(message[:32])
    fields.read_array_header()
    kind = fields.unpack()
    try:
        first = fields.unpack()
    except (msgpack.OutOfData, ValueError):  # there is none, or it is longer than any number
        first = 0
    return kind, first if isinstance(first, int) else 0
