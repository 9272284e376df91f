"""The socket lane: u32 length plus one msgpack value per frame, over a Unix-domain or loopback socket."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from typing import Final

from hognose.codec import Codec
from hognose.errors import ProtocolError
from hognose.transport import Frame
from hognose.transport.socket_reader import SocketReader
from hognose.transport.socket_writer import SocketWriter

__all__ = ["ControlLane", "SocketLane", "connect"]

_READ_AND_WRITE: Final = socket.SHUT_RDWR
_UCRED: Final = struct.Struct("=iII")


def connect(address: str) -> socket.socket:
    """Dials the host: a path is a Unix-domain socket, `host:port` a loopback one.

    Raises:
        PermissionError: When the host is a process of another user; nothing was sent to it.
        OSError: When the host is gone.
    """
    if address.startswith("/") or not address.rpartition(":")[2].isdigit():
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(address)
            _check_user(connection, address)
        except BaseException:
            connection.close()
            raise
        return connection
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host, int(port)))
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _check_user(connection: socket.socket, address: str) -> None:
    """Makes sure that whoever listens is of this user: the secret is for the host alone."""
    if not hasattr(socket, "SO_PEERCRED"):
        return  # not Linux: the directory that the socket stands in guards it
    # struct ucred of unix(7): pid_t, uid_t and gid_t of the process as it was when it began to listen.
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, user, _ = _UCRED.unpack(peer)
    if user != os.geteuid():
        raise PermissionError(
            f"{address} is served by a process of user {user}, and this worker is of user {os.geteuid()}: "
            "host and workers must run as the same user"
        )


class SocketLane(SocketReader, SocketWriter):
    """The lane over the data connection; see `Lane`.

    Args:
        connection: Connected and blocking; owned by the lane from here on.
        codec: Reads and writes the values in the frames.
        spin_ns: How long to poll before a wait for a frame blocks; costs a core for as long, and saves the time in
            which the kernel wakes a sleeping thread.
    """

    has_control: Final = True

    def __init__(self, connection: socket.socket, codec: Codec, *, spin_ns: int = 0) -> None:
        SocketReader.__init__(self, connection, codec, spin_ns=spin_ns)
        SocketWriter.__init__(self, connection, codec)

    def settle(self) -> None:
        """See `Lane.settle`: writing has handed it to the system."""

    def close(self) -> None:
        """See `Lane.close`."""
        with contextlib.suppress(OSError):  # the host is gone
            self.finish()
        _shut_down(self._connection)
        self.wake()


class ControlLane:
    """Receives what must not wait behind a running call, on the control connection.

    Args:
        connection: Connected and blocking; owned by the lane from here on.
        codec: Reads the frames.
    """

    def __init__(self, connection: socket.socket, codec: Codec) -> None:
        self._connection = connection
        self._reader = SocketReader(connection, codec)

    def receive(self) -> Frame | None:
        """See `Lane.receive`; what is no frame ends the connection, and the host sends over the lane what is urgent."""
        try:
            return self._reader.receive()
        except ProtocolError:
            self.close()
            raise

    def close(self) -> None:
        """Ends the connection; a thread that waits in `receive` gets None."""
        _shut_down(self._connection)


def _shut_down(connection: socket.socket) -> None:
    # Not closed before nobody reads: the number of a closed descriptor may be another file's at once.
    with contextlib.suppress(OSError):
        connection.shutdown(_READ_AND_WRITE)
