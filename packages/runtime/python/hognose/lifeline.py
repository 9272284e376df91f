"""No worker outlives its host: the kernel, or else a thread, ends the whole process group when the host is gone."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from typing import Final

__all__ = ["end_group", "hold", "let_go"]

_F_SETSIG: Final = 10  # Linux; the fcntl module has no name for it


def hold(connection: socket.socket) -> None:
    """Ties this process group to the life of a connection that carries no traffic.

    On Linux the kernel sends SIGKILL to the group the moment the other end closes, whatever Python is doing, with the
    GIL held or not. Elsewhere a thread waits for the end of the connection; it needs the GIL to act.

    Args:
        connection: Connected, with an open file description of its own; owned by this function from here on.
    """
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    if sys.platform == "linux":
        import fcntl

        descriptor = connection.fileno()
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(descriptor, _F_SETSIG, int(signal.SIGKILL))
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)
        # An end that came before O_ASYNC was set raises no signal any more: look once.
        connection.setblocking(False)
        try:
            closed = connection.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            closed = False
        if closed:
            end_group()
        _held.append(connection)
    else:
        threading.Thread(target=_watch, args=(connection,), name="hognose-lifeline", daemon=True).start()


def end_group() -> None:
    """Ends this process and everything that it has started, at once: the host is gone."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def let_go() -> None:
    """Closes a lifeline that this process has inherited: it is its parent's, which it does not share the life of."""
    while _held:
        _held.pop().close()


_held: list[socket.socket] = []


def _watch(connection: socket.socket) -> None:
    try:
        while connection.recv(1):
            pass
    except OSError:
        pass
    end_group()
