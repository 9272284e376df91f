"""Errors of the worker itself, and how any exception crosses to the host.

HognoseError
├── DecodeError      an argument cannot be read here
├── EncodeError      a result cannot travel and a handle was not wanted
├── MissingPackage   the interpreter lacks a package that the worker itself needs
├── ProtocolError    the host sent what this worker does not understand
└── ZeroCopyUnavailableError
                     something would have to be copied, and the pool's option zeroCopy forbids it

HognoseCancel        (BaseException) the host has cancelled the call
JavaScriptError      (Exception) a function of the host threw
NotAllowedError      (PermissionError) the call reached what the pool's option `allow` does not permit
"""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType
from typing import Any, Final

__all__ = [
    "DecodeError",
    "EncodeError",
    "HognoseCancel",
    "HognoseError",
    "JavaScriptError",
    "MissingPackage",
    "NotAllowedError",
    "ProtocolError",
    "ZeroCopyUnavailableError",
    "to_wire",
]

#: What this worker's own code lies below, with a separator at the end.
OWN_DIRECTORY: Final = os.path.dirname(os.path.abspath(__file__)) + os.sep
_EVENT_LOOP: Final = os.path.join("asyncio", "base_events.py")
_MAX_FRAMES: Final = 100
_MAX_CAUSES: Final = 32
_MAX_EXCEPTIONS: Final = 256
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


class ZeroCopyUnavailableError(HognoseError):
    """Something would have to be copied on its way to the host, and the pool says `zeroCopy: 'require'`."""


class HognoseCancel(BaseException):
    """The host has cancelled the call that runs: its caller gave it up, or its time is over.

    Raised in the call's own code, again and again until the call ends. No Exception: `except Exception` lets it pass.
    """


class NotAllowedError(PermissionError):
    """The call reached an object of a module that the pool's option `allow` does not permit, or was inline code."""


class JavaScriptError(Exception):
    """A function of the host threw. Where it leaves the call, the host gets its own error object back.

    Args:
        name: The error's name in JavaScript, such as `TypeError`.
        message: Its message.
        stack: Its stack, as JavaScript prints it.
        host_id: The host's number for it; 0: the host keeps no object.
    """

    def __init__(self, name: str, message: str, stack: str = "", host_id: int = 0) -> None:
        super().__init__(name, message, stack, host_id)
        self.name = name
        self.message = message
        self.stack = stack
        self.host_id = host_id

    def __str__(self) -> str:
        return f"{self.name}: {self.message}" if self.message else self.name


def to_wire(error: BaseException) -> list[Any]:
    """The fields of the contract's `Error` message for an exception, its causes and the exceptions of a group.

    Frames of the worker itself are left out, but for one where there is no other: a user sees the own code and the
    libraries.
    """
    return _fields(error, _formatted(error), set(), 0)


def minimal_wire(error: BaseException) -> list[Any]:
    """The fields for an exception whose own cannot be encoded: what any exception has."""
    kind = type(error)
    return [kind.__qualname__, str(kind.__module__), _names(kind), _message(error), [], [], [], None, "", [], 0]


def _fields(error: BaseException, text: str, seen: set[int], depth: int) -> list[Any]:
    seen.add(id(error))
    kind = type(error)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    inner = None
    if cause is not None and _may_follow(cause, seen, depth):
        inner = _fields(cause, "", seen, depth + 1)
    return [
        kind.__qualname__,
        _text(str(kind.__module__)),
        _names(kind),
        _message(error),
        [_argument(argument) for argument in error.args],
        _frames(error.__traceback__),
        _notes(error),
        inner,
        text,
        [_fields(one, "", seen, depth + 1) for one in _exceptions(error) if _may_follow(one, seen, depth)],
        error.host_id if isinstance(error, JavaScriptError) else 0,
    ]


def _may_follow(error: BaseException, seen: set[int], depth: int) -> bool:
    """Whether an error within another is told: circles and endless trees are cut."""
    return id(error) not in seen and depth < _MAX_CAUSES and len(seen) < _MAX_EXCEPTIONS


def _names(kind: type) -> list[str]:
    return [f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__]


def _exceptions(error: BaseException) -> list[BaseException]:
    """The exceptions of a group, be it Python's own class or one that does the same on an older Python."""
    exceptions = getattr(error, "exceptions", None)
    if not isinstance(exceptions, (list, tuple)):
        return []
    return [one for one in exceptions if isinstance(one, BaseException)]


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
    return file.startswith(OWN_DIRECTORY) or file.endswith(_EVENT_LOOP)


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
