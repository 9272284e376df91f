"""Checks an array's descriptor before any memory is touched."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hognose_shm.errors import DescriptorError

#: The format of ``struct`` and ``memoryview`` for each element type. The names are NumPy's.
FORMATS = {
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}

_ITEM_SIZES = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8, "f": 4, "d": 8}

_KEYS = frozenset({"byteLength", "byteOffset", "dtype", "shape", "strides"})

#: NumPy 1 knows no more axes than these.
_MAX_AXES = 32

#: The largest whole number that JavaScript holds exactly; times an item size it still fits a pointer.
_MAX_NUMBER = 2**53 - 1


@dataclass(frozen=True)
class ArrayLayout:
    """Where an array lies in its segment; checked, so that every element is inside and aligned.

    Attributes:
        dtype: The type of an element, a key of `FORMATS`.
        item_size: The size of an element in bytes.
        byte_offset: Where the first element begins, in bytes from the segment's start.
        byte_length: The bytes that the array spans.
        shape: The number of elements along each axis.
        strides: The distance between neighbours along each axis, in elements as in DLPack.
    """

    dtype: str
    item_size: int
    byte_offset: int
    byte_length: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def byte_strides(self) -> tuple[int, ...]:
        """The strides in bytes, as NumPy counts them."""
        return tuple(stride * self.item_size for stride in self.strides)

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements follow each other without gaps, the last axis varying fastest."""
        expected = 1
        for extent, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if extent > 1 and stride != expected:
                return False
            expected *= extent
        return True


def check_descriptor(descriptor: Mapping[str, object], segment_byte_length: int) -> ArrayLayout:
    """Checks every field of a descriptor against a segment of `segment_byte_length` bytes.

    Args:
        descriptor: `byteLength`, `byteOffset`, `dtype`, `shape` and `strides`, as `describe()` gives them in Node.js.
        segment_byte_length: The size of the segment in bytes.

    Raises:
        DescriptorError: A field is missing, unknown or of the wrong type, or an element would lie outside the segment
            or be misaligned.
    """
    if not isinstance(descriptor, Mapping):
        raise DescriptorError(f"a descriptor is a mapping, not {type(descriptor).__name__}")
    if descriptor.keys() != _KEYS:
        missing = sorted(_KEYS - descriptor.keys())
        # An unknown field may change what the others mean: to ignore it could be to misread the memory.
        unknown = sorted(repr(key) for key in descriptor.keys() - _KEYS)
        raise DescriptorError(
            f"a descriptor lacks {missing} and has the unknown {unknown}: are both sides one version?"
        )
    dtype = descriptor["dtype"]
    if not isinstance(dtype, str) or dtype not in FORMATS:
        raise DescriptorError(f"dtype is {dtype!r:.80}, and it must be one of {', '.join(FORMATS)}")
    layout = ArrayLayout(
        dtype=dtype,
        item_size=_ITEM_SIZES[FORMATS[dtype]],
        byte_offset=_whole_number("byteOffset", descriptor["byteOffset"]),
        byte_length=_whole_number("byteLength", descriptor["byteLength"]),
        shape=_whole_numbers("shape", descriptor["shape"]),
        strides=_whole_numbers("strides", descriptor["strides"]),
    )
    _check_axes(layout)
    _check_bounds(layout, segment_byte_length)
    return layout


def _check_axes(layout: ArrayLayout) -> None:
    if len(layout.strides) != len(layout.shape):
        raise DescriptorError(f"shape has {len(layout.shape)} axes, and strides has {len(layout.strides)}")
    # Python's integers cannot overflow, but NumPy's can: it multiplies the extents even of an array without elements.
    size = layout.item_size
    for extent in layout.shape:
        size *= max(extent, 1)
    if size > sys.maxsize:
        raise DescriptorError(f"shape {list(layout.shape)} is too large to be addressed")


def _check_bounds(layout: ArrayLayout, segment_byte_length: int) -> None:
    if layout.byte_offset % layout.item_size != 0:
        raise DescriptorError(
            f"byteOffset {layout.byte_offset} is not a multiple of {layout.item_size}, the size of a {layout.dtype}"
        )
    end = layout.byte_offset + layout.byte_length
    if end > segment_byte_length:
        raise DescriptorError(
            f"the array ends at byte {end}, and the segment has {segment_byte_length}: is it another array's segment?"
        )
    # Strides are never negative, so the last element along every axis is the one that lies furthest.
    needed = 0
    if 0 not in layout.shape:
        furthest = sum((extent - 1) * stride for extent, stride in zip(layout.shape, layout.strides, strict=True))
        needed = (furthest + 1) * layout.item_size
    if needed > layout.byte_length:
        raise DescriptorError(
            f"shape {list(layout.shape)} with strides {list(layout.strides)} and type {layout.dtype} spans {needed} "
            f"bytes, and byteLength is {layout.byte_length}"
        )


def _whole_numbers(name: str, value: object) -> tuple[int, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes | bytearray | memoryview):
        raise DescriptorError(f"{name} is {type(value).__name__}, and it must be a list of whole numbers")
    if len(value) > _MAX_AXES:
        raise DescriptorError(f"{name} has {len(value)} axes, and at most {_MAX_AXES} are possible")
    return tuple(_whole_number(f"{name}[{axis}]", number) for axis, number in enumerate(value))


def _whole_number(name: str, value: object) -> int:
    # bool is an int to Python, and no number to the rest of the world.
    if type(value) is int and 0 <= value <= _MAX_NUMBER:
        return value
    # Not the number itself: an integer can have more digits than Python is willing to print.
    shown = "out of range" if type(value) is int else f"of type {type(value).__name__}"
    raise DescriptorError(f"{name} is {shown}, and it must be a whole number from 0 to {_MAX_NUMBER}")
