"""Tables of Arrow: the IPC stream format, written where it shall lie and read where it lies.

`pyarrow` is never imported here before the program has imported it or a table arrives from the host.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from hognose.errors import DecodeError, EncodeError, MissingPackage
from hognose.values.extensions import KIND_BATCH, KIND_TABLE

if TYPE_CHECKING:
    import pyarrow as pa
    from typing_extensions import Buffer

__all__ = [
    "Take",
    "host_form",
    "is_table",
    "kind_of",
    "read_stream",
    "remember",
    "share",
    "stream_of",
    "write_stream",
]

#: Gives writable memory of exactly so many bytes; best at a multiple of 64.
Take = Callable[[int], memoryview]


def is_table(value: object) -> bool:
    """Whether a value is a `pyarrow.Table` or a `pyarrow.RecordBatch`."""
    arrow = sys.modules.get("pyarrow")
    return arrow is not None and isinstance(value, (arrow.Table, arrow.RecordBatch))


def kind_of(table: pa.Table | pa.RecordBatch) -> int:
    """`KIND_TABLE` or `KIND_BATCH`."""
    return KIND_BATCH if isinstance(table, _pyarrow().RecordBatch) else KIND_TABLE


def write_stream(table: pa.Table | pa.RecordBatch, take: Take) -> memoryview:
    """Writes a table once, right where it shall lie.

    Args:
        table: What has columns of types that the host cannot read is converted first, see `host_form`.
        take: Called once with the exact size.

    Returns:
        The memory that `take` gave, with an IPC stream in it.

    Raises:
        EncodeError: A column is of a type that the host cannot read; its name is in the message.
    """
    pa = _pyarrow()
    readable = host_form(table)
    size = pa.MockOutputStream()
    _write(readable, size)
    memory = take(size.size())
    with pa.FixedSizeBufferWriter(pa.py_buffer(memory)) as sink:
        _write(readable, sink)
    return memory


def _write(table: pa.Table | pa.RecordBatch, sink: Any) -> None:
    with _pyarrow().ipc.new_stream(sink, table.schema) as writer:
        writer.write(table)


def read_stream(memory: Buffer, kind: int) -> pa.Table | pa.RecordBatch:
    """A table whose columns are views of an IPC stream, and keep what exports its memory alive.

    Metadata is copied before it is read, so that whoever can still write to the memory cannot change what was checked.

    Args:
        memory: The stream, at a multiple of 8 bytes.
        kind: `KIND_TABLE`, or `KIND_BATCH` for a stream of one record batch.

    Raises:
        DecodeError: The memory does not hold such a stream.
    """
    pa = _pyarrow()
    try:
        with pa.ipc.open_stream(pa.PythonFile(_StreamSource(memory), mode="r")) as reader:
            table = reader.read_all() if kind == KIND_TABLE else _only_batch(reader)
        table.validate()
    except (pa.ArrowException, ValueError, OSError) as error:
        raise DecodeError(f"the bytes are no IPC stream of Arrow that can be read: {error}") from error
    return table


def _only_batch(reader: Any) -> Any:
    batches = list(reader)
    if len(batches) != 1:
        raise DecodeError(f"a stream of one record batch has {len(batches)}")
    return batches[0]


class _StreamSource:
    """A file over a stream in memory: metadata is read as a copy, and columns as views."""

    closed: Final = False

    def __init__(self, memory: Buffer) -> None:
        self._view = memoryview(memory).cast("B")
        self._at = 0
        self._is_size_read = False

    def read(self, size: int) -> memoryview | bytes:
        part = self._view[self._at : self._at + size]
        self._at += len(part)
        # A message is its mark and its size, of 4 bytes each, metadata of that size and the columns.
        was_size_read, self._is_size_read = self._is_size_read, size == 4
        return bytes(part) if was_size_read or self._is_size_read else part

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """The memory belongs to the columns now."""


#: Where tables lie already, by their identity: they have no hash.
_streams: Final[dict[int, tuple[weakref.ref[Any], memoryview]]] = {}


def remember(table: pa.Table | pa.RecordBatch, stream: memoryview) -> None:
    """Lets a table be sent as the stream that it is a view of. Tables do not change, so that it stays true."""
    key = id(table)
    _streams[key] = (weakref.ref(table, lambda _: _streams.pop(key, None)), stream)


def stream_of(table: pa.Table | pa.RecordBatch) -> memoryview | None:
    """The stream that was remembered for this very table; None where it is to be written."""
    known = _streams.get(id(table))
    return known[1] if known is not None and known[0]() is table else None


def share(table: pa.Table | pa.RecordBatch, take: Take) -> pa.Table | pa.RecordBatch:
    """An equal table in the memory that `take` gives: from then on it is sent without being written again."""
    if stream_of(table) is not None:
        return table
    stream = write_stream(table, take)
    shared = read_stream(stream, kind_of(table))
    remember(shared, stream)
    return shared


def host_form(table: pa.Table | pa.RecordBatch) -> pa.Table | pa.RecordBatch:
    """The table in types that apache-arrow in JavaScript reads rightly; the table itself where it is in such already.

    List views become lists, run-end encoding and dictionaries of dictionaries are resolved, and decimals of other
    widths become `decimal128` where their digits fit. All other columns stay as they are and are not copied.

    Raises:
        EncodeError: Such a type stands within another one.
    """
    for index, field in enumerate(table.schema):
        column = table.column(index)
        readable = _host_column(column, field.name)
        if readable is not column:
            table = table.set_column(index, field.with_type(readable.type), readable)
    return table


def _host_column(column: Any, name: str) -> Any:
    convert = _conversion(column.type)
    if convert is not None:
        return _host_column(_each_chunk(column, convert), name)
    unreadable = _unreadable_within(column.type)
    if unreadable is not None:
        raise EncodeError(
            f"the column {name!r} is of type {column.type}: apache-arrow in JavaScript cannot read {unreadable} "
            "within another type, so cast it first"
        )
    return column


def _each_chunk(column: Any, convert: Callable[[Any], Any]) -> Any:
    """The column of a table consists of chunks, that of a record batch is an array."""
    pa = _pyarrow()
    if isinstance(column, pa.Array):
        return convert(column)
    return pa.chunked_array(list(map(convert, column.chunks or [_empty(column.type)])))


def _empty(kind: Any) -> Any:
    return _pyarrow().schema([("", kind)]).empty_table().column(0).combine_chunks()


def _conversion(kind: Any) -> Callable[[Any], Any] | None:
    """How a column of a type becomes one that the host reads; None where it does already, or never will."""
    pa = _pyarrow()
    types = pa.types
    if types.is_list_view(kind) or types.is_large_list_view(kind):
        return _list_of_view
    if types.is_run_end_encoded(kind):
        return _run_end_decoded
    if types.is_dictionary(kind) and types.is_dictionary(kind.value_type):
        return _dictionary_decoded
    is_narrow = types.is_decimal32(kind) or types.is_decimal64(kind)
    if is_narrow or (types.is_decimal256(kind) and kind.precision <= _DIGITS_OF_DECIMAL128):
        target = pa.decimal128(kind.precision, kind.scale)
        return lambda array: array.cast(target)
    return None


_DIGITS_OF_DECIMAL128: Final = 38


def _list_of_view(array: Any) -> Any:
    """By hand, as pyarrow's own cast leaves the buffer of offsets too short (25.0)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_large = pa.types.is_large_list_view(array.type)
    lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64() if is_large else pa.int32())
    start = pa.array([0], lengths.type)
    offsets = pa.concat_arrays([start, pc.cumulative_sum(lengths)])
    kind = pa.large_list(array.type.value_field) if is_large else pa.list_(array.type.value_field)
    make = pa.LargeListArray.from_arrays if is_large else pa.ListArray.from_arrays
    return make(offsets, array.flatten(), type=kind, mask=array.is_null() if array.null_count else None)


def _run_end_decoded(array: Any) -> Any:
    import pyarrow.compute as pc

    return pc.run_end_decode(array)


def _dictionary_decoded(array: Any) -> Any:
    return array.dictionary_decode()


def _unreadable_within(kind: Any) -> Any:
    """The first type within another one that would have to be converted to be read at all; None where there is none."""
    types = _pyarrow().types
    if types.is_dictionary(kind):
        children = [kind.value_type]
    elif isinstance(kind, _pyarrow().BaseExtensionType):
        children = [kind.storage_type]
    else:
        children = [kind.field(index).type for index in range(kind.num_fields)]
    for child in children:
        is_dictionary_twice = types.is_dictionary(child) and types.is_dictionary(child.value_type)
        is_view = types.is_list_view(child) or types.is_large_list_view(child)
        if is_view or is_dictionary_twice or types.is_run_end_encoded(child):
            return child
        unreadable = _unreadable_within(child)
        if unreadable is not None:
            return unreadable
    return None


def _pyarrow() -> Any:
    try:
        import pyarrow as pa
        import pyarrow.ipc
    except ModuleNotFoundError:
        raise MissingPackage("pyarrow") from None
    return pa
