"""How large a piece of memory is made for a wish: so that it can be used again for other wishes of about that size."""

from __future__ import annotations

from collections.abc import Iterator

#: Pieces up to this size lie together in slabs; larger ones have a segment of their own.
LARGEST_IN_SLAB = 1 << 20

#: The smallest piece. Sizes, and so where pieces begin, are multiples of a quarter of it, and from 16 KiB on of all of
#: it: of a page.
SMALLEST = 4096

#: The size of a class's first slab. Each further one is twice as large as the one before, which keeps the number of
#: file descriptors low where there are many pieces.
FIRST_SLAB = 4 << 20
LARGEST_SLAB = 64 << 20

#: How much larger than the wish a piece may be that is used again.
_LARGEST_FIT = 1.25


def piece_size(byte_length: int) -> int:
    """The size class of a wish: at most a quarter larger up to 1 MiB, at most an eighth larger above."""
    if byte_length <= SMALLEST:
        return SMALLEST
    # The steps between two powers of two: four for pieces in slabs, eight above.
    shift = (byte_length - 1).bit_length() - (3 if byte_length <= LARGEST_IN_SLAB else 4)
    return -(-byte_length >> shift) << shift


def fitting_sizes(byte_length: int) -> Iterator[int]:
    """The size classes whose pieces serve a wish without much waste, best fit first."""
    size = piece_size(byte_length)
    yield size
    while (size := piece_size(size + 1)) <= byte_length * _LARGEST_FIT:
        yield size


def segment_sizes(piece: int, segments_of_size: int) -> Iterator[int]:
    """How large a new segment for pieces of a size may be, in bytes, best first.

    Args:
        piece: A size class.
        segments_of_size: How many segments there are with pieces of this size.
    """
    if piece > LARGEST_IN_SLAB:
        yield piece
        return
    size = min(FIRST_SLAB << min(segments_of_size, 10), LARGEST_SLAB)
    # Where the limit is near a smaller slab may still do; never one of less than 1 MiB, which holds any such piece.
    while size >= LARGEST_IN_SLAB:
        yield size
        size //= 2
