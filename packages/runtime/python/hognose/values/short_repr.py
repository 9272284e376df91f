"""`repr` of what stays here, for the handle that stands for it: short, on one line, and never at a price."""

from __future__ import annotations

import reprlib
from time import perf_counter_ns
from typing import Any, Final

__all__ = ["ReprCost", "short_repr"]

MAX_LENGTH: Final = 200

#: A class whose reprs take longer on average has them no more.
_MAX_AVERAGE_NS: Final = 200_000

#: Containers and texts with more in them are cut before their repr is made.
_MAX_ITEMS: Final = 64
_SIZED: Final = (str, bytes, bytearray, list, tuple, dict, set, frozenset)

_cutting: Final = reprlib.Repr()
_cutting.maxlist = _cutting.maxtuple = _cutting.maxset = _cutting.maxfrozenset = _cutting.maxdict = 20
_cutting.maxstring = _cutting.maxother = _cutting.maxlong = MAX_LENGTH


class ReprCost:
    """What the reprs of one class have taken."""

    __slots__ = ("count", "total_ns")

    def __init__(self) -> None:
        self.count = 0
        self.total_ns = 0


def short_repr(value: Any, cost: ReprCost) -> str | None:
    """`repr(value)` on one line, cut to 200 characters; None where it fails, or takes too long for this class."""
    if cost.total_ns > _MAX_AVERAGE_NS * max(cost.count, 1):
        return None
    started = perf_counter_ns()
    try:
        if type(value) in _SIZED:
            text = _cutting.repr(value) if type(value) is not bytearray else repr(value[:MAX_LENGTH])
        elif isinstance(value, _SIZED) and len(value) > _MAX_ITEMS:
            return None  # what its class makes of them cannot be had in part
        else:
            text = repr(value)
        if type(text) is not str:
            text = str.__str__(text)
        if "\n" in text[:1000]:
            text = " ".join(text[:1000].split())
    except Exception:  # of the class's own code
        text = None
    finally:
        cost.count += 1
        cost.total_ns += perf_counter_ns() - started
    return text if text is None or len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 1] + "…"
