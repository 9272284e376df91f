"""A call as the lane delivers it: a list, whose places have their names here.

A list and no object: the lane has made it already, and to copy it into another form costs as much as to run it.
Reading a call changes two places: `DEADLINE` then holds a time of `time.monotonic_ns()`, and `ROOT` a tuple of the
object that the call starts from, or the exception that says why it cannot start.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "ARGS",
    "ATTEMPT",
    "CALL_TYPE",
    "CREDIT",
    "DEADLINE",
    "ID",
    "IDEMPOTENT",
    "INLINE",
    "KWARGS",
    "MODE",
    "PARENT",
    "ROOT",
    "SCALARS",
    "SESSION",
    "SOURCE",
    "STEPS",
    "TARGET",
    "TRACE",
    "USES",
    "VERSION",
    "Call",
]

Call = list[Any]

ID: Final = 1
VERSION: Final = 2
CALL_TYPE: Final = 3
TARGET: Final = 4
ARGS: Final = 5
DEADLINE: Final = 6
KWARGS: Final = 7
ROOT: Final = 8
STEPS: Final = 9
MODE: Final = 10
INLINE: Final = 11
PARENT: Final = 12
SESSION: Final = 13
IDEMPOTENT: Final = 14
TRACE: Final = 15
CREDIT: Final = 16
SOURCE: Final = 17
USES: Final = 18
ATTEMPT: Final = 19

#: Types of which msgpack writes every value in the one form that values have here.
SCALARS: Final = frozenset((type(None), bool, int, float))
