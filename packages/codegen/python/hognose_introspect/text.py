"""Text that is the same on every machine: no address, no path of this one."""

from __future__ import annotations

import inspect
import os
import re
import sys
import tempfile
from functools import cache

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_ABSOLUTE = re.compile(r"(?:^|[\s'\"=:(,])(?:/[^\s/]|[A-Za-z]:[\\/])")
_END_OF_PATH = r"[^\s'\"`<>|,;)\]}]*"


def scrub(text: str) -> str:
    """Removes addresses, and replaces paths into this machine's own directories by ``…``."""
    text = _ADDRESS.sub("", text)
    pattern = _own_directories()
    return pattern.sub("…", text) if pattern else text


def has_absolute_path(text: str) -> bool:
    """Whether a text looks as if it held an absolute path."""
    return _ABSOLUTE.search(text) is not None


def own_doc(value: object) -> str | None:
    """The docstring that an object itself carries, cleaned; never its type's."""
    doc = getattr(value, "__doc__", None)
    if not isinstance(doc, str) or (not isinstance(value, type) and doc == getattr(type(value), "__doc__", None)):
        return None
    if isinstance(value, type) and not isinstance(value.__dict__.get("__doc__"), str):
        return None
    return scrub(inspect.cleandoc(doc)).strip() or None


def method_doc(value: object) -> str | None:
    """The docstring of a method, inherited from the method that it overrides where it has none."""
    try:
        doc = inspect.getdoc(value)
    except Exception:
        return None
    return (scrub(doc).strip() or None) if isinstance(doc, str) else None


@cache
def _own_directories() -> re.Pattern[str] | None:
    """Matches a path below the directories that differ between machines.

    A directory of one step (``/usr``, ``/root``) is left alone: a docstring that names it means it.
    """
    paths = [sys.prefix, sys.base_prefix, sys.exec_prefix, os.getcwd(), tempfile.gettempdir(), os.path.expanduser("~")]
    paths += [path for path in sys.path if os.path.isabs(path)]
    spellings = {spelling for path in paths for spelling in (path, os.path.realpath(path))}
    deep = sorted(
        (path.rstrip("/\\") for path in spellings if path.rstrip("/\\").count(os.sep) >= 2), key=len, reverse=True
    )
    if not deep:
        return None
    return re.compile(f"(?:{'|'.join(re.escape(path) for path in deep)})(?![\\w.-]){_END_OF_PATH}")
