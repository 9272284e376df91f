"""Answers one request: imports the modules and describes them."""

from __future__ import annotations

import importlib
import keyword
import os
import sys
import traceback
import types
import warnings
from types import ModuleType
from typing import TypedDict

from . import IR_VERSION
from .annotations import describe_value
from .classes import describe_class
from .ir import ClassIr, ConstantIr, FunctionIr, ImportFailure, Ir, ModuleIr, SkippedIr
from .members import public_names
from .packages import packages_of
from .signatures import describe_signature
from .text import own_doc, scrub


class Request(TypedDict):
    """What is asked for. ``progress`` names a file that always holds the module being worked on."""

    irVersion: int
    modules: list[str]
    output: str
    progress: str


class Answer(TypedDict, total=False):
    """Either the IR or what went wrong."""

    ir: Ir
    error: dict[str, object]


def answer_request(request: Request) -> Answer:
    """Describes the modules of a request, sorted by name.

    Every module that cannot be imported is reported at once, so that one run names all of them.
    """
    if request["irVersion"] != IR_VERSION:
        return {"error": {"kind": "ir-version", "known": IR_VERSION}}
    _leave_users_path()
    warnings.simplefilter("ignore")
    names = sorted(set(request["modules"]))
    modules: list[ModuleIr] = []
    failures: list[ImportFailure] = []
    for name in names:
        with open(request["progress"], "w", encoding="utf-8") as progress:
            progress.write(name)
        module = _import(name, failures)
        if module is not None and not failures:
            modules.append(describe_module(name, module))
    if failures:
        return {"error": {"kind": "import", "failures": failures}}
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"ir": {"irVersion": IR_VERSION, "python": version, "modules": modules, "packages": packages_of(names)}}


def describe_module(name: str, module: ModuleType) -> ModuleIr:
    """Describes the public members of an imported module. A member that raises is left out and recorded."""
    members: list[FunctionIr | ClassIr | ConstantIr] = []
    skipped: list[SkippedIr] = []
    for member in public_names(module):
        try:
            described = _describe_member(module, member, skipped)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # SystemExit too: a lazy import may run anything.
            described = _first_line(error)
        if isinstance(described, str):
            skipped.append({"name": member, "reason": described})
        else:
            members.append(described)
    skipped.sort(key=lambda each: each["name"])
    return {"name": name, "doc": own_doc(module), "members": members, "skipped": skipped}


def _describe_member(
    module: ModuleType, name: str, skipped: list[SkippedIr]
) -> FunctionIr | ClassIr | ConstantIr | str:
    """A member, or the reason why there is nothing to describe."""
    if not name.isidentifier() or keyword.iskeyword(name):
        return "not a name that Python code can use"
    value = getattr(module, name)
    if isinstance(value, ModuleType):
        return "submodule"
    if _is_type_form(value):
        return "type alias"
    if isinstance(value, type):
        return describe_class(name, value, skipped)
    if callable(value):
        return {
            "kind": "function",
            "name": name,
            "signature": describe_signature(value),
            "doc": own_doc(value),
        }
    return {"kind": "constant", "name": name, "slot": describe_value(value)}


def _is_type_form(value: object) -> bool:
    """Whether a value exists for annotations only, callable or not."""
    kind = type(value)
    # Before 3.11 `isinstance(list[int], type)` holds.
    if kind in (types.GenericAlias, types.UnionType):
        return True
    # Classes made by a metaclass of `typing` are classes all the same.
    return kind.__module__ in ("typing", "typing_extensions") and not isinstance(value, type)


def _import(name: str, failures: list[ImportFailure]) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # The whole traceback is for the log that the caller keeps; the last line is for its message.
        traceback.print_exc()
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        failures.append({"module": name, "error": _first_line(error), "missing": missing})
        return None


def _first_line(error: BaseException) -> str:
    text = "".join(traceback.format_exception_only(type(error), error)).strip()
    return scrub(text.splitlines()[-1] if isinstance(error, SyntaxError) else text.splitlines()[0])


def _leave_users_path() -> None:
    """Takes this package's folder and the working directory off the path: a user's module is never found there."""
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    here = os.getcwd()
    sys.path[:] = [path for path in sys.path if path and os.path.abspath(path) not in (own, here)]
