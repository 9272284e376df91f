"""Where a receiving thread waits: the code in which an exception from a signal handler can do no harm."""

from __future__ import annotations

import contextlib
import queue
import select
import socket
from types import CodeType
from typing import Any, Final, Protocol

__all__ = ["INTERRUPTIBLE", "Waker", "wait_readable", "wait_token"]


class Poller(Protocol):
    """What waits for several sockets at once."""

    def poll(self) -> object:
        """Waits until one of them is readable."""


def wait_readable(poller: Poller) -> None:
    """Waits until a socket is readable; reads nothing, so that nothing can be lost."""
    poller.poll()


def wait_token(tokens: queue.SimpleQueue[None]) -> None:
    """Waits for a token; what it announces stands elsewhere, and stays there should the token be lost."""
    tokens.get()


class Waker:
    """Lets any thread end another's wait for a socket.

    Args:
        connection: What is waited for besides.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self.poller = _poller(connection, self._reader)
        #: Set by `wake` and taken back by `clear`.
        self.is_woken = False

    def wake(self) -> None:
        """Ends the wait that is under way, or else the next one."""
        if not self.is_woken:
            self.is_woken = True
            with contextlib.suppress(BlockingIOError):  # it is readable as it is
                self._writer.send(b"\0")

    def clear(self) -> None:
        """Takes the wake; one that comes meanwhile stands."""
        self.is_woken = False
        with contextlib.suppress(BlockingIOError):  # the byte is still to come, and ends a wait without a reason
            self._reader.recv(64)

    def close(self) -> None:
        """Frees the sockets; nobody may wait any more."""
        self._reader.close()
        self._writer.close()


class _Select:
    """For platforms without `poll`."""

    def __init__(self, sockets: tuple[socket.socket, ...]) -> None:
        self._sockets = sockets

    def poll(self) -> object:
        return select.select(self._sockets, (), ())


def _poller(*sockets: socket.socket) -> Poller:
    make: Any = getattr(select, "poll", None)
    if make is None:
        return _Select(sockets)
    poller: Any = make()
    for one in sockets:
        poller.register(one, select.POLLIN)
    result: Poller = poller
    return result


INTERRUPTIBLE: Final[tuple[CodeType, ...]] = (
    wait_readable.__code__,
    wait_token.__code__,
    _Select.poll.__code__,
)
