"""Arrays and tables in shared memory, for code that runs in a worker; elsewhere they are ordinary ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from hognose import sharing

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["as_array", "as_tensor", "empty", "share", "zeros"]


def empty(shape: int | Sequence[int], dtype: npt.DTypeLike = float, order: Literal["C", "F"] = "C") -> npt.NDArray[Any]:
    """An array in shared memory, whose elements are whatever was there: returned to the host, it is not copied.

    Where the worker shares no memory, or has none left, it is an ordinary array, and returning it copies it once.

    Args:
        shape: The length of each dimension.
        dtype: Of numbers or booleans.
        order: `C` or `F`: which dimension's elements are neighbours, the last one's or the first one's.

    Raises:
        TypeError: When the elements are of a type that cannot be shared.
    """
    import numpy as np

    memory = sharing.current()
    if memory is None:
        return np.empty(shape, dtype, order)
    from hognose_shm.errors import ShmError
    from hognose_shm.numpy_arena import empty as empty_in

    try:
        return empty_in(memory.arena, shape, dtype, order)
    except ShmError:
        return np.empty(shape, dtype, order)


def zeros(shape: int | Sequence[int], dtype: npt.DTypeLike = float, order: Literal["C", "F"] = "C") -> npt.NDArray[Any]:
    """As `empty`, with all elements 0."""
    array = empty(shape, dtype, order)
    array.fill(0)
    return array


def share(value: Any) -> Any:
    """The same array or table in shared memory: made once, it is never copied again however often it is returned.

    Args:
        value: An array of NumPy, or a table or record batch of pyarrow.

    Returns:
        What lies there already is returned as it is; and everything where the worker shares no memory.

    Raises:
        TypeError: When it is neither.
    """
    from hognose.values import arrow

    memory = sharing.current()
    if arrow.is_table(value):
        return value if memory is None else arrow.share(value, memory.take_buffer)
    import numpy as np

    if not isinstance(value, np.ndarray):
        raise TypeError(f"share takes an array of NumPy or a table of pyarrow, not a {type(value).__qualname__}")
    if memory is None or memory.holds(value):
        return value
    copy = empty(value.shape, value.dtype)
    np.copyto(copy, value)
    return copy


def as_array(value: Any) -> npt.NDArray[Any]:
    """What has `__dlpack__`, `__array__` or a buffer as an array of NumPy over the same memory, where that is possible.

    Args:
        value: A tensor on the CPU, a memoryview, an `array.array` and the like.

    Raises:
        TypeError: When it has none of them, or its elements are no numbers that the host knows.
        BufferError: When it lies in the memory of a device.
    """
    import numpy as np

    if isinstance(value, np.ma.MaskedArray):
        raise TypeError("a masked array would lose its mask: fill it, or send its data and its mask")
    if isinstance(value, np.ndarray):
        return _travelling(value.view(np.ndarray))
    if hasattr(value, "__dlpack__"):
        from hognose_shm.dlpack import to_numpy

        return to_numpy(value)
    try:
        return _travelling(np.asarray(memoryview(value)))
    except TypeError:
        if not hasattr(value, "__array__"):
            raise TypeError(f"a {type(value).__qualname__} has neither __dlpack__ nor __array__ nor a buffer") from None
        return _travelling(np.asarray(value))


def _travelling(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    from hognose.values.arrays import travels

    if not travels(array.dtype):
        raise TypeError(f"an array of {array.dtype} is none of numbers that the host knows: convert it first")
    return array


def as_tensor(value: Any, framework: Literal["torch", "jax", "numpy"]) -> Any:
    """An array as a tensor of a framework over the same memory: nothing is copied.

    Args:
        value: What the worker got from the host, or anything that `as_array` takes.
        framework: Which one.

    Raises:
        ImportError: When it is not installed.
        BufferError: When it cannot use memory that lies as this does.
    """
    from hognose_shm import dlpack

    return dlpack.as_tensor(as_array(value), framework)
