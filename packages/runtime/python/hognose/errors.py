"""Errors of the worker itself, and how any exception crosses to the host.

HognoseError
├── DecodeError      an argument cannot be read here
├── EncodeError      a result cannot travel and a handle was not wanted
├── MissingPackage   the interpreter lacks a package that the worker itself needs
└── ProtocolError    the host sent what this worker does not understand
"""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType
from typing import Final

__all__ = ["DecodeError", "EncodeError", "HognoseError", "MissingPackage", "ProtocolError", "to_wire"]

_OWN_DIRECTORY: Final = os.path.dirname(os.path.abspath(__file__)) + os.sep
_EVENT_LOOP: Final = os.path.join("asyncio", "base_events.py")
_MAX_FRAMES: Final = 100
_MAX_CAUSES: Final = 32
_MAX_ARGUMENT_TEXT: Final = 1000
_PLAIN: Final = (type(None), bool, int, float, str, bytes)


class HognoseError(Exception):
    """Root of the errors that the worker itself raises."""


class DecodeError(HognoseError):
    """An argument cannot be read in this worker, such as a handle that was released."""


class EncodeError(HognoseError):
    """A result cannot travel as plain data although the caller asked for plain data."""


class MissingPackage(HognoseError):  # noqa: N818 - a fact about the environment, told as such
    """The interpreter lacks a package that the worker itself needs.

    Args:
        package: The package by the name under which pip knows it.
    """

    def __init__(self, package: str) -> None:
        command = "init" if package == "msgpack" else f"add {package}"  # what every worker needs comes with `init`
        super().__init__(
            f"the package {package} is missing: run `{sys.executable} -m pip install {package}`, "
            f"or `npx hognose {command}` for an environment that has it"
        )


class ProtocolError(HognoseError):
    """The host sent a message, version or frame that this worker does not know."""


def to_wire(error: BaseException) -> list[object]:
    """The fields of the contract's `Error` message for an exception and its chain of causes.

    Frames of the worker itself are left out, but for one where there is no other: a user sees the own code and the
    libraries.
    """
    text = _formatted(error)
    return _fields(error, text, set(), 0)


def _fields(error: BaseException, text: str, seen: set[int], depth: int) -> list[object]:
    seen.add(id(error))
    kind = type(error)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    inner = None
    if cause is not None and id(cause) not in seen and depth < _MAX_CAUSES:
        inner = _fields(cause, "", seen, depth + 1)
    return [
        kind.__qualname__,
        _text(str(kind.__module__)),
        [f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__],
        _message(error),
        [_argument(argument) for argument in error.args],
        _frames(error.__traceback__),
        _notes(error),
        inner,
        text,
    ]


def _message(error: BaseException) -> str:
    try:
        return _text(str(error))
    except Exception as failure:
        return f"<the exception's __str__ raised {type(failure).__name__}>"


def _notes(error: BaseException) -> list[str]:
    """The notes that are text: anybody may set `__notes__` to anything."""
    notes = getattr(error, "__notes__", ())
    return [_text(note) for note in notes if isinstance(note, str)] if isinstance(notes, (list, tuple)) else []


def _text(text: str) -> str:
    """The text without the subclass of `str` that a library may have made of it."""
    return str.__str__(text)


def _argument(argument: object) -> object:
    """Plain arguments as they are; anything else by its repr, so that an error keeps no object alive."""
    if type(argument) in _PLAIN:
        return argument
    try:
        text = repr(argument)
    except Exception as failure:
        text = f"<{type(argument).__name__}: its __repr__ raised {type(failure).__name__}>"
    return text if len(text) <= _MAX_ARGUMENT_TEXT else text[:_MAX_ARGUMENT_TEXT] + "…"


def _user_part(tb: TracebackType | None) -> TracebackType | None:
    """The traceback below the worker's own frames; the innermost of them where a C function has raised."""
    start = tb
    while start is not None and start.tb_next is not None and _is_own(start.tb_frame.f_code.co_filename):
        start = start.tb_next
    return start


def _is_own(file: str) -> bool:
    """Whether a frame is of the worker, or of the event loop on which it runs a coroutine."""
    return file.startswith(_OWN_DIRECTORY) or file.endswith(_EVENT_LOOP)


def _frames(tb: TracebackType | None) -> list[list[object]]:
    summary = traceback.extract_tb(_user_part(tb))
    if len(summary) > _MAX_FRAMES:  # deep recursion: the ends tell the story
        half = _MAX_FRAMES // 2
        summary = traceback.StackSummary.from_list([*summary[:half], *summary[-half:]])
    return [[frame.filename, frame.lineno or 0, frame.name, frame.line or ""] for frame in summary]


def _formatted(error: BaseException) -> str:
    try:
        lines = traceback.format_exception(type(error), error, _user_part(error.__traceback__))
    except Exception as failure:
        return f"{type(error).__name__} (its traceback could not be formatted: {type(failure).__name__})"
    return "".join(lines)
