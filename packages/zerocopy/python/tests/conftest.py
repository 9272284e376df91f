"""Segments as Node.js makes them, made by Python."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator

import pytest

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
