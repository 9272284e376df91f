from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from conftest import ALL_SEALS
from hypothesis import given, settings
from hypothesis import strategies as st

from hognose_shm import DescriptorError, Segment
from hognose_shm.dtypes import DTYPES, numpy_dtype
from hognose_shm.layout import array_fields, check_array_fields, check_descriptor, open_array, open_memoryview

GOOD = {"byteLength": 48, "byteOffset": 8, "dtype": "float64", "shape": [2, 3], "strides": [3, 1]}


def test_a_good_descriptor_gives_its_layout() -> None:
    layout = check_descriptor(GOOD, 56)
    assert (layout.item_size, layout.byte_offset, layout.byte_strides) == (8, 8, (24, 8))
    assert layout.is_contiguous
    assert not check_descriptor({**GOOD, "strides": [1, 2]}, 56).is_contiguous


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dtype": "float128"}, "dtype is 'float128'"),
        ({"dtype": "object"}, "dtype is 'object'"),
        ({"dtype": ["float64"]}, "dtype is"),
        ({"byteOffset": -8}, "byteOffset is out of range"),
        ({"byteOffset": 8.0}, "byteOffset is of type float"),
        ({"byteOffset": True}, "byteOffset is of type bool"),
        ({"byteOffset": "8"}, "byteOffset is of type str"),
        ({"byteOffset": 4}, "not a multiple of 8"),
        ({"byteOffset": 16}, "ends at byte 64, and the segment has 56"),
        ({"byteOffset": 2**64}, "byteOffset is out of range"),
        ({"byteOffset": 10**5000}, "byteOffset is out of range"),
        ({"byteLength": 56}, "ends at byte 64"),
        ({"byteLength": 40}, "spans 48 bytes, and byteLength is 40"),
        ({"byteLength": None}, "byteLength is of type NoneType"),
        ({"shape": [3, 3]}, "spans 72 bytes"),
        ({"shape": [2, -3]}, r"shape\[1\] is out of range"),
        ({"shape": [2, float("nan")]}, r"shape\[1\] is of type float"),
        ({"shape": [2]}, "shape has 1 axes, and strides has 2"),
        ({"shape": 6}, "shape is int"),
        ({"shape": "23"}, "shape is str"),
        ({"shape": [1] * 65, "strides": [1] * 65}, "at most 64"),
        ({"shape": [2**53 - 1] * 2, "strides": [0, 0]}, "too large to be addressed"),
        ({"shape": [0, 2**53 - 1, 2**53 - 1]}, "shape has 3 axes"),
        ({"shape": [0, 2**53 - 1, 2**53 - 1], "strides": [0, 0, 0]}, "too large to be addressed"),
        ({"strides": [4, 1]}, "spans 56 bytes"),
        ({"strides": [-4, 1]}, "spans 56 bytes"),
        ({"strides": [-(2**53), 1]}, r"strides\[0\] is out of range"),
        ({"device": [2, 0]}, "unknown .*device"),
    ],
)
def test_a_bad_descriptor_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(DescriptorError, match=message):
        check_descriptor({**GOOD, **change}, 56)


@pytest.mark.parametrize("key", sorted(GOOD))
def test_a_missing_field_is_named(key: str) -> None:
    with pytest.raises(DescriptorError, match=f"lacks .*{key}"):
        check_descriptor({name: value for name, value in GOOD.items() if name != key}, 56)


@pytest.mark.parametrize("descriptor", [None, [], "{}", 3])
def test_what_is_no_mapping_is_refused(descriptor: Any) -> None:
    with pytest.raises(DescriptorError, match="a descriptor is a mapping"):
        check_descriptor(descriptor, 56)


