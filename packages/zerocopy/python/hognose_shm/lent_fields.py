"""The words that name lent memory in a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hognose_shm.errors import DescriptorError

#: The largest whole number that JavaScript holds exactly.
_MAX_NUMBER = 2**53 - 1

#: The smallest number of each word.
_LOWEST = (1, 0, 1, 1, 0, 0)


class LentFields(NamedTuple):
    """A loan: what the lender calls it, and where the memory lies.

    Attributes:
        lease: The lender's number for this loan, never used again.
        via: The number of the loan by which the lender itself holds the memory; 0: it has allocated it.
        segment: The number of the segment.
        segment_bytes: The size of the segment in bytes.
        offset: Where the memory begins in the segment, in bytes.
        byte_length: How much is lent, in bytes.
    """

    lease: int
    via: int
    segment: int
    segment_bytes: int
    offset: int
    byte_length: int


def check_lent_fields(fields: Sequence[int]) -> LentFields:
    """Checks the words of a message; whether there is such memory is another matter.

    Raises:
        DescriptorError: They are not six whole numbers, or name memory beyond the segment's end.
    """
    if not isinstance(fields, list | tuple) or len(fields) != len(LentFields._fields):
        raise DescriptorError(f"lent memory is described by {len(LentFields._fields)} whole numbers")
    lease, via, segment, size, offset, byte_length = fields
    are_whole = type(lease) is type(via) is type(segment) is type(size) is type(offset) is type(byte_length) is int
    if not are_whole or min(lease, segment, size) < 1 or min(via, offset, byte_length) < 0 or max(fields) > _MAX_NUMBER:
        raise _wrong_word(fields)
    lent = LentFields(lease, via, segment, size, offset, byte_length)
    end = lent.offset + lent.byte_length
    if end > lent.segment_bytes:
        raise DescriptorError(f"bytes {lent.offset} to {end} are lent, and the segment has {lent.segment_bytes}")
    return lent


def _wrong_word(fields: Sequence[object]) -> DescriptorError:
    """Says which of them is wrong, and how."""
    for name, lowest, value in zip(LentFields._fields, _LOWEST, fields, strict=True):
        if type(value) is int and lowest <= value <= _MAX_NUMBER:
            continue
        shown = "out of range" if type(value) is int else f"of type {type(value).__name__}"
        return DescriptorError(f"{name} is {shown}, and it must be a whole number from {lowest} to {_MAX_NUMBER}")
    raise AssertionError("one of them is wrong")
