"""The types of elements that arrays in shared memory can have, in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hognose_shm.dtypes import DTYPES, bfloat16

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


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
