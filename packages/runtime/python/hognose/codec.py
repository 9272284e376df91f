"""Values in msgpack with extension types: what travels, how, and what becomes a handle instead.

The types and what stands for them are listed in `hognose.values.extensions`; docs/values.md has the rules.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakKeyDictionary

import msgpack

from hognose.errors import DecodeError, EncodeError
from hognose.gen.messages import RESULT_MODE_AUTO, RESULT_MODE_HANDLE, RESULT_MODE_NONE, RESULT_MODE_VALUE
from hognose.handles import HandleTable, qualified_name
from hognose.values import datetimes
from hognose.values.arrays import read_array, write_array, write_memoryview
from hognose.values.extensions import (
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
    EXT_SOURCE,
    EXT_TIME,
    EXT_TIMEDELTA,
    EXT_TUPLE,
    EXT_UUID,
    MAX_EXTENSION_DEPTH,
)
from hognose.values.foreign import FOREIGN, holds_foreign, may_hold_extensions, may_hold_memoryviews
from hognose.values.packed import records, unpack_floats, unpack_integers
from hognose.values.plain import NO_FORM, numpy_scalar, plain_form
from hognose.values.registry import codec_of, codec_of_name
from hognose.values.short_repr import ReprCost, short_repr

if TYPE_CHECKING:
    from datetime import datetime, time
    from decimal import Decimal
    from fractions import Fraction
    from uuid import UUID

__all__ = ["Codec", "CodecHooks", "Encoded", "Undecodable", "find_undecodable"]

#: How deep values may be nested on their way to the host.
MAX_DEPTH: Final = 1024

#: Larger values leave no memory behind.
_KEPT_BYTES: Final = 1 << 16

_MAX_BINARY: Final = (1 << 32) - 1

#: What needs nothing of the machinery below.
_SCALARS: Final = (type(None), bool, int, float, str)
_CONTAINERS: Final = (list, tuple, dict, set, frozenset)

#: By number, as a metaclass may make its classes unhashable or equal to any other.
_SCALAR_IDS: Final = frozenset(map(id, _SCALARS))
_CONTAINER_IDS: Final = frozenset(map(id, _CONTAINERS))
_NATIVE_IDS: Final = frozenset(map(id, (type(None), bool, float, str, bytes, bytearray)))
_FOREIGN_IDS: Final = frozenset(map(id, FOREIGN))

_PACKING: Final[dict[str, Any]] = {"strict_types": True, "use_bin_type": True}
#: Writes lone surrogates as well, and all strings at half the speed.
_SURROGATES: Final[dict[str, Any]] = {**_PACKING, "unicode_errors": "surrogatepass"}


class Encoded:
    """A value that is encoded already.

    Args:
        data: Its msgpack.
    """

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class Undecodable:
    """Stands in a decoded message for a value that cannot be read, so that only the call that holds it fails."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


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


class CodecHooks(Protocol):
    """What stands in Python for what lives in the host, and back. Each may raise `DecodeError`."""

    def make_function(self, function_id: int, name: str) -> object:
        """A function of the host."""

    def make_iterable(self, function_id: int, is_async: bool) -> object:
        """An iterable of the host."""

    def find_source(self, call_id: int) -> object:
        """The result of an earlier call."""

    def make_host_error(self, error_id: int, name: str, message: str, stack: str) -> object:
        """An error of the host."""

    def function_id(self, value: object) -> int | None:
        """The number of what `make_function` or `make_iterable` made; None for anything else."""

    def host_error_fields(self, value: object) -> tuple[int, str, str, str] | None:
        """Number, name, message and stack of what `make_host_error` made; None for anything else."""


