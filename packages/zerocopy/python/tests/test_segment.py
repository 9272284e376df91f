from __future__ import annotations

import fcntl
import gc
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import ALL_SEALS, MakeMemfd

from hognose_shm import DescriptorError, Segment, SegmentError


def describe(shape: list[int], dtype: str = "float64", byte_offset: int = 0, strides: list[int] | None = None) -> dict:
    reference = np.empty(shape, dtype)
    return {
        "byteLength": reference.nbytes,
        "byteOffset": byte_offset,
        "dtype": dtype,
        "shape": shape,
        "strides": strides if strides is not None else [n // reference.itemsize for n in reference.strides],
    }


def is_mapped(fd: int) -> bool:
    inode = os.fstat(fd).st_ino
    with open("/proc/self/maps") as maps:
        return any(line.split()[4] == str(inode) and "memfd:" in line for line in maps)


def test_an_ndarray_is_a_view_of_the_file(make_memfd: MakeMemfd) -> None:
    fd = make_memfd(4096)
    array = Segment.from_fd(fd).ndarray(describe([2, 3], byte_offset=64))
    os.pwrite(fd, struct.pack("d", 2.5), 64 + 5 * 8)
    assert array[1, 2] == 2.5
    array[0, 1] = 7.0
    assert struct.unpack("d", os.pread(fd, 8, 64 + 8)) == (7.0,)
    assert array.flags.aligned
    assert array.flags.writeable
    assert not array.flags.owndata


def test_a_memoryview_is_a_view_of_the_file(make_memfd: MakeMemfd) -> None:
    fd = make_memfd(4096)
    view = Segment.from_fd(fd).memoryview(describe([2, 3], "int32", byte_offset=16))
    view[1, 2] = -5
    assert struct.unpack("i", os.pread(fd, 4, 16 + 5 * 4)) == (-5,)
    assert (view.shape, view.format, view.readonly) == ((2, 3), "i", False)


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
)
def test_ndarray_and_memoryview_agree_on_every_dtype(make_memfd: MakeMemfd, dtype: str) -> None:
    segment = Segment.from_fd(make_memfd(4096))
    array = segment.ndarray(describe([4], dtype, byte_offset=8))
    array[:] = [1, 2, 3, 100]
    assert array.dtype == np.dtype(dtype)
    assert segment.memoryview(describe([4], dtype, byte_offset=8)).tolist() == [1, 2, 3, 100]


@pytest.mark.parametrize("shape", [[], [0], [1], [2, 0, 3], [1] * 32])
def test_scalars_empty_arrays_and_many_axes_open(make_memfd: MakeMemfd, shape: list[int]) -> None:
    segment = Segment.from_fd(make_memfd(64))
    assert segment.ndarray(describe(shape)).shape == tuple(shape)
    assert segment.ndarray(describe(shape, byte_offset=56)).shape == tuple(shape)


def test_an_empty_array_may_begin_at_the_end(make_memfd: MakeMemfd) -> None:
    segment = Segment.from_fd(make_memfd(64))
    assert segment.ndarray(describe([0], byte_offset=64)).size == 0
    assert segment.memoryview(describe([0], byte_offset=64)).tolist() == []


def test_a_memoryview_can_be_a_scalar(make_memfd: MakeMemfd) -> None:
    view = Segment.from_fd(make_memfd(64)).memoryview(describe([]))
    view[()] = 3.5
    assert (view.shape, view.tolist()) == ((), 3.5)


def test_strides_are_counted_in_elements(make_memfd: MakeMemfd) -> None:
    segment = Segment.from_fd(make_memfd(64))
    segment.ndarray(describe([2, 3], "int16"))[...] = [[1, 2, 3], [4, 5, 6]]
    transposed = describe([3, 2], "int16", strides=[1, 3])
    assert segment.ndarray(transposed).tolist() == [[1, 4], [2, 5], [3, 6]]
    with pytest.raises(DescriptorError, match="use ndarray"):
        segment.memoryview(transposed)


def test_a_memoryview_refuses_an_empty_array_of_several_axes(make_memfd: MakeMemfd) -> None:
    with pytest.raises(DescriptorError, match="use ndarray"):
        Segment.from_fd(make_memfd(64)).memoryview(describe([2, 0]))


