"""What the kernel knows of a TCP connection: also while its process cannot say."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["is_established"]

_TABLES: Final = ("tcp", "tcp6")
#: TCP_ESTABLISHED of include/net/tcp_states.h.
_ESTABLISHED: Final = "01"


def is_established(local_port: int, remote_port: int, directory: str = "/proc/net") -> bool | None:
    """Whether a connection between two ports stands; None where that cannot be known: on Linux alone it can.

    Args:
        local_port: On this machine.
        remote_port: Of the other side, whatever its address: two with the same port are not told apart.
        directory: Where the kernel's tables stand.
    """
    wanted = (f":{local_port:04X}", f":{remote_port:04X}")
    has_seen = False
    for table in _TABLES:
        try:
            lines = (Path(directory) / table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        has_seen = True
        for line in lines:
            _, local, remote, state, *_ = line.split()
            if state == _ESTABLISHED and local.endswith(wanted[0]) and remote.endswith(wanted[1]):
                return True
    return False if has_seen else None
