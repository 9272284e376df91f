"""Signatures of functions, methods and constructors."""

from __future__ import annotations

import inspect
import sys
from collections import ChainMap
from collections.abc import Mapping
from typing import Any

from .annotations import describe_annotation, namespace_of
from .defaults import describe_default
from .ir import ParameterIr, SignatureIr

_KINDS: dict[Any, Any] = {
    inspect.Parameter.POSITIONAL_ONLY: "positional_only",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional_or_keyword",
    inspect.Parameter.VAR_POSITIONAL: "var_positional",
    inspect.Parameter.KEYWORD_ONLY: "keyword_only",
    inspect.Parameter.VAR_KEYWORD: "var_keyword",
}


def describe_signature(
    function: object, *, skip_first: bool = False, namespace: Mapping[str, object] | None = None
) -> SignatureIr | None:
    """The signature of a callable.

    Args:
        function: What is called.
        skip_first: Whether its first parameter is ``self`` and is passed by Python.
        namespace: Further names that annotations may use.

    Returns:
        None where Python itself has no signature for it, as for many functions written in C.
    """
    signature = _signature(function)
    if signature is None:
        return None
    names = ChainMap(dict(namespace or {}), namespace_of(function))
    parameters = list(signature.parameters.values())
    if (
        skip_first
        and parameters
        and parameters[0].kind
        in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        )
    ):
        parameters = parameters[1:]
    return {
        "parameters": [_describe_parameter(function, parameter, names) for parameter in parameters],
        "result": describe_annotation(signature.return_annotation, names),
    }


def describe_constructor(cls: type) -> SignatureIr | None:
    """The signature by which a class is called; its result says nothing and is left unknown."""
    signature = _signature(cls)
    if signature is None:
        return None
    source = _constructor_of(cls)
    names = ChainMap(_module_namespace(cls), namespace_of(source))
    return {
        "parameters": [_describe_parameter(source, each, names) for each in signature.parameters.values()],
        "result": describe_annotation(inspect.Parameter.empty, {}),
    }


def _describe_parameter(function: object, parameter: inspect.Parameter, names: Mapping[str, object]) -> ParameterIr:
    has_default = parameter.default is not inspect.Parameter.empty
    return {
        "name": parameter.name,
        "kind": _KINDS[parameter.kind],
        "hasDefault": has_default,
        "default": describe_default(function, parameter) if has_default else None,
        "slot": describe_annotation(parameter.annotation, names),
    }


def _signature(function: object) -> inspect.Signature | None:
    options: dict[str, Any] = {}
    if sys.version_info >= (3, 14):
        # Annotations are evaluated when they are asked for; a name that only type checkers see stays a reference.
        import annotationlib

        options["annotation_format"] = annotationlib.Format.FORWARDREF
    try:
        return inspect.signature(function, **options)  # type: ignore[arg-type]
    except Exception:
        # ValueError and TypeError by its contract; a library's own `__signature__` may raise anything.
        return None


def _constructor_of(cls: type) -> object:
    """The function that gives a class its signature, for its globals and the source of its defaults."""
    for base in cls.__mro__:
        for name in ("__new__", "__init__"):
            function = base.__dict__.get(name)
            function = getattr(function, "__func__", function)
            if inspect.isfunction(function):
                if name == "__new__" and inspect.isfunction(base.__dict__.get("__init__")):
                    continue
                return function
    return cls


def _module_namespace(cls: type) -> dict[str, object]:
    module = sys.modules.get(getattr(cls, "__module__", ""))
    return vars(module) if module is not None else {}
