"""What the documentation shows for a parameter's default."""

from __future__ import annotations

import ast
import enum
import inspect
import textwrap
from functools import cache

from .text import has_absolute_path

MAX_LENGTH = 80
UNSHOWABLE = "…"


def describe_default(function: object, parameter: inspect.Parameter) -> str:
    """A default as a reader of Python would write it.

    A literal by its ``repr``; anything else by its source text, since a ``repr`` may hold an address; ``…`` where
    there is neither.
    """
    value = parameter.default
    if _is_literal(value):
        text = _literal_text(value)
        if len(text) <= MAX_LENGTH and not has_absolute_path(text):
            return text
    source = _default_sources(function).get(parameter.name)
    if source is not None and len(source) <= MAX_LENGTH and "\n" not in source:
        return source
    if isinstance(value, type) or inspect.isroutine(value):
        name = getattr(value, "__qualname__", None)
        if isinstance(name, str) and "<" not in name:
            return name
    return UNSHOWABLE


def _is_literal(value: object, depth: int = 0) -> bool:
    kind = type(value)
    if value is None or kind in (bool, int, float, complex, str, bytes) or isinstance(value, enum.Enum):
        return True
    if depth > 3:
        return False
    if kind in (tuple, list):
        return all(_is_literal(item, depth + 1) for item in value)  # type: ignore[attr-defined]
    if kind is dict:
        return all(_is_literal(item, depth + 1) for pair in value.items() for item in pair)  # type: ignore[attr-defined]
    return False


def _literal_text(value: object) -> str:
    """``repr``, except for enum members, whose ``repr`` is their class's own business."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if type(value) is tuple:
        items = [_literal_text(item) for item in value]
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    if type(value) is list:
        return f"[{', '.join(_literal_text(item) for item in value)}]"
    if type(value) is dict:
        pairs = (f"{_literal_text(key)}: {_literal_text(item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    return repr(value)


@cache
def _sources_of_code(function: object) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))  # type: ignore[arg-type]
    except (OSError, TypeError, SyntaxError, ValueError, RecursionError):
        return {}
    node = tree.body[0] if tree.body else None
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return {}
    positional = [*node.args.posonlyargs, *node.args.args]
    sources: dict[str, str] = {}
    for argument, default in zip(reversed(positional), reversed(node.args.defaults), strict=False):
        sources[argument.arg] = ast.unparse(default)
    for argument, keyword_default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if keyword_default is not None:
            sources[argument.arg] = ast.unparse(keyword_default)
    return sources


def _default_sources(function: object) -> dict[str, str]:
    """The source text of each default of a function written in Python."""
    try:
        unwrapped = inspect.unwrap(function)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return {}
    code_owner = getattr(unwrapped, "__func__", unwrapped)
    return _sources_of_code(code_owner) if inspect.isfunction(code_owner) else {}
