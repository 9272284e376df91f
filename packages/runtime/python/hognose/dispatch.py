"""Evaluates a call: finds its target, runs it and the steps of its chain."""

from __future__ import annotations

import importlib
import inspect
import sys
import types
from collections.abc import Coroutine
from typing import Any, Final

from hognose import PAYLOAD_VERSIONS, inline
from hognose.call import CALL_TYPE, INLINE, ROOT, SOURCE, STEPS, TARGET, VERSION, Call
from hognose.errors import ProtocolError
from hognose.gen.messages import (
    CALL_TYPE_CLASS,
    CALL_TYPE_FUNCTION,
    CALL_TYPE_GET_ATTR,
    CALL_TYPE_HAND_OVER,
    CALL_TYPE_HELPER,
    CALL_TYPE_INLINE,
    CALL_TYPE_ITEM,
    CALL_TYPE_METHOD,
    CALL_TYPE_SET_ATTR,
    STEP_KIND_ATTRIBUTE,
    STEP_KIND_INVOKE,
    STEP_KIND_SUBSCRIPT,
)

__all__ = [
    "INTERRUPTIBLE",
    "INVOCATIONS",
    "Settled",
    "Suspended",
    "evaluate",
    "is_awaitable",
    "is_coroutine_call",
    "must_await",
    "resolve",
    "run_steps",
]

#: Types of calls that call what they start from.
INVOCATIONS: Final = frozenset((CALL_TYPE_FUNCTION, CALL_TYPE_CLASS, CALL_TYPE_METHOD, CALL_TYPE_HELPER))
#: Types whose instances need no look at whether they can be awaited.
_SETTLED: Final = frozenset((type(None), bool, int, float, str, bytes, list, dict, tuple, set))
_roots: dict[str, tuple[types.ModuleType, tuple[str, ...]]] = {}


class Suspended:
    """The rest of a call, for when what it awaits is there.

    Args:
        awaitable: What is to be awaited.
        steps: The steps of the chain that follow.
    """

    __slots__ = ("awaitable", "steps")

    def __init__(self, awaitable: Any, steps: list[Any]) -> None:
        self.awaitable = awaitable
        self.steps = steps


