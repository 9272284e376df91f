"""Tables of Arrow as streams in given memory, and frames as tables."""

from __future__ import annotations

import datetime as dt
import decimal
import gc
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest

from hognose.errors import DecodeError, EncodeError
from hognose.frames import from_arrow, is_frame, to_arrow
from hognose.values import arrow
from hognose.values.arrow import host_form, is_table, kind_of, read_stream, remember, share, stream_of, write_stream
from hognose.values.extensions import KIND_BATCH, KIND_TABLE


def take(size: int) -> memoryview:
    return memoryview(bytearray(size))


def round_trip(table: Any) -> Any:
    return read_stream(write_stream(table, take), kind_of(table))


def buffers_of(table: Any) -> Iterator[pa.Buffer]:
    for column in table.columns:
        for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
            arrays = [chunk, chunk.dictionary] if pa.types.is_dictionary(chunk.type) else [chunk]
            yield from (buffer for array in arrays for buffer in array.buffers() if buffer is not None)


NESTED = pa.table(
    {
        "number": [1, 2, None],
        "text": ["a", None, "c"],
        "dictionary": pa.array(["x", "y", None]).dictionary_encode(),
        "list": [[1], None, []],
        "struct": [{"a": 1}, None, {"a": 2}],
        "nothing": pa.nulls(3),
    }
)


class TestStream:
    def test_s63_all_buffers_of_a_table_lie_in_its_memory(self) -> None:
        memory = write_stream(NESTED, take)
        start = np.frombuffer(memory, np.uint8).ctypes.data
        table = read_stream(memory, KIND_TABLE)
        places = [buffer.address - start for buffer in buffers_of(table)]
        assert table.equals(NESTED)
        assert len(places) > 10
        assert all(0 <= place < len(memory) for place in places)

    def test_a_record_batch_comes_back_as_one(self) -> None:
        batch = NESTED.to_batches()[0]
        assert kind_of(batch) == KIND_BATCH
        assert isinstance(round_trip(batch), pa.RecordBatch)
        assert round_trip(batch).equals(batch)

    def test_a_stream_of_two_batches_is_no_record_batch(self) -> None:
        memory = write_stream(pa.concat_tables([NESTED, NESTED]), take)
        with pytest.raises(DecodeError, match="has 2"):
            read_stream(memory, KIND_BATCH)

    def test_the_size_that_is_asked_for_is_the_one_that_is_written(self) -> None:
        sizes: list[int] = []

        def taken(size: int) -> memoryview:
            sizes.append(size)
            return take(size)

        memory = write_stream(NESTED.slice(1), taken)
        assert sizes == [len(memory)]
        assert read_stream(memory, KIND_TABLE).equals(NESTED.slice(1))

    @pytest.mark.parametrize("table", [NESTED.slice(0, 0), NESTED.schema.empty_table(), pa.table({})])
    def test_tables_without_rows_or_columns(self, table: pa.Table) -> None:
        assert round_trip(table).equals(table)

    def test_the_memory_is_kept_alive_by_the_last_column(self) -> None:
        released: list[bool] = []

        class Lease(bytearray):
            def __del__(self) -> None:
                released.append(True)

        memory = memoryview(Lease(write_stream(NESTED, take)))
        column = read_stream(memory, KIND_TABLE).column("number").chunk(0).slice(1, 1)
        del memory
        gc.collect()
        assert column.to_pylist() == [2]
        assert released == []
        del column
        gc.collect()
        assert released == [True]

    def test_metadata_is_read_from_a_copy(self) -> None:
        """A column's view shows what is written later; its description does not."""
        memory = write_stream(pa.table({"a": [1, 2]}), take)
        table = read_stream(memory, KIND_TABLE)
        memory[:] = bytes(len(memory))
        assert table.schema.names == ["a"]
        assert table.column("a").to_pylist() == [0, 0]

    @pytest.mark.parametrize("length", [0, 4, 8, 64, 200])
    def test_bytes_that_are_cut_off(self, length: int) -> None:
        memory = write_stream(NESTED, take)
        with pytest.raises(DecodeError):
            read_stream(memory[:length], KIND_TABLE)

    def test_bytes_that_are_no_stream(self) -> None:
        with pytest.raises(DecodeError):
            read_stream(b"\xff" * 800, KIND_TABLE)

    def test_changed_metadata_is_an_error_or_a_valid_table(self) -> None:
        original = write_stream(NESTED, take)
        random = np.random.default_rng(3)
        errors = 0
        for _ in range(2000):
            memory = memoryview(bytearray(original))
            memory[int(random.integers(0, 1200))] = int(random.integers(0, 256))
            try:
                read_stream(memory, KIND_TABLE).validate()
            except DecodeError:
                errors += 1
        assert errors > 100


