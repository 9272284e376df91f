"""To which module an object belongs, found without running any code of the object's.

Nothing here asks an object itself: a `__getattr__`, a property or a metaclass of somebody's would run, and could lie.
What is read are the slots of CPython's own types.
"""

from __future__ import annotations

import builtins
import functools
import sys
import types
from collections.abc import Callable
from typing import Any, Final

__all__ = ["FORMATTING", "NAMESPACE", "PLAIN", "is_code", "module_of", "type_name"]

#: Instead of a module's name: data of Python's own, its classes and its methods.
PLAIN: Final = ""

#: Instead of a module's name: the dict in which a module keeps everything that it has, as `__globals__` is.
NAMESPACE: Final = "(namespace)"

#: Instead of a module's name: `str.format` and `str.format_map`, whose texts read attributes of what they format.
FORMATTING: Final = "(formatting)"


def module_of(value: object) -> str | None:
    """The name of the module that an object belongs to, or `PLAIN`, `NAMESPACE`, `FORMATTING`.

    A module belongs to itself, a function or class to where it says that it was defined, a bound method to where its
    object belongs, and any other object to where its class does.

    Returns:
        None where that cannot be told, as for functions of some C extensions.
    """
    kind = type(value)
    if id(kind) in _PLAIN_TYPES:
        return NAMESPACE if kind is dict and _is_namespace(value) else PLAIN  # type: ignore[arg-type]
    if issubclass(kind, types.ModuleType):
        return _text(_MODULE_DICT(value).get("__name__"))
    if issubclass(kind, type):
        return _module_of_class(value)  # type: ignore[arg-type]
    if kind is types.MethodType:
        return module_of(value.__self__)  # type: ignore[attr-defined]
    if kind is types.BuiltinFunctionType:
        return _module_of_builtin(value)
    if id(kind) in _DESCRIPTORS:
        owner = value.__objclass__  # type: ignore[attr-defined]
        is_format = owner is str and value.__name__ in _FORMAT_METHODS  # type: ignore[attr-defined]
        return FORMATTING if is_format else module_of(owner)
    if kind is functools.partial:
        return module_of(value.func)  # type: ignore[attr-defined]
    name = type_name(kind)
    if name in _WRAPPERS:
        return _module_of_wrapper(value, _WRAPPERS[name])
    own = _own_module(kind)
    if own is not None:
        return _text(own.__get__(value))
    return _module_of_instance(kind, name)


def is_code(value: object) -> bool:
    """Whether an object is more than data for whom it is given to: it can be called, or shows the inside of others."""
    kind = type(value)
    if issubclass(kind, (types.ModuleType, type)) or id(kind) in _INSIDES:
        return True
    if kind is dict:
        return _is_namespace(value)  # type: ignore[arg-type]
    return _static(kind, "__call__") is not None


def type_name(kind: type) -> str:
    """`module.QualName` of a class; without the module where it does not say one."""
    module = _said_by_class(kind)
    name: str = _CLASS_NAME(kind)
    return name if module is None else f"{module}.{name}"


def _module_of_class(kind: type) -> str | None:
    if id(kind) in _PLAIN_TYPES or type_name(kind) in _PLAIN_NAMES:
        return PLAIN
    return _said_by_class(kind)


def _module_of_builtin(value: Any) -> str | None:
    owner = value.__self__
    if issubclass(type(owner), str) and value.__name__ in _FORMAT_METHODS:
        return FORMATTING
    return _text(value.__module__) or (None if owner is None else module_of(owner))


def _module_of_wrapper(value: object, attribute: str) -> str | None:
    """Of a function in a wrapper of the standard library: the function's."""
    inner = object.__getattribute__(value, "__dict__").get(attribute)
    return _text(inner) if attribute == "__module__" else module_of(inner)


