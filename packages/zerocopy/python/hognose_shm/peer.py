"""The process at the other end of a channel of segments: memory is lent to it and borrowed from it."""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from hognose_shm.arena import Arena, OwnSegment
from hognose_shm.channel import Received, receive_segment_message, send_segment
from hognose_shm.errors import DescriptorError, SegmentError, ShmError
from hognose_shm.guard import Guard
from hognose_shm.lent_fields import LentFields, check_lent_fields
from hognose_shm.mapping import Mapping, Window
from hognose_shm.posix import shared_size

#: How long to wait for a segment that a description names. It was sent before, so this is a matter of microseconds.
RECEIVE_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class PeerStats:
    """What goes on with a peer.

    Attributes:
        lent: How many loans it holds.
        borrowed: How many of its loans are held here.
        borrowed_segments: How many of its segments are mapped here.
    """

    lent: int
    borrowed: int
    borrowed_segments: int


class Peer:
    """Lends memory to another process and borrows from it.

    The words that describe a loan travel in messages of the caller's own, and so do the numbers of loans that are over
    (`returns`) and of segments that are gone (`closed`): the caller empties both now and then and tells the peer, which
    passes them to its `take_back` and `segments_closed`.

    Every method may be called in any thread. Only `borrow` may wait, for a segment that was sent already.
    """

    def __init__(self, channel: socket.socket, arena: Arena) -> None:
        """Takes over a connected Unix-domain stream socket that carries nothing but segments.

        Args:
            channel: The socket; it becomes non-blocking.
            arena: The memory of this process that is lent.
        """
        channel.setblocking(False)
        self.arena = arena
        #: Loans of the peer that are over here. Views that end append to it, in any thread.
        self.returns: deque[int] = deque()
        #: Segments of this process's arena that the peer has and that are gone.
        self.closed: deque[int] = deque()
        self._channel = channel
        self._why_closed: str | None = None
        self._leases = itertools.count(1)
        self._lent: dict[int, _Lent] = {}
        self._sent: set[int] = set()
        self._send_lock = threading.RLock()
        self._borrowed: dict[int, _Borrowed] = {}
        self._segments: dict[int, _PeerSegment] = {}
        self._refused: dict[int, SegmentError] = {}
        self._gone: set[int] = set()
        self._receive_lock = threading.RLock()
        self._end_loan = _ender(self._borrowed, self.returns)
        arena.listen(self)
        _peers.add(self)

    def lend(self, address: int, byte_length: int, keep: object) -> tuple[int, int, int, int, int, int] | None:
        """Lends memory to the peer until it returns the loan.

        Args:
            address: Where the memory begins in this process.
            byte_length: How much is lent, in bytes.
            keep: What keeps the memory alive; it is held until the loan is returned.

        Returns:
            The words that describe the loan (see `LentFields`); None where these bytes are not part of one piece of
            shared memory, be it this process's own or borrowed from the peer.

        Raises:
            NoSpaceError: The peer does not read its channel, and no more fits.
            SegmentError: The channel is closed, or this is a forked process.
        """
        self._check_open()
        if byte_length <= 0:
            return None
        piece = self.arena.find(address)
        if piece is None:
            return self._lend_on(address, byte_length, keep)
        if address + byte_length > piece.address + piece.byte_length:
            return None
        # An array may let go of memory of NumPy's allocator while it lives (ndarray.resize): the piece is held as well.
        held = (keep, self.arena.raw_of(piece))
        segment = piece.segment
        if segment.number not in self._sent:
            self._send(segment)
        lease = next(self._leases)
        # As _Lent(...) does it, in a third of the time.
        self._lent[lease] = tuple.__new__(_Lent, (address, byte_length, held))
        return (lease, 0, segment.number, segment.byte_length, address - segment.address, byte_length)

    def borrow(self, fields: Sequence[int]) -> Window:
        """Opens memory that the peer has lent.

        Args:
            fields: The words that describe the loan.

        Returns:
            A writable buffer over exactly the lent bytes, with their `address`. When the last view of it is gone the
            loan's number is in `returns`. Memory of this process's own arena is the same memory, at the same address.

        Raises:
            DescriptorError: The words are malformed, or do not fit the memory that there is.
            SegmentError: The segment has not come, or is refused. After this, and where well-formed words do not fit
                the memory, the loan's number is in `returns` at once, as there is nobody here who could end it.
        """
        self._check_open()
        lent = check_lent_fields(fields)
        if lent.lease in self._borrowed:
            raise DescriptorError(f"loan {lent.lease} is held here already: a number is used once")
        try:
            mapping, segment, held = self._memory_of(lent)
        except ShmError:
            self.returns.append(lent.lease)
            raise
        window = mapping.window(lent.offset, lent.byte_length, Guard(self._end_loan, lent.lease), held)
        borrowed = _Borrowed(lent, window.address, weakref.ref(window), segment)
        self._borrowed[lent.lease] = borrowed
        if segment is not None:
            segment.add(borrowed)
        return window

    def take_back(self, leases: Iterable[int]) -> None:
        """The peer has returned loans; what they held is let go of. Numbers that are not lent are ignored."""
        for lease in leases:
            self._lent.pop(lease, None)

    def segments_closed(self, numbers: Iterable[int]) -> None:
        """The peer has closed segments of its own: each is unmapped with the last view of it."""
        unknown = [number for number in numbers if self._segments.pop(number, None) is None]
        if not unknown:
            return
        # They are still on the channel, where they would take up memory until the next segment is needed.
        self._gone.update(unknown)
        if self._receive_lock.acquire(blocking=False):
            try:
                with suppress(SegmentError):
                    while (received := receive_segment_message(self._channel, 0)) is not None:
                        self._add(received)
            finally:
                self._receive_lock.release()

    def trim(self, idle_s: float | None = None) -> None:
        """Gives back the arena's free memory, as `Arena.trim`; what the peer had of it is in `closed`."""
        self.arena.trim(idle_s)

    def segment_closed(self, number: int) -> None:
        """The arena has closed a segment."""
        if number in self._sent:
            self._sent.discard(number)
            self.closed.append(number)

    def close(self) -> None:
        """The peer is gone: what it held is let go of. What is borrowed from it stays valid."""
        self._why_closed = "the channel of segments was closed"
        self._channel.close()
        self._lent.clear()

    def disable(self, why: str) -> None:
        """Lends and borrows nothing any more, and leaves the channel to the process that this one was forked from."""
        self._why_closed = why
        # Threads that do not exist in a forked process may have held the old ones.
        self._send_lock = threading.RLock()
        self._receive_lock = threading.RLock()

    @property
    def stats(self) -> PeerStats:
        """What goes on at this moment."""
        return PeerStats(len(self._lent), len(self._borrowed), len(self._segments))

    def _check_open(self) -> None:
        if self._why_closed is not None:
            raise SegmentError(self._why_closed)

    def _lend_on(self, address: int, byte_length: int, keep: object) -> tuple[int, int, int, int, int, int] | None:
        """Lends what is itself borrowed from the peer, which has the segment then."""
        for segment in list(self._segments.values()):
            mapping = segment.mapping
            if not mapping.address <= address < mapping.address + mapping.byte_length:
                continue
            for borrowed in segment.loans_at(address):
                loan = borrowed.loan
                start = address - borrowed.address
                window = borrowed.window()
                if window is not None and start >= 0 and start + byte_length <= loan.byte_length:
                    lease = self._record(_Lent(address, byte_length, (keep, window)))
                    offset = loan.offset + start
                    return (lease, loan.lease, loan.segment, loan.segment_bytes, offset, byte_length)
        return None

    def _record(self, lent: _Lent) -> int:
        lease = next(self._leases)
        self._lent[lease] = lent
        return lease

    def _send(self, segment: OwnSegment) -> None:
        if segment.number in self._sent:
            return
        with self._send_lock:
            if segment.number not in self._sent:
                send_segment(self._channel, segment.fd, segment.number, segment.byte_length)
                self._sent.add(segment.number)

    def _memory_of(self, lent: LentFields) -> tuple[Mapping, _PeerSegment | None, object]:
        """Where a loan lies: the mapping, whose segment it is (None: this process's), and what else is to be held."""
        own = self.arena.segment(lent.segment)
        if own is not None:
            return own.mapping, None, self._own_loan(lent, own)
        if self.arena.has_numbered(lent.segment):
            raise DescriptorError(f"segment {lent.segment} of this process's arena does not exist any more")
        segment = self._segments.get(lent.segment) or self._receive(lent.segment)
        _check_size(lent, segment.mapping.byte_length)
        return segment.mapping, segment, None

    def _own_loan(self, lent: LentFields, own: OwnSegment) -> _Lent:
        """The loan by which the peer holds memory of this process: it has no other right to name it."""
        loan = self._lent.get(lent.via)
        if loan is None:
            raise DescriptorError(f"segment {lent.segment} is this process's own, and loan {lent.via} of it is not out")
        _check_size(lent, own.byte_length)
        start = own.address + lent.offset - loan.address
        if start < 0 or start + lent.byte_length > loan.byte_length:
            raise DescriptorError(
                f"bytes {lent.offset} to {lent.offset + lent.byte_length} of segment {lent.segment} reach beyond loan "
                f"{lent.via}, by which the peer holds them"
            )
        return loan

    def _receive(self, number: int) -> _PeerSegment:
        until = time.monotonic() + RECEIVE_TIMEOUT_S
        with self._receive_lock:
            while number not in self._segments:
                if number in self._refused:
                    raise self._refused[number]
                received = receive_segment_message(self._channel, until - time.monotonic())
                if received is None:
                    raise SegmentError(f"segment {number} was named and has not come within {RECEIVE_TIMEOUT_S:g} s")
                self._add(received)
            return self._segments[number]

    def _add(self, received: Received) -> None:
        """Maps a segment that has come. A bad one is the failure of those who want it, not of whoever has read it."""
        number = received.number
        if received.fd is None:
            self._refused[number] = SegmentError(
                f"the descriptor of segment {number} was lost: is the limit of open files reached (ulimit -n)?"
            )
            return
        try:
            if number in self._gone:
                self._gone.discard(number)
            elif number not in self._segments:
                self._segments[number] = _PeerSegment(received.fd, received.byte_length)
        except SegmentError as error:
            self._refused[number] = error
        finally:
            os.close(received.fd)


