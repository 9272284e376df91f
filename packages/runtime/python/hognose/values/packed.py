"""Lists that the host sends packed: numbers as machine numbers, dicts with the same keys as columns.

To read them takes half the time. To pack them here would take twice the time, as each item has to be looked at from
Python, while msgpack writes and the host reads a plain list as fast.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["records", "unpack_floats", "unpack_integers"]


def unpack_integers(data: bytes) -> list[int]:
    """The list that was packed."""
    return _unpack("q", data)


def unpack_floats(data: bytes) -> list[float]:
    """The list that was packed."""
    return _unpack("d", data)


def _unpack(code: str, data: bytes) -> list[Any]:
    numbers = array(code)
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def records(keys: list[str], columns: list[list[Any]]) -> list[dict[str, Any]]:
    """The dicts that have one value of each column.

    Raises:
        ValueError: When the columns do not fit the keys or each other.
    """
    if not keys or len(keys) != len(columns) or len(set(keys)) != len(keys):
        raise ValueError(f"records have {len(keys)} keys and {len(columns)} columns")
    if not all(type(key) is str for key in keys) or not all(type(column) is list for column in columns):
        raise ValueError("records are made of string keys and lists")
    count = len(columns[0])
    if any(len(column) != count for column in columns):
        raise ValueError("the columns of records must be of one length")
    if count < 32 or len(keys) > 64:
        return [dict(zip(keys, row)) for row in zip(*columns)]  # noqa: B905 - seen above
    return _maker(tuple(keys))(*columns)


_makers: dict[tuple[str, ...], Callable[..., list[dict[str, Any]]]] = {}


def _maker(keys: tuple[str, ...]) -> Callable[..., list[dict[str, Any]]]:
    """A function that makes dicts with a literal, in a third of the time that `dict(zip(...))` takes."""
    known = _makers.get(keys)
    if known is not None:
        return known
    names = [f"v{index}" for index in range(len(keys))]
    literal = ", ".join(f"{key!r}: {name}" for key, name in zip(keys, names, strict=True))
    row = ", ".join(names)
    source = f"lambda zip, *columns: [{{{literal}}} for {row}{',' if len(names) == 1 else ''} in zip(*columns)]"
    # Nothing but the reprs of strings is spliced in.
    make = eval(source, {"__builtins__": {}})

    def maker(*columns: Iterable[Any]) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = make(zip, *columns)
        return made

    if len(_makers) >= 256:
        _makers.clear()
    _makers[keys] = maker
    return maker
