"""An arena for tests of what needs one."""

from __future__ import annotations

import ctypes
import mmap

from hognose_shm.errors import NoSpaceError


class SimpleArena:
    """The least that an arena can be: full of old data, and with a limit."""

    def __init__(self, byte_length: int = 1 << 24) -> None:
        self._memory = mmap.mmap(-1, byte_length)
        self._memory.write(b"\xaa" * byte_length)
        self._start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._free = {self._start: byte_length}
        self.taken: dict[int, int] = {}
        self.failures: list[BaseException] = []
        self.shift = 0

    def allocate(self, byte_length: int) -> int:
        if self.failures:
            raise self.failures.pop()
        length = (byte_length + self.shift + 4095) & -4096
        for start, available in self._free.items():
            if available >= length:
                del self._free[start]
                if available > length:
                    self._free[start + length] = available - length
                ctypes.memset(start, 0xAA, length)
                self.taken[start + self.shift] = length
                return start + self.shift
        raise NoSpaceError("full")

    def free(self, address: int) -> None:
        self._free[address - self.shift] = self.taken.pop(address)

    def keep(self, address: int) -> object | None:
        return self.taken.get(address)