def test_a_read_only_segment_cannot_be_written_to(make_memfd: MakeMemfd) -> None:
    segment = Segment.from_fd(make_memfd(64), read_only=True)
    assert segment.read_only
    array = segment.ndarray(describe([4]))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        array.flags.writeable = True
    with pytest.raises(TypeError, match="read-only"):
        segment.memoryview(describe([4]))[0] = 1.0


def slice_of(segment: Segment) -> Any:
    return segment.ndarray(describe([8]))[2:4].reshape(2, 1)


def memoryview_of(segment: Segment) -> Any:
    return segment.memoryview(describe([8]))


def array_over_memoryview_of(segment: Segment) -> Any:
    return np.asarray(segment.memoryview(describe([8])))[1:]


@pytest.mark.parametrize("derive", [slice_of, memoryview_of, array_over_memoryview_of])
def test_the_mapping_lives_as_long_as_the_last_array(make_memfd: MakeMemfd, derive: Callable[[Segment], Any]) -> None:
    fd = make_memfd(4096)
    segment = Segment.from_fd(fd)
    kept = derive(segment)
    segment.close()
    del segment
    gc.collect()
    assert is_mapped(fd)
    kept[0] = 4.0
    del kept
    gc.collect()
    assert not is_mapped(fd)


def test_close_ends_the_making_of_arrays(make_memfd: MakeMemfd) -> None:
    with Segment.from_fd(make_memfd(64)) as segment:
        assert not segment.closed
    segment.close()
    assert segment.closed
    assert repr(segment) == "<hognose_shm.Segment of 64 bytes, closed>"
    with pytest.raises(SegmentError, match="was closed"):
        segment.ndarray(describe([1]))
    with pytest.raises(SegmentError, match="was closed"):
        segment.memoryview(describe([1]))


def test_the_descriptor_stays_the_callers(make_memfd: MakeMemfd) -> None:
    fd = os.dup(make_memfd(64))
    segment = Segment.from_fd(fd)
    os.close(fd)
    segment.ndarray(describe([1]))[0] = 1.0
    assert segment.byte_length == 64


@pytest.mark.parametrize("missing", ["F_SEAL_SHRINK", "F_SEAL_GROW", "F_SEAL_SEAL"])
def test_a_memfd_without_a_seal_is_refused_by_name(make_memfd: MakeMemfd, missing: str) -> None:
    with pytest.raises(SegmentError, match=f"lacks {missing},"):
        Segment.from_fd(make_memfd(64, ALL_SEALS & ~getattr(fcntl, missing)))


def test_a_short_memfd_is_refused(make_memfd: MakeMemfd) -> None:
    assert Segment.from_fd(make_memfd(64), byte_length=64).byte_length == 64
    with pytest.raises(SegmentError, match="is a segment of 64 bytes, and 65 were expected"):
        Segment.from_fd(make_memfd(64), byte_length=65)
    with pytest.raises(SegmentError, match="cannot be mapped"):
        Segment.from_fd(make_memfd(0))


def test_what_is_no_memfd_is_refused(tmp_path: os.PathLike[str]) -> None:
    reader, writer = os.pipe()
    with open(os.path.join(tmp_path, "a file"), "w+b") as file:
        file.truncate(64)
        with pytest.raises(SegmentError, match="not a memfd"):
            Segment.from_fd(file.fileno())
    with pytest.raises(SegmentError, match="no memory file"):
        Segment.from_fd(reader)
    os.close(reader)
    os.close(writer)
    with pytest.raises(SegmentError, match="not open"):
        Segment.from_fd(reader)


def test_a_descriptor_opened_for_reading_only_is_refused_for_writing(make_memfd: MakeMemfd) -> None:
    fd = os.open(f"/proc/self/fd/{make_memfd(64)}", os.O_RDONLY)
    try:
        with pytest.raises(SegmentError, match="cannot be mapped"):
            Segment.from_fd(fd)
        assert Segment.from_fd(fd, read_only=True).ndarray(describe([1]))[0] == 0.0
    finally:
        os.close(fd)


def test_numpy_is_imported_only_by_ndarray(make_memfd: MakeMemfd) -> None:
    fd = make_memfd(64)
    program = (
        "import sys; from hognose_shm import Segment\n"
        f"segment = Segment.from_fd({fd})\n"
        f"segment.memoryview({describe([1])!r})[0] = 1.5\n"
        "print('numpy' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], pass_fds=[fd], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
    assert struct.unpack("d", os.pread(fd, 8, 0)) == (1.5,)
