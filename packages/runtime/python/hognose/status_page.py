"""A page that host and worker share: which calls run, and which were started lately, told without a message.

Words of 64 bits, little-endian: 0 the magic number, 1 how many calls were started, from 8 on 64 slots of two words (the
id of the call that a thread runs, or 0; when it was started, in nanoseconds of the monotonic clock), from 256 on a ring
of the ids of the calls started last. The host reads it after a crash.
"""

from __future__ import annotations

import mmap
import os
import sys
from itertools import count
from typing import Final

__all__ = ["COUNT", "MAIN_SLOT", "RING", "StatusPage"]

_MAGIC: Final = 0x31534748  # 'HGS1'
_BYTES: Final = 4096
#: The word of the number of calls, and the first of the ring.
COUNT: Final = 1
RING: Final = 256
_SLOTS: Final = 8
_SLOT_COUNT: Final = 64

#: The word of the main thread's slot.
MAIN_SLOT: Final = _SLOTS


class StatusPage:
    """Writes the page; a slot belongs to one thread.

    Args:
        path: The file to share; None: nobody looks.
    """

    __slots__ = ("_free", "numbers", "words")

    def __init__(self, path: str | None) -> None:
        page: mmap.mmap | bytearray = bytearray(_BYTES) if path is None else _map(path)
        #: All words of the page.
        self.words = memoryview(page).cast("Q")
        #: Numbers the calls; each thread gets one of its own.
        self.numbers = count()
        self._free = [_SLOTS + 2 * index for index in range(_SLOT_COUNT - 1, 0, -1)]
        self.words[0] = _MAGIC if sys.byteorder == "little" else int.from_bytes(_MAGIC.to_bytes(8, "little"), "big")

    def started(self, call_id: int) -> None:
        """Notes that a call has left the queue; before any of its code runs."""
        number = next(self.numbers)
        words = self.words
        words[RING + (number & 255)] = call_id
        words[COUNT] = number + 1

    def has_started_lately(self, call_id: int) -> bool:
        """Whether a call is one of those that were started last."""
        return call_id in self.words[RING : RING + 256].tolist()

    def take_slot(self) -> int:
        """The word of a slot for one more thread; 0 where all are taken: that thread is not shown then."""
        try:
            return self._free.pop()
        except IndexError:
            return 0

    def give_slot(self, slot: int) -> None:
        """Frees the slot of a thread that ends."""
        if slot:
            self.words[slot] = 0
            self._free.append(slot)


def _map(path: str) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        os.truncate(descriptor, _BYTES)
        return mmap.mmap(descriptor, _BYTES)
    finally:
        os.close(descriptor)
