"""Messages in protobuf, as the gRPC lane carries them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from hognose import __version__
from hognose.codec import Encoded
from hognose.errors import ProtocolError
from hognose.gen.messages import (
    HOST_MESSAGE_CHUNK,
    LAYOUT,
    WORKER_MESSAGE_RESULT,
    WORKER_MESSAGE_STREAM_ITEMS,
)
from hognose.transport.grpc_messages import message_class
from hognose.transport.packed import PART_BYTES, LargeMessage, Packed
from hognose.transport.socket_encoding import call_of

__all__ = ["Reader", "identify", "pack_message", "part_frames", "write_frame"]

#: An id and a value, which is all that most messages are: written here, as an object per message costs more.
_ID_AND_VALUE: Final = frozenset((WORKER_MESSAGE_RESULT, WORKER_MESSAGE_STREAM_ITEMS))

_VARINT: Final = 0
_BYTES: Final = 2


def pack_message(message: list[Any], encode: Callable[[Any], bytes]) -> Packed:
    """A message in protobuf; `encode` writes the values in it."""
    kind = message[0]
    if kind in _ID_AND_VALUE:
        value = message[2]
        data = value.data if type(value) is Encoded else encode(value)
        identifier = _tag(1, _VARINT) + _varint(message[1])
        value_header = _tag(1, _BYTES) + _varint(len(data))
        field_header = _tag(2, _BYTES) + _varint(len(value_header) + len(data))
        inner = identifier + field_header + value_header
        header = _tag(kind, _BYTES) + _varint(len(inner) + len(data)) + inner
        if len(data) > PART_BYTES:
            return LargeMessage(kind, message[1], (header, data))
        return header + data
    name, _, _, layout = LAYOUT["WorkerMessage"][kind - 1]
    union = _WORKER_MESSAGE()
    target = getattr(union, name)
    target.SetInParent()
    _write(layout, message[1:], target, encode)
    packed: bytes = union.SerializeToString()
    return packed if len(packed) <= PART_BYTES else LargeMessage(kind, call_of(message), (packed,))


def write_frame(messages: list[bytes]) -> bytes:
    """A `WorkerFrame` of messages that are encoded already."""
    pieces: list[bytes] = []
    for message in messages:
        pieces += (_tag(1, _BYTES), _varint(len(message)), message)
    return b"".join(pieces)


def part_frames(identifier: int, message: LargeMessage) -> Iterator[bytes]:
    """The frames that carry a large message."""
    for piece in message.pieces:
        for at in range(0, len(piece), PART_BYTES):
            union = _WORKER_MESSAGE()
            chunk = union.chunk
            chunk.id = identifier
            chunk.total_bytes = message.size
            chunk.data = piece[at : at + PART_BYTES]
            chunk.call = message.call
            yield write_frame([union.SerializeToString()])


def identify(message: bytes) -> tuple[int, int]:
    """The kind of a message, and its first field where that is a number."""
    union = _WORKER_MESSAGE.FromString(message)
    name = union.WhichOneof("message")
    kind = _WORKER_NUMBERS[name]
    fields = LAYOUT[LAYOUT["WorkerMessage"][kind - 1][3]]
    first = getattr(getattr(union, name), fields[0][0]) if fields else 0
    return kind, first if isinstance(first, int) else 0


class Reader:
    """Reads the messages of a host.

    Args:
        decode: Reads a value, and tells whether an `Undecodable` stands in it.
    """

    def __init__(self, decode: Callable[[bytes], tuple[Any, bool]]) -> None:
        self._decode = decode

    def read(self, union: Any) -> tuple[list[Any], bool]:
        """A `HostMessage` as a list, and whether an `Undecodable` stands in it.

        Raises:
            ProtocolError: When it is of a kind that this worker does not know.
        """
        name = union.WhichOneof("message")
        if name is None:
            raise ProtocolError(
                f"the host sent a message of an unknown kind: it is newer than this worker (hognose {__version__}), "
                f"which knows the kinds 1 to {len(_HOST_NUMBERS)}"
            )
        kind = _HOST_NUMBERS[name]
        message = getattr(union, name)
        if kind == HOST_MESSAGE_CHUNK:
            return [kind, message.id, message.total_bytes, message.data, message.call], False
        broken: list[bool] = []
        return [kind, *self._read_fields(LAYOUT["HostMessage"][kind - 1][3], message, broken)], bool(broken)

    def _read_fields(self, kind: str, message: Any, broken: list[bool]) -> list[Any]:
        return [self._read_field(message, field, broken) for field in LAYOUT[kind]]

    def _read_field(self, message: Any, field: tuple[str, str, bool, str], broken: list[bool]) -> Any:
        name, holds, repeated, inner = field
        value = getattr(message, name)
        if repeated:
            if holds == "message":
                return [self._read_fields(inner, item, broken) for item in value]
            return list(value)
        if holds == "value":
            if not message.HasField(name):
                return None
            try:
                decoded, is_broken = self._decode(value.msgpack)
            except (ValueError, RecursionError) as error:
                raise ProtocolError(f"a value of the host cannot be read: {type(error).__name__}: {error}") from error
            if is_broken:
                broken.append(True)
            return decoded
        if holds == "message":
            return self._read_fields(inner, value, broken) if message.HasField(name) else None
        return value


_WORKER_MESSAGE: Final = message_class("WorkerMessage")
_WORKER_NUMBERS: Final = {name: number for number, (name, _, _, _) in enumerate(LAYOUT["WorkerMessage"], 1)}
_HOST_NUMBERS: Final = {name: number for number, (name, _, _, _) in enumerate(LAYOUT["HostMessage"], 1)}


def _write(kind: str, fields: list[Any], message: Any, encode: Callable[[Any], bytes]) -> None:
    for (name, holds, repeated, inner), value in zip(LAYOUT[kind], fields, strict=False):
        if holds == "value":
            getattr(message, name).msgpack = value.data if type(value) is Encoded else encode(value)
        elif holds == "message" and repeated:
            for item in value:
                _write(inner, item, getattr(message, name).add(), encode)
        elif holds == "message":
            if value is not None:
                getattr(message, name).SetInParent()
                _write(inner, value, getattr(message, name), encode)
        elif repeated:
            getattr(message, name).extend(_valid(item) for item in value)
        else:
            setattr(message, name, _valid(value))


def _valid(value: Any) -> Any:
    """Protobuf strings are valid Unicode: a lone surrogate of Python becomes its escape."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _tag(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
