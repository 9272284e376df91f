"""Values in msgpack with extension types, for one host.

The types and what stands for them are listed in `hognose.values.extensions`; docs/values.md has the rules.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgpack

from hognose.gen.messages import RESULT_MODE_AUTO, RESULT_MODE_HANDLE, RESULT_MODE_NONE
from hognose.handles import HandleTable
from hognose.values.arrays import write_array
from hognose.values.decoder import Decoder, Undecodable, find_undecodable
from hognose.values.encoder import KEPT_BYTES, PACKING, Encoder
from hognose.values.extensions import EXT_SHARED
from hognose.values.hooks import CodecHooks

if TYPE_CHECKING:
    from hognose.sharing import Sharing

__all__ = ["Codec", "CodecHooks", "Encoded", "Undecodable", "find_undecodable"]

_MAX_BINARY: Final = (1 << 32) - 1

#: What needs nothing of the encoder; by number, as a metaclass may make its classes unhashable.
_SCALAR_IDS: Final = frozenset(map(id, (type(None), bool, int, float, str)))


class Encoded:
    """A value that is encoded already.

    Args:
        data: Its msgpack.
    """

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class Codec:
    """Encodes and decodes values for one host; any thread may use it at any time.

    Args:
        handles: Where objects that stay here are kept.
        resolve: Finds the object of a dotted path, for references.
        hooks: What stands for functions, results and errors; without it none can be read.
    """

    def __init__(self, handles: HandleTable, resolve: Callable[[str], object], hooks: CodecHooks | None = None) -> None:
        self.handles = handles
        #: The object of a handle that stands in a value.
        self.find_handle: Callable[[int], object] = handles.get
        self.resolve = resolve
        self.hooks = hooks
        #: What memory is shared with the host by; None: none is.
        self.sharing: Sharing | None = None
        self._idle: list[Encoder] = []

    def encode(
        self, value: object, mode: int = RESULT_MODE_AUTO, session_id: int = 0, *, is_constant: bool = False
    ) -> bytes:
        """Writes one value; what cannot travel, or is nested too deeply, becomes a handle.

        Args:
            value: Of any type.
            mode: Whether a handle may stand for it, or must, as in the contract's `ResultMode`.
            session_id: The session that handles are for.
            is_constant: Whether it is Python's own: the host is to look at its arrays, and not to write to them.

        Raises:
            EncodeError: When a handle would be needed and the mode forbids it, or when a registered codec fails.
        """
        if mode == RESULT_MODE_NONE:
            return b"\xc0"
        kind = type(value)
        if mode != RESULT_MODE_HANDLE:
            if id(kind) in _SCALAR_IDS and (kind is not str or len(value) < KEPT_BYTES):  # type: ignore[arg-type]
                try:
                    packed: bytes = _pack_scalar(value)
                except (OverflowError, TypeError, UnicodeEncodeError):  # an int beyond 64 bits, a lone surrogate
                    pass
                else:
                    return packed
            elif kind is bytes and KEPT_BYTES < len(value) <= _MAX_BINARY:  # type: ignore[arg-type]
                lent = None if self.sharing is None else self.sharing.lend_bytes(value)  # type: ignore[arg-type]
                if lent is not None:
                    return _pack_extension(msgpack.ExtType(EXT_SHARED, msgpack.packb(lent)))
                return b"".join((b"\xc6", len(value).to_bytes(4, "big"), value))  # type: ignore[arg-type]
            elif kind.__name__ == "ndarray" and self.sharing is not None:
                array = self._encode_array(value, kind, is_constant)
                if array is not None:
                    return array
        try:
            encoder = self._idle.pop()
        except IndexError:
            encoder = Encoder(self)
        try:
            return encoder.encode(value, mode, session_id, is_constant)
        finally:
            self._idle.append(encoder)

    def _encode_array(self, value: object, kind: type, is_constant: bool) -> bytes | None:
        """An array as a whole, without what only values in values need; None where it is none that travels."""
        if kind is not getattr(sys.modules.get("numpy"), "ndarray", None):
            return None
        written = write_array(value, self.sharing, is_constant)  # type: ignore[arg-type]
        return None if written is None else _pack_extension(written)

    def decode(self, data: bytes | bytearray | memoryview) -> Any:
        """Reads one msgpack value. What cannot be read is an `Undecodable` in its place."""
        return Decoder(self).unpack(data)

    def decode_frame(self, data: bytes | bytearray | memoryview) -> tuple[Any, bool]:
        """Reads one msgpack value, and tells whether there is an `Undecodable` in it."""
        decoder = Decoder(self)
        return decoder.unpack(data), bool(decoder.broken)


_pack_extension: Final[Callable[[object], bytes]] = msgpack.packb
_pack_scalar: Final[Callable[[object], bytes]] = msgpack.Packer(**PACKING).pack
