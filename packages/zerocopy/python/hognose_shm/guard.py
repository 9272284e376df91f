"""Tells when an object is really gone."""

from __future__ import annotations

from collections.abc import Callable


class Guard:
    """Calls `done(number)` when nothing holds it any more: whoever holds memory holds its guard.

    A `weakref` callback would be too early for memory that is given to somebody else afterwards: when the garbage
    collector finds a cycle, it calls weakref callbacks and `__del__` methods first and looks afterwards whether one of
    them has brought an object of the cycle back to life. What is made by a `__del__` is no part of that cycle, though,
    and dies with what holds it. So the guard's own end makes a second object, and the end of that one counts.

    `done` is called in any thread, in the middle of anything: it takes no locks and does not raise.
    """

    __slots__ = ("_done", "_last", "number")

    def __init__(self, done: Callable[[int], None], number: int) -> None:
        self._done = done
        self.number = number

    def __del__(self) -> None:
        self._last = _Last(self._done, self.number)


class _Last:
    __slots__ = ("_done", "_number")

    def __init__(self, done: Callable[[int], None], number: int) -> None:
        self._done = done
        self._number = number

    def __del__(self) -> None:
        self._done(self._number)