class Codec:
    """Encodes and decodes values for one host; any thread may use it at any time.

    Args:
        handles: Where objects that stay here are kept.
        resolve: Finds the object of a dotted path, for references.
        hooks: What stands for functions, results and errors; without it none can be read.
    """

    def __init__(self, handles: HandleTable, resolve: Callable[[str], object], hooks: CodecHooks | None = None) -> None:
        self.handles = handles
        self.resolve = resolve
        self.hooks = hooks
        self._idle: list[_Encoder] = []

    def encode(self, value: object, mode: int = RESULT_MODE_AUTO, session_id: int = 0) -> bytes:
        """Writes one value; what cannot travel, or is nested too deeply, becomes a handle.

        Args:
            value: Of any type.
            mode: Whether a handle may stand for it, or must, as in the contract's `ResultMode`.
            session_id: The session that handles are for.

        Raises:
            EncodeError: When a handle would be needed and the mode forbids it, or when a registered codec fails.
        """
        if mode == RESULT_MODE_NONE:
            return b"\xc0"
        kind = type(value)
        if mode != RESULT_MODE_HANDLE:
            if id(kind) in _SCALAR_IDS and (kind is not str or len(value) < _KEPT_BYTES):  # type: ignore[arg-type]
                try:
                    packed: bytes = _pack_scalar(value)
                except (OverflowError, TypeError, UnicodeEncodeError):  # an int beyond 64 bits, a lone surrogate
                    pass
                else:
                    return packed
            elif kind is bytes and _KEPT_BYTES < len(value) <= _MAX_BINARY:  # type: ignore[arg-type]
                return b"".join((b"\xc6", len(value).to_bytes(4, "big"), value))  # type: ignore[arg-type]
        try:
            encoder = self._idle.pop()
        except IndexError:
            encoder = _Encoder(self)
        try:
            return encoder.encode(value, mode, session_id)
        finally:
            self._idle.append(encoder)

    def decode(self, data: bytes | bytearray | memoryview) -> Any:
        """Reads one msgpack value. What cannot be read is an `Undecodable` in its place."""
        return _Decoder(self).unpack(data)

    def decode_frame(self, data: bytes | bytearray | memoryview) -> tuple[Any, bool]:
        """Reads one msgpack value, and tells whether there is an `Undecodable` in it."""
        decoder = _Decoder(self)
        return decoder.unpack(data), bool(decoder.broken)


_unpackb: Final = msgpack.unpackb
_pack_scalar: Final[Callable[[object], bytes]] = msgpack.Packer(**_PACKING).pack


class _StructureError(EncodeError):
    """A value as a whole cannot travel as plain data, as it is nested too deeply or contains itself."""


class _RefusedError(EncodeError):
    """An object has no plain form.

    Args:
        value: The object.
    """

    def __init__(self, value: object) -> None:
        super().__init__(f"a {qualified_name(type(value))} cannot travel as plain data")
        self.value = value