RUNS = pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array([1]))
LETTERS = pa.array(["p"]).dictionary_encode()


class TestHostForm:
    def test_what_the_host_can_read_is_left_alone(self) -> None:
        assert host_form(NESTED) is NESTED

    @pytest.mark.parametrize("kind", ["list_view", "large_list_view"])
    def test_list_views_become_lists(self, kind: str) -> None:
        column = pa.array([[1, None], None, [], [3]], getattr(pa, kind)(pa.int32()))
        converted = host_form(pa.table({"a": pa.chunked_array([column, column.slice(1, 3)])}))
        converted.validate(full=True)
        assert converted.schema.field("a").type == (pa.large_list if "large" in kind else pa.list_)(pa.int32())
        assert converted.column("a").to_pylist() == [[1, None], None, [], [3], None, [], [3]]

    def test_list_views_out_of_order(self) -> None:
        column = pa.ListViewArray.from_arrays([3, 0, 1], [1, 2, 2], pa.array([1, 2, 3, 4]))
        assert host_form(pa.table({"a": column})).column("a").to_pylist() == [[4], [1, 2], [2, 3]]

    def test_run_end_encoding_is_resolved(self) -> None:
        column = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", None]))
        assert host_form(pa.table({"a": column})).to_pydict() == {"a": ["a", "a", None]}

    def test_dictionaries_of_dictionaries_are_resolved(self) -> None:
        inner = pa.array(["p", "q"]).dictionary_encode()
        column = pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.int8()), inner)
        converted = host_form(pa.table({"a": column}))
        assert converted.schema.field("a").type == pa.dictionary(pa.int32(), pa.string())
        assert converted.to_pydict() == {"a": ["q", None, "p"]}

    @pytest.mark.parametrize("kind", [pa.decimal32(4, 1), pa.decimal64(4, 1), pa.decimal256(4, 1)])
    def test_decimals_of_other_widths_become_decimal128(self, kind: pa.DataType) -> None:
        numbers = [decimal.Decimal("-1.5"), None]
        converted = host_form(pa.table({"a": pa.array(numbers, kind)}))
        assert converted.schema.field("a").type == pa.decimal128(4, 1)
        assert converted.column("a").to_pylist() == numbers

    def test_decimals_that_need_the_width_keep_it(self) -> None:
        table = pa.table({"a": pa.array([decimal.Decimal(10**50)], pa.decimal256(60, 0))})
        assert host_form(table) is table

    def test_a_record_batch_stays_one(self) -> None:
        batch = pa.record_batch({"a": pa.array([[1]], pa.list_view(pa.int8())), "b": [1]})
        assert isinstance(host_form(batch), pa.RecordBatch)

    def test_an_empty_column_has_the_type_of_a_full_one(self) -> None:
        table = pa.schema([("a", pa.list_view(pa.int8()))]).empty_table()
        assert host_form(table).schema.field("a").type == pa.list_(pa.int8())

    @pytest.mark.parametrize(
        "column",
        [
            pa.array([{"x": [1]}], pa.struct([("x", pa.list_view(pa.int8()))])),
            pa.ListArray.from_arrays(
                [0, 1], pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array([1]))
            ),
            pa.StructArray.from_arrays(
                [pa.DictionaryArray.from_arrays([0], pa.array(["p"]).dictionary_encode())], ["x"]
            ),
        ],
    )
    def test_what_cannot_be_converted_is_named(self, column: pa.Array) -> None:
        with pytest.raises(EncodeError, match=r"the column 'sensor' is of type .* within another type"):
            write_stream(pa.table({"sensor": column}), take)


