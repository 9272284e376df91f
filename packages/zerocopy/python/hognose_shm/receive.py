"""Receives a segment over a Unix-domain socket."""

from __future__ import annotations

import os
import socket

from hognose_shm.errors import SegmentError
from hognose_shm.segment import Segment

#: The byte that carries the descriptor.
_MARK = b"S"


def receive_segment(connection: socket.socket, *, read_only: bool = False) -> Segment:
    """Receives what `sendSegment()` sent in Node.js.

    Waits as long as the socket's own timeout says.

    Args:
        connection: The other end of the socket that the segment was sent over.
        read_only: Maps the memory so that this process cannot write to it.

    Raises:
        SegmentError: The next thing on the socket is no segment, the peer has closed it, or the segment is refused.
        TimeoutError: Nothing came in time.
    """
    data, fds, flags, _ = socket.recv_fds(connection, len(_MARK), 1)
    try:
        if not data:
            raise SegmentError("the peer closed the socket before it sent a segment")
        if flags & socket.MSG_CTRUNC:
            raise SegmentError("the descriptor of a segment was lost: is the limit of open files reached (ulimit -n)?")
        if data != _MARK or len(fds) != 1:
            raise SegmentError(f"the socket carries {data!r} where a segment was expected: send it with sendSegment()")
        return Segment.from_fd(fds[0], read_only=read_only)
    finally:
        for fd in fds:
            os.close(fd)
