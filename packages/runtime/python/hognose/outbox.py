"""What is to be sent: answers gather here for as long as a call that follows at once does not hold them back."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from hognose.gen.messages import WORKER_MESSAGE_LEASE_RETURN, WORKER_MESSAGE_RELEASE_FUNCTIONS
from hognose.transport import Lane, Packed

__all__ = ["MOST_BYTES", "MOST_MESSAGES", "Outbox", "take_all"]

_T = TypeVar("_T")

#: What gathers at most before it is sent, whatever follows.
MOST_MESSAGES: Final = 256
MOST_BYTES: Final = 1 << 16


class Outbox:
    """Messages gather on the main thread alone; those of others leave at once. Each thread's keep their order.

    Made on the main thread.

    Args:
        lane: Where they go.
        forgotten: Ids and counts of the host's functions that are gone: told along with what is sent next.
        returns: Loans of the host's shared memory that are over: told in the same way.
        pack_plain: Encodes a message of plain data, on the main thread.
    """

    def __init__(
        self,
        lane: Lane,
        forgotten: deque[list[int]],
        returns: deque[int],
        pack_plain: Callable[[list[Any]], Packed] | None = None,
    ) -> None:
        self._lane = lane
        self._forgotten = forgotten
        self._returns = returns
        self._pack_plain = pack_plain or lane.pack
        self._main = threading.get_ident()
        #: Encoded messages of the main thread.
        self.items: deque[Packed] = deque()
        #: How much of them is to be counted by its size.
        self.bytes = 0
        #: Set in a process that user code has forked: it has no host.
        self.is_abandoned = False

    def add(self, packed: Packed) -> None:
        """Lets a message gather with others, where whoever calls this flushes afterwards."""
        if threading.get_ident() == self._main:
            self.items.append(packed)
            self.bytes += len(packed)
        elif not self.is_abandoned:
            with suppress(OSError):  # as below
                self._lane.write([packed])

    def post(self, packed: Packed) -> None:
        """Sends a message, behind all that this thread has gathered."""
        self.add(packed)
        self.flush()

    def flush(self) -> None:
        """Sends what has gathered; where the host is gone it is lost with all else."""
        items, forgotten, returns = self.items, self._forgotten, self._returns
        if self.is_abandoned:
            items.clear()
            forgotten.clear()
            returns.clear()
        batch: list[Packed] = []
        pack: Callable[[list[Any]], Packed] = self._lane.pack
        if threading.get_ident() == self._main:
            pack = self._pack_plain
            self.bytes = 0
            while items:
                batch.append(items.popleft())
        if forgotten:
            batch.append(pack([WORKER_MESSAGE_RELEASE_FUNCTIONS, take_all(forgotten)]))
        if returns:
            batch.append(pack([WORKER_MESSAGE_LEASE_RETURN, take_all(returns)]))
        if batch:
            try:  # noqa: SIM105 - a context manager takes several times as long
                self._lane.write(batch)
            except OSError:
                pass  # the thread that reads sees the end of the lane, and ends the worker


def take_all(items: deque[_T]) -> list[_T]:
    """Empties a queue that other threads may empty or fill at the same time."""
    taken = []
    with suppress(IndexError):  # several threads may look at once
        while items:
            taken.append(items.popleft())
    return taken
