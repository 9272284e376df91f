"""What every peer of the suite `array` does with the bytes that it was sent: it has them as an array, and proves it."""

import base64
from typing import Any

import numpy as np


def edges(array: Any) -> list[float]:
    """Returns the first and the last element."""
    return [float(array[0]), float(array[-1])]


def edges_of_bytes(data: Any) -> list[float]:
    """As `edges`, of float64 in anything with the buffer protocol."""
    return edges(np.frombuffer(data))


def edges_of_base64(text: str) -> list[float]:
    """As `edges`, for a bridge that carries text only."""
    return edges_of_bytes(base64.b64decode(text))
