"""Values in msgpack with extension types: what travels, how, and what becomes a handle instead.

| code | type | payload |
|---|---|---|
| 1 | tuple | an array |
| 2 | integer beyond 64 bits | two's complement, little-endian |
| 3 | handle, to the host | [id, qualified name of the type] |
| 3 | handle, to the worker | [id] |
| 4 | ndarray | [dtype, shape, bytes in C order] |
| 5 | reference, to the worker | dotted path of a module's attribute |
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgpack

from hognose.errors import DecodeError, EncodeError, HognoseError
from hognose.gen.messages import RESULT_MODE_HANDLE, RESULT_MODE_VALUE
from hognose.handles import HandleTable, qualified_name

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Codec", "HandleOnly", "PlainOnly", "Undecodable"]

EXT_TUPLE: Final = 1
EXT_BIG_INTEGER: Final = 2
EXT_HANDLE: Final = 3
EXT_NDARRAY: Final = 4
EXT_REFERENCE: Final = 5

#: How deep values may be nested on their way to the host: msgpack's own limit, which begins anew in each tuple.
MAX_DEPTH: Final = 1024

#: How deep tuples may be nested: each level is a value of its own to msgpack, whose C decoder takes 40 KB of stack.
MAX_TUPLE_DEPTH: Final = 64

#: dtypes that a typed array of JavaScript can hold, with the format that `memoryview` uses for them.
DTYPES: Final = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}


_CONTAINERS: Final = (list, tuple, dict)

#: Types that msgpack writes in its own way and never asks about: they would pass for this codec's extensions.
_FOREIGN: Final = (msgpack.ExtType, msgpack.Timestamp)


class Undecodable:
    """Stands in a decoded message for a value that cannot be read, so that only the call that holds it fails."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


class HandleOnly:
    """Marks a result that travels as a handle whatever it is."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


class PlainOnly:
    """Marks a result that must travel as plain data."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


class Codec:
    """Encodes and decodes values for one host.

    Args:
        handles: Where objects that stay here are kept.
        resolve: Finds the object of a dotted path, for references.
    """

    def __init__(self, handles: HandleTable, resolve: Callable[[str], object]) -> None:
        self._handles = handles
        self._resolve = resolve
        #: Set when a decoded frame holds an `Undecodable`.
        self.found_undecodable = False
        #: Handles put into the value that is being written.
        self._put: list[int] = []
        #: How many tuples are around the value that is being read or written.
        self._tuple_depth = 0
        self._has_tuples = False
        #: References to the foreign types while there is no instance of them.
        self._foreign_references = _FOREIGN_REFERENCES

    def decode(self, data: bytes | bytearray | memoryview) -> Any:
        """Reads one msgpack value. What cannot be read is an `Undecodable` in its place."""
        try:
            return self._unpack(data)
        except TypeError:  # a key that cannot be hashed: read again, more slowly, to find the map that holds it
            return self._unpack(data, object_pairs_hook=self._read_pairs)

    def _unpack(self, data: bytes | bytearray | memoryview, **hooks: Callable[[Any], object]) -> Any:
        return msgpack.unpackb(
            data, ext_hook=self._read_extension, strict_map_key=False, unicode_errors="surrogatepass", **hooks
        )

    def _read_pairs(self, pairs: list[tuple[Any, Any]]) -> object:
        try:
            return dict(pairs)
        except TypeError as error:
            self.found_undecodable = True
            return Undecodable(f"a key of a dict must be hashable: {error}")

    def encode(self, value: object) -> bytes:
        """Writes one value; what cannot travel, or is nested too deeply, becomes a handle.

        Raises:
            EncodeError: When the value is marked `PlainOnly` and would need a handle.
        """
        self._put.clear()
        self._has_tuples = False
        if type(value) is PlainOnly:
            self._refuse_foreign(value.value)
            return self._pack_whole(value.value, self._write_plain_extension)
        try:
            if type(value) is HandleOnly:
                value = self._handle(value.value)
            elif type(value) is memoryview:  # msgpack itself would take the bytes for the elements
                plain = _write_memoryview(value)
                value = self._handle(value) if plain is None else plain
            else:
                self._refuse_foreign(value)
            return self._pack_whole(value, self._write_extension)
        except EncodeError:
            for handle in self._put:  # they have not travelled: nobody would release them
                self._handles.release(handle, 1)
            return self._pack(self._handle(value), self._write_extension)

    def mark(self, value: object, mode: int) -> object:
        """A result with the mark of its mode."""
        if mode == RESULT_MODE_HANDLE:
            return HandleOnly(value)
        return PlainOnly(value) if mode == RESULT_MODE_VALUE else value

    def _refuse_foreign(self, value: object) -> None:
        """Refuses values that hold msgpack's own types; each tuple is looked at when it is written.

        An instance refers to its class, so that the count of references says at once whether there can be any: a look
        at each value would take longer than to write them.
        """
        references = _count_foreign_references()
        if references is not None and self._foreign_references is not None:
            self._foreign_references = min(references, self._foreign_references)
            if references == self._foreign_references:
                return
        if _holds_foreign(value):
            raise EncodeError("a value that holds msgpack's own types cannot travel as plain data")

    def _pack_whole(self, value: object, default: Callable[[Any], object]) -> bytes:
        packed = self._pack(value, default)
        if self._has_tuples and len(packed) > MAX_DEPTH and _is_deeper(value, MAX_DEPTH):
            raise EncodeError(f"a {type(value).__name__} is nested more than {MAX_DEPTH} deep")
        return packed

    def _pack(self, value: object, default: Callable[[Any], object]) -> bytes:
        try:
            packed: bytes = msgpack.packb(
                value, default=default, strict_types=True, use_bin_type=True, unicode_errors="surrogatepass"
            )
        except (ValueError, RecursionError, BufferError) as error:
            raise EncodeError(
                f"a {type(value).__name__} cannot travel as plain data, as it is nested too deeply or contains itself "
                f"({error}): ask for a handle instead"
            ) from error
        return packed

    def _handle(self, value: object) -> msgpack.ExtType:
        handle = self._handles.put(value)
        self._put.append(handle)
        payload = [handle, qualified_name(type(value))]
        return msgpack.ExtType(EXT_HANDLE, msgpack.packb(payload))

    def _write_extension(self, value: Any) -> object:
        plain = self._plain(value, self._write_extension)
        return self._handle(value) if plain is None else plain

    def _write_plain_extension(self, value: Any) -> object:
        plain = self._plain(value, self._write_plain_extension)
        if plain is None:
            raise EncodeError(f"a {qualified_name(type(value))} cannot travel as plain data: ask for a handle instead")
        return plain

    def _plain(self, value: Any, default: Callable[[Any], object]) -> Any:
        """What msgpack itself cannot write, as something that it can; None for what has no plain form."""
        kind = type(value)
        if kind is tuple:
            self._enter_tuple(EncodeError)
            self._has_tuples = True
            try:
                self._refuse_foreign(list(value))
                return msgpack.ExtType(EXT_TUPLE, self._pack(list(value), default))
            finally:
                self._tuple_depth -= 1
        if kind is int:
            size = value.bit_length() // 8 + 1
            return msgpack.ExtType(EXT_BIG_INTEGER, value.to_bytes(size, "little", signed=True))
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            if kind is numpy.ndarray:
                return _write_array(value)
            if isinstance(value, numpy.generic) and value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
                return value.item()
        return None

    def _enter_tuple(self, error: type[HognoseError]) -> None:
        if self._tuple_depth == MAX_TUPLE_DEPTH:
            raise error(f"tuples are nested more than {MAX_TUPLE_DEPTH} deep")
        self._tuple_depth += 1

    def _read_extension(self, code: int, data: bytes) -> object:
        try:
            if code == EXT_TUPLE:
                self._enter_tuple(DecodeError)
                try:
                    return tuple(self.decode(data))
                finally:
                    self._tuple_depth -= 1
            if code == EXT_HANDLE:
                return self._handles.get(self.decode(data)[0])
            if code == EXT_NDARRAY:
                dtype, shape, raw = self.decode(data)
                return _read_array(dtype, shape, raw)
            if code == EXT_BIG_INTEGER:
                return int.from_bytes(data, "little", signed=True)
            if code == EXT_REFERENCE:
                return self._resolve(data.decode())
            reason = f"extension type {code} is unknown to this worker"
        except DecodeError as error:
            reason = str(error)
        except Exception as error:
            reason = f"extension type {code} cannot be read: {type(error).__name__}: {error}"
        self.found_undecodable = True
        return Undecodable(reason)