class _Encoder:
    """Writes one value at a time. Each extension around another is packed by a packer of its own."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._packers: list[msgpack.Packer] = []
        self._packing = _PACKING
        self._depth = 0
        self._deepest = 0
        #: Handles put into the value that is being written.
        self._put: list[int] = []
        self._mode = RESULT_MODE_AUTO
        self._session_id = 0
        #: Whether each value is looked at before msgpack writes it.
        self._is_careful = False

    def encode(self, value: Any, mode: int, session_id: int) -> bytes:
        self._mode = mode
        self._session_id = session_id
        try:
            if mode == RESULT_MODE_HANDLE:
                return self._pack(self._handle(value))
            try:
                return self._encode(value)
            except UnicodeEncodeError:
                self._give_back()
                self._packing = _SURROGATES
                return self._encode(value)
        except _StructureError as error:
            self._give_back()
            if mode == RESULT_MODE_VALUE:
                raise EncodeError(f"{error}: ask for a handle instead") from None
            return self._pack(self._handle(value))
        except _RefusedError as error:
            self._give_back()
            place = _place_of(error.value, value)
            raise EncodeError(f"{place}{error}: ask for a handle instead") from None
        except BaseException:
            self._give_back()
            raise
        finally:
            self._put.clear()
            self._depth = self._deepest = 0
            self._is_careful = False
            if self._packing is _SURROGATES:
                self._packing = _PACKING
                self._packers.clear()

    def _encode(self, value: Any) -> bytes:
        kind = type(value)
        self._is_careful = may_hold_extensions() and holds_foreign(value)
        packed = self._pack(self._packable(value))
        # msgpack itself takes a memoryview of numbers for bytes.
        if (
            id(kind) in _CONTAINER_IDS
            and not self._is_careful
            and may_hold_memoryviews(value, packed)
            and holds_foreign(value, are_keys_meant=False)
        ):
            self._give_back()
            self._is_careful = True
            packed = self._pack(self._packable(value))
        # Each extension begins anew with msgpack's own limit.
        if self._deepest > 0 and len(packed) > MAX_DEPTH and _is_deeper(value, MAX_DEPTH):
            raise _StructureError(f"a {qualified_name(kind)} is nested more than {MAX_DEPTH} deep")
        return packed

    def _packable(self, value: Any) -> Any:
        """What msgpack can be given for a value; it asks for what stands for the rest."""
        is_checked = not self._is_careful and (type(value) is list or type(value) is dict)
        return value if is_checked else self._native(value)

    def _give_back(self) -> None:
        """Releases handles that have not travelled: nobody else would."""
        for handle in self._put:
            self._codec.handles.release(handle, 1)
        self._put.clear()

    def _pack(self, value: Any) -> bytes:
        depth = self._depth
        while depth >= len(self._packers):
            self._packers.append(msgpack.Packer(default=self._write, **self._packing))
        try:
            packed: bytes = self._packers[depth].pack(value)
        except UnicodeEncodeError:
            self._packers.clear()
            raise
        except (ValueError, RecursionError, BufferError, OverflowError) as error:
            self._packers.clear()
            raise _StructureError(
                f"a {qualified_name(type(value))} cannot travel as plain data, as it is nested too deeply, contains "
                f"itself or is too large ({error})"
            ) from error
        if len(packed) > _KEPT_BYTES:
            del self._packers[depth:]
        return packed

    def _nested(self, code: int, payload: Any) -> msgpack.ExtType:
        """An extension around values of any kind."""
        if self._depth == MAX_EXTENSION_DEPTH:
            raise _StructureError(f"tuples, sets and the like are nested more than {MAX_EXTENSION_DEPTH} deep")
        self._depth += 1
        self._deepest = max(self._deepest, self._depth)
        try:
            return msgpack.ExtType(code, self._pack(payload))
        finally:
            self._depth -= 1

    def _write(self, value: Any) -> Any:
        """What msgpack does not write itself, as something that it does."""
        kind = type(value)
        try:
            writer = _WRITERS.get(kind)
        except TypeError:  # a metaclass that makes its classes unhashable
            writer = None
        if writer is None:
            writer = _late_writer(kind)
        written = NO_FORM if writer is None else writer(self, value)
        return self._write_other(value, kind) if written is NO_FORM else written

    def _write_other(self, value: Any, kind: type) -> Any:
        codec = codec_of(kind)
        if codec is not None:
            try:
                plain = codec.encode(value)
            except Exception as error:
                raise EncodeError(
                    f"the codec {codec.name!r} failed for a {qualified_name(kind)}: {type(error).__name__}: {error}"
                ) from error
            return self._nested(EXT_CODEC, [codec.name, self._native(plain)])
        scalar = numpy_scalar(value)
        if scalar is not NO_FORM:
            return self._native(scalar)
        hooks = self._codec.hooks
        if hooks is not None:
            function_id = hooks.function_id(value)
            if function_id is not None:
                return msgpack.ExtType(EXT_FUNCTION, msgpack.packb([function_id]))
            error_fields = hooks.host_error_fields(value) if isinstance(value, BaseException) else None
            if error_fields is not None:
                return msgpack.ExtType(
                    EXT_HOST_ERROR, msgpack.packb(list(error_fields), unicode_errors="surrogatepass")
                )
        if self._mode == RESULT_MODE_VALUE:
            plain = plain_form(value)
            if plain is NO_FORM:
                raise _RefusedError(value)
            if type(plain) is kind:
                raise _RefusedError(value)
            return self._native(plain)
        return self._handle(value)

    def _native(self, value: Any) -> Any:
        """A value with nothing of a foreign type left in it that msgpack would write in its own way."""
        kind = type(value)
        if id(kind) in _NATIVE_IDS:
            return value
        if kind is int:
            return value if -(1 << 63) <= value < 1 << 64 else self._write(value)
        if kind is list or kind is dict:
            try:
                if kind is list:
                    return [self._native(item) for item in value]
                return {self._native(key): self._native(item) for key, item in value.items()}
            except RecursionError as error:
                raise _StructureError(
                    f"a {kind.__name__} cannot travel as plain data, as it is nested too deeply or contains itself"
                ) from error
        if kind is memoryview:
            written = write_memoryview(value)
            if written is None:
                return self._refuse_or_handle(value)
            return written
        if id(kind) in _FOREIGN_IDS:
            return self._refuse_or_handle(value)
        return self._write(value)

    def _refuse_or_handle(self, value: Any) -> Any:
        if self._mode == RESULT_MODE_VALUE:
            raise _RefusedError(value)
        return self._handle(value)

    def _handle(self, value: Any) -> msgpack.ExtType:
        handle = self._codec.handles.put(value)
        self._put.append(handle)
        facts = _facts_of(type(value))
        payload = [handle, facts.name, facts.bases, short_repr(value, facts.repr_cost)]
        if self._session_id != 0:
            payload.append(self._session_id)
        return msgpack.ExtType(EXT_HANDLE, msgpack.packb(payload, unicode_errors="surrogatepass"))

    # The writers of single types; NO_FORM: this value is no plain data, although others of its type are.

    def _tuple(self, value: tuple[Any, ...]) -> Any:
        items = list(value)
        return self._nested(EXT_TUPLE, self._packable(items))

    def _set(self, value: set[Any]) -> Any:
        items = list(value)
        return self._nested(EXT_SET, self._packable(items))

    def _frozenset(self, value: frozenset[Any]) -> Any:
        items = list(value)
        return self._nested(EXT_FROZENSET, self._packable(items))

    def _integer(self, value: int) -> Any:
        size = value.bit_length() // 8 + 1
        return msgpack.ExtType(EXT_BIG_INTEGER, value.to_bytes(size, "little", signed=True))

    def _complex(self, value: complex) -> Any:
        return msgpack.ExtType(EXT_COMPLEX, msgpack.packb([value.real, value.imag]))

    def _datetime(self, value: datetime) -> Any:
        fields = datetimes.datetime_fields(value)
        return NO_FORM if fields is None else msgpack.ExtType(EXT_DATETIME, msgpack.packb(fields))

    def _time(self, value: time) -> Any:
        fields = datetimes.time_fields(value)
        return NO_FORM if fields is None else msgpack.ExtType(EXT_TIME, msgpack.packb(fields))

    def _date(self, value: Any) -> Any:
        return msgpack.ExtType(EXT_DATE, msgpack.packb(datetimes.date_fields(value)))

    def _timedelta(self, value: Any) -> Any:
        return msgpack.ExtType(EXT_TIMEDELTA, msgpack.packb(datetimes.timedelta_fields(value)))

    def _decimal(self, value: Decimal) -> Any:
        return msgpack.ExtType(EXT_DECIMAL, str(value).encode())

    def _fraction(self, value: Fraction) -> Any:
        fields = [value.numerator, value.denominator]
        return msgpack.ExtType(EXT_FRACTION, msgpack.packb(fields, default=self._write))

    def _uuid(self, value: UUID) -> Any:
        return msgpack.ExtType(EXT_UUID, value.bytes)

    def _array(self, value: Any) -> Any:
        written = write_array(value)
        return NO_FORM if written is None else written


_WRITERS: Final[dict[type, Callable[[_Encoder, Any], Any]]] = {
    tuple: _Encoder._tuple,
    set: _Encoder._set,
    frozenset: _Encoder._frozenset,
    int: _Encoder._integer,
    complex: _Encoder._complex,
}

#: By the name of the class: its module, and the writer. Who has such a value has imported the module.
_LATE_WRITERS: Final[dict[str, tuple[str, Callable[[_Encoder, Any], Any]]]] = {
    "datetime": ("datetime", _Encoder._datetime),
    "time": ("datetime", _Encoder._time),
    "date": ("datetime", _Encoder._date),
    "timedelta": ("datetime", _Encoder._timedelta),
    "Decimal": ("decimal", _Encoder._decimal),
    "Fraction": ("fractions", _Encoder._fraction),
    "UUID": ("uuid", _Encoder._uuid),
    "ndarray": ("numpy", _Encoder._array),
}


def _late_writer(kind: type) -> Callable[[_Encoder, Any], Any] | None:
    name = type.__dict__["__name__"].__get__(kind)
    known = _LATE_WRITERS.get(name)
    if known is None or getattr(sys.modules.get(known[0]), name, None) is not kind:
        return None
    _WRITERS[kind] = known[1]
    return known[1]


class _TypeFacts:
    """What a handle tells of the object's class."""

    __slots__ = ("bases", "name", "repr_cost")

    def __init__(self, kind: type) -> None:
        self.name = qualified_name(kind)
        self.bases = [qualified_name(base) for base in type.__dict__["__mro__"].__get__(kind)[1:] if base is not object]
        self.repr_cost = ReprCost()


