"""A thread that waits for something that another thread may read."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from hognose.call import ID, Call

__all__ = ["Waiter"]


class Waiter:
    """What one waiting thread waits for, and what is given to it meanwhile.

    Args:
        calls: The calls under way on that thread, kept up to date by it.
    """

    __slots__ = ("_depth", "_token", "answer", "calls", "cancelled_by", "is_blocked", "nested")

    def __init__(self, calls: list[Call]) -> None:
        self.calls = calls
        #: Those above are nested in the wait, and end without it.
        self._depth = len(calls)
        #: The message that it waits for.
        self.answer: list[Any] | None = None
        #: Calls to run in place, as they belong to one of its own.
        self.nested: deque[Call] = deque()
        #: The call whose cancellation ends the wait.
        self.cancelled_by = 0
        #: Set before it looks whether it can read itself, so that whoever stops reading knows whom to wake.
        self.is_blocked = False
        self._token = threading.Lock()
        self._token.acquire()

    def runs(self, call_id: int) -> bool:
        """Whether a call under way on its thread waits here."""
        return any(call[ID] == call_id for call in tuple(self.calls)[: self._depth])

    def has_work(self) -> bool:
        """Whether something was given to it."""
        return self.answer is not None or bool(self.nested) or self.cancelled_by != 0

    def take_nested(self) -> Call | None:
        """The next call to run in place; None where there is none, or no more."""
        try:
            return self.nested.popleft()
        except IndexError:
            return None

    def block(self) -> None:
        """Waits to be woken; at once where that has happened since the last time."""
        self._token.acquire()

    def wake(self) -> None:
        """Ends the wait that is under way, or else the next one."""
        try:  # noqa: SIM105 - a context manager takes several times as long
            self._token.release()
        except RuntimeError:
            pass  # it is woken already

    def notify(self) -> None:
        """Wakes it if it waits, after something was given to it: before it waits it looks at what it has."""
        if self.is_blocked:
            self.wake()