class Settled:
    """A result that is there, and is to be dealt with on the event loop.

    Args:
        value: The result.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def evaluate(call: Call) -> Any:
    """Runs a call up to its end, or up to where it must await something: a `Suspended` then.

    Runs user code, and has no effect on the worker itself: an exception may end it anywhere.

    Raises:
        DecodeError: When what it starts from could not be read.
        ProtocolError: When the call is of a version or type that this worker does not know.
    """
    _, _, version, call_type, target, args, _, kwargs, root, steps, _, block, _, _, _, _, _, _, _, _ = call
    if version not in PAYLOAD_VERSIONS:
        raise _unknown_version(version)
    if root and type(root) is not tuple:
        raise root
    if call_type in INVOCATIONS:
        if root:
            start = _from_root(root[0], target)
        elif target in _roots:
            start, names = _roots[target]
            for name in names:
                start = getattr(start, name)
        else:
            start = resolve(target)
        value = start(*(args or ()), **kwargs) if kwargs else start(*(args or ()))
    elif call_type == CALL_TYPE_GET_ATTR:
        value = _from_root(root[0], target) if root else resolve(target)
    elif call_type == CALL_TYPE_INLINE:
        value = _block(block)(*(args or ()))
    elif call_type == CALL_TYPE_ITEM:
        value = (_from_root(root[0], target) if root else resolve(target))[args[0]]
    elif call_type == CALL_TYPE_SET_ATTR:
        path, _, attribute = target.rpartition(".")
        setattr(_from_root(root[0], path) if root else resolve(path), attribute, args[0])
        value = None
    elif call_type == CALL_TYPE_HAND_OVER:
        value = args[0]
    else:
        raise ProtocolError(f"the host asks for a call of the unknown type {call_type}")
    return run_steps(value, steps) if steps else value


def run_steps(value: Any, steps: list[Any]) -> Any:
    """Goes on with the steps of a chain; a `Suspended` where one of them must be awaited first."""
    for index, (kind, name, args, kwargs) in enumerate(steps):
        if type(value) is types.CoroutineType or must_await(value):
            return Suspended(value, steps[index:])
        if kind == STEP_KIND_ATTRIBUTE:
            value = getattr(value, name)
        elif kind == STEP_KIND_INVOKE:
            value = value(*(args or ()), **(kwargs or {}))
        elif kind == STEP_KIND_SUBSCRIPT:
            value = value[args[0]]
        else:
            raise ProtocolError(f"a chain has a step of the unknown kind {kind}")
    return value


def is_awaitable(value: Any) -> bool:
    """Whether the result of a call is to be awaited: anything that `await` takes."""
    kind = type(value)
    if kind.__name__ == "ndarray" and kind.__module__ == "numpy":
        return False  # to ask an abstract class takes longer than to send it
    return kind not in _SETTLED and (hasattr(kind, "__await__") or inspect.isawaitable(value))


def must_await(value: Any) -> bool:
    """Whether a value amid a chain is nothing but what it will be: a coroutine or a future.

    Other awaitables, such as the query of a database library, have methods that a chain may well mean.
    """
    kind = type(value)
    if kind in _SETTLED or not hasattr(kind, "__await__"):
        return inspect.isgenerator(value) and inspect.isawaitable(value)
    return isinstance(value, Coroutine) or getattr(kind, "_asyncio_future_blocking", None) is not None


def resolve(target: str) -> Any:
    """The object of a dotted path: the longest importable prefix, then attributes.

    Raises:
        ModuleNotFoundError: When the first part is no module.
        AttributeError: When a later part is neither an attribute nor a submodule.
    """
    known = _roots.get(target)
    if known is None:
        known = _roots[target] = _import_root(target)
    value: Any = known[0]
    for name in known[1]:
        value = getattr(value, name)
    return value


def _from_root(value: Any, path: str) -> Any:
    for name in path.split(".") if path else ():
        value = getattr(value, name)
    return value


def _import_root(target: str) -> tuple[types.ModuleType, tuple[str, ...]]:
    parts = target.split(".")
    module = importlib.import_module(parts[0])
    for index, name in enumerate(parts[1:], 1):
        if hasattr(module, name) and not isinstance(getattr(module, name), types.ModuleType):
            return module, tuple(parts[index:])
        path = f"{module.__name__}.{name}"
        try:
            module = importlib.import_module(path)
        except ModuleNotFoundError as error:
            if error.name is None or not (path == error.name or path.startswith(error.name + ".")):
                raise  # the submodule exists, and what it needs does not
            break  # no submodule: an attribute of a module's name, or missing
    else:
        return module, ()
    getattr(module, parts[index])  # outside of the handler: Python's own words for what is missing, and no others
    return module, tuple(parts[index:])


def _unknown_version(version: int) -> ProtocolError:
    known = ", ".join(map(str, PAYLOAD_VERSIONS))
    return ProtocolError(f"the host encodes values in version {version}, and this worker knows only version {known}")


def _block(fields: list[Any] | None) -> inline.Block:
    if fields is None:
        raise ProtocolError("an inline call has no block")
    block_hash, parts, file, line = fields
    block = inline.find_block(block_hash)
    if block is None:
        if not parts:
            raise ProtocolError(f"the host refers to the inline block {block_hash}, which it has not sent")
        block = inline.compile_block(parts, file, line)
        inline.keep_block(block_hash, block)
    return block


def is_coroutine_call(call: Call) -> bool:
    """Whether a call that has not started only makes a coroutine or an asynchronous generator.

    Runs no user code, imports nothing, and rather says no: it is asked while another call runs.
    """
    if call[STEPS] or call[SOURCE] or call[VERSION] not in PAYLOAD_VERSIONS:
        return False
    if call[CALL_TYPE] == CALL_TYPE_INLINE:
        try:
            return call[INLINE] is not None and _block(call[INLINE]).is_async
        except (SyntaxError, ValueError, ProtocolError):
            return False  # it says so itself when it is run
    if call[CALL_TYPE] not in INVOCATIONS:
        return False
    function = _peek(call)
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _peek(call: Call) -> object:
    """What a call would call, as far as it can be seen without running anything."""
    root, parts = call[ROOT], call[TARGET].split(".") if call[TARGET] else []
    if root:
        if type(root) is not tuple:
            return None
        value = root[0]
    else:
        length = len(parts)
        while length and ".".join(parts[:length]) not in sys.modules:
            length -= 1
        if length == 0:
            return None
        value, parts = sys.modules[".".join(parts[:length])], parts[length:]
    for name in parts:
        value = inspect.getattr_static(value, name, None)
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
    return value


#: Code in which an exception may be raised from outside, as it only stands between the worker and what it runs.
INTERRUPTIBLE: Final = frozenset(
    function.__code__ for function in (evaluate, run_steps, resolve, _from_root, _import_root, inline.Block.__call__)
)
