"""Arrays of numbers: dtype, shape and the elements in C order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgpack

from hognose.errors import DecodeError
from hognose.values.extensions import EXT_NDARRAY

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["DTYPES", "read_array", "write_array", "write_memoryview"]

#: dtypes that a typed array of JavaScript can hold, with the format that `memoryview` uses for them.
DTYPES: Final = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}


def write_array(array: npt.NDArray[np.generic]) -> Any:
    """None for a dtype that does not travel."""
    if array.dtype.name not in DTYPES:
        return None
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return msgpack.ExtType(EXT_NDARRAY, msgpack.packb([array.dtype.name, list(array.shape), native.tobytes()]))


def write_memoryview(view: memoryview) -> Any:
    """Bytes, or an array where it is of other elements; None for a format that does not travel."""
    if view.format == "B" and view.ndim == 1:
        return bytes(view)
    dtype = next((name for name, code in DTYPES.items() if code == view.format), None)
    if dtype is None:
        return None
    return msgpack.ExtType(EXT_NDARRAY, msgpack.packb([dtype, list(view.shape or ()), view.tobytes()]))


def read_array(dtype: str, shape: list[int], raw: bytes) -> Any:
    """An array over a copy of the bytes, so that Python may write to it."""
    if dtype not in DTYPES:
        raise DecodeError(f"dtype {dtype!r} cannot be read: use one of {', '.join(DTYPES)}")
    try:
        import numpy as np
    except ModuleNotFoundError:
        cast: Any = memoryview(bytearray(raw)).cast
        return cast(DTYPES[dtype], shape) if shape and raw else cast(DTYPES[dtype])
    return np.frombuffer(bytearray(raw), dtype=dtype).reshape(shape)
