"""Checks where an array lies before any memory is touched, and opens it there.

There are two forms of description: the descriptor, a JSON object that a person may read, which `describe()` gives in
Node.js, and the array fields, a short list for messages that go to and fro all the time.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from hognose_shm.dtypes import DTYPES, dtype_named, numpy_dtype
from hognose_shm.errors import DescriptorError
from hognose_shm.mapping import Window

if TYPE_CHECKING:
    import numpy.typing as npt

#: What arrays are opened over; they keep it alive.
Memory: TypeAlias = memoryview | Window

_KEYS = frozenset({"byteLength", "byteOffset", "dtype", "shape", "strides"})

_ARRAY_FIELDS = ("dtype", "shape", "strides", "start", "device type", "device id", "flags")

#: NumPy 2 and memoryview know no more axes than these; NumPy 1 knows 32.
_MAX_AXES = 64

#: What every version of NumPy takes.
_MAX_AXES_EVERYWHERE = 32

#: The largest whole number that JavaScript holds exactly; times an item size it still fits a pointer.
_MAX_NUMBER = 2**53 - 1

#: Of the flags: the lowest bit, and the code of a reason above the first byte.
_READ_ONLY = 1
_REASON_SHIFT = 8

#: DLPack's codes of devices: the one whose memory this process reads as it is, and the names of the others.
_CPU = 1
_DEVICES = {
    2: "CUDA",
    3: "CUDA host (pinned)",
    4: "OpenCL",
    7: "Vulkan",
    8: "Metal",
    9: "VPI",
    10: "ROCm",
    11: "ROCm host (pinned)",
    12: "an extension's",
    13: "CUDA managed",
    14: "oneAPI",
    15: "WebGPU",
    16: "Hexagon",
    17: "MAIA",
}


class ArrayLayout(NamedTuple):
    """Where an array lies in its memory; checked, so that every element is inside and aligned.

    Attributes:
        dtype: The type of an element, a key of `DTYPES`.
        item_size: The size of an element in bytes.
        byte_offset: Where the lowest element begins, in bytes from the memory's start.
        byte_length: The bytes that the array spans.
        shape: The number of elements along each axis.
        strides: The distance between neighbours along each axis, in elements as in DLPack; negative: backwards.
        start: Where the element with index 0 on every axis begins, in bytes from the memory's start.
        read_only: Whether it must not be written to.
        reason: Why its data was copied on the way; 0: it was not.
    """

    dtype: str
    item_size: int
    byte_offset: int
    byte_length: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    start: int
    read_only: bool = False
    reason: int = 0

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
            `byteOffset` is that of the lowest element, which is not the first one where strides are negative.
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
    dtype = dtype_named(descriptor["dtype"])
    byte_offset = _whole_number("byteOffset", descriptor["byteOffset"])
    byte_length = _whole_number("byteLength", descriptor["byteLength"])
    shape, strides = _axes(descriptor["shape"], descriptor["strides"], dtype.item_size)
    if byte_offset % dtype.alignment != 0:
        raise DescriptorError(
            f"byteOffset {byte_offset} is not a multiple of {dtype.alignment}, as it must be for {descriptor['dtype']}"
        )
    end = byte_offset + byte_length
    if end > segment_byte_length:
        raise DescriptorError(
            f"the array ends at byte {end}, and the segment has {segment_byte_length}: is it another array's segment?"
        )
    below, span = _span(shape, strides, dtype.item_size)
    if span > byte_length:
        raise DescriptorError(
            f"shape {list(shape)} with strides {list(strides)} and type {descriptor['dtype']} spans {span} bytes, and "
            f"byteLength is {byte_length}"
        )
    return ArrayLayout(
        dtype=str(descriptor["dtype"]),
        item_size=dtype.item_size,
        byte_offset=byte_offset,
        byte_length=byte_length,
        shape=shape,
        strides=strides,
        start=byte_offset + below,
    )


def check_array_fields(fields: Sequence[object], lent_byte_length: int) -> ArrayLayout:
    """Checks the fields of an array in a message against the memory that was lent with it.

    Args:
        fields: `dtype`, `shape`, `strides` (in elements), `start` (the byte at which the element with index 0 on every
            axis begins), DLPack's device type and device id, and `flags` (bit 0: read-only; from bit 8: why the data
            was copied).
        lent_byte_length: The size of the lent memory in bytes.

    Raises:
        DescriptorError: A field is missing or of the wrong type, an element would lie outside the memory or be
            misaligned, or the memory is that of a device that this process cannot read.
    """
    if not isinstance(fields, list | tuple) or len(fields) != len(_ARRAY_FIELDS):
        raise DescriptorError(f"an array is described by a list of {', '.join(_ARRAY_FIELDS)}")
    name, raw_shape, raw_strides, raw_start, device_type, device_id, raw_flags = fields
    dtype = dtype_named(name)
    _check_device(_whole_number("device type", device_type), _whole_number("device id", device_id))
    flags = _whole_number("flags", raw_flags)
    start = _whole_number("start", raw_start)
    shape, strides = _axes(raw_shape, raw_strides, dtype.item_size)
    if start % dtype.alignment != 0:
        raise DescriptorError(f"start {start} is not a multiple of {dtype.alignment}, as it must be for {name}")
    below, span = _span(shape, strides, dtype.item_size)
    lowest = start - below
    if lowest < 0 or lowest + span > lent_byte_length:
        raise DescriptorError(
            f"shape {list(shape)} with strides {list(strides)} and type {name} spans bytes {lowest} to "
            f"{lowest + span}, and {lent_byte_length} are lent"
        )
    return ArrayLayout(
        dtype=str(name),
        item_size=dtype.item_size,
        byte_offset=lowest,
        byte_length=span,
        shape=shape,
        strides=strides,
        start=start,
        read_only=bool(flags & _READ_ONLY),
        reason=flags >> _REASON_SHIFT,
    )


def array_fields(  # noqa: PLR0917 - one for each field, in the order of the message
    dtype: str,
    shape: Sequence[int],
    byte_strides: Sequence[int],
    start: int,
    item_size: int,
    read_only: bool = False,
    reason: int = 0,
) -> list[object]:
    """Writes the fields that `check_array_fields` reads.

    Args:
        dtype: The type of an element, a key of `DTYPES`.
        shape: The number of elements along each axis.
        byte_strides: The distance between neighbours along each axis, in bytes as in NumPy.
        start: Where the element with index 0 on every axis begins, in bytes from the lent memory's start.
        item_size: The size of an element in bytes.
        read_only: Whether the receiver must not write to the array.
        reason: Why its data was copied; 0: it was not.

    Raises:
        DescriptorError: There is no such type, there are too many axes, or elements do not lie a whole number of
            elements apart.
    """
    dtype_named(dtype)
    if len(shape) > _MAX_AXES:
        raise DescriptorError(f"shape has {len(shape)} axes, and at most {_MAX_AXES} are possible")
    strides = [_in_elements(extent, stride, item_size) for extent, stride in zip(shape, byte_strides, strict=True)]
    return [dtype, list(shape), strides, start, _CPU, 0, int(read_only) | reason << _REASON_SHIFT]


def open_array(memory: Memory, layout: ArrayLayout) -> npt.NDArray[Any] | memoryview:
    """Opens an array as a NumPy array, or without NumPy as a memoryview.

    Args:
        memory: What the layout was checked against. The array keeps it alive.
        layout: Where the array lies in it.

    Raises:
        DescriptorError: There is no NumPy, and no memoryview can be so; or the type is bfloat16 and ml_dtypes is
            missing; or NumPy is version 1 and the array has more than 32 axes.
    """
    try:
        return open_ndarray(memory, layout)
    except ImportError:
        return open_memoryview(memory, layout)


def open_ndarray(memory: Memory, layout: ArrayLayout) -> npt.NDArray[Any]:
    """Opens an array as a NumPy array; as `open_array`.

    Raises:
        ImportError: NumPy is not installed.
    """
    import numpy as np  # it takes a quarter of a second, and not every user has or needs it

    buffer: Any = memory
    if layout.read_only:
        # A flag of the array alone could be set back by anybody, and NumPy looks behind a memoryview that it is given
        # as a buffer, but not behind one that an array views.
        buffer = np.frombuffer(memoryview(memory).toreadonly(), np.uint8)
    try:
        return np.ndarray(
            layout.shape, numpy_dtype(layout.dtype), buffer=buffer, offset=layout.start, strides=layout.byte_strides
        )
    except ValueError as error:
        raise DescriptorError(f"NumPy {np.__version__} refuses the array: {error}") from error


def array_opener(layout: ArrayLayout) -> Callable[[Memory], npt.NDArray[Any] | memoryview]:
    """What opens arrays that lie in their memory as this one does: as `open_array`, and faster the second time."""
    try:
        import numpy as np
    except ImportError:
        return partial(open_memoryview, layout=layout)
    if layout.read_only or len(layout.shape) > _MAX_AXES_EVERYWHERE:
        return partial(open_array, layout=layout)
    dtype, shape, start, strides = numpy_dtype(layout.dtype), layout.shape, layout.start, layout.byte_strides
    make: Any = np.ndarray
    return lambda memory: make(shape, dtype, memory, start, strides)


def open_memoryview(memory: Memory, layout: ArrayLayout) -> memoryview:
    """Opens an array as a memoryview, without NumPy.

    Raises:
        DescriptorError: No memoryview can have this type, these strides, or several axes and no elements.
    """
    is_empty = 0 in layout.shape
    if not layout.is_contiguous or (is_empty and len(layout.shape) > 1):
        raise DescriptorError(
            f"no memoryview has shape {list(layout.shape)}, strides {list(layout.strides)}: use ndarray, which needs "
            "NumPy"
        )
    element_format: Any = DTYPES[layout.dtype].format
    if element_format is None:
        raise DescriptorError(f"no memoryview has elements of type {layout.dtype}: use ndarray, which needs NumPy")
    view = memoryview(memory).cast("B")
    if layout.read_only:
        view = view.toreadonly()
    part = view[layout.start : layout.start + math.prod(layout.shape) * layout.item_size]
    try:
        return part.cast(element_format) if is_empty else part.cast(element_format, list(layout.shape))
    except ValueError as error:  # float16 before Python 3.12
        raise DescriptorError(
            f"this Python has no memoryview of {layout.dtype}: use ndarray, which needs NumPy"
        ) from error


def _in_elements(extent: int, byte_stride: int, item_size: int) -> int:
    stride, rest = divmod(byte_stride, item_size)
    if rest == 0:
        return stride
    if extent <= 1:
        return 1  # never used: there is no neighbour
    raise DescriptorError(f"elements of {item_size} bytes that lie {byte_stride} bytes apart cannot be described")


def _check_device(device_type: int, device_id: int) -> None:
    if device_type != _CPU:
        name = _DEVICES.get(device_type, "an unknown")
        raise DescriptorError(
            f"the array lies in memory of {name} device {device_id} (DLPack's device type {device_type}), and this "
            "process reads that of the CPU only"
        )


def _axes(shape: object, strides: object, item_size: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    extents = _whole_numbers("shape", shape, 0)
    steps = _whole_numbers("strides", strides, -_MAX_NUMBER)
    if len(steps) != len(extents):
        raise DescriptorError(f"shape has {len(extents)} axes, and strides has {len(steps)}")
    # Python's integers cannot overflow, but NumPy's can: it multiplies the extents even of an array without elements.
    size = item_size
    for extent in extents:
        size *= extent or 1
    if size > sys.maxsize:
        raise DescriptorError(f"shape {list(extents)} is too large to be addressed")
    return extents, steps


def _span(shape: tuple[int, ...], strides: tuple[int, ...], item_size: int) -> tuple[int, int]:
    """How many bytes lie below the first element, and how many bytes all elements span."""
    if 0 in shape:
        return 0, 0
    below = above = 0
    for extent, stride in zip(shape, strides, strict=True):
        if stride < 0:
            below -= (extent - 1) * stride
        else:
            above += (extent - 1) * stride
    return below * item_size, (below + above + 1) * item_size


def _whole_numbers(name: str, value: object, lowest: int) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        raise DescriptorError(f"{name} is {type(value).__name__}, and it must be a list of whole numbers")
    if len(value) > _MAX_AXES:
        raise DescriptorError(f"{name} has {len(value)} axes, and at most {_MAX_AXES} are possible")
    for axis, number in enumerate(value):
        # bool is an int to Python, and no number to the rest of the world.
        if type(number) is not int or not lowest <= number <= _MAX_NUMBER:
            raise _no_whole_number(f"{name}[{axis}]", number, lowest)
    return tuple(value)


def _whole_number(name: str, value: object) -> int:
    if type(value) is int and 0 <= value <= _MAX_NUMBER:
        return value
    raise _no_whole_number(name, value, 0)


def _no_whole_number(name: str, value: object, lowest: int) -> DescriptorError:
    # Not the number itself: an integer can have more digits than Python is willing to print.
    shown = "out of range" if type(value) is int else f"of type {type(value).__name__}"
    return DescriptorError(f"{name} is {shown}, and it must be a whole number from {lowest} to {_MAX_NUMBER}")
