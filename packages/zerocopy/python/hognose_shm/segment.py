"""A piece of memory that Node.js made, mapped into this process."""

from __future__ import annotations

import builtins
import mmap
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from hognose_shm.errors import SegmentError
from hognose_shm.layout import check_descriptor, open_memoryview, open_ndarray
from hognose_shm.posix import map_memory, shared_size

if TYPE_CHECKING:
    import numpy.typing as npt
    from typing_extensions import Self


class Segment:
    """Shared memory of a fixed size, and the arrays in it.

    Arrays are views: nothing is copied, and a write on either side is seen on the other. The mapping lives as long as
    the segment or any array, slice or view that came from it; `close` only ends the making of new ones.

    Reading and writing at once from several processes needs an agreement on who does what when, as between threads.
    """

    def __init__(self, mapping: mmap.mmap, *, read_only: bool) -> None:
        # Every array refers to this one view, which keeps the mapping alive.
        self._memory: builtins.memoryview | None = builtins.memoryview(mapping)
        self._byte_length = len(mapping)
        self._read_only = read_only

    @classmethod
    def from_fd(cls, fd: int, *, byte_length: int | None = None, read_only: bool = False) -> Self:
        """Maps the memory behind a file descriptor.

        Args:
            fd: What Node.js handed over; it stays the caller's, who may close it at once.
            byte_length: How many bytes are expected at least.
            read_only: Maps the memory so that this process cannot write to it: arrays are not writeable.

        Raises:
            SegmentError: `fd` is no memory file whose size is settled, is shorter than `byte_length`, or is refused.
        """
        try:
            size = shared_size(fd)
        except OSError as error:
            raise SegmentError(f"file descriptor {fd} is not open, or its seals cannot be read: {error}") from error
        if byte_length is not None and size < byte_length:
            raise SegmentError(f"file descriptor {fd} is a segment of {size} bytes, and {byte_length} were expected")
        return cls(map_memory(fd, size, read_only=read_only), read_only=read_only)

    @property
    def byte_length(self) -> int:
        """The size in bytes."""
        return self._byte_length

    @property
    def read_only(self) -> bool:
        """Whether this process cannot write to the memory."""
        return self._read_only

    @property
    def closed(self) -> bool:
        """Whether the segment was closed."""
        return self._memory is None

    def ndarray(self, descriptor: Mapping[str, object]) -> npt.NDArray[Any]:
        """Opens an array as a NumPy array over the same memory.

        Args:
            descriptor: What `describe()` gave in Node.js.

        Returns:
            A view of the described shape and strides, aligned, writeable unless the segment is read-only.

        Raises:
            DescriptorError: The descriptor is malformed or does not fit the segment.
            SegmentError: The segment was closed.
            ImportError: NumPy is not installed; `memoryview` does without.
        """
        memory = self._open()
        layout = check_descriptor(descriptor, self._byte_length)
        return open_ndarray(memory, layout)

    def memoryview(self, descriptor: Mapping[str, object]) -> builtins.memoryview:
        """Opens an array as a memoryview, without NumPy.

        Args:
            descriptor: What `describe()` gave in Node.js. Its elements must follow each other without gaps, and an
                array without elements must have one axis: a memoryview can be nothing else.

        Raises:
            DescriptorError: The descriptor is malformed, does not fit the segment, or no memoryview can be so.
            SegmentError: The segment was closed.
        """
        memory = self._open()
        layout = check_descriptor(descriptor, self._byte_length)
        return open_memoryview(memory, layout)

    def close(self) -> None:
        """Lets go of the memory; it is unmapped with the last array over it. Closing again does nothing."""
        self._memory = None

    def __enter__(self) -> Self:
        """Closes the segment at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the segment."""
        self.close()

    def __repr__(self) -> str:
        """Says what the segment is, for a person."""
        state = "closed" if self.closed else "read-only" if self._read_only else "open"
        return f"<hognose_shm.Segment of {self._byte_length} bytes, {state}>"

    def _open(self) -> builtins.memoryview:
        if self._memory is None:
            raise SegmentError("the segment was closed: open it again, or close it later")
        return self._memory
