"""What a worker shares memory with its host by: arrays, tables and bytes travel as a description of where they lie."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from hognose.errors import DecodeError, ZeroCopyUnavailableError
from hognose.values.extensions import INLINE_BYTES, KIND_ARRAY, KIND_BATCH, KIND_BYTES, KIND_TABLE

if TYPE_CHECKING:
    import socket

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from hognose_shm.arena import Arena, Block
    from hognose_shm.peer import Peer

__all__ = ["COPIED", "INLINE", "NO_SPACE", "UNAVAILABLE", "Sharing", "current"]

#: Why something was copied, as the host is told.
INLINE: Final = 1
COPIED: Final = 2
UNAVAILABLE: Final = 3
NO_SPACE: Final = 4
LAYOUT: Final = 5

#: Descriptions of arrays that are remembered, at most.
_MOST_KNOWN: Final = 256

#: How many fields name the memory, before those that say what it holds.
_LENT_FIELDS: Final = 6


class Sharing:
    """What a worker shares memory with its host by; any thread may use it at any time.

    Args:
        channel: The connection over which segments go.
        max_bytes: What results of this worker may take.
        requires: Whether what would have to be copied is an error.
    """

    def __init__(self, channel: socket.socket, *, max_bytes: int, requires: bool) -> None:
        from hognose_shm import layout
        from hognose_shm.arena import Arena
        from hognose_shm.errors import ShmError
        from hognose_shm.peer import Peer

        # Here and not at every call: an import takes as long as all else of it.
        self._shm_error = ShmError
        self._layout = layout
        self.arena: Arena = Arena(max_bytes=max_bytes)
        self.peer: Peer = Peer(channel, self.arena)
        self.requires = requires
        self._adopt: Callable[[], None] | None = None
        #: What makes arrays of memory, by descriptions that were checked before: services see few different ones.
        self._openers: dict[Any, Callable[[Any], Any]] = {}
        #: Descriptions of arrays that were lent.
        self._known_fields: dict[Any, list[object]] = {}
        #: Loans of the host that are over; told along with what is sent next.
        self.returns: deque[int] = self.peer.returns

    # What goes to the host.

    def lend_array(self, array: npt.NDArray[np.generic], dtype: str, is_constant: bool) -> list[Any] | int:
        """Describes an array, after a copy where it does not lie in shared memory.

        Args:
            array: Of a dtype that travels, in the machine's byte order.
            dtype: Its name.
            is_constant: Whether it belongs to Python, and is only to be looked at.

        Returns:
            The payload of `EXT_SHARED`, or why the array is to travel inside of the message.

        Raises:
            ZeroCopyUnavailableError: When it would have to be copied, and nothing may be.
        """
        size = array.nbytes
        if size == 0:
            return INLINE
        if array.flags.c_contiguous or _is_regular(array):
            low, span, start = _extent(array)
            lent = self._lend(low, span, array)
            if lent is not None:
                is_read_only = is_constant or not array.flags.writeable
                return [*lent, KIND_ARRAY, self._fields_of(array, dtype, start, is_read_only)]
        if size < INLINE_BYTES:
            return INLINE
        self.refuse_copy(f"an array of {dtype} with the shape {array.shape}")
        block = self.take(size)
        if block is None:
            return NO_SPACE
        copy = _copy_into(block, array)
        reason = COPIED if array.flags.c_contiguous else LAYOUT
        fields = self._layout.array_fields(dtype, copy.shape, copy.strides, 0, copy.itemsize, False, reason)
        lent = self._lend(block.address, size, block)
        return NO_SPACE if lent is None else [*lent, KIND_ARRAY, fields]

    def _fields_of(self, array: npt.NDArray[np.generic], dtype: str, start: int, is_read_only: bool) -> list[object]:
        key = (dtype, array.shape, array.strides, start, is_read_only)
        fields = self._known_fields.get(key)
        if fields is None:
            if len(self._known_fields) >= _MOST_KNOWN:
                self._known_fields.clear()
            fields = self._layout.array_fields(*key[:4], array.itemsize, is_read_only)
            self._known_fields[key] = fields
        return fields

    def lend_bytes(self, value: bytes | bytearray | memoryview) -> list[Any] | None:
        """Describes a copy of bytes; None where they are to travel inside of the message.

        Raises:
            ZeroCopyUnavailableError: When nothing may be copied.
        """
        size = len(value)
        if size < INLINE_BYTES:
            return None
        self.refuse_copy(f"a value of {size} bytes")
        block = self.take(size)
        if block is None:
            return None
        block.buffer[:size] = value
        lent = self._lend(block.address, size, block)
        return None if lent is None else [*lent, KIND_BYTES, None]

    def lend_table(self, table: pa.Table | pa.RecordBatch) -> list[Any] | memoryview:
        """Describes a table of Arrow, after it was written where it does not lie in shared memory already.

        Returns:
            The payload of `EXT_SHARED`, or the IPC stream where it is to travel inside of the message.

        Raises:
            EncodeError: When the host cannot read a column.
            ZeroCopyUnavailableError: When it would have to be written, and nothing may be.
        """
        from hognose.values import arrow

        stream = arrow.stream_of(table)
        block: Block | None = None
        if stream is None:

            def take(size: int) -> memoryview:
                nonlocal block
                if size >= INLINE_BYTES:
                    self.refuse_copy(f"a table of {size} bytes")
                    block = self.take(size)
                return memoryview(bytearray(size)) if block is None else block.buffer[:size]

            stream = arrow.write_stream(table, take)
            if block is None:
                return stream
        lent = self._lend(_address_of(stream), stream.nbytes, stream)
        return stream if lent is None else [*lent, arrow.kind_of(table), None]

    def take_buffer(self, size: int) -> memoryview:
        """Memory to write to.

        Raises:
            ShmError: When there is none left.
        """
        return self.arena.take(size).buffer[:size]

    def holds(self, array: npt.NDArray[np.generic]) -> bool:
        """Whether an array lies in memory that this worker has made to be shared."""
        return array.size > 0 and self.arena.owns(_extent(array)[0])

    def use_for_numpy(self) -> None:
        """Lets NumPy take the memory of larger arrays from what is shared, on this thread and those that `adopt`."""
        from hognose_shm import numpy_arena

        try:
            numpy_arena.install(self.arena)
        except (ImportError, self._shm_error) as error:
            logging.getLogger("hognose").warning("numpyArena has no effect: %s", error)
        else:
            self._adopt = numpy_arena.adopt

    def adopt(self) -> None:
        """Makes NumPy do on this thread what `use_for_numpy` has said."""
        if self._adopt is not None:
            self._adopt()

    def take(self, size: int) -> Block | None:
        """Memory for a copy; None where there is none left."""
        try:
            return self.arena.take(size)
        except self._shm_error:
            return None

    def refuse_copy(self, what: str) -> None:
        """Says that something would have to be copied.

        Raises:
            ZeroCopyUnavailableError: When nothing may be.
        """
        if self.requires:
            raise ZeroCopyUnavailableError(
                f"{what} was not made in shared memory and would be copied once: make it by hognose.empty() or with "
                "out=, or let NumPy do so with the pool's option numpyArena"
            )

    def _lend(self, address: int, size: int, keep: object) -> Sequence[int] | None:
        """Lends memory; None where it is not shared, or the host cannot be told of it now."""
        try:
            return self.peer.lend(address, size, keep)
        except self._shm_error:  # more segments than the channel holds have not been read, or it is closed
            return None

    def take_back(self, leases: list[int]) -> None:
        """Forgets loans: the host has returned them, or never had them."""
        self.peer.take_back(leases)

    # What comes from the host.

    def open(self, fields: list[Any]) -> object:
        """What a payload of `EXT_SHARED` describes.

        Raises:
            DecodeError: When it describes no memory that the host could have lent.
        """
        try:
            kind, described = fields[_LENT_FIELDS:]
            memory = self.peer.borrow(fields[:_LENT_FIELDS])
            if kind == KIND_BYTES:
                return bytes(memory)
            if kind == KIND_ARRAY:
                return self._opener(described, len(memory))(memory)
            if kind in (KIND_TABLE, KIND_BATCH):
                from hognose.values.arrow import read_stream, remember

                table = read_stream(memory, kind)
                remember(table, memoryview(memory))  # sent back, it is not written again
                return table
        except self._shm_error as error:
            raise DecodeError(f"shared memory of the host cannot be opened: {error}") from error
        except (TypeError, ValueError, IndexError) as error:
            raise DecodeError(f"shared memory of the host is described wrongly: {error}") from error
        raise DecodeError(f"shared memory of the host holds something of the kind {kind!r}, which is unknown here")

    def _opener(self, described: list[Any], size: int) -> Callable[[Any], Any]:
        """What makes an array of lent memory of some size, once its description has been checked."""
        dtype, shape, strides, *rest = described
        key = (dtype, tuple(shape), tuple(strides), *rest, size)
        opener = self._openers.get(key)
        if opener is None:
            if len(self._openers) >= _MOST_KNOWN:
                self._openers.clear()
            opener = self._openers[key] = self._layout.array_opener(self._layout.check_array_fields(described, size))
        return opener

    # Upkeep.

    def trim(self, idle_s: float) -> None:
        """Gives back memory that nobody has used for a while."""
        self.peer.trim(idle_s)

    def stats(self) -> list[int]:
        """The last fields of the contract's Metrics."""
        arena, peer = self.arena.stats, self.peer.stats
        return [arena.bytes, arena.used_bytes, peer.lent, peer.borrowed]


