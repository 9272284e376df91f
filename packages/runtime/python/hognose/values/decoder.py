"""Reads one value, with all that is in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgpack

from hognose.errors import DecodeError, NotAllowedError
from hognose.values import datetimes
from hognose.values.arrays import read_array
from hognose.values.extensions import (
    EXT_ARROW,
    EXT_BIG_INTEGER,
    EXT_CODEC,
    EXT_COMPLEX,
    EXT_DATE,
    EXT_DATETIME,
    EXT_DECIMAL,
    EXT_FLOATS,
    EXT_FRACTION,
    EXT_FROZENSET,
    EXT_FUNCTION,
    EXT_HANDLE,
    EXT_HOST_ERROR,
    EXT_INTEGERS,
    EXT_ITERABLE,
    EXT_NDARRAY,
    EXT_RECORDS,
    EXT_REFERENCE,
    EXT_SET,
    EXT_SHARED,
    EXT_SOURCE,
    EXT_TIME,
    EXT_TIMEDELTA,
    EXT_TUPLE,
    EXT_UUID,
    MAX_EXTENSION_DEPTH,
)
from hognose.values.packed import records, unpack_floats, unpack_integers
from hognose.values.registry import codec_of_name

if TYPE_CHECKING:
    from hognose.codec import Codec
    from hognose.values.hooks import CodecHooks

__all__ = ["Decoder", "Undecodable", "find_undecodable"]


class Undecodable:
    """Stands in a decoded message for a value that cannot be read, so that only the call that holds it fails.

    Args:
        reason: Why it cannot be read.
        refusal: What to raise for it, where it is no mistake of the encoding.
    """

    __slots__ = ("error", "reason")

    def __init__(self, reason: str, refusal: Exception | None = None) -> None:
        self.reason = reason
        self.error: Exception = refusal or DecodeError(reason)


def find_undecodable(value: object) -> Undecodable | None:
    """The first value in a message that could not be read; those in tuples, sets and the like stand in their place."""
    waiting: list[Any] = [value]
    while waiting:
        item = waiting.pop()
        if type(item) is Undecodable:
            return item
        if type(item) is dict:
            waiting.extend(item.values())
            waiting.extend(item)
        elif type(item) is list:
            waiting.extend(item)
    return None


_unpackb: Final = msgpack.unpackb


class Decoder:
    """Reads one value, with all that is in it."""

    _depth = 0
    #: The values that could not be read.
    broken: list[Undecodable] | tuple[()] = ()
    #: What the extensions of the value that msgpack is reading have become, in order.
    _results: list[object]
    #: The same of a reading that failed, in reverse: it is not done twice.
    _done: list[object] | tuple[()] = ()

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._results = []

    def unpack(self, data: bytes | bytearray | memoryview) -> Any:
        """The value of these bytes; an `Undecodable` stands in it for what cannot be read."""
        try:
            return _unpackb(data, ext_hook=self._read_extension, strict_map_key=False, unicode_errors="surrogatepass")
        except TypeError:  # a key that cannot be hashed: read again, more slowly, to find the map that holds it
            self._done, self._results = self._results[::-1], []
            return _unpackb(
                data,
                ext_hook=self._read_extension,
                strict_map_key=False,
                unicode_errors="surrogatepass",
                object_pairs_hook=self._read_pairs,
            )

    def _unpack_within(self, data: bytes) -> Any:
        """Reads a value that stands in an extension of the one that is being read."""
        outer = self._results, self._done
        self._results, self._done = [], ()
        try:
            return self.unpack(data)
        finally:
            self._results, self._done = outer

    def _read_pairs(self, pairs: list[tuple[Any, Any]]) -> object:
        try:
            return dict(pairs)
        except TypeError as error:
            return self._spoil(f"a key of a dict must be hashable: {error}")

    def _spoil(self, reason: str, refusal: Exception | None = None) -> Undecodable:
        value = Undecodable(reason, refusal)
        self.broken = [*self.broken, value]
        return value

    def _read_extension(self, code: int, data: bytes) -> object:
        value = self._done.pop() if self._done else self._extension(code, data)
        self._results.append(value)
        return value

    def _extension(self, code: int, data: bytes) -> object:
        before = len(self.broken)
        refusal = None
        try:
            reader = _READERS.get(code)
            if reader is None:
                raise DecodeError(f"extension type {code} is unknown to this worker")
            value = reader(self, data)
        except DecodeError as error:
            reason = str(error)
        except NotAllowedError as error:
            reason, refusal = str(error), error
        except Exception as error:
            reason = f"extension type {code} cannot be read: {type(error).__name__}: {error}"
        else:
            if len(self.broken) == before:
                return value
        # What holds a value that cannot be read cannot be read itself: nobody would find it in there.
        return self._spoil(reason, refusal) if len(self.broken) == before else self.broken[before]

    def _fields(self, data: bytes) -> list[Any]:
        """The items of an extension that is an array and not one around values of any kind."""
        return self._array(data, MAX_EXTENSION_DEPTH + 2)

    def _array(self, data: bytes, limit: int = MAX_EXTENSION_DEPTH) -> list[Any]:
        """The items of an extension that is an array."""
        if self._depth >= limit:
            raise DecodeError(f"tuples, sets and the like are nested more than {MAX_EXTENSION_DEPTH} deep")
        self._depth += 1
        try:
            items = self._unpack_within(data)
        finally:
            self._depth -= 1
        if type(items) is not list:
            raise DecodeError(f"an array was expected, and there is a {type(items).__name__}")
        return items

    def _hooks(self) -> CodecHooks:
        if self._codec.hooks is None:
            raise DecodeError("functions, iterables, results and errors of the host cannot stand here")
        return self._codec.hooks

    def _tuple(self, data: bytes) -> object:
        return tuple(self._array(data))

    def _integer(self, data: bytes) -> object:
        return int.from_bytes(data, "little", signed=True)

    def _handle(self, data: bytes) -> object:
        return self._codec.find_handle(self._fields(data)[0])

    def _ndarray(self, data: bytes) -> object:
        dtype, shape, raw = self._fields(data)[:3]
        return read_array(dtype, shape, raw)

    def _shared(self, data: bytes) -> object:
        sharing = self._codec.sharing
        if sharing is None:
            raise DecodeError("the host names shared memory, and shares none with this worker")
        return sharing.open(self._fields(data))

    def _table(self, data: bytes) -> object:
        from hognose.values.arrow import read_stream

        kind, stream = self._fields(data)[:2]
        return read_stream(stream, kind)

    def _reference(self, data: bytes) -> object:
        return self._codec.resolve(data.decode())

    def _set(self, data: bytes) -> object:
        items = self._array(data)
        return _with_all(set(items), items)

    def _frozenset(self, data: bytes) -> object:
        items = self._array(data)
        return _with_all(frozenset(items), items)

    def _datetime(self, data: bytes) -> object:
        return datetimes.make_datetime(self._fields(data))

    def _date(self, data: bytes) -> object:
        return datetimes.make_date(self._fields(data))

    def _time(self, data: bytes) -> object:
        return datetimes.make_time(self._fields(data))

    def _timedelta(self, data: bytes) -> object:
        return datetimes.make_timedelta(self._fields(data))

    def _decimal(self, data: bytes) -> object:
        from decimal import Decimal

        return Decimal(data.decode("ascii"))

    def _fraction(self, data: bytes) -> object:
        from fractions import Fraction

        numerator, denominator = self._fields(data)
        return Fraction(numerator, denominator)

    def _uuid(self, data: bytes) -> object:
        from uuid import UUID

        return UUID(bytes=data)

    def _complex(self, data: bytes) -> object:
        real, imaginary = self._fields(data)
        return complex(real, imaginary)

    def _function(self, data: bytes) -> object:
        number, name = self._fields(data)
        return self._hooks().make_function(number, name)

    def _integers(self, data: bytes) -> object:
        return unpack_integers(data)

    def _floats(self, data: bytes) -> object:
        return unpack_floats(data)

    def _records(self, data: bytes) -> object:
        keys, *columns = self._array(data)
        return records(keys, columns)

    def _codec_value(self, data: bytes) -> object:
        before = len(self.broken)
        name, plain = self._array(data)
        if len(self.broken) != before:
            return None  # whoever called says why
        codec = codec_of_name(name)
        if codec is None:
            raise DecodeError(
                f"the codec {name!r} is not registered in this worker: call hognose.register_codec in a module that is "
                "imported before, such as one of `preload`"
            )
        try:
            return codec.decode(plain)
        except Exception as error:
            raise DecodeError(f"the codec {name!r} failed: {type(error).__name__}: {error}") from error

    def _iterable(self, data: bytes) -> object:
        number, is_async = self._fields(data)
        return self._hooks().make_iterable(number, is_async)

    def _source(self, data: bytes) -> object:
        (call_id,) = self._fields(data)
        return self._hooks().find_source(call_id)

    def _host_error(self, data: bytes) -> object:
        number, name, message, stack = self._fields(data)
        return self._hooks().make_host_error(number, name, message, stack)


_READERS: Final[dict[int, Callable[[Decoder, bytes], object]]] = {
    EXT_TUPLE: Decoder._tuple,
    EXT_BIG_INTEGER: Decoder._integer,
    EXT_HANDLE: Decoder._handle,
    EXT_NDARRAY: Decoder._ndarray,
    EXT_REFERENCE: Decoder._reference,
    EXT_SET: Decoder._set,
    EXT_FROZENSET: Decoder._frozenset,
    EXT_DATETIME: Decoder._datetime,
    EXT_DATE: Decoder._date,
    EXT_TIME: Decoder._time,
    EXT_TIMEDELTA: Decoder._timedelta,
    EXT_DECIMAL: Decoder._decimal,
    EXT_FRACTION: Decoder._fraction,
    EXT_UUID: Decoder._uuid,
    EXT_COMPLEX: Decoder._complex,
    EXT_FUNCTION: Decoder._function,
    EXT_INTEGERS: Decoder._integers,
    EXT_FLOATS: Decoder._floats,
    EXT_RECORDS: Decoder._records,
    EXT_CODEC: Decoder._codec_value,
    EXT_ITERABLE: Decoder._iterable,
    EXT_SOURCE: Decoder._source,
    EXT_HOST_ERROR: Decoder._host_error,
    EXT_SHARED: Decoder._shared,
    EXT_ARROW: Decoder._table,
}


def _with_all(made: Any, items: list[Any]) -> object:
    if len(made) != len(items):
        raise DecodeError(
            "two elements of a Set are equal in Python, where 1, 1.0 and True are one: leave one of them out"
        )
    return made