_facts: Final[WeakKeyDictionary[type, _TypeFacts]] = WeakKeyDictionary()


def _facts_of(kind: type) -> _TypeFacts:
    try:
        facts = _facts.get(kind)
        if facts is None:
            facts = _facts[kind] = _TypeFacts(kind)
    except TypeError:  # a metaclass that makes its classes unhashable
        facts = _TypeFacts(kind)
    return facts


def _is_deeper(value: object, limit: int) -> bool:
    """Whether containers are nested more than `limit` deep; goes through the value level by level."""
    level: list[Any] = [value]
    for _ in range(limit + 1):
        level = [
            item
            for container in level
            for item in (container.values() if type(container) is dict else container)
            if id(type(item)) in _CONTAINER_IDS
        ]
        if not level:
            return False
    return True


def _place_of(wanted: object, value: object) -> str:
    """Where in a value an object stands, as `result[2]['name']: `; empty where it is the value or cannot be found."""
    waiting: list[tuple[str, Any]] = [("result", value)]
    seen: set[int] = set()
    while waiting and len(seen) < 100_000:
        path, container = waiting.pop()
        if id(container) in seen:
            continue
        seen.add(id(container))
        for key, item in _items_of(container):
            if item is wanted:
                return f"{path}[{key}]: "
            if isinstance(item, _CONTAINERS):
                waiting.append((f"{path}[{key}]", item))
    return ""


