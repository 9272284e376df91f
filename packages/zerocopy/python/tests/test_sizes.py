from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hognose_shm.sizes import LARGEST_IN_SLAB, SMALLEST, fitting_sizes, piece_size, segment_sizes


@given(st.integers(SMALLEST, 2**45))
def test_a_piece_is_a_little_larger_than_the_wish(byte_length: int) -> None:
    size = piece_size(byte_length)
    assert byte_length <= size <= byte_length * (1.25 if byte_length <= LARGEST_IN_SLAB else 1.125)
    assert piece_size(size) == size
    assert size % (SMALLEST if size >= 16384 else SMALLEST // 4) == 0


@pytest.mark.parametrize("byte_length", [0, 1, 64, 4096])
def test_nothing_is_smaller_than_a_page(byte_length: int) -> None:
    assert piece_size(byte_length) == 4096


@given(st.integers(1, 2**40))
def test_what_is_used_again_wastes_a_quarter_at_most(byte_length: int) -> None:
    best, *others = fitting_sizes(byte_length)
    assert best == piece_size(byte_length)
    assert all(best < size <= byte_length * 1.25 for size in others)


def test_slabs_grow_with_their_number_and_large_pieces_stand_alone() -> None:
    assert next(segment_sizes(65536, 0)) == 4 << 20
    assert next(segment_sizes(65536, 2)) == 16 << 20
    assert next(segment_sizes(65536, 100)) == 64 << 20
    assert list(segment_sizes(65536, 0)) == [4 << 20, 2 << 20, 1 << 20]
    assert list(segment_sizes(8 << 20, 3)) == [8 << 20]