# Small, so that examples often meet its end.
SEGMENT_BYTES = 96
numbers = st.one_of(
    st.integers(0, 64),
    st.integers(0, SEGMENT_BYTES + 64),
    st.integers(-4, 2**65),
    st.sampled_from([2**31, 2**53 - 1, 2**63]),
)
anything = st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=3), numbers)
axes = st.lists(st.one_of(st.integers(0, 8), numbers), max_size=5)
descriptors = st.fixed_dictionaries(
    {
        "byteLength": st.one_of(st.integers(0, SEGMENT_BYTES), anything),
        "byteOffset": st.one_of(st.integers(0, SEGMENT_BYTES // 4).map(lambda n: n * 4), anything),
        "dtype": st.one_of(st.sampled_from(sorted(DTYPES)), anything),
        "shape": st.one_of(axes, anything),
        "strides": st.one_of(axes, anything),
    }
)
# Mostly well-formed: two lists of one length, with a span that often fits.
likely = st.integers(0, 4).flatmap(
    lambda count: st.fixed_dictionaries(
        {
            "byteLength": st.integers(0, SEGMENT_BYTES + 8),
            "byteOffset": st.integers(0, SEGMENT_BYTES // 4 + 1).map(lambda n: n * 4),
            "dtype": st.sampled_from(sorted(DTYPES)),
            "shape": st.lists(st.integers(0, 4), min_size=count, max_size=count),
            "strides": st.lists(st.integers(-8, 8), min_size=count, max_size=count),
        }
    )
)


@pytest.fixture(scope="module")
def shared_fd() -> Iterator[int]:
    fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.pwrite(fd, bytes(n % 251 for n in range(SEGMENT_BYTES)), 0)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, ALL_SEALS)
    yield fd
    os.close(fd)


@settings(max_examples=400, deadline=None)
@given(descriptor=st.one_of(descriptors, likely))
def test_no_descriptor_reaches_outside_the_segment(shared_fd: int, descriptor: dict[str, Any]) -> None:
    segment = Segment.from_fd(shared_fd, read_only=True)
    whole = {"byteLength": SEGMENT_BYTES, "byteOffset": 0, "dtype": "uint8", "shape": [SEGMENT_BYTES], "strides": [1]}
    start = segment.ndarray(whole).ctypes.data
    try:
        array = segment.ndarray(descriptor)
    except DescriptorError:
        return
    first = array.ctypes.data - start
    reaches = [(extent - 1) * stride for extent, stride in zip(array.shape, array.strides, strict=True)]
    lowest = first + sum(reach for reach in reaches if reach < 0 < array.size)
    assert lowest == descriptor["byteOffset"]
    if array.size == 0:
        return
    highest = first + sum(reach for reach in reaches if reach > 0)
    assert 0 <= lowest <= first <= highest <= SEGMENT_BYTES - array.itemsize
    assert highest + array.itemsize <= lowest + descriptor["byteLength"]
    assert array.flags.aligned
    # Each element is the one that the strides name: read from the file, not from the mapping.
    last = array[(*(slice(extent - 1, extent) for extent in array.shape), ...)]
    assert last.tobytes() == os.pread(shared_fd, array.itemsize, first + sum(reaches))


MEMORY = memoryview(bytearray(range(240)))
FIELDS: list[Any] = ["int32", [2, 3], [3, 1], 8, 1, 0, 0]


def test_array_fields_give_their_layout() -> None:
    layout = check_array_fields(["float64", [2, 3], [-3, 1], 32, 1, 0, 0x201], 56)
    assert (layout.byte_offset, layout.byte_length, layout.start) == (8, 48, 32)
    assert (layout.read_only, layout.reason) == (True, 2)
    assert check_array_fields(FIELDS, 32).read_only is False


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        (0, "object", "dtype is 'object', and it must be one of bool, int8"),
        (0, None, "dtype is None"),
        (1, [2, 4], "spans bytes 8 to 36, and 32 are lent"),
        (1, [2], "shape has 1 axes, and strides has 2"),
        (1, [-2, 3], r"shape\[0\] is out of range"),
        (1, "23", "shape is str"),
        (2, [-3, 1], "spans bytes -4 to 20, and 32 are lent"),
        (2, [3, 1.0], r"strides\[1\] is of type float"),
        (2, [2**53, 1], r"strides\[0\] is out of range"),
        (3, 12, "spans bytes 12 to 36"),
        (3, 9, "start 9 is not a multiple of 4"),
        (3, -8, "start is out of range"),
        (3, True, "start is of type bool"),
        (4, 2, r"memory of CUDA device 0 \(DLPack's device type 2\)"),
        (4, 3, r"CUDA host \(pinned\) device 0"),
        (4, 99, "an unknown device 0"),
        (4, None, "device type is of type NoneType"),
        (5, -1, "device id is out of range"),
        (6, "read-only", "flags is of type str"),
    ],
)
def test_bad_array_fields_are_refused(index: int, value: object, message: str) -> None:
    with pytest.raises(DescriptorError, match=message):
        check_array_fields([*FIELDS[:index], value, *FIELDS[index + 1 :]], 32)