def _count_foreign_references() -> int | None:
    """How many references there are to the foreign types; None where an instance need not hold one."""
    if sys.implementation.name != "cpython" or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return None
    return sum(map(sys.getrefcount, _FOREIGN))


#: Before any code of a user runs.
_FOREIGN_REFERENCES: Final = _count_foreign_references()


def _holds_foreign(value: object) -> bool:
    """Whether a value is of a foreign type, or has one in its lists and dicts."""
    waiting: list[Any] = [[value]]
    seen: set[int] = set()
    while waiting:
        container = waiting.pop()
        if id(container) in seen:
            continue
        seen.add(id(container))
        items = [*container, *container.values()] if type(container) is dict else container
        if not set(map(type, items)).isdisjoint(_FOREIGN):
            return True
        waiting.extend(item for item in items if type(item) is list or type(item) is dict)
    return False


def _is_deeper(value: object, limit: int) -> bool:
    """Whether containers are nested more than `limit` deep; goes through the value level by level."""
    level: list[Any] = [value]
    for _ in range(limit + 1):
        level = [
            item
            for container in level
            for item in (container.values() if type(container) is dict else container)
            if type(item) in _CONTAINERS
        ]
        if not level:
            return False
    return True


def _write_array(array: npt.NDArray[np.generic]) -> Any:
    if array.dtype.name not in DTYPES:
        return None
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return msgpack.ExtType(EXT_NDARRAY, msgpack.packb([array.dtype.name, list(array.shape), native.tobytes()]))


def _write_memoryview(view: memoryview) -> Any:
    if view.format == "B" and view.ndim == 1:
        return bytes(view)
    dtype = next((name for name, code in DTYPES.items() if code == view.format), None)
    if dtype is None:
        return None
    return msgpack.ExtType(EXT_NDARRAY, msgpack.packb([dtype, list(view.shape or ()), view.tobytes()]))


def _read_array(dtype: str, shape: list[int], raw: bytes) -> Any:
    """An array over a copy of the bytes, so that Python may write to it."""
    if dtype not in DTYPES:
        raise DecodeError(f"dtype {dtype!r} cannot be read: use one of {', '.join(DTYPES)}")
    try:
        import numpy as np
    except ModuleNotFoundError:
        cast: Any = memoryview(bytearray(raw)).cast
        return cast(DTYPES[dtype], shape) if shape and raw else cast(DTYPES[dtype])
    return np.frombuffer(bytearray(raw), dtype=dtype).reshape(shape)
