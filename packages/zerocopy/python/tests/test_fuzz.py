"""Whatever another process says: a typed error, or memory that it has lent."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from conftest import Pair, borrow, lend, made_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hognose_shm import DescriptorError, SegmentError, check_array_fields, open_array
from hognose_shm import peer as peer_module

MIB = 1 << 20

words = st.one_of(
    st.integers(0, 8),
    st.sampled_from([64, 4096, MIB, 4 * MIB, 4 * MIB + 1, 2**53 - 1, 2**53, 2**64]),
    st.integers(-2, 2**65),
)
anything = st.one_of(words, st.none(), st.booleans(), st.floats(), st.text(max_size=2))


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_words_open_memory_that_is_not_lent(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    """Mutates the words of a loan, of one that was sent back, and of none: an error, or memory within the segment."""
    monkeypatch.setattr(peer_module, "RECEIVE_TIMEOUT_S", 0.0)
    ours = made_in(pair.here.arena)
    theirs = borrow(pair.there, lend(pair.here, ours))
    receiver, good = data.draw(
        st.sampled_from([(pair.there, lend(pair.here, ours)), (pair.here, lend(pair.there, theirs[5:]))])
    )
    changed: list[Any] = list(good)
    for index in data.draw(st.lists(st.integers(0, 5), max_size=3)):
        changed[index] = data.draw(
            st.one_of(anything, st.integers(-80_000, 80_000).map(lambda n, old=good[index]: old + n))
        )
    if data.draw(st.integers(0, 20)) == 0:
        changed = data.draw(st.lists(anything, max_size=8))
    try:
        window = receiver.borrow(changed)
    except (DescriptorError, SegmentError):
        window = None
    if window is not None:
        segment = receiver.arena.segment(changed[2])
        if segment is not None:
            low, high = ours.ctypes.data, ours.ctypes.data + ours.nbytes
        else:
            mapping = receiver._segments[changed[2]].mapping
            low, high = mapping.address, mapping.address + mapping.byte_length
        assert low <= window.address
        assert window.address + len(window) <= high
        assert len(window) == changed[5]
        assert bytes(window) == ctypes.string_at(window.address, len(window))
    del window, theirs
    for peer in (pair.here, pair.there):
        peer.take_back(list(peer._lent))
        peer.returns.clear()


layouts = st.lists(anything, max_size=8) | st.tuples(
    st.sampled_from(["bool", "int16", "float16", "bfloat16", "float64", "complex64", "complex128", "object"]),
    st.lists(st.integers(0, 5) | words, max_size=4),
    st.lists(st.integers(-6, 6) | words, max_size=4),
    st.integers(0, 200) | words,
    st.sampled_from([1, 1, 1, 1, 2, 3, 99]),
    st.sampled_from([0, 1]),
    st.sampled_from([0, 1, 0x201, -1]),
)


@settings(max_examples=800, deadline=None)
@given(fields=layouts, lent=st.integers(0, 300))
def test_no_array_fields_reach_outside_the_lent_memory(fields: Any, lent: int) -> None:
    memory = memoryview(bytearray(lent))
    start = np.frombuffer(memory, "u1").ctypes.data
    try:
        layout = check_array_fields(fields, lent)
    except DescriptorError:
        return
    opened = open_array(memory, layout)
    assert isinstance(opened, np.ndarray)
    assert opened.shape == tuple(fields[1])
    assert opened.flags.writeable is (fields[6] & 1 == 0)
    if opened.size > 0:
        low, high = np.lib.array_utils.byte_bounds(opened)
        assert start <= low < high <= start + lent
        opened.tolist()
