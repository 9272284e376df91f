"""Evaluates a call: finds its target, runs it and the steps of its chain."""

from __future__ import annotations

import importlib
import inspect
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hognose import PAYLOAD_VERSION, inline
from hognose.codec import Undecodable
from hognose.errors import DecodeError, ProtocolError
from hognose.gen.messages import (
    CALL_TYPE_CLASS,
    CALL_TYPE_FUNCTION,
    CALL_TYPE_GET_ATTR,
    CALL_TYPE_INLINE,
    CALL_TYPE_ITEM,
    CALL_TYPE_METHOD,
    CALL_TYPE_SET_ATTR,
    STEP_KIND_ATTRIBUTE,
    STEP_KIND_INVOKE,
    STEP_KIND_SUBSCRIPT,
)
from hognose.handles import HandleTable

if TYPE_CHECKING:
    import asyncio

__all__ = ["Dispatcher", "resolve"]

_roots: dict[str, tuple[types.ModuleType, tuple[str, ...]]] = {}


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


class Dispatcher:
    """Runs calls on the thread that uses it, and coroutines on an event loop of the worker's own."""

    def __init__(self, handles: HandleTable) -> None:
        self._handles = handles
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, call: list[Any], may_be_broken: bool) -> object:
        """Evaluates one `Call` and returns its result.

        Args:
            call: The message as the lane delivers it.
            may_be_broken: Whether the frame that it came in holds a value that could not be read.

        Raises:
            DecodeError: When an argument could not be read.
            ProtocolError: When the call is of a version or type that this worker does not know.
        """
        _, _, version, call_type, target, handle, block, args, kwargs, steps, _ = call
        if version != PAYLOAD_VERSION:
            raise ProtocolError(f"the host encodes values in version {version}, this worker in {PAYLOAD_VERSION}")
        if may_be_broken:
            _refuse_undecodable(call)
        if call_type == CALL_TYPE_INLINE:
            value = _block(block)(*(args or ()))
        else:
            value = self._first(call_type, self._start(target, handle, call_type), args or (), kwargs or {})
        if steps:
            for kind, name, step_args, step_kwargs in steps:
                value = self._settled(value)
                if kind == STEP_KIND_ATTRIBUTE:
                    value = getattr(value, name)
                elif kind == STEP_KIND_INVOKE:
                    value = value(*(step_args or ()), **(step_kwargs or {}))
                elif kind == STEP_KIND_SUBSCRIPT:
                    value = value[step_args[0]]
                else:
                    raise ProtocolError(f"a chain has a step of the unknown kind {kind}")
        return self._settled(value)

    def _start(self, target: str, handle: int, call_type: int) -> Any:
        """What a call begins with: the object that `target` names, or its owner where it is to be assigned."""
        if call_type == CALL_TYPE_SET_ATTR:
            owner, _, name = target.rpartition(".")
            return (self._start(owner, handle, CALL_TYPE_GET_ATTR), name)
        if handle == 0:
            return resolve(target)
        value: Any = self._handles.get(handle)
        for name in target.split(".") if target else ():
            value = getattr(value, name)
        return value

    def _first(self, call_type: int, start: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if call_type in (CALL_TYPE_FUNCTION, CALL_TYPE_CLASS, CALL_TYPE_METHOD):
            return start(*args, **kwargs)
        if call_type == CALL_TYPE_GET_ATTR:
            return start
        if call_type == CALL_TYPE_ITEM:
            return start[args[0]]
        if call_type == CALL_TYPE_SET_ATTR:
            owner, name = start
            setattr(owner, name, args[0])
            return None
        raise ProtocolError(f"the host asks for a call of the unknown type {call_type}")

    def _settled(self, value: Any) -> Any:
        """The value itself, or what its coroutine returns."""
        if type(value) is not types.CoroutineType and not inspect.iscoroutine(value):
            return value
        if self._loop is None:
            import asyncio  # as long as the rest of a worker's start: only for those who need it

            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(value)


def _block(fields: list[Any] | None) -> Callable[..., Any]:
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


def _refuse_undecodable(value: Any) -> None:
    """Raises for the first value in a message that could not be read."""
    if type(value) is Undecodable:
        raise DecodeError(value.reason)
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_undecodable(key)
            _refuse_undecodable(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _refuse_undecodable(item)
