"""Which names of a module are public."""

from __future__ import annotations

import ast
import inspect
from types import ModuleType


def public_names(module: ModuleType) -> list[str]:
    """The public names of a module, sorted by code point.

    ``__all__`` where there is one, lazy exports included. Else the names without an underscore that belong to the
    module: what it defines, and for a package also what it re-exports from its own submodules. What was imported
    from elsewhere is left out unless it is spelt ``import x as x``.
    """
    declared = _declared_names(module)
    if declared is not None:
        return sorted(declared)
    names = [name for name in dir(module) if isinstance(name, str) and not name.startswith("_")]
    imported = _imported_names(module)
    return sorted({name for name in names if _belongs(module, name, imported)})


def _declared_names(module: ModuleType) -> set[str] | None:
    try:
        declared = module.__all__
        return {name for name in declared if isinstance(name, str)}
    except Exception:
        return None


def _belongs(module: ModuleType, name: str, imported: dict[str, str]) -> bool:
    own_root = module.__name__.partition(".")[0]
    origin = imported.get(name)
    if origin is not None:
        return hasattr(module, "__path__") and origin.partition(".")[0] == own_root
    try:
        value = inspect.getattr_static(module, name)
    except AttributeError:
        return True
    if isinstance(value, ModuleType):
        return False
    if not isinstance(value, type) and not inspect.isroutine(value):
        return True
    if name in _assigned_names(module):
        return True
    defined_in = getattr(value, "__module__", None)
    if not isinstance(defined_in, str) or module.__name__ == "builtins":
        return True
    return defined_in.partition(".")[0] == own_root and (defined_in == module.__name__ or hasattr(module, "__path__"))


def _imported_names(module: ModuleType) -> dict[str, str]:
    """Names that the module's source binds by import, with the module that they come from."""
    imported: dict[str, str] = {}
    for node in _statements(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname is None or alias.asname != alias.name:
                    imported[alias.asname or alias.name.partition(".")[0]] = alias.name
        elif isinstance(node, ast.ImportFrom):
            origin = module.__name__ if node.level else (node.module or "")
            for alias in node.names:
                if alias.name not in ("*", alias.asname):
                    imported[alias.asname or alias.name] = origin
    return imported


def _assigned_names(module: ModuleType) -> set[str]:
    """Names that the module's source binds by definition or assignment, or re-exports as ``import x as x``."""
    names: set[str] = set()
    for node in _statements(module):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(alias.name for alias in node.names if alias.asname == alias.name)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(each.id for target in node.targets for each in ast.walk(target) if isinstance(each, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


_parsed: dict[str, list[ast.stmt]] = {}


def _statements(module: ModuleType) -> list[ast.stmt]:
    """Top-level statements, those inside ``if``, ``try`` and ``with`` included; none for a module without source."""
    if module.__name__ not in _parsed:
        try:
            body = ast.parse(inspect.getsource(module)).body
        except (OSError, TypeError, SyntaxError, ValueError):
            body = []
        _parsed[module.__name__] = _flatten(body)
    return _parsed[module.__name__]


def _flatten(body: list[ast.stmt]) -> list[ast.stmt]:
    flat: list[ast.stmt] = []
    for node in body:
        flat.append(node)
        for field in ("body", "orelse", "finalbody"):
            if isinstance(node, (ast.If, ast.Try, ast.With)):
                flat.extend(_flatten(getattr(node, field, [])))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                flat.extend(_flatten(handler.body))
    return flat
