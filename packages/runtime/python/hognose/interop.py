"""What the host calls by name to do with objects what only statements of Python can do."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Sequence
from typing import Any

__all__ = ["enter", "leave", "to_array", "to_arrow"]


def to_array(value: Any) -> Any:
    """See `hognose.as_array`."""
    from hognose.shared import as_array

    return as_array(value)


def to_arrow(frame: Any) -> Any:
    """See `hognose.frames.to_arrow`."""
    from hognose import frames

    return frames.to_arrow(frame)


def enter(manager: Any) -> Any:
    """Enters a context manager: what `with` or `async with` would bind.

    Where a class supports both, the asynchronous way is taken, as nothing here would have to wait for the other.

    Returns:
        What `__enter__` returns, or an awaitable of what `__aenter__` does.

    Raises:
        TypeError: When the object is no context manager.
    """
    kind = type(manager)
    if _is_asynchronous(kind):
        return kind.__aenter__(manager)
    if hasattr(kind, "__enter__") and hasattr(kind, "__exit__"):
        return kind.__enter__(manager)
    raise TypeError(f"a {kind.__qualname__} is no context manager: it has no __enter__ and __exit__")


def leave(
    manager: Any, error: BaseException | None = None, original: Sequence[Any] | None = None
) -> bool | Awaitable[bool]:
    """Leaves a context that `enter` has entered.

    Args:
        manager: The context manager.
        error: What the host's code has thrown.
        original: Module, qualified name and `args` of the exception of Python that `error` stands for.

    Returns:
        Whether the context suppresses the error.
    """
    raised = error if error is None or original is None else _made_anew(original, error)
    if _is_asynchronous(type(manager)):
        return _leave_asynchronously(manager, raised)
    if raised is None:
        return bool(type(manager).__exit__(manager, None, None, None))
    # Raised in earnest: it has a traceback, and sys.exc_info() is what it is within a with statement.
    try:
        raise raised
    except BaseException as caught:
        return bool(type(manager).__exit__(manager, type(caught), caught, caught.__traceback__))


async def _leave_asynchronously(manager: Any, raised: BaseException | None) -> bool:
    if raised is None:
        return bool(await type(manager).__aexit__(manager, None, None, None))
    try:
        raise raised
    except BaseException as caught:
        return bool(await type(manager).__aexit__(manager, type(caught), caught, caught.__traceback__))


def _is_asynchronous(kind: Any) -> bool:
    return hasattr(kind, "__aenter__") and hasattr(kind, "__aexit__")


def _made_anew(original: Sequence[Any], error: BaseException) -> BaseException:
    """An exception like the one that the host has received; the host's own error where its class is not known here."""
    module, name, args = original
    found: Any = sys.modules.get(module)
    for part in name.removeprefix(f"{module}.").split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or not issubclass(found, BaseException):
        return error
    try:
        made = found.__new__(found, *args)
        made.args = tuple(args)
    except Exception:  # a class with ideas of its own about its arguments
        return error
    made.__cause__ = error.__cause__
    return made
