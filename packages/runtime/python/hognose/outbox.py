"""What is to be sent: answers gather here for as long as a call that follows at once does not hold them back."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from hognose.gen.messages import WORKER_MESSAGE_RELEASE_FUNCTIONS
from hognose.transport import Lane, Packed

__all__ = ["MOST_BYTES", "MOST_MESSAGES", "Outbox"]

#: What gathers at most before it is sent, whatever follows.
MOST_MESSAGES: Final = 256
MOST_BYTES: Final = 1 << 16


class Outbox:
    """Messages of all threads, in one order.

    Args:
        lane: Where they go.
        forgotten: Ids and counts of the host's functions that are gone: told along with what is sent next.
    """

    def __init__(self, lane: Lane, forgotten: deque[list[int]]) -> None:
        self._lane = lane
        self._forgotten = forgotten
        self._sending = threading.Lock()
        #: Encoded messages; appended to by any thread that flushes afterwards.
        self.items: deque[Packed] = deque()
        #: How much of them is to be counted by its size.
        self.bytes = 0
        #: Set in a process that user code has forked: it has no host.
        self.is_abandoned = False

    def add(self, packed: Packed) -> None:
        """Lets a message gather with others; for the main thread, which flushes before it waits."""
        self.items.append(packed)
        self.bytes += len(packed)

    def post(self, packed: Packed) -> None:
        """Sends a message, behind all that has gathered."""
        self.items.append(packed)
        self.flush()

    def flush(self) -> None:
        """Sends what has gathered; where the host is gone it is lost with all else.

        Does not wait for a thread that is sending already: that one takes it along.
        """
        items, forgotten = self.items, self._forgotten
        if self.is_abandoned:
            items.clear()
            forgotten.clear()
        while (items or forgotten) and self._sending.acquire(blocking=False):
            try:
                self.bytes = 0
                batch: list[Packed] = []
                while items:
                    batch.append(items.popleft())
                if forgotten:
                    batch.append(self._release_functions())
                self._lane.write(batch)
            except OSError:
                pass  # the thread that reads sees the end of the lane, and ends the worker
            finally:
                self._sending.release()

    def _release_functions(self) -> Packed:
        gone = []
        while self._forgotten:
            gone.append(self._forgotten.popleft())
        return self._lane.pack([WORKER_MESSAGE_RELEASE_FUNCTIONS, gone])
