"""Messages of the worker in msgpack, as the socket lane carries them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

import msgpack

from hognose.codec import Encoded
from hognose.gen.messages import (
    LAYOUT,
    WORKER_MESSAGE_CALLBACK,
    WORKER_MESSAGE_RESULT,
)
from hognose.transport.packed import PART_BYTES, LargeMessage, Packed

__all__ = ["array_header", "call_of", "pack_message"]

#: An array of three: the kind, the id as u32, and the value that follows.
_RESULT_HEADER: Final = struct.Struct(">BBBI")
_ARRAY_OF_THREE: Final = 0x93
_UINT_32: Final = 0xCE
_LARGE_ID: Final = 1 << 32


def pack_message(message: list[Any], encode: Callable[[Any], bytes]) -> Packed:
    """A message in the encoding of the socket lane; `encode` writes the values in it."""
    kind = message[0]
    if kind == WORKER_MESSAGE_RESULT:
        _, call, value = message
        data = value.data if type(value) is Encoded else encode(value)
        if call < _LARGE_ID:
            header = _RESULT_HEADER.pack(_ARRAY_OF_THREE, WORKER_MESSAGE_RESULT, _UINT_32, call)
        else:
            header = bytes((_ARRAY_OF_THREE, WORKER_MESSAGE_RESULT)) + _plain(call)
        return header + data if len(data) <= PART_BYTES else LargeMessage(kind, call, (header, data))
    if kind in _PLAIN_KINDS:
        plain = _plain(message)
        return plain if len(plain) <= PART_BYTES else LargeMessage(kind, call_of(message), (plain,))
    pieces = [array_header(len(message)), _plain(kind)]
    _add_fields(pieces, _LAYOUTS[kind], message[1:], encode)
    size = sum(map(len, pieces))
    if size > PART_BYTES:
        return LargeMessage(kind, call_of(message), tuple(_merged(pieces)))
    return b"".join(pieces)


def array_header(length: int) -> bytes:
    """The start of an array."""
    if length < 16:
        return _ARRAY_HEADERS[length]
    return b"\xdd" + length.to_bytes(4, "big")


def call_of(message: list[Any]) -> int:
    """The call that a message belongs to; 0: none."""
    layout = LAYOUT["WorkerMessage"][message[0] - 1][3]
    if message[0] == WORKER_MESSAGE_CALLBACK:
        return int(message[5])
    return int(message[1]) if layout in _ANSWERS else 0


_ANSWERS: Final = frozenset(("Result", "Raised", "Awaiting", "StreamItems", "StreamEnd"))

_ARRAY_HEADERS: Final = tuple(bytes((0x90 | length,)) for length in range(16))

Layout = tuple[tuple[str, str, bool, str], ...]


def _holds_value(message: str, seen: frozenset[str] = frozenset()) -> bool:
    """Whether a message holds a value, itself or in a message within it."""
    return message not in seen and any(
        holds == "value" or (holds == "message" and _holds_value(inner, seen | {message}))
        for _, holds, _, inner in LAYOUT[message]
    )


_LAYOUTS: Final[dict[int, Layout]] = {
    number: LAYOUT[message] for number, (_, _, _, message) in enumerate(LAYOUT["WorkerMessage"], 1)
}
#: All others msgpack can write in one go.
_WITH_VALUES: Final = frozenset(
    message for message in LAYOUT if message not in ("HostMessage", "WorkerMessage") and _holds_value(message)
)

_PLAIN_KINDS: Final = frozenset(
    number for number, (_, _, _, message) in enumerate(LAYOUT["WorkerMessage"], 1) if message not in _WITH_VALUES
)


def _add_fields(pieces: list[bytes], layout: Layout, fields: list[Any], encode: Callable[[Any], bytes]) -> None:
    for (_, holds, repeated, inner), field in zip(layout, fields, strict=False):
        if holds == "value":
            pieces.append(field.data if type(field) is Encoded else encode(field))
        elif inner in _WITH_VALUES and field is not None:
            items = field if repeated else (field,)
            if repeated:
                pieces.append(array_header(len(items)))
            for item in items:
                pieces.append(array_header(len(item)))
                _add_fields(pieces, LAYOUT[inner], item, encode)
        else:
            pieces.append(_plain(field))


def _plain(field: object) -> bytes:
    data: bytes = msgpack.packb(field, unicode_errors="surrogatepass")
    return data


def _merged(pieces: list[bytes]) -> list[bytes]:
    """The same bytes with small pieces joined, and large ones left where they are."""
    merged: list[bytes] = []
    small: list[bytes] = []
    for piece in pieces:
        if len(piece) <= PART_BYTES:
            small.append(piece)
            continue
        merged.append(b"".join(small))
        small.clear()
        merged.append(piece)
    merged.append(b"".join(small))
    return [piece for piece in merged if piece]