class _Lent(NamedTuple):
    """Memory that the peer holds."""

    address: int
    byte_length: int
    held: object


class _Borrowed(NamedTuple):
    """Memory of the peer that is held here."""

    loan: LentFields
    address: int
    window: weakref.ref[Window]
    segment: _PeerSegment | None


class _PeerSegment:
    """A segment of the peer, and what of it is held here."""

    def __init__(self, fd: int, byte_length: int) -> None:
        try:
            size = shared_size(fd)
        except OSError as error:
            raise SegmentError(f"a segment that was received cannot be used: {error}") from error
        if size != byte_length:
            raise SegmentError(f"a segment of {byte_length} bytes was announced, and it has {size}")
        self.mapping = Mapping(fd, byte_length)
        self._loans: dict[int, _Borrowed] = {}
        self._last_at: dict[int, _Borrowed] = {}

    def add(self, borrowed: _Borrowed) -> None:
        self._loans[borrowed.loan.lease] = borrowed
        self._last_at[borrowed.address] = borrowed

    def remove(self, borrowed: _Borrowed) -> None:
        self._loans.pop(borrowed.loan.lease, None)
        if self._last_at.get(borrowed.address) is borrowed:
            self._last_at.pop(borrowed.address, None)

    def loans_at(self, address: int) -> Iterable[_Borrowed]:
        """Loans that may span an address, the likeliest first: most often it is the first byte of one."""
        likely = self._last_at.get(address)
        if likely is not None:
            yield likely
        yield from list(self._loans.values())


def _check_size(lent: LentFields, byte_length: int) -> None:
    if lent.segment_bytes != byte_length:
        raise DescriptorError(
            f"segment {lent.segment} has {byte_length} bytes, and {lent.segment_bytes} are named: "
            "is it one of another process?"
        )


def _ender(borrowed: dict[int, _Borrowed], returns: deque[int]) -> Callable[[int], None]:
    """What ends a loan when its last view is gone. It does not refer to the peer, which may be gone by then."""

    def end(lease: int) -> None:
        loan = borrowed.pop(lease, None)
        if loan is not None and loan.segment is not None:
            loan.segment.remove(loan)
        returns.append(lease)

    return end


_peers: weakref.WeakSet[Peer] = weakref.WeakSet()


def _disable_inherited() -> None:
    for peer in list(_peers):
        peer.disable("this process was forked from the one that the channel of segments belongs to")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disable_inherited)
