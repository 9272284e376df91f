"""The types of elements that arrays in shared memory can have, in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Their names, which are NumPy's; bfloat16 is that of the package ml_dtypes.
DTYPES: Final = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
)


def shareable_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """What NumPy means by `dtype`, where elements of that type can be shared.

    Args:
        dtype: Anything that NumPy takes, and "bfloat16".

    Raises:
        ImportError: bfloat16 needs ml_dtypes, which is not installed.
        TypeError: Such elements cannot be shared; the message says which can.
    """
    import numpy as np

    if isinstance(dtype, str) and dtype == "bfloat16":
        dtype = bfloat16()
    kind = np.dtype(dtype)
    if kind.name not in DTYPES:
        raise TypeError(f"elements of type {kind} cannot be shared; possible are {', '.join(DTYPES)}")
    if not kind.isnative:
        raise TypeError(f"elements of type {kind} have another byte order than this machine: use {kind.name}")
    return kind


def bfloat16() -> np.dtype[Any]:
    """The type that NumPy itself lacks.

    Raises:
        ImportError: ml_dtypes is not installed.
    """
    import numpy as np

    try:
        import ml_dtypes
    except ImportError as error:
        raise ImportError("bfloat16 in NumPy needs ml_dtypes: pip install ml_dtypes") from error
    dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return dtype
