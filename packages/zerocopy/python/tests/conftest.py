"""Segments as Node.js makes them, made by Python; and arenas with peers."""

from __future__ import annotations

import fcntl
import gc
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from hognose_shm import Arena, Peer

ALL_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW

MakeMemfd = Callable[..., int]


@pytest.fixture
def make_memfd() -> Iterator[MakeMemfd]:
    fds: list[int] = []

    def make(byte_length: int, seals: int = ALL_SEALS) -> int:
        fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        fds.append(fd)
        os.ftruncate(fd, byte_length)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        return fd

    yield make
    for fd in fds:
        os.close(fd)


@pytest.fixture
def arena() -> Arena:
    return Arena(max_bytes=256 << 20)


@dataclass
class Pair:
    """Two peers as two processes have them, `here` and `there`."""

    here: Peer
    there: Peer

    def deliver(self) -> None:
        """Carries to both what the other has to tell."""
        gc.collect()
        for sender, receiver in ((self.here, self.there), (self.there, self.here)):
            receiver.take_back(drain(sender.returns))
            receiver.segments_closed(drain(sender.closed))


def drain(queue: deque[int]) -> list[int]:
    """What is in a deque, which is empty then."""
    numbers = list(queue)
    queue.clear()
    return numbers


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with one, other:
        yield Pair(Peer(one, Arena(max_bytes=256 << 20)), Peer(other, Arena(max_bytes=256 << 20)))


def made_in(arena: Arena, count: int = 10_000) -> np.ndarray[Any, Any]:
    """An array of float64 that was born in shared memory."""
    made = np.frombuffer(arena.take(count * 8).buffer, "f8")
    made[:] = np.arange(count)
    return made


def lend(peer: Peer, values: np.ndarray[Any, Any]) -> tuple[int, ...]:
    fields = peer.lend(values.ctypes.data, values.nbytes, values)
    assert fields is not None
    return fields


def borrow(peer: Peer, fields: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return np.frombuffer(peer.borrow(fields), "f8")


def mapped_bytes() -> int:
    """How much memory that was made by an arena is mapped into this process."""
    total = 0
    with open("/proc/self/maps") as maps:
        for line in maps:
            if "/memfd:hognose" in line or "/hognose-" in line:
                start, end = (int(bound, 16) for bound in line.split()[0].split("-"))
                total += end - start
    return total
