from __future__ import annotations

from typing import Any

import pytest

from hognose_shm import DescriptorError, check_lent_fields

GOOD = [1, 0, 5, 4096, 64, 100]


def test_six_whole_numbers_describe_a_loan() -> None:
    lent = check_lent_fields(GOOD)
    assert (lent.lease, lent.via, lent.segment, lent.segment_bytes, lent.offset, lent.byte_length) == tuple(GOOD)
    assert check_lent_fields([1, 0, 5, 4096, 4096, 0]).byte_length == 0


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        (0, 0, "lease is out of range, and it must be a whole number from 1"),
        (0, 2**53, "lease is out of range"),
        (1, -1, "via is out of range, and it must be a whole number from 0"),
        (2, 0, "segment is out of range"),
        (2, "5", "segment is of type str"),
        (3, 0, "segment_bytes is out of range"),
        (4, 4000, "bytes 4000 to 4100 are lent, and the segment has 4096"),
        (4, True, "offset is of type bool"),
        (5, 64.0, "byte_length is of type float"),
    ],
)
def test_bad_words_are_refused_by_name(index: int, value: object, message: str) -> None:
    with pytest.raises(DescriptorError, match=message):
        check_lent_fields([*GOOD[:index], value, *GOOD[index + 1 :]])  # type: ignore[list-item]


@pytest.mark.parametrize("fields", [None, "123456", 6, GOOD[:5], [*GOOD, 0], dict.fromkeys(range(6))])
def test_what_is_no_list_of_six_words_is_refused(fields: Any) -> None:
    with pytest.raises(DescriptorError, match="described by 6 whole numbers"):
        check_lent_fields(fields)
