"""Writes one value: what travels, and what becomes a handle instead."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import msgpack

from hognose.errors import EncodeError, ZeroCopyUnavailableError
from hognose.gen.messages import RESULT_MODE_AUTO, RESULT_MODE_HANDLE, RESULT_MODE_VALUE
from hognose.handles import qualified_name
from hognose.sharing import INLINE, NO_SPACE, UNAVAILABLE
from hognose.values import datetimes
from hognose.values.arrays import write_array, write_memoryview
from hognose.values.extensions import (
    EXT_ARROW,
    EXT_BIG_INTEGER,
    EXT_CODEC,
    EXT_COMPLEX,
    EXT_DATE,
    EXT_DATETIME,
    EXT_DECIMAL,
    EXT_FRACTION,
    EXT_FROZENSET,
    EXT_FUNCTION,
    EXT_HANDLE,
    EXT_HOST_ERROR,
    EXT_SET,
    EXT_SHARED,
    EXT_TIME,
    EXT_TIMEDELTA,
    EXT_TUPLE,
    EXT_UUID,
    INLINE_BYTES,
    MAX_EXTENSION_DEPTH,
)
from hognose.values.foreign import FOREIGN, holds_foreign, may_hold_extensions, may_hold_memoryviews
from hognose.values.handle_facts import handle_facts
from hognose.values.plain import NO_FORM, numpy_scalar, plain_form
from hognose.values.registry import codec_of

if TYPE_CHECKING:
    from datetime import datetime, time
    from decimal import Decimal
    from fractions import Fraction
    from uuid import UUID

    from hognose.codec import Codec

__all__ = ["KEPT_BYTES", "PACKING", "Encoder"]

#: How deep values may be nested on their way to the host.
MAX_DEPTH: Final = 1024

#: Larger values leave no memory behind.
KEPT_BYTES: Final = 1 << 16

PACKING: Final[dict[str, Any]] = {"strict_types": True, "use_bin_type": True}
#: Writes lone surrogates as well, and all strings at half the speed.
_SURROGATES: Final[dict[str, Any]] = {**PACKING, "unicode_errors": "surrogatepass"}

#: Types by number, as a metaclass may make its classes unhashable or equal to any other.
_CONTAINERS: Final = (list, tuple, dict, set, frozenset)
_CONTAINER_IDS: Final = frozenset(map(id, _CONTAINERS))
_NATIVE_IDS: Final = frozenset(map(id, (type(None), bool, float, str, bytes, bytearray)))
_KEY_IDS: Final = frozenset(map(id, (type(None), bool, int, float, str)))
_FOREIGN_IDS: Final = frozenset(map(id, FOREIGN))


class Encoder:
    """Writes one value at a time. Each extension around another is packed by a packer of its own."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._packers: list[msgpack.Packer] = []
        self._packing = PACKING
        self._depth = 0
        self._deepest = 0
        #: Handles put into the value that is being written.
        self._put: list[int] = []
        self._mode = RESULT_MODE_AUTO
        self._session_id = 0
        #: Whether each value is looked at before msgpack writes it.
        self._is_careful = False
        #: Loans of shared memory in the value that is being written.
        self._lent: list[int] = []
        self._is_constant = False

    def encode(self, value: Any, mode: int, session_id: int, is_constant: bool) -> bytes:
        """See `Codec.encode`."""
        self._mode = mode
        self._is_constant = is_constant
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
            self._lent.clear()
            self._depth = self._deepest = 0
            self._is_careful = False
            if self._packing is _SURROGATES:
                self._packing = PACKING
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
        """Releases handles and shared memory that have not travelled: nobody else would."""
        for handle in self._put:
            self._codec.handles.release(handle, 1)
        self._put.clear()
        sharing = self._codec.sharing
        if sharing is not None and self._lent:
            sharing.take_back(self._lent)
        self._lent.clear()

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
        if len(packed) > KEPT_BYTES:
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
            written = self._noted(write_memoryview(value, self._codec.sharing))
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
        payload = [handle, *handle_facts(value)]
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
        written = self._noted(write_array(value, self._codec.sharing, self._is_constant))
        return NO_FORM if written is None else written

    def _table(self, value: Any) -> Any:
        try:
            return self._table_form(value)
        except ZeroCopyUnavailableError:
            raise
        except EncodeError:  # a column that the host cannot read
            if self._mode == RESULT_MODE_VALUE:
                raise
            return NO_FORM

    def _table_form(self, value: Any) -> Any:
        from hognose.values import arrow

        sharing = self._codec.sharing
        if sharing is None:
            stream = arrow.stream_of(value)
            written: Any = (
                arrow.write_stream(value, lambda size: memoryview(bytearray(size))) if stream is None else stream
            )
        else:
            written = sharing.lend_table(value)
        if type(written) is list:
            return self._noted(msgpack.ExtType(EXT_SHARED, msgpack.packb(written)))
        reason = INLINE if len(written) < INLINE_BYTES else UNAVAILABLE if sharing is None else NO_SPACE
        return msgpack.ExtType(EXT_ARROW, msgpack.packb([arrow.kind_of(value), written, reason]))

    def _noted(self, written: Any) -> Any:
        """Notes a loan, should the value be written again or not at all."""
        if type(written) is msgpack.ExtType and written.code == EXT_SHARED:
            self._lent.append(msgpack.unpackb(written.data)[0])
        return written


_WRITERS: Final[dict[type, Callable[[Encoder, Any], Any]]] = {
    tuple: Encoder._tuple,
    set: Encoder._set,
    frozenset: Encoder._frozenset,
    int: Encoder._integer,
    complex: Encoder._complex,
}

#: By the name of the class: its module, and the writer. Who has such a value has imported the module.
_LATE_WRITERS: Final[dict[str, tuple[str, Callable[[Encoder, Any], Any]]]] = {
    "datetime": ("datetime", Encoder._datetime),
    "time": ("datetime", Encoder._time),
    "date": ("datetime", Encoder._date),
    "timedelta": ("datetime", Encoder._timedelta),
    "Decimal": ("decimal", Encoder._decimal),
    "Fraction": ("fractions", Encoder._fraction),
    "UUID": ("uuid", Encoder._uuid),
    "ndarray": ("numpy", Encoder._array),
    "Table": ("pyarrow", Encoder._table),
    "RecordBatch": ("pyarrow", Encoder._table),
}


def _late_writer(kind: type) -> Callable[[Encoder, Any], Any] | None:
    name = type.__dict__["__name__"].__get__(kind)
    known = _LATE_WRITERS.get(name)
    if known is None or getattr(sys.modules.get(known[0]), name, None) is not kind:
        return None
    _WRITERS[kind] = known[1]
    return known[1]


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
    return repr(key)[:60] if id(type(key)) in _KEY_IDS else "..."
