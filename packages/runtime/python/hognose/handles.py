"""Objects that live here and that the host refers to by number."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from hognose.errors import DecodeError

__all__ = ["HandleTable", "qualified_name"]


def qualified_name(kind: type) -> str:
    """`module.QualName` of a class, as Python itself would find it."""
    return f"{kind.__module__}.{kind.__qualname__}"


@dataclass(slots=True)
class _Entry:
    value: object
    sent: int


class HandleTable:
    """Keeps every object that the host holds a handle of, each under one id for as long as it is held.

    An id counts how often it was sent. The host releases it with the number of times that it has received it, so that
    a release in flight never frees an object that was sent again meanwhile. Ids are never used twice. Any thread may
    use the table.
    """

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}
        self._ids: dict[int, int] = {}
        self._last = 0
        # A finalizer may run while it is held, and use the table on the same thread.
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._entries)

    def holds(self, value: object) -> bool:
        """Whether the host holds a handle of this very object."""
        return id(value) in self._ids

    def put(self, value: object) -> int:
        """The id of an object, now sent once more."""
        with self._lock:
            known = self._ids.get(id(value))
            if known is not None:
                self._entries[known].sent += 1
                return known
            self._last += 1
            self._entries[self._last] = _Entry(value, 1)
            self._ids[id(value)] = self._last
            return self._last

    def get(self, handle: int) -> object:
        """The object of an id.

        Raises:
            DecodeError: When the id was released, or belongs to another worker.
        """
        entry = self._entries.get(handle)
        if entry is None:
            raise DecodeError(f"handle {handle} is unknown in this worker: it was released, or belongs to another one")
        return entry.value

    def release(self, handle: int, received: int) -> None:
        """Frees an object unless it was sent more often than the host has received it."""
        with self._lock:
            entry = self._entries.get(handle)
            if entry is None:
                return
            entry.sent -= received
            if entry.sent <= 0:
                del self._entries[handle]
                del self._ids[id(entry.value)]
        # The object goes here, outside of the lock: its finalizer may use the table.
