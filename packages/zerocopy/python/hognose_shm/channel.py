"""Sends and receives segments over a Unix-domain stream socket that carries nothing else.

A message is 24 bytes with one file descriptor: ``HGSM``, four zero bytes, the segment's number and its size in bytes,
both as unsigned 64-bit integers, all in little-endian order.
"""

from __future__ import annotations

import array
import errno
import os
import select
import socket
import struct
import time
from typing import NamedTuple

from hognose_shm.errors import NoSpaceError, SegmentError

_MAGIC = b"HGSM"
_MESSAGE = struct.Struct("<4sIQQ")

#: The socket, or the system's account of descriptors on their way, is full.
_FULL = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS})


class Received(NamedTuple):
    """A segment that the peer has sent.

    Attributes:
        fd: Its file descriptor, which the receiver owns; None: this process had no room for one more.
        number: The sender's number for it.
        byte_length: Its size, as the sender says.
    """

    fd: int | None
    number: int
    byte_length: int


def send_segment(channel: socket.socket, fd: int, number: int, byte_length: int) -> None:
    """Sends a segment, without waiting for anybody.

    Raises:
        NoSpaceError: The peer has not read what was sent before, and there is no room for more.
        SegmentError: The channel is closed.
    """
    message = _MESSAGE.pack(_MAGIC, 0, number, byte_length)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
    try:
        sent = channel.sendmsg([message], rights)
    except OSError as error:
        if error.errno in _FULL:
            raise NoSpaceError(f"segment {number} cannot be sent: the peer does not read its channel") from error
        raise SegmentError(f"segment {number} cannot be sent: {error}") from error
    if sent != len(message):
        raise SegmentError(f"segment {number} cannot be sent: {sent} of {len(message)} bytes went out")


def receive_segment_message(channel: socket.socket, timeout_s: float) -> Received | None:
    """Receives the next segment.

    Args:
        channel: A non-blocking socket.
        timeout_s: How long to wait for it.

    Returns:
        None where none came in time.

    Raises:
        SegmentError: The peer has closed the channel, or what came is no segment.
    """
    until = time.monotonic() + timeout_s
    while True:
        try:
            data, fds, flags, _ = socket.recv_fds(channel, _MESSAGE.size, 1, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
        except BlockingIOError:
            if not _wait_readable(channel, until - time.monotonic()):
                return None
            continue
        except OSError as error:
            raise SegmentError(f"the channel of segments cannot be read: {error}") from error
        try:
            return _received(data, fds, flags)
        except BaseException:
            for fd in fds:
                os.close(fd)
            raise


def _received(data: bytes, fds: list[int], flags: int) -> Received:
    if not data:
        raise SegmentError("the peer has closed the channel of segments")
    # The kernel drops the descriptor and says so where this process may open no more files.
    is_lost = bool(flags & socket.MSG_CTRUNC) and not fds
    if len(data) != _MESSAGE.size or not (is_lost or len(fds) == 1) or not data.startswith(_MAGIC + bytes(4)):
        raise SegmentError(f"the channel carries {data!r} with {len(fds)} descriptors where a segment was expected")
    _, _, number, byte_length = _MESSAGE.unpack(data)
    return Received(None if is_lost else fds[0], number, byte_length)


def _wait_readable(channel: socket.socket, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    return timeout_s > 0 and bool(poll.poll(timeout_s * 1000))
