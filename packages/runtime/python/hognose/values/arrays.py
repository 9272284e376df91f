"""Arrays of numbers: in shared memory, or dtype, shape and the elements in C order."""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING, Any, Final

import msgpack

from hognose.errors import DecodeError
from hognose.sharing import INLINE, UNAVAILABLE
from hognose.values.extensions import EXT_NDARRAY, EXT_SHARED, INLINE_BYTES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from hognose.sharing import Sharing

__all__ = ["DTYPES", "read_array", "travels", "write_array", "write_memoryview"]

#: dtypes that travel, with the format that `memoryview` uses for them; None: it has none.
DTYPES: Final[dict[str, str | None]] = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
    "float16": "e",
    "bfloat16": None,
    "float32": "f",
    "float64": "d",
    "complex64": None,
    "complex128": None,
}


#: The names by `memoryview`'s formats; those of C's long depend on the platform.
_FORMATS: Final = {
    **{code: name for name, code in DTYPES.items() if code is not None},
    **{code: f"{kind}{8 * struct.calcsize(code)}" for code, kind in (("l", "int"), ("L", "uint"))},
}


def travels(dtype: Any) -> bool:
    """Whether arrays of a dtype of NumPy travel."""
    return bool(_names.get(dtype) or _name_of(dtype))


def write_array(array: npt.NDArray[np.generic], sharing: Sharing | None, is_constant: bool) -> Any:
    """None for a dtype that does not travel.

    Raises:
        ZeroCopyUnavailableError: When the array would have to be copied, and nothing may be.
    """
    dtype = _names.get(array.dtype) or _name_of(array.dtype)
    if not dtype:
        return None
    reason = INLINE if array.nbytes < INLINE_BYTES else UNAVAILABLE
    native = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    if sharing is not None:
        lent = sharing.lend_array(native, dtype, is_constant)
        if type(lent) is list:
            return msgpack.ExtType(EXT_SHARED, msgpack.packb(lent))
        assert type(lent) is int, "a reason"
        reason = lent
    return msgpack.ExtType(EXT_NDARRAY, msgpack.packb([dtype, list(native.shape), native.tobytes(), reason]))


#: The names of dtypes that travel; NumPy takes longer to say one than all else of an array takes.
_names: Final[dict[Any, str]] = {}


def _name_of(dtype: Any) -> str:
    name: str = dtype.name
    if name not in DTYPES:
        return ""
    _names[dtype] = name
    return name


def write_memoryview(view: memoryview, sharing: Sharing | None) -> Any:
    """Bytes, or an array where it is of other elements; None for a format that does not travel."""
    if view.format == "B" and view.ndim == 1:
        lent = sharing.lend_bytes(view) if sharing is not None and view.contiguous else None
        return bytes(view) if lent is None else msgpack.ExtType(EXT_SHARED, msgpack.packb(lent))
    dtype = _FORMATS.get(view.format)
    if dtype is None:
        return None
    if sharing is not None and view.nbytes >= INLINE_BYTES and "numpy" in sys.modules:
        return write_array(sys.modules["numpy"].asarray(view), sharing, is_constant=False)
    reason = INLINE if view.nbytes < INLINE_BYTES else UNAVAILABLE
    return msgpack.ExtType(EXT_NDARRAY, msgpack.packb([dtype, list(view.shape or ()), view.tobytes(), reason]))


def read_array(dtype: str, shape: list[int], raw: bytes) -> Any:
    """An array over a copy of the bytes, so that Python may write to it."""
    if dtype not in DTYPES:
        raise DecodeError(f"dtype {dtype!r} cannot be read: use one of {', '.join(DTYPES)}")
    try:
        import numpy as np
    except ModuleNotFoundError:
        return _read_without_numpy(dtype, shape, raw)
    return np.frombuffer(bytearray(raw), dtype=_numpy_dtype(dtype)).reshape(shape)


def _read_without_numpy(dtype: str, shape: list[int], raw: bytes) -> Any:
    code = DTYPES[dtype]
    if code is None:
        raise DecodeError(f"an array of {dtype} needs NumPy in the worker's environment: install numpy there")
    cast: Any = memoryview(bytearray(raw)).cast
    return cast(code, shape) if shape and raw else cast(code)


def _numpy_dtype(name: str) -> Any:
    """The dtype of NumPy; `bfloat16` is one of a package of its own.

    Raises:
        DecodeError: When that package is missing.
    """
    if name != "bfloat16":
        return name
    try:
        import ml_dtypes
    except ModuleNotFoundError as error:
        raise DecodeError(
            "an array of bfloat16 needs ml_dtypes in the worker's environment: install it there"
        ) from error
    return ml_dtypes.bfloat16
