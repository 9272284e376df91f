"""Which messages may overtake a large one that leaves in parts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from hognose.gen.messages import (
    WORKER_MESSAGE_AWAITING,
    WORKER_MESSAGE_GOODBYE,
    WORKER_MESSAGE_LEASE_RETURN,
    WORKER_MESSAGE_RAISED,
    WORKER_MESSAGE_RELEASE_FUNCTIONS,
    WORKER_MESSAGE_RESULT,
    WORKER_MESSAGE_STREAM_END,
    WORKER_MESSAGE_STREAM_ITEMS,
)
from hognose.transport.packed import LargeMessage, Packed

__all__ = ["Backlog"]

#: What takes back something that a message before it may still refer to, and what nothing may follow.
_LAST: Final = frozenset((WORKER_MESSAGE_RELEASE_FUNCTIONS, WORKER_MESSAGE_LEASE_RETURN, WORKER_MESSAGE_GOODBYE))
#: What answers a call: it stays behind what was sent for the same call.
_OF_CALL: Final = frozenset(
    (
        WORKER_MESSAGE_RESULT,
        WORKER_MESSAGE_RAISED,
        WORKER_MESSAGE_AWAITING,
        WORKER_MESSAGE_STREAM_ITEMS,
        WORKER_MESSAGE_STREAM_END,
    )
)


class Backlog:
    """Large messages that wait or are under way, and the small ones that must stay behind them.

    Args:
        identify: Tells a small message's kind and its first field.
    """

    def __init__(self, identify: Callable[[bytes], tuple[int, int]]) -> None:
        self._identify = identify
        #: The first is under way, and leaves the deque when it has been sent.
        self.items: deque[Packed] = deque()

    def first(self) -> Packed | None:
        """The message to send next."""
        return self.items[0] if self.items else None

    def sort(self, messages: Iterable[Packed]) -> list[bytes]:
        """Takes what must wait, and returns the rest, which may leave at once."""
        ready: list[bytes] = []
        for message in messages:
            if isinstance(message, LargeMessage) or self._must_wait(message):
                self.items.append(message)
            else:
                ready.append(message)
        return ready

    def _must_wait(self, message: bytes) -> bool:
        if not self.items:
            return False
        kind, first = self._identify(message)
        if kind in _LAST:
            return True
        if kind not in _OF_CALL:
            return False
        return any(self._is_of_call(item, first) for item in tuple(self.items))

    def _is_of_call(self, item: Packed, call: int) -> bool:
        if isinstance(item, LargeMessage):
            return item.call == call
        kind, first = self._identify(item)
        return kind in _OF_CALL and first == call
