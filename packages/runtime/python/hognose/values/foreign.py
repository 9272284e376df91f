"""Finds what msgpack writes in its own way without asking: it would arrive as something else."""

from __future__ import annotations

import sys
from itertools import chain, compress
from typing import Any, Final

import msgpack

__all__ = ["FOREIGN", "holds_foreign", "may_hold_extensions", "may_hold_memoryviews"]

#: Its own extension types would pass for this codec's, and a memoryview of numbers for bytes.
FOREIGN: Final = (msgpack.ExtType, msgpack.Timestamp, memoryview)

_CONTAINERS: Final = frozenset((list, tuple, dict, set, frozenset))
_MAX_LEVELS: Final = 2000


def may_hold_extensions() -> bool:
    """Whether there can be an instance of msgpack's own types, besides those that the codec is making.

    An instance refers to its class, so that the count of references says at once whether there can be any: a look at
    each value would take longer than to write them.
    """
    global _fewest  # noqa: PLW0603 - the fewest that were ever seen are those of the modules
    if _fewest is None:
        return True
    references = sys.getrefcount(_EXTENSION) + sys.getrefcount(_TIMESTAMP)
    _fewest = min(references, _fewest)
    return references != _fewest


_EXTENSION: Final = msgpack.ExtType
_TIMESTAMP: Final = msgpack.Timestamp

#: Before any code of a user runs, so that no other module of this package may hold a reference that is made later.
#: None where an instance need not hold one.
_fewest: int | None = (
    sys.getrefcount(_EXTENSION) + sys.getrefcount(_TIMESTAMP)
    if sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)()
    else None
)


def may_hold_memoryviews(value: object, packed: bytes) -> bool:
    """Whether there can be binary values in a packed value: each starts with one of these bytes."""
    if 0xC4 not in packed and 0xC5 not in packed and 0xC6 not in packed:
        return False
    # A float takes nine bytes, of which the first tells its type: one at every ninth, and there is nothing else.
    is_floats = type(value) is list and len(packed) == 9 * len(value) + 5 and packed[5::9].count(0xCB) == len(value)
    return not is_floats


def holds_foreign(value: object, are_keys_meant: bool = True) -> bool:
    """Whether a value is of a foreign type or holds such a value in its lists, tuples, dicts and sets.

    True as well for a value that contains itself. All containers of one level are looked at together, which for long
    ones takes less time than to write them.

    Args:
        value: Of any type.
        are_keys_meant: Whether keys of dicts are looked at. A memoryview as a key is bytes wherever it stands, as an
            array of the host could be no key.
    """
    try:
        return _holds_foreign(value, are_keys_meant)
    except TypeError:  # a metaclass that makes its classes unhashable: who asks looks at each value then
        return True


def _holds_foreign(value: object, are_keys_meant: bool) -> bool:
    if type(value) not in _CONTAINERS:
        return type(value) in FOREIGN
    level: list[Any] = [value]
    for _ in range(_MAX_LEVELS):
        items = _items_of(level, are_keys_meant)
        kinds = list(map(type, items))
        different = set(kinds)
        if not different.isdisjoint(FOREIGN):
            return True
        if different.isdisjoint(_CONTAINERS):
            return False
        level = items if different <= _CONTAINERS else list(compress(items, map(_CONTAINERS.__contains__, kinds)))
    return True


def _items_of(containers: list[Any], are_keys_meant: bool) -> list[Any]:
    kinds = set(map(type, containers))
    if dict not in kinds:
        return list(chain.from_iterable(containers))
    dicts = containers if len(kinds) == 1 else [item for item in containers if type(item) is dict]
    items = list(chain.from_iterable(map(dict.values, dicts)))
    if are_keys_meant:
        items.extend(chain.from_iterable(dicts))
    if len(kinds) > 1:
        items.extend(chain.from_iterable(item for item in containers if type(item) is not dict))
    return items