class TestSharing:
    def test_a_table_is_written_once(self) -> None:
        shared = share(NESTED, take)
        assert shared.equals(NESTED)
        stream = stream_of(shared)
        assert stream is not None
        start = np.frombuffer(stream, np.uint8).ctypes.data
        assert all(0 <= buffer.address - start < len(stream) for buffer in buffers_of(shared))
        assert share(shared, take) is shared

    def test_only_the_very_table_is_remembered(self) -> None:
        shared = share(NESTED, take)
        assert stream_of(shared.slice(0)) is None
        assert stream_of(NESTED) is None

    def test_a_record_batch(self) -> None:
        batch = share(NESTED.to_batches()[0], take)
        assert isinstance(batch, pa.RecordBatch)
        assert stream_of(batch) is not None

    def test_what_is_remembered_dies_with_the_table(self) -> None:
        before = len(arrow._streams)
        table = pa.table({"a": [1]})
        remember(table, memoryview(b""))
        assert len(arrow._streams) == before + 1
        del table
        gc.collect()
        assert len(arrow._streams) == before


def test_tables_are_told_without_importing_pyarrow() -> None:
    source = (
        "import sys; from hognose.values.arrow import is_table; from hognose.frames import is_frame;"
        "assert not is_table(object()) and not is_frame([]);"
        "assert not {'pyarrow', 'pandas', 'polars'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", source], check=True, cwd=Path(__file__).parent.parent)


def test_tables_and_frames_are_told_from_other_values() -> None:
    assert is_table(NESTED)
    assert is_table(NESTED.to_batches()[0])
    assert not any(map(is_table, [NESTED.schema, NESTED.column(0), [], None, pd.DataFrame()]))
    assert all(map(is_frame, [pd.DataFrame(), pd.Series([1]), pl.DataFrame(), pl.Series([1]), pl.LazyFrame()]))
    assert not any(map(is_frame, [NESTED, [], None]))


DAY = dt.date(2024, 1, 1)
NOON = dt.datetime(2024, 1, 1, 12)


def objects(*values: Any) -> pd.Series[Any]:
    return pd.Series(values, dtype=object)


