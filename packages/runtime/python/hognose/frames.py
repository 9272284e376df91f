"""Data frames of pandas and polars as tables of Arrow, and back; docs/zero-copy.md tells what is lost on the way."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from hognose.errors import EncodeError, MissingPackage

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LIBRARIES", "from_arrow", "is_frame", "to_arrow"]

#: What a table can become.
LIBRARIES: Final = ("pyarrow", "pandas", "polars")


def is_frame(value: object) -> bool:
    """Whether a value is a DataFrame or Series of pandas or polars; neither library is imported to find out."""
    return _is_of(value, "pandas", "DataFrame", "Series") or _is_of(value, "polars", "DataFrame", "LazyFrame", "Series")


def to_arrow(frame: Any, *, index: bool | None = None) -> pa.Table:
    """A table with the columns of a frame; columns of numbers without nulls are not copied.

    Args:
        frame: A DataFrame or Series of pandas or polars, a LazyFrame (it is collected), a table, record batch, reader
            of record batches or dataset of pyarrow, or an object that has `__arrow_c_stream__` or `__arrow_c_array__`.
        index: Only for pandas. None: a `RangeIndex` is kept as a note in the schema and any other index as columns, so
            that `from_arrow` restores both. True: always as columns. False: dropped.

    Raises:
        EncodeError: A column holds what Arrow has no type for, such as objects of several classes.
        TypeError: It is no frame.
    """
    pa = _import("pyarrow")
    if _is_of(frame, "pandas", "DataFrame", "Series") or _is_of(frame, "polars", "DataFrame", "LazyFrame", "Series"):
        try:
            return _of_pandas(frame, index, pa) if _is_of(frame, "pandas", "DataFrame", "Series") else _of_polars(frame)
        except (pa.ArrowException, ValueError, TypeError, OverflowError, *_polars_errors()) as error:
            text = " ".join(str(part) for part in error.args)
            raise EncodeError(f"a {type(frame).__name__} cannot become a table of Arrow: {text}") from error
    return _of_arrow(frame, pa)


def _of_pandas(frame: Any, index: bool | None, pa: Any) -> Any:
    columns = frame.to_frame(_name_of(frame)) if _is_of(frame, "pandas", "Series") else frame
    return pa.Table.from_pandas(columns, preserve_index=index)


def _of_polars(frame: Any) -> Any:
    polars = sys.modules["polars"]
    if isinstance(frame, polars.Series):
        frame = frame.to_frame(_name_of(frame))
    elif isinstance(frame, polars.LazyFrame):
        frame = frame.collect()
    # Polars itself would hand out the addresses of the objects.
    objects = [name for name, dtype in frame.schema.items() if dtype == polars.Object]
    if objects:
        raise TypeError(f"the column {objects[0]!r} holds objects of Python")
    return frame.to_arrow()


def _of_arrow(frame: Any, pa: Any) -> Any:
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    if isinstance(frame, pa.RecordBatchReader):
        return frame.read_all()
    if _is_of(frame, "pyarrow.dataset", "Dataset", "Scanner"):
        return frame.to_table()
    if hasattr(frame, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(frame).read_all()
    if hasattr(frame, "__arrow_c_array__"):
        return pa.Table.from_batches([pa.record_batch(frame)])
    raise TypeError(f"a {type(frame).__name__} is no frame: it has no __arrow_c_stream__")


def from_arrow(table: pa.Table | pa.RecordBatch, library: str) -> Any:
    """A frame of a library.

    Args:
        table: Of pyarrow.
        library: One of `LIBRARIES`. With `pandas` an index that `to_arrow` has kept is restored; integers with nulls
            that did not come from a frame become floats with NaN.

    Raises:
        ValueError: The library is none of them.
    """
    if library not in LIBRARIES:
        raise ValueError(f"{library!r} is none of the libraries that a table can become: {', '.join(LIBRARIES)}")
    _import(library)
    if library == "polars":
        return sys.modules["polars"].from_arrow(table)
    return table.to_pandas() if library == "pandas" else table


def _name_of(series: Any) -> str:
    return "value" if series.name is None or series.name == "" else str(series.name)


def _is_of(value: object, module: str, *classes: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, tuple(getattr(loaded, name) for name in classes))


def _polars_errors() -> tuple[type[BaseException], ...]:
    polars = sys.modules.get("polars")
    return () if polars is None else (polars.exceptions.PolarsError,)


def _import(package: str) -> Any:
    try:
        return __import__(package)
    except ModuleNotFoundError:
        raise MissingPackage(package) from None
