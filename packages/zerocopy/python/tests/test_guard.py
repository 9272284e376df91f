from __future__ import annotations

import gc

from hognose_shm.guard import Guard


class Holder:
    guard: Guard
    own: Holder


def test_it_ends_with_the_last_holder() -> None:
    ended: list[int] = []
    holder, other = Holder(), Holder()
    holder.guard = other.guard = Guard(ended.append, 7)
    del holder
    assert ended == []
    del other
    assert ended == [7]


def test_it_ends_once_in_a_cycle() -> None:
    ended: list[int] = []
    holder = Holder()
    holder.own = holder
    holder.guard = Guard(ended.append, 7)
    del holder
    assert ended == []
    gc.collect()
    gc.collect()
    assert ended == [7]


def test_it_does_not_end_when_a_holder_comes_back_to_life() -> None:
    ended: list[int] = []
    saved: list[Holder] = []

    class Phoenix(Holder):
        def __del__(self) -> None:
            saved.append(self)

    holder = Phoenix()
    holder.own = holder
    holder.guard = Guard(ended.append, 7)
    del holder
    gc.collect()
    assert len(saved) == 1
    assert ended == []
    saved.clear()
    gc.collect()
    assert ended == [7]