def _module_of_instance(kind: type, name: str) -> str | None:
    module = _said_by_class(kind)
    if name in _PLAIN_NAMES or module == "itertools":
        return PLAIN
    if module != "builtins":
        return module
    if issubclass(kind, BaseException) or _static(kind, "__next__") is not None:
        return PLAIN
    # A class of C that names no module looks as if it were one of Python's own.
    return "builtins" if id(kind) in _OWN_TYPES else None


def _said_by_class(kind: type) -> str | None:
    try:
        return _text(_CLASS_MODULE(kind))
    except AttributeError:  # some classes of C say nothing
        return None


def _is_namespace(value: dict[Any, Any]) -> bool:
    if value is builtins.__dict__ or dict.__contains__(value, "__builtins__"):
        return True
    name = dict.get(value, "__name__")
    module = sys.modules.get(name) if type(name) is str else None
    return module is not None and issubclass(type(module), types.ModuleType) and _MODULE_DICT(module) is value


def _own_module(kind: type) -> Any:
    """What reads `__module__` of instances, where these have one each: those of C's functions do."""
    found = _static(kind, "__module__")
    return found if type(found) in (types.GetSetDescriptorType, types.MemberDescriptorType) else None


def _static(kind: type, name: str) -> object:
    """What the class or one of its bases holds under a name."""
    for base in _CLASS_MRO(kind):
        members = _CLASS_DICT(base)
        if name in members:
            return members[name]
    return None


def _text(value: object) -> str | None:
    return value if type(value) is str else None


_MODULE_DICT: Final[Callable[[object], dict[str, Any]]] = types.ModuleType.__dict__["__dict__"].__get__  # type: ignore[index]
_CLASS_DICT: Final = type.__dict__["__dict__"].__get__
_CLASS_MODULE: Final = type.__dict__["__module__"].__get__
_CLASS_MRO: Final = type.__dict__["__mro__"].__get__
_CLASS_NAME: Final = type.__dict__["__qualname__"].__get__

#: Types of Python's own whose instances are data. By number, as a metaclass may make its classes unhashable.
_PLAIN_TYPES: Final = frozenset(
    map(
        id,
        (
            *(type(None), bool, int, float, complex, str, bytes, bytearray, memoryview),
            *(list, tuple, dict, set, frozenset, range, slice, type(...), type(NotImplemented)),
            *(type({}.keys()), type({}.values()), type({}.items())),
            *(types.CoroutineType, types.AsyncGeneratorType, types.GeneratorType),
        ),
    )
)

#: The same of the standard library, by their names: not all of them are imported in every worker.
_PLAIN_NAMES: Final = frozenset(
    (
        *("datetime.date", "datetime.datetime", "datetime.time", "datetime.timedelta", "datetime.timezone"),
        *("decimal.Decimal", "fractions.Fraction", "uuid.UUID"),
        *("collections.OrderedDict", "collections.defaultdict", "collections.deque", "collections.Counter"),
        # What the host itself has sent, and what a call may have to wait for.
        *("hognose.callbacks.HostFunction", "hognose.callbacks.HostIterable", "hognose.errors.JavaScriptError"),
        *("_asyncio.Future", "_asyncio.Task"),
    )
)

#: Wrappers around functions, and where they keep what tells whose function it is.
_WRAPPERS: Final = {
    "functools._lru_cache_wrapper": "__module__",
    "contextlib._GeneratorContextManager": "func",
    "contextlib._AsyncGeneratorContextManager": "func",
}

_FORMAT_METHODS: Final = frozenset(("format", "format_map"))

_DESCRIPTORS: Final = frozenset(
    map(
        id,
        (
            *(types.WrapperDescriptorType, types.MethodWrapperType, types.MethodDescriptorType),
            *(types.ClassMethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType),
        ),
    )
)

#: Types that show the inside of code and classes.
_INSIDES: Final = frozenset(
    map(id, (types.FrameType, types.CodeType, types.TracebackType, types.MappingProxyType, types.CellType, property))
)

#: All of Python's own types that can be named.
_OWN_TYPES: Final = frozenset(
    id(value) for home in (builtins, types) for value in vars(home).values() if issubclass(type(value), type)
)
