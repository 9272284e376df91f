"""Memory of this process to share: taken in pieces, given back without anybody's doing, used again while it is warm."""

from __future__ import annotations

import atexit
import ctypes
import itertools
import os
import secrets
import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic  # by name: modules are emptied when Python ends, and pieces become free even later
from typing import NamedTuple, Protocol
from weakref import WeakSet

from hognose_shm.errors import NoSpaceError, SegmentError, ShmError
from hognose_shm.guard import Guard
from hognose_shm.mapping import Mapping
from hognose_shm.posix import create_memory_file, populate
from hognose_shm.sizes import fitting_sizes, piece_size, segment_sizes

#: Segments are numbered from an arena's tag times this: all numbers are different, and exact in JavaScript.
NUMBERS_PER_TAG = 1 << 20


class SegmentListener(Protocol):
    """Who wants to know of segments that were closed."""

    def segment_closed(self, number: int) -> None:
        """A segment is gone."""


@dataclass(frozen=True)
class ArenaStats:
    """What an arena has.

    Attributes:
        segments: How many segments there are.
        bytes: The size of all segments.
        used_bytes: The size of the pieces that somebody holds.
        blocks: How many pieces somebody holds.
        max_bytes: The limit of `bytes`.
    """

    segments: int
    bytes: int
    used_bytes: int
    blocks: int
    max_bytes: int


class Block:
    """A piece of an arena. It is free again when neither the block nor any view of its buffer is left.

    Attributes:
        address: Where it lies in this process: a multiple of 64, and from 16 KiB on of 4096.
        byte_length: The size in bytes, as it was asked for.
        segment: The number of the segment that it lies in.
        offset: Where it begins in the segment, in bytes.
        buffer: The memory, writable, exactly `byte_length` bytes. What it contains is anything: earlier uses show.
    """

    __slots__ = ("__weakref__", "address", "buffer", "byte_length", "offset", "segment")

    def __init__(self, address: int, segment: int, offset: int, buffer: memoryview) -> None:
        self.address = address
        self.byte_length = buffer.nbytes
        self.segment = segment
        self.offset = offset
        self.buffer = buffer

    def __repr__(self) -> str:
        """Says where the block lies, for a person."""
        return f"<hognose_shm.Block of {self.byte_length} bytes at {self.offset} in segment {self.segment}>"


