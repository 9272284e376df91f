"""The types of array elements that both languages know."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hognose_shm.errors import DescriptorError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class DType:
    """A type of element.

    Attributes:
        item_size: The size of an element in bytes.
        alignment: What the address of an element is a multiple of.
        format: The format of ``struct`` and ``memoryview``; None where they have none.
    """

    item_size: int
    alignment: int
    format: str | None


#: By name; the names are NumPy's.
DTYPES = {
    "bool": DType(1, 1, "?"),
    "int8": DType(1, 1, "b"),
    "uint8": DType(1, 1, "B"),
    "int16": DType(2, 2, "h"),
    "uint16": DType(2, 2, "H"),
    "int32": DType(4, 4, "i"),
    "uint32": DType(4, 4, "I"),
    "int64": DType(8, 8, "q"),
    "uint64": DType(8, 8, "Q"),
    "float16": DType(2, 2, "e"),
    "bfloat16": DType(2, 2, None),
    "float32": DType(4, 4, "f"),
    "float64": DType(8, 8, "d"),
    "complex64": DType(8, 4, None),
    "complex128": DType(16, 8, None),
}


def dtype_named(name: object) -> DType:
    """Looks a type up.

    Raises:
        DescriptorError: There is no such type.
    """
    found = DTYPES.get(name) if isinstance(name, str) else None
    if found is None:
        raise DescriptorError(f"dtype is {name!r:.80}, and it must be one of {', '.join(DTYPES)}")
    return found


@lru_cache(maxsize=len(DTYPES))
def numpy_dtype(name: str) -> np.dtype[Any]:
    """NumPy's object for a type.

    Raises:
        DescriptorError: The type is bfloat16, and the package that teaches it to NumPy is not installed.
        ImportError: NumPy is not installed.
    """
    import numpy as np

    if name != "bfloat16":
        return np.dtype(name)
    try:
        return bfloat16()
    except ImportError as error:
        raise DescriptorError(str(error)) from error


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
