"""What a handle tells of its object."""

from __future__ import annotations

from typing import Final
from weakref import WeakKeyDictionary

from hognose.handles import qualified_name
from hognose.values.short_repr import ReprCost, short_repr

__all__ = ["handle_facts"]


def handle_facts(value: object) -> list[object]:
    """The qualified name of its class, those of the bases, and its repr."""
    facts = _facts_of(type(value))
    return [facts.name, facts.bases, short_repr(value, facts.repr_cost)]


class _TypeFacts:
    """What a handle tells of the object's class."""

    __slots__ = ("bases", "name", "repr_cost")

    def __init__(self, kind: type) -> None:
        self.name = qualified_name(kind)
        self.bases = [qualified_name(base) for base in type.__dict__["__mro__"].__get__(kind)[1:] if base is not object]
        self.repr_cost = ReprCost()


_facts: Final[WeakKeyDictionary[type, _TypeFacts]] = WeakKeyDictionary()


def _facts_of(kind: type) -> _TypeFacts:
    try:
        facts = _facts.get(kind)
        if facts is None:
            facts = _facts[kind] = _TypeFacts(kind)
    except TypeError:  # a metaclass that makes its classes unhashable
        facts = _TypeFacts(kind)
    return facts
