from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import ALL_SEALS
from hypothesis import given, settings
from hypothesis import strategies as st

from hognose_shm import DescriptorError, Segment
from hognose_shm.layout import FORMATS, check_descriptor

GOOD = {"byteLength": 48, "byteOffset": 8, "dtype": "float64", "shape": [2, 3], "strides": [3, 1]}


def test_a_good_descriptor_gives_its_layout() -> None:
    layout = check_descriptor(GOOD, 56)
    assert (layout.item_size, layout.byte_offset, layout.byte_strides) == (8, 8, (24, 8))
    assert layout.is_contiguous
    assert not check_descriptor({**GOOD, "strides": [1, 2]}, 56).is_contiguous


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dtype": "float16"}, "dtype is 'float16'"),
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
        ({"shape": [1] * 33, "strides": [1] * 33}, "at most 32"),
        ({"shape": [2**53 - 1] * 2, "strides": [0, 0]}, "too large to be addressed"),
        ({"shape": [0, 2**53 - 1, 2**53 - 1]}, "shape has 3 axes"),
        ({"shape": [0, 2**53 - 1, 2**53 - 1], "strides": [0, 0, 0]}, "too large to be addressed"),
        ({"strides": [4, 1]}, "spans 56 bytes"),
        ({"strides": [-3, 1]}, r"strides\[0\] is out of range"),
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
        "dtype": st.one_of(st.sampled_from(sorted(FORMATS)), anything),
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
            "dtype": st.sampled_from(sorted(FORMATS)),
            "shape": st.lists(st.integers(0, 4), min_size=count, max_size=count),
            "strides": st.lists(st.integers(0, 8), min_size=count, max_size=count),
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
    assert first == descriptor["byteOffset"]
    if array.size == 0:
        return
    last = first + sum((extent - 1) * stride for extent, stride in zip(array.shape, array.strides, strict=True))
    assert 0 <= first <= last <= SEGMENT_BYTES - array.itemsize
    assert last + array.itemsize <= first + descriptor["byteLength"]
    assert array.ctypes.data % array.itemsize == 0
    # Each element is the one that the strides name: read from the file, not from the mapping.
    index = tuple(extent - 1 for extent in array.shape)
    assert array[index].tobytes() == os.pread(shared_fd, array.itemsize, last)