class TestPandas:
    @pytest.mark.parametrize(
        ("column", "kind"),
        [
            ([1, 2], "int64"),
            (np.array([1], np.uint8), "uint8"),
            (np.array([1.5], np.float16), "halffloat"),
            ([1.5, None], "double"),
            ([True, False], "bool"),
            (pd.array([1, None], dtype="Int64"), "int64"),
            (pd.array([1.5, None], dtype="Float64"), "double"),
            (pd.array([True, None], dtype="boolean"), "bool"),
            (pd.array([1, None], dtype=pd.ArrowDtype(pa.int64())), "int64"),
            (["a", None], "large_string"),
            (pd.Categorical(["x", "y", None]), "dictionary<values=large_string, indices=int8, ordered=0>"),
            (pd.Categorical(["x"], ["z", "x"], True), "dictionary<values=large_string, indices=int8, ordered=1>"),
            (pd.to_datetime(["2024-01-01", None]), "timestamp[us]"),
            (pd.to_datetime(["2024-01-01"]).astype("datetime64[ns]"), "timestamp[ns]"),
            (pd.to_datetime(["2024-01-01"]).tz_localize("Europe/Berlin"), "timestamp[us, tz=Europe/Berlin]"),
            (pd.to_timedelta(["1D", None]), "duration[us]"),
            (objects(decimal.Decimal("1.5")), "decimal128(2, 1)"),
            (objects(DAY), "date32[day]"),
            (objects(b"a", None), "binary"),
            (objects({"x": 1}, {"x": 2}), "struct<x: int64>"),
            (pd.period_range("2024-01", "2024-02", freq="M"), "extension<pandas.period<ArrowPeriodType>>"),
            (pd.interval_range(0, 2), "extension<pandas.interval<ArrowIntervalType>>"),
        ],
    )
    def test_s63_a_column_comes_back_equal_after_the_way_over_a_stream(self, column: Any, kind: str) -> None:
        frame = pd.DataFrame({"a": column})
        table = to_arrow(frame)
        assert str(table.schema.field("a").type) == kind
        pd.testing.assert_frame_equal(from_arrow(round_trip(table), "pandas"), frame)

    @pytest.mark.parametrize(
        ("column", "dtype"),
        [
            (objects("a", None), "str"),
            (pd.array([1.5], dtype=pd.ArrowDtype(pa.float64())), "double[pyarrow]"),
        ],
    )
    def test_dtypes_that_come_back_as_others(self, column: Any, dtype: str) -> None:
        back = from_arrow(round_trip(to_arrow(pd.DataFrame({"a": column}))), "pandas")
        assert str(back["a"].dtype) == dtype

    def test_nan_becomes_null(self) -> None:
        assert to_arrow(pd.DataFrame({"a": [1.0, float("nan")]})).column("a").null_count == 1

    def test_lists_come_back_as_arrays_and_uuids_as_bytes(self) -> None:
        frame = pd.DataFrame({"a": objects([1], [2, 3]), "b": objects(uuid.UUID(int=1), uuid.UUID(int=2))})
        back = from_arrow(round_trip(to_arrow(frame)), "pandas")
        assert [type(value) for value in back["a"]] == [np.ndarray, np.ndarray]
        assert back["b"].tolist() == [uuid.UUID(int=1).bytes, uuid.UUID(int=2).bytes]

    @pytest.mark.parametrize(
        "column", [objects("a", 1), objects(2**70), [1j], pd.arrays.SparseArray([0, 1]), objects(object())]
    )
    def test_columns_without_a_type_of_arrow_are_named(self, column: Any) -> None:
        with pytest.raises(EncodeError, match="a DataFrame cannot become a table of Arrow"):
            to_arrow(pd.DataFrame({"speed": column}))

    def test_columns_of_one_name_are_refused(self) -> None:
        with pytest.raises(EncodeError, match="Duplicate column names"):
            to_arrow(pd.DataFrame([[1, 2]], columns=["a", "a"]))

    @pytest.mark.parametrize(
        "index",
        [
            pd.RangeIndex(5, 7),
            pd.Index(["p", "q"]),
            pd.Index([3, 4], name="k"),
            pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["m", "n"]),
            pd.date_range("2024", periods=2, freq="D"),
        ],
    )
    def test_an_index_comes_back(self, index: pd.Index[Any]) -> None:
        frame = pd.DataFrame({"a": [1, 2]}, index=index)
        back = from_arrow(round_trip(to_arrow(frame)), "pandas")
        pd.testing.assert_frame_equal(back, frame, check_freq=False)

    def test_an_index_as_a_column_or_not_at_all(self) -> None:
        frame = pd.DataFrame({"a": [1]}, index=pd.Index([7], name="k"))
        assert to_arrow(frame, index=True).schema.names == ["a", "k"]
        assert to_arrow(frame, index=False).schema.names == ["a"]
        assert to_arrow(pd.DataFrame({"a": [1]})).schema.names == ["a"]

    def test_names_of_columns_that_are_not_strings_come_back(self) -> None:
        frame = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("x", 1), ("x", 2)]))
        assert to_arrow(frame).schema.names == ["('x', '1')", "('x', '2')"]
        assert from_arrow(round_trip(to_arrow(pd.DataFrame([[1, 2]]))), "pandas").columns.tolist() == [0, 1]

    def test_a_series_is_one_column(self) -> None:
        assert to_arrow(pd.Series([1], name="speed")).schema.names == ["speed"]
        assert to_arrow(pd.Series([1])).schema.names == ["value"]

    def test_numbers_are_not_copied(self) -> None:
        frame = pd.DataFrame({"a": np.arange(5.0)})
        buffer = to_arrow(frame).column("a").chunk(0).buffers()[1]
        assert buffer.address == frame["a"].to_numpy().ctypes.data