def _items_of(container: object) -> Iterator[tuple[str, Any]]:
    if isinstance(container, dict):
        return ((_short_key(key), item) for key, item in dict.items(container))
    if isinstance(container, (list, tuple)):
        return ((str(index), item) for index, item in enumerate(container))
    return iter(())


def _short_key(key: object) -> str:
    return repr(key)[:60] if id(type(key)) in _SCALAR_IDS else "..."


class _Decoder:
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

    def _spoil(self, reason: str) -> Undecodable:
        value = Undecodable(reason)
        self.broken = [*self.broken, value]
        return value

    def _read_extension(self, code: int, data: bytes) -> object:
        value = self._done.pop() if self._done else self._extension(code, data)
        self._results.append(value)
        return value

    def _extension(self, code: int, data: bytes) -> object:
        before = len(self.broken)
        try:
            reader = _READERS.get(code)
            if reader is None:
                raise DecodeError(f"extension type {code} is unknown to this worker")
            value = reader(self, data)
        except DecodeError as error:
            reason = str(error)
        except Exception as error:
            reason = f"extension type {code} cannot be read: {type(error).__name__}: {error}"
        else:
            if len(self.broken) == before:
                return value
        # What holds a value that cannot be read cannot be read itself: nobody would find it in there.
        return self._spoil(reason) if len(self.broken) == before else self.broken[before]

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
        return self._codec.handles.get(self._fields(data)[0])

    def _ndarray(self, data: bytes) -> object:
        dtype, shape, raw = self._fields(data)
        return read_array(dtype, shape, raw)

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


_READERS: Final[dict[int, Callable[[_Decoder, bytes], object]]] = {
    EXT_TUPLE: _Decoder._tuple,
    EXT_BIG_INTEGER: _Decoder._integer,
    EXT_HANDLE: _Decoder._handle,
    EXT_NDARRAY: _Decoder._ndarray,
    EXT_REFERENCE: _Decoder._reference,
    EXT_SET: _Decoder._set,
    EXT_FROZENSET: _Decoder._frozenset,
    EXT_DATETIME: _Decoder._datetime,
    EXT_DATE: _Decoder._date,
    EXT_TIME: _Decoder._time,
    EXT_TIMEDELTA: _Decoder._timedelta,
    EXT_DECIMAL: _Decoder._decimal,
    EXT_FRACTION: _Decoder._fraction,
    EXT_UUID: _Decoder._uuid,
    EXT_COMPLEX: _Decoder._complex,
    EXT_FUNCTION: _Decoder._function,
    EXT_INTEGERS: _Decoder._integers,
    EXT_FLOATS: _Decoder._floats,
    EXT_RECORDS: _Decoder._records,
    EXT_CODEC: _Decoder._codec_value,
    EXT_ITERABLE: _Decoder._iterable,
    EXT_SOURCE: _Decoder._source,
    EXT_HOST_ERROR: _Decoder._host_error,
}


def _with_all(made: Any, items: list[Any]) -> object:
    if len(made) != len(items):
        raise DecodeError(
            "two elements of a Set are equal in Python, where 1, 1.0 and True are one: leave one of them out"
        )
    return made