@pytest.mark.parametrize("fields", [None, "int32", 3, [], FIELDS[:6], [*FIELDS, 0], dict.fromkeys(range(7))])
def test_what_is_no_list_of_seven_fields_is_refused(fields: Any) -> None:
    with pytest.raises(DescriptorError, match="described by a list of dtype, shape"):
        check_array_fields(fields, 32)


@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_s62_arrays_of_every_type_are_described_and_opened(dtype: str) -> None:
    numpy_type = np.dtype(ml_dtypes.bfloat16) if dtype == "bfloat16" else np.dtype(dtype)
    original = np.frombuffer(MEMORY, numpy_type, count=12).reshape(3, 4)
    address = original.ctypes.data
    for array in (original, original.T, original[::-1, ::-2], original[1:, 1], original[:, :0], original[2, 3, ...]):
        start = array.ctypes.data - address
        fields = array_fields(dtype, array.shape, array.strides, start, array.itemsize)
        opened = open_array(MEMORY, check_array_fields(fields, len(MEMORY)))
        assert isinstance(opened, np.ndarray)
        assert (opened.dtype, opened.shape) == (numpy_type, array.shape)
        assert array.size == 0 or opened.ctypes.data == array.ctypes.data
        assert opened.tobytes() == array.tobytes()


def test_array_fields_say_whether_to_write_and_why_copied() -> None:
    fields = array_fields("int32", (2, 3), (12, 4), 8, 4, True, 5)
    assert fields == ["int32", [2, 3], [3, 1], 8, 1, 0, 0x501]
    opened = open_array(MEMORY, check_array_fields(fields, 240))
    assert isinstance(opened, np.ndarray)
    with pytest.raises(ValueError, match="WRITEABLE"):
        opened.flags.writeable = True
    writable = open_array(MEMORY, check_array_fields(FIELDS, 240))
    assert isinstance(writable, np.ndarray)
    assert writable.flags.writeable


def test_strides_that_are_no_whole_elements_cannot_be_described() -> None:
    with pytest.raises(DescriptorError, match="of 8 bytes that lie 12 bytes apart"):
        array_fields("float64", (2,), (12,), 0, 8)
    assert array_fields("float64", (1,), (12,), 0, 8)[2] == [1]
    with pytest.raises(DescriptorError, match="at most 64"):
        array_fields("float64", (1,) * 65, (8,) * 65, 0, 8)
    with pytest.raises(DescriptorError, match="dtype is 'float128'"):
        array_fields("float128", (1,), (16,), 0, 16)


def test_sixty_four_axes_open() -> None:
    fields = array_fields("int8", (1,) * 64, (1,) * 64, 5, 1)
    opened = open_array(MEMORY, check_array_fields(fields, 240))
    assert isinstance(opened, np.ndarray)
    assert (opened.ndim, opened.item()) == (64, 5)


def test_without_numpy_arrays_open_as_memoryviews(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    opened = open_array(MEMORY, check_array_fields(["uint8", [2, 3], [3, 1], 10, 1, 0, 1], 240))
    assert isinstance(opened, memoryview)
    assert (opened.tolist(), opened.readonly) == ([[10, 11, 12], [13, 14, 15]], True)
    for fields in (["uint8", [2, 3], [1, 2], 10, 1, 0, 0], ["complex64", [2], [1], 8, 1, 0, 0]):
        with pytest.raises(DescriptorError, match="needs NumPy"):
            open_array(MEMORY, check_array_fields(fields, 240))


def test_bfloat16_without_ml_dtypes_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    numpy_dtype.cache_clear()
    with pytest.raises(DescriptorError, match="ml_dtypes"):
        open_array(MEMORY, check_array_fields(["bfloat16", [2], [1], 8, 1, 0, 0], 240))


def test_a_memoryview_of_half_floats_opens_or_says_why_not() -> None:
    layout = check_array_fields(["float16", [2], [1], 8, 1, 0, 0], 240)
    if sys.version_info >= (3, 12):
        assert open_memoryview(MEMORY, layout).format == "e"
    else:
        with pytest.raises(DescriptorError, match="no memoryview of float16"):
            open_memoryview(MEMORY, layout)
