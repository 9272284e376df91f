"""A segment in this process's address space, and parts of it that know when the last view of them is gone."""

from __future__ import annotations

import ctypes
from functools import lru_cache

from hognose_shm.guard import Guard
from hognose_shm.posix import address_of, map_memory


class Mapping:
    """All of a memory file, writable. It lasts as long as any window or view of it.

    Attributes:
        address: Where it begins in this process.
        byte_length: The size in bytes.
    """

    __slots__ = ("_memory", "address", "byte_length")

    def __init__(self, fd: int, byte_length: int) -> None:
        """Maps `byte_length` bytes of `fd`, which stays the caller's.

        Raises:
            SegmentError: The kernel refuses.
        """
        self._memory = map_memory(fd, byte_length)
        self.address = address_of(self._memory)
        self.byte_length = byte_length

    def window(self, offset: int, byte_length: int, guard: Guard, held: object = None) -> Window:
        """A part of it; `guard` and `held` live as long as the last view of that part."""
        window = window_type(byte_length).from_buffer(self._memory, offset)
        window.address = self.address + offset
        window.guard = guard
        window.held = held
        return window

    def close(self) -> None:
        """Unmaps it.

        Raises:
            BufferError: There are views of it.
        """
        self._memory.close()


class Window(ctypes.Array[ctypes.c_ubyte]):
    """A writable buffer over a part of shared memory.

    Views of it (memoryview, NumPy array, any slice of these) keep the window alive, and the window keeps the mapping
    and its guard alive. A memoryview could not do this: a view of a memoryview refers to what that one views.

    Attributes:
        address: Where its first byte lies in this process.
        guard: Ends with the last view.
        held: Anything else that must live as long.
    """

    _length_ = 0
    _type_ = ctypes.c_ubyte
    __slots__ = ("__weakref__", "address", "guard", "held")

    address: int
    guard: Guard
    held: object


# The length of a ctypes array is a matter of its type, and a type takes ten times as long to make as the array.
@lru_cache(maxsize=1024)
def window_type(byte_length: int) -> type[Window]:
    """The type of all windows of one size."""
    return type("Window", (Window,), {"_length_": byte_length, "__slots__": ()})