#: The worker's; None where it shares no memory.
_current: Sharing | None = None


def install(sharing: Sharing | None) -> None:
    """Makes what user code allocates by."""
    global _current  # noqa: PLW0603 - one for the process
    _current = sharing


def current() -> Sharing | None:
    """What this worker shares memory by; None where it does not."""
    return _current


def _extent(array: npt.NDArray[np.generic]) -> tuple[int, int, int]:
    """Address of the lowest byte of an array, how many bytes it spans, and where in them its first element lies."""
    first = array.__array_interface__["data"][0]
    if array.flags.c_contiguous:
        return first, array.nbytes, 0
    below = above = 0
    for length, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            below -= (length - 1) * stride
        else:
            above += (length - 1) * stride
    return first - below, below + above + array.itemsize, below


def _is_regular(array: npt.NDArray[np.generic]) -> bool:
    """Whether its elements lie a whole number of elements apart: those of a field of records need not."""
    size = array.itemsize
    return all(stride % size == 0 for stride in array.strides)


def _address_of(memory: memoryview) -> int:
    import ctypes

    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def _copy_into(block: Block, array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    numpy: Any = sys.modules["numpy"]
    copy: npt.NDArray[np.generic] = numpy.ndarray(array.shape, array.dtype, buffer=block.buffer)
    numpy.copyto(copy, array)
    return copy
