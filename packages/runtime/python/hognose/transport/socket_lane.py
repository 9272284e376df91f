"""The socket lane: u32 length plus one msgpack value per frame, over a Unix-domain or loopback socket."""

from __future__ import annotations

import socket
import struct
from typing import Any, Final

import msgpack

from hognose.codec import Codec
from hognose.errors import EncodeError, ProtocolError
from hognose.gen.messages import WORKER_MESSAGE_RESULT

__all__ = ["SocketLane", "connect"]

_LENGTH: Final = struct.Struct("<I")
#: Beyond this a frame cannot be what it claims; the length field itself reaches 4 GiB.
MAX_FRAME_BYTES: Final = (1 << 32) - 1


def connect(address: str) -> socket.socket:
    """Dials the host: a path is a Unix-domain socket, `host:port` a loopback one."""
    if address.startswith("/") or not address.rpartition(":")[2].isdigit():
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(address)
        return connection
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host, int(port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class SocketLane:
    """Reads and writes frames on the calling thread: a hand-over between threads costs as much as a whole call."""

    def __init__(self, connection: socket.socket, codec: Codec) -> None:
        self._connection = connection
        self._codec = codec
        # Kept between frames: a buffer of this size made per read would be mapped and unmapped each time.
        self._buffer = bytearray(1 << 16)
        self._filled = 0

    def receive(self) -> list[list[Any]] | None:
        """See `Lane.receive`.

        Raises:
            ProtocolError: When a frame is no array of messages.
        """
        if not self._fill(_LENGTH.size):
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        end = _LENGTH.size + length
        if not self._fill(end):
            return None
        with memoryview(self._buffer) as view:
            messages = self._codec.decode(view[_LENGTH.size : end])
            rest = self._filled - end
            if rest:
                self._buffer[:rest] = view[end : self._filled].tobytes()
        self._filled = rest
        if not isinstance(messages, list):
            raise ProtocolError(f"a frame holds a {type(messages).__name__} and not an array of messages")
        return messages

    def _fill(self, wanted: int) -> bool:
        """Reads until the buffer holds `wanted` bytes; False when the host is gone, be it within a frame."""
        if wanted > len(self._buffer):
            self._buffer.extend(bytes(wanted - len(self._buffer)))
        elif self._filled == 0 and len(self._buffer) > 1 << 20:
            self._buffer = bytearray(1 << 16)  # a large frame's memory is not kept
        while self._filled < wanted:
            with memoryview(self._buffer) as view:
                count = self._connection.recv_into(view[self._filled :])
            if count == 0:
                return False
            self._filled += count
        return True

    def send(self, messages: list[list[Any]]) -> None:
        """See `Lane.send`.

        Raises:
            EncodeError: When a result cannot travel; nothing was sent then.
        """
        body = b"".join([_array_header(len(messages)), *(self._encode(message) for message in messages)])
        if len(body) > MAX_FRAME_BYTES:
            raise EncodeError(f"a result of {len(body)} bytes is larger than one frame carries")
        if len(body) < 1 << 16:
            self._connection.sendall(_LENGTH.pack(len(body)) + body)
        else:
            self._connection.sendall(_LENGTH.pack(len(body)))
            self._connection.sendall(body)

    def _encode(self, message: list[Any]) -> bytes:
        kind, *fields = message
        if kind == WORKER_MESSAGE_RESULT:  # its value alone may hold more than plain data
            return b"".join((b"\x93", msgpack.packb(kind), msgpack.packb(fields[0]), self._codec.encode(fields[1])))
        # Plain data as well, but an exception's arguments may hold an integer of any size.
        return self._codec.encode(message)

    def close(self) -> None:
        """See `Lane.close`."""
        self._connection.close()


def _array_header(length: int) -> bytes:
    return bytes([0x90 | length]) if length < 16 else b"\xdd" + struct.pack(">I", length)