class TestPolars:
    @pytest.mark.parametrize(
        ("column", "kind"),
        [
            (pl.Series([1, None]), "int64"),
            (pl.Series([1.5, float("nan"), None]), "double"),
            (pl.Series(["a", None]), "large_string"),
            (pl.Series([b"a"]), "large_binary"),
            (pl.Series([True, None]), "bool"),
            (pl.Series(["x", "y"], dtype=pl.Categorical), "dictionary<values=large_string, indices=uint32, ordered=0>"),
            (
                pl.Series(["x"], dtype=pl.Enum(["y", "x"])),
                "dictionary<values=large_string, indices=uint8, ordered=1>",
            ),
            (pl.Series([DAY]), "date32[day]"),
            (pl.Series([NOON]), "timestamp[us]"),
            (pl.Series([NOON]).dt.replace_time_zone("Europe/Berlin"), "timestamp[us, tz=Europe/Berlin]"),
            (pl.Series([dt.timedelta(1)]), "duration[us]"),
            (pl.Series([dt.time(1)]), "time64[ns]"),
            (pl.Series([[1], None, []]), "large_list<item: int64>"),
            (pl.Series([[1, 2]], dtype=pl.Array(pl.Int64, 2)), "fixed_size_list<item: int64>[2]"),
            (pl.Series([{"x": 1}]), "struct<x: int64>"),
            (pl.Series([decimal.Decimal("1.5")]), "decimal128(38, 1)"),
            (pl.Series([None]), "null"),
        ],
    )
    def test_s63_a_column_comes_back_equal_after_the_way_over_a_stream(self, column: pl.Series, kind: str) -> None:
        frame = pl.DataFrame({"a": column})
        table = to_arrow(frame)
        assert str(table.schema.field("a").type) == kind
        back = from_arrow(round_trip(table), "polars")
        assert back.schema == frame.schema
        assert back.equals(frame)

    @pytest.mark.parametrize("column", [pl.Series([object()], dtype=pl.Object), pl.Series([1], dtype=pl.Int128)])
    def test_columns_without_a_type_of_arrow_are_refused(self, column: pl.Series) -> None:
        with pytest.raises(EncodeError, match="a DataFrame cannot become a table of Arrow"):
            to_arrow(pl.DataFrame({"speed": column}))

    def test_a_lazy_frame_is_collected_and_a_series_is_one_column(self) -> None:
        assert to_arrow(pl.LazyFrame({"a": [1]})).to_pydict() == {"a": [1]}
        assert to_arrow(pl.Series("speed", [1])).schema.names == ["speed"]
        assert to_arrow(pl.Series([1])).schema.names == ["value"]


class OfStream:
    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return NESTED.__arrow_c_stream__(requested_schema)


class OfArray:
    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        return NESTED.to_batches()[0].__arrow_c_array__(requested_schema)


class TestOtherFrames:
    @pytest.mark.parametrize(
        "make",
        [
            lambda: NESTED,
            lambda: NESTED.to_batches()[0],
            NESTED.to_reader,
            lambda: pyarrow.dataset.dataset(NESTED),
            lambda: pyarrow.dataset.dataset(NESTED).scanner(),
            OfStream,
            OfArray,
        ],
    )
    def test_what_speaks_arrow_becomes_a_table(self, make: Callable[[], Any]) -> None:
        assert to_arrow(make()).equals(NESTED)

    def test_what_is_no_frame(self) -> None:
        with pytest.raises(TypeError, match="a list is no frame"):
            to_arrow([1])

    def test_libraries_are_named(self) -> None:
        assert from_arrow(NESTED, "pyarrow") is NESTED
        with pytest.raises(ValueError, match="pyarrow, pandas, polars"):
            from_arrow(NESTED, "spark")