class OwnSegment:
    """A segment of this process, cut into pieces of one size."""

    def __init__(self, number: int, byte_length: int, piece_length: int) -> None:
        self.fd = -1
        self.fd = create_memory_file(byte_length)
        self.mapping = Mapping(self.fd, byte_length)
        self.address = self.mapping.address
        populate(self.address, byte_length)
        self.number = number
        self.byte_length = byte_length
        self.piece_length = piece_length
        now = monotonic()
        self.pieces = [
            Piece(self, index * piece_length, piece_length, now) for index in range(byte_length // piece_length)
        ]

    def piece_at(self, address: int) -> Piece | None:
        """The piece that an address lies in."""
        index = (address - self.address) // self.piece_length
        return self.pieces[index] if 0 <= index < len(self.pieces) else None

    def close(self) -> None:
        """Lets go of memory whose pieces are all free."""
        self.pieces.clear()
        with suppress(BufferError):  # somebody views it against the rules; it is unmapped when they are done
            self.mapping.close()
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        # The arena itself is gone. The mapping ends with the last view of it.
        if self.fd >= 0:
            os.close(self.fd)


class Piece:
    """A piece of a segment, held by somebody or free."""

    __slots__ = ("address", "byte_length", "free_since", "offset", "segment")

    def __init__(self, segment: OwnSegment, offset: int, byte_length: int, free_since: float) -> None:
        self.segment = segment
        self.address = segment.address + offset
        self.offset = offset
        self.byte_length = byte_length
        self.free_since = free_since


class Arena:
    """Shared memory that this process makes, uses and lends.

    Pieces up to 1 MiB lie in slabs, segments of several MiB; each larger one has a segment of its own. Free pieces are
    kept, and the one that was used last is given first: its pages are mapped and in the cache, while fresh memory costs
    half a millisecond per MB.

    Every method may be called in any thread. None waits for another process. A process that was forked from this one
    gets nothing from the arena (ShmError): the memory belongs to its parent.

    There is no lock on the way of a piece that is free already, and none where one becomes free, which the garbage
    collector may do at any point: free pieces lie on stacks, whose push and pop are atomic in Python. A piece lies on a
    stack or has one guard, never both.
    """

    def __init__(self, *, max_bytes: int, idle_s: float = 30.0, tag: int | None = None) -> None:
        """Makes an arena that has no memory yet.

        Args:
            max_bytes: The limit of all segments together, in bytes.
            idle_s: After how many seconds without use `trim` gives a segment back.
            tag: What numbers of segments begin with, from 1 to 2**32 - 1; random by default.
        """
        self.max_bytes = max_bytes
        self.idle_s = idle_s
        self._tag = tag or secrets.randbelow(2**32 - 1) + 1
        self._counter = itertools.count(1)
        self._tags = {self._tag}
        self._lock = threading.RLock()
        self._bytes = 0
        self._segments: dict[int, OwnSegment] = {}
        self._free: dict[int, list[Piece]] = {}
        self._pieces: dict[int, Piece] = {}
        self._raw: dict[int, Guard] = {}
        self._changes = itertools.count(1)
        self._version = 0
        self._index = _Index(0, [], [])
        self._listeners: WeakSet[SegmentListener] = WeakSet()
        self._why_disabled: str | None = None
        self._push = _pusher(self._pieces, self._free)
        _arenas.add(self)

    def take(self, byte_length: int) -> Block:
        """Takes a piece of at least `byte_length` bytes; it is free again when its block and all views are gone.

        Raises:
            NoSpaceError: The limit is reached, or the machine has no memory left.
            ShmError: Memory cannot be shared here, or this is a forked process.
        """
        if byte_length < 0:
            raise ValueError(f"byte_length is {byte_length}, and it must be 0 or more")
        piece = self._piece(byte_length)
        segment = piece.segment
        guard = Guard(self._push, piece.address)
        # The window spans the whole piece, as each size of window has a type of its own.
        window = segment.mapping.window(piece.offset, piece.byte_length, guard)
        return Block(piece.address, segment.number, piece.offset, memoryview(window).cast("B")[:byte_length])

    def allocate(self, byte_length: int) -> int:
        """Takes a piece for somebody who counts in addresses, such as NumPy's allocator; `free` gives it back.

        Raises:
            NoSpaceError: The limit is reached, or the machine has no memory left.
            ShmError: Memory cannot be shared here, or this is a forked process.
        """
        address = self._piece(byte_length).address
        self._raw[address] = Guard(self._push, address)
        return address

    def reallocate(self, address: int, byte_length: int) -> int:
        """Moves what `allocate` gave to a piece of another size, unless it fits where it is.

        Returns:
            The address from now on; the old one is free if it is another.

        Raises:
            NoSpaceError: As `allocate`; the old piece is as it was.
            ShmError: As `allocate`, or `address` is not one that `allocate` gave.
        """
        piece = self._pieces.get(address)
        if piece is None or address not in self._raw:
            raise ShmError(f"{address:#x} is no address that allocate() gave")
        # Not where most of the piece would be left unused: programs shrink arrays to save memory.
        if byte_length <= piece.byte_length <= max(4 * byte_length, piece_size(1)):
            return address
        moved = self.allocate(byte_length)
        ctypes.memmove(moved, address, min(byte_length, piece.byte_length))
        self.free(address)
        return moved

    def free(self, address: int) -> None:
        """Gives back what `allocate` gave: at once, or when nobody keeps it any more. Unknown addresses are ignored."""
        self._raw.pop(address, None)

    def owns(self, address: int) -> bool:
        """Whether an address lies in memory of this arena."""
        return self.find(address) is not None

    def keep(self, address: int) -> object | None:
        """Keeps what `allocate` gave from becoming free, although `free` is called, as long as the result is held.

        Args:
            address: Any address in the piece.

        Returns:
            What to hold; None where the address lies in nothing that `allocate` gave.
        """
        piece = self.find(address)
        return None if piece is None else self.raw_of(piece)

    def raw_of(self, piece: Piece) -> object | None:
        """As `keep`, for a piece that was found."""
        return self._raw.get(piece.address)

    def find(self, address: int) -> Piece | None:
        """The piece that an address lies in, whether free or not; None for memory that is not this arena's."""
        index = self._index
        if index.version != self._version:
            index = self._renew_index()
        position = bisect_right(index.starts, address) - 1
        return index.segments[position].piece_at(address) if position >= 0 else None

    def segment(self, number: int) -> OwnSegment | None:
        """A segment of this arena by its number."""
        return self._segments.get(number)

    def has_numbered(self, number: int) -> bool:
        """Whether a number is that of a segment of this arena, now or ever."""
        return number // NUMBERS_PER_TAG in self._tags

    def trim(self, idle_s: float | None = None) -> list[int]:
        """Gives the system back each segment that nobody has used for a while.

        Args:
            idle_s: For how many seconds; 0: whatever is free now. By default what the arena was made with.

        Returns:
            The numbers of these segments.
        """
        used_before = monotonic() - (self.idle_s if idle_s is None else idle_s)
        with self._lock:
            if self._why_disabled is not None:
                return []
            gone = [segment for stack in list(self._free.values()) for segment in self._take_idle(stack, used_before)]
            for segment in gone:
                self._remove(segment)
        for segment in gone:
            for listener in list(self._listeners):
                listener.segment_closed(segment.number)
        return [segment.number for segment in gone]

    def listen(self, listener: SegmentListener) -> None:
        """Tells `listener` of each segment that is closed from now on, as long as it lives."""
        self._listeners.add(listener)

    @property
    def stats(self) -> ArenaStats:
        """What the arena has at this moment."""
        segments = list(self._segments.values())
        free = [(size, len(stack)) for size, stack in list(self._free.items())]
        return ArenaStats(
            segments=len(segments),
            bytes=sum(segment.byte_length for segment in segments),
            used_bytes=sum(len(segment.pieces) * segment.piece_length for segment in segments)
            - sum(size * count for size, count in free),
            blocks=sum(len(segment.pieces) for segment in segments) - sum(count for _, count in free),
            max_bytes=self.max_bytes,
        )

    def stop_growing(self, why: str) -> None:
        """Gives out no memory any more but what is there."""
        self._why_disabled = why

    def disable(self, why: str) -> None:
        """Gives out nothing any more; pieces that are in use stay what they are."""
        self.stop_growing(why)
        # Pieces that become free land on the old stacks, out of reach.
        self._free = {}
        # A thread that does not exist in a forked process may have held the old one.
        self._lock = threading.RLock()

    def _piece(self, byte_length: int) -> Piece:
        stack = self._free.get(piece_size(byte_length))
        if stack:
            try:
                return stack.pop()
            except IndexError:
                pass  # another thread was quicker
        while True:
            piece = self._fitting_piece(byte_length)
            if piece is not None:
                return piece
            try:
                return self._new_piece(piece_size(byte_length))
            except NoSpaceError:
                # What is free in other sizes makes room, although it is warm.
                if not self.trim(0):
                    raise

    def _fitting_piece(self, byte_length: int) -> Piece | None:
        # The lock: while `trim` looks at free pieces they are on no stack.
        with self._lock:
            for size in fitting_sizes(byte_length):
                try:
                    return self._free[size].pop()
                except LookupError:
                    continue
        return None

    def _new_piece(self, piece_length: int) -> Piece:
        same = sum(segment.piece_length == piece_length for segment in list(self._segments.values()))
        failure: NoSpaceError | None = None
        for byte_length in segment_sizes(piece_length, same):
            try:
                number = self._reserve(byte_length)
                try:
                    segment = OwnSegment(number, byte_length, piece_length)
                except BaseException:
                    self._reserve(-byte_length)
                    raise
                return self._add(segment)
            except NoSpaceError as error:
                failure = failure or error
        assert failure is not None
        raise failure

    def _reserve(self, byte_length: int) -> int:
        """Books the bytes of a new segment, and gives it a number. To make it takes long, and needs no lock."""
        with self._lock:
            if self._why_disabled is not None:
                raise SegmentError(self._why_disabled)
            if self._bytes + byte_length > self.max_bytes:
                raise NoSpaceError(
                    f"no room for a segment of {byte_length} bytes: {self._bytes} of {self.max_bytes} are in use"
                )
            self._bytes += byte_length
            count = next(self._counter)
            if count >= NUMBERS_PER_TAG:
                self._tag = secrets.randbelow(2**32 - 1) + 1
                self._tags.add(self._tag)
                self._counter = itertools.count(2)
                count = 1
            return self._tag * NUMBERS_PER_TAG + count

    def _add(self, segment: OwnSegment) -> Piece:
        stack = self._free.setdefault(segment.piece_length, [])
        for piece in segment.pieces:
            self._pieces[piece.address] = piece
        self._segments[segment.number] = segment
        self._version = next(self._changes)
        first, *others = segment.pieces
        stack[0:0] = reversed(others)
        return first

    def _remove(self, segment: OwnSegment) -> None:
        del self._segments[segment.number]
        self._version = next(self._changes)
        for piece in segment.pieces:
            del self._pieces[piece.address]
        self._bytes -= segment.byte_length
        segment.close()

    @staticmethod
    def _take_idle(stack: list[Piece], used_before: float) -> set[OwnSegment]:
        """Takes the pieces of idle segments off a stack of free ones."""
        pieces: list[Piece] = []
        gone: set[OwnSegment] = set()
        try:
            with suppress(IndexError):  # another thread takes pieces at the same time
                while stack:
                    pieces.append(stack.pop())
            counts = Counter(piece.segment for piece in pieces if piece.free_since <= used_before)
            gone.update(segment for segment, count in counts.items() if count == len(segment.pieces))
        finally:
            # Below what has become free meanwhile: that is warmer.
            stack[0:0] = [piece for piece in reversed(pieces) if piece.segment not in gone]
        return gone

    def _renew_index(self) -> _Index:
        # The version first: where a segment comes or goes meanwhile, the index is made anew next time.
        version = self._version
        segments = sorted(self._segments.values(), key=lambda segment: segment.address)
        self._index = _Index(version, [segment.address for segment in segments], segments)
        return self._index


class _Index(NamedTuple):
    """All segments by address."""

    version: int
    starts: list[int]
    segments: list[OwnSegment]


def _pusher(pieces: dict[int, Piece], free: dict[int, list[Piece]]) -> Callable[[int], None]:
    """What makes the piece at an address free. It does not refer to the arena, whose pieces may outlive it."""

    def push(address: int) -> None:
        piece = pieces[address]
        piece.free_since = monotonic()
        free[piece.byte_length].append(piece)

    return push


_arenas: WeakSet[Arena] = WeakSet()


def _disable_inherited() -> None:
    for arena in list(_arenas):
        arena.disable("this process was forked from one that owns the arena: make another arena here")


def _stop_at_exit() -> None:
    for arena in list(_arenas):
        arena.stop_growing("Python ends")


# What makes segments does not work any more when Python takes its modules apart, and arrays are made even then.
atexit.register(_stop_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disable_inherited)
