from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from conftest import MakeMemfd

from hognose_shm import SegmentError, receive_segment


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with here, there:
        yield here, there


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_segment_is_received(pair: tuple[socket.socket, socket.socket], make_memfd: MakeMemfd) -> None:
    here, there = pair
    socket.send_fds(there, [b"S"], [make_memfd(64)])
    before = open_descriptors()
    segment = receive_segment(here, read_only=True)
    assert (segment.byte_length, segment.read_only) == (64, True)
    # The mapping keeps a descriptor of its own; the one that came is closed.
    segment.close()
    assert open_descriptors() == before


def test_what_is_no_segment_is_refused(pair: tuple[socket.socket, socket.socket], make_memfd: MakeMemfd) -> None:
    here, there = pair
    there.sendall(b"S")
    with pytest.raises(SegmentError, match="where a segment was expected"):
        receive_segment(here)
    before = open_descriptors()
    socket.send_fds(there, [b"x"], [make_memfd(64)])
    with pytest.raises(SegmentError, match="b'x' where a segment was expected"):
        receive_segment(here)
    assert open_descriptors() == before + 1


def test_the_end_of_the_stream_is_told(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    there.close()
    with pytest.raises(SegmentError, match="closed the socket"):
        receive_segment(here)


def test_an_unsealed_memfd_is_refused_and_its_descriptor_closed(
    pair: tuple[socket.socket, socket.socket], make_memfd: MakeMemfd
) -> None:
    here, there = pair
    socket.send_fds(there, [b"S"], [make_memfd(64, 0)])
    before = open_descriptors()
    with pytest.raises(SegmentError, match="lacks F_SEAL_SEAL"):
        receive_segment(here)
    assert open_descriptors() == before
