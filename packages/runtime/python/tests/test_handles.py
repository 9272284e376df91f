from __future__ import annotations

import gc
import weakref

import pytest

from hognose.errors import DecodeError
from hognose.handles import HandleTable, qualified_name


class Thing:
    class Inner:
        pass


def test_an_object_has_one_id_for_as_long_as_it_is_held() -> None:
    table = HandleTable()
    first, second = Thing(), Thing()
    assert [table.put(first), table.put(second), table.put(first)] == [1, 2, 1]
    assert table.get(1) is first
    assert len(table) == 2


def test_equal_objects_are_different_objects() -> None:
    table = HandleTable()
    assert table.put([1]) != table.put([1])


def test_an_object_that_was_sent_again_meanwhile_is_not_freed() -> None:
    table = HandleTable()
    thing = Thing()
    number = table.put(thing)
    table.put(thing)
    table.release(number, 1)
    assert table.get(number) is thing
    table.release(number, 1)
    with pytest.raises(DecodeError, match="handle 1 is unknown"):
        table.get(number)


def test_a_released_object_is_freed_and_its_id_never_used_again() -> None:
    table = HandleTable()
    thing = Thing()
    gone = weakref.ref(thing)
    number = table.put(thing)
    del thing
    table.release(number, 1)
    gc.collect()
    assert gone() is None
    assert len(table) == 0
    assert table.put(Thing()) == number + 1


def test_releasing_what_is_unknown_or_too_often_is_harmless() -> None:
    table = HandleTable()
    table.release(5, 1)
    number = table.put(Thing())
    table.release(number, 10)
    table.release(number, 1)
    assert len(table) == 0


def test_a_qualified_name_is_where_python_finds_the_class() -> None:
    assert qualified_name(Thing.Inner) == f"{__name__}.Thing.Inner"
    assert qualified_name(int) == "builtins.int"
