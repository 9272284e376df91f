"""Keeps calls to the modules that the pool's option `allow` names: a guard rail against mistakes, and no sandbox.

Every object that a chain reaches must belong to one of them: its root, what is called, each attribute, item and result
that the chain goes on from, and what is iterated. Data of Python's own passes wherever it comes from. Among the
arguments only what can be called matters, or shows the inside of other code. docs/security.md says what this cannot
stop.

The results of calls are not looked at when they are sent: whoever uses them as an object again is checked then.
"""

from __future__ import annotations

import builtins
import importlib
import operator
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any, Final

from hognose import PAYLOAD_VERSIONS, cancel, context, dispatch, interop
from hognose.call import ARGS, CALL_TYPE, INLINE, KWARGS, ROOT, STEPS, TARGET, VERSION, Call
from hognose.dispatch import Suspended
from hognose.errors import NotAllowedError, ProtocolError
from hognose.gen.messages import (
    CALL_TYPE_GET_ATTR,
    CALL_TYPE_INLINE,
    CALL_TYPE_ITEM,
    CALL_TYPE_SET_ATTR,
    STEP_KIND_ATTRIBUTE,
    STEP_KIND_INVOKE,
    STEP_KIND_SUBSCRIPT,
)
from hognose.homes import FORMATTING, NAMESPACE, PLAIN, is_code, module_of, type_name

__all__ = ["Guard", "make_guard"]


def make_guard(allow: dict[str, Any] | None) -> Guard | None:
    """The guard of a worker, from the `modules` and `inline` that its host permits; None where that is everything."""
    if allow is None or ("*" in allow["modules"] and allow.get("inline")):
        return None
    return Guard(allow["modules"], inline=bool(allow.get("inline")))


class Guard:
    """Evaluates calls as `hognose.dispatch` does, and lets none of them reach what is not permitted.

    Args:
        modules: Names of modules; each permits its submodules too, and `*` everything.
        inline: Whether inline code may run.
    """

    def __init__(self, modules: list[str], *, inline: bool) -> None:
        self._listed = tuple(modules)
        self._permitted = frozenset(name for module in modules for name in (module, *_parts_of(module)))
        self._permits_all = "*" in modules
        self._permits_inline = inline
        #: What the first part of a target's path has led to, with the names that follow.
        self._starts: dict[str, tuple[Any, tuple[str, ...]]] = {}

    # Calls.

    def evaluate(self, call: Call) -> Any:
        """As `dispatch.evaluate`.

        Raises:
            NotAllowedError: When the call reaches what is not permitted; before that is used.
        """
        call_type, root = call[CALL_TYPE], call[ROOT]
        if call_type == CALL_TYPE_INLINE and call[INLINE] is not None and not self._permits_inline:
            raise NotAllowedError(
                "inline code may not run in this pool: its option `allow` permits it with `inline: true`"
            )
        if self._permits_all:
            return dispatch.evaluate(call)
        is_right = call[VERSION] in PAYLOAD_VERSIONS and (not root or type(root) is tuple)
        if is_right and call_type in _OPERATION_TYPES:
            value = self._operate(call)
        else:
            # It raises, runs what is inline, or reaches nothing but its arguments, which were looked at as such.
            alone = [*call]
            alone[STEPS] = []
            value = dispatch.evaluate(alone)
        return self._run_steps(value, call[STEPS], call) if call[STEPS] else value

    def run_steps(self, value: Any, steps: list[Any]) -> Any:
        """As `dispatch.run_steps`, for what a call goes on with after it has awaited something."""
        return self._run_steps(value, steps, context.innermost_call())

    def resolve(self, target: str) -> Any:
        """As `dispatch.resolve`, for a path among the arguments of a call."""
        if self._permits_all:
            return dispatch.resolve(target)
        return self._resolve(target, target)

    def _operate(self, call: Call) -> Any:
        """The first operation of a call, on what its target names."""
        call_type, root, path = call[CALL_TYPE], call[ROOT], call[TARGET]
        attribute = ""
        if call_type == CALL_TYPE_SET_ATTR:
            path, _, attribute = path.rpartition(".")
        if root:
            self.check(root[0], "the object", call)
            value = self._walk(root[0], tuple(path.split(".")) if path else (), call)
        else:
            value = self._resolve(path, call)
        if call_type == CALL_TYPE_GET_ATTR:
            return value
        if call_type == CALL_TYPE_SET_ATTR:
            if attribute.startswith("__"):
                raise NotAllowedError(
                    f"{_label(call)}: {attribute} is Python's own, and calls in this pool may not assign to it, as its "
                    "option `allow` is set"
                )
            setattr(value, attribute, call[ARGS][0])
            return None
        kind = STEP_KIND_SUBSCRIPT if call_type == CALL_TYPE_ITEM else STEP_KIND_INVOKE
        return self._step(value, (kind, "", call[ARGS], call[KWARGS]), call)

    def _run_steps(self, value: Any, steps: list[Any], call: Call | str | None) -> Any:
        for index, step in enumerate(steps):
            self.check(value, "what the chain goes on from", call, is_within=True)
            if dispatch.must_await(value):
                return Suspended(value, steps[index:])
            value = self._step(value, step, call)
        return value

    def _step(self, value: Any, step: Sequence[Any], call: Call | str | None) -> Any:
        """One step on an object that has been checked."""
        kind, name, args, kwargs = step
        if kind == STEP_KIND_INVOKE:
            if module_of(value) == PLAIN or id(value) in _OPERATIONS:
                # It is the arguments on which the operation works, as in len(x), dict(x) or [].extend(x).
                for operand in (*(args or ())[: _OPERANDS.get(id(value))], *(kwargs or {}).values()):
                    self.check(operand, "the operand", call)
            return value(*(args or ()), **(kwargs or {}))
        if kind == STEP_KIND_ATTRIBUTE:
            value = getattr(value, name)
            self.check(value, f".{name}", call, is_within=True)
        elif kind == STEP_KIND_SUBSCRIPT:
            value = value[args[0]]
            self.check(value, "the item", call, is_within=True)
        else:
            raise ProtocolError(f"a chain has a step of the unknown kind {kind}")
        return value

    # Paths.

    def _resolve(self, target: str, call: Call | str | None) -> Any:
        start = self._starts.get(target)
        if start is None:
            start = self._start(target, call)
            if len(self._starts) >= _MOST_STARTS:
                self._starts.clear()
            self._starts[target] = start
        return self._walk(*start, call)

    def _walk(self, value: Any, names: tuple[str, ...], call: Call | str | None) -> Any:
        for name in names:
            value = getattr(value, name)
            self.check(value, f".{name}", call, is_within=True)
        return value

    def _start(self, target: str, call: Call | str | None) -> tuple[Any, tuple[str, ...]]:
        """The innermost module of a path, with what follows; imports nothing that is not permitted."""
        parts = target.split(".")
        lengths = range(1, len(parts) + 1)
        prefixes = [".".join(parts[:length]) for length in lengths]
        length = next((length for length in lengths if self._permits(prefixes[length - 1])), 0)
        if length == 0:
            for length, prefix in zip(lengths, prefixes, strict=True):
                if prefix in _NAMED_OPERATIONS:
                    return _NAMED_OPERATIONS[prefix], tuple(parts[length:])
            raise self._refusal(f"it is in the module {parts[0]}", target)
        module: Any = importlib.import_module(prefixes[length - 1])
        self.check(module, prefixes[length - 1], call)
        for index, name in enumerate(parts[length:], length):
            if hasattr(module, name) and not issubclass(type(getattr(module, name)), types.ModuleType):
                return module, tuple(parts[index:])
            path = f"{module.__name__}.{name}"  # permitted, as the module is
            try:
                found = importlib.import_module(path)
            except ModuleNotFoundError as error:
                if error.name is None or not (path == error.name or path.startswith(error.name + ".")):
                    raise
                return module, tuple(parts[index:])
            self.check(found, f".{name}", call)
            module = found
        return module, ()

    # Objects.

    def check(self, value: object, how: str, call: Call | str | None, *, is_within: bool = False) -> None:
        """Lets an object pass that calls may use.

        Args:
            value: The object.
            how: What it is to the call, for the message.
            call: The call that reaches it, or what it is named in the message; None: unknown.
            is_within: Whether it was reached from one that has passed, as its attribute, item or result: then one of
                which nobody can tell where it belongs may pass too.

        Raises:
            NotAllowedError: When it belongs to a module that is not permitted.
        """
        if self._permits_all:
            return
        module = module_of(value)
        if module == PLAIN or id(value) in _OPERATIONS:
            return
        if module is None:
            if is_within and not issubclass(type(value), (types.ModuleType, type)):
                return
        elif self._permits(module):
            return
        raise self._refusal(f"{how} is {_description(value, module)}", _label(call))

    def check_argument(self, value: object) -> None:
        """Lets an object pass that may stand among arguments: data of any class, and code that calls may use.

        Raises:
            NotAllowedError: When it is code of a module that is not permitted.
        """
        if is_code(value):
            self.check(value, "an argument", None)

    def guarded(self, find: Callable[[int], object]) -> Callable[[int], object]:
        """What finds an object that is to stand among arguments, and lets it pass only where it may."""

        def find_argument(number: int) -> object:
            value = find(number)
            self.check_argument(value)
            return value

        return find_argument

    def check_stream(self, call: Call, value: object) -> None:
        """Lets an object pass that is iterated for a call."""
        self.check(value, "what is iterated", call)

    def _permits(self, module: str) -> bool:
        while module:
            if module in self._permitted:
                return True
            module = module.rpartition(".")[0]
        return False

    def _refusal(self, what: str, label: str) -> NotAllowedError:
        listed = ", ".join(self._listed) or "none"
        return NotAllowedError(
            f"{label}: {what}, and calls in this pool may reach only these modules: {listed}. The pool's option "
            "`allow` lists them"
        )


def _parts_of(module: str) -> tuple[str, ...]:
    """Under which names parts of a module of the standard library say that they were defined."""
    accelerator = f"_{module}"
    return (*_PARTS.get(module, ()), *((accelerator,) if accelerator in sys.stdlib_module_names else ()))


def _label(call: Call | str | None) -> str:
    """What a call is named in a message."""
    if call is None or type(call) is str:
        return call or "a call"
    root = call[ROOT]
    of = f"an object of the type {_name_of(type(root[0]))}" if type(root) is tuple else ""
    target: str = call[TARGET]
    return f"{target} of {of}" if target and of else target or of or "a call"


def _description(value: object, module: str | None) -> str:
    """What an object is, in words; runs nothing of it."""
    kind = type(value)
    if module == NAMESPACE:
        return "the namespace of a module"
    if module == FORMATTING:
        return "a method that reads any attribute of what it formats"
    if module is None:
        return f"of the type {_name_of(kind)}, and where that belongs cannot be told"
    if issubclass(kind, types.ModuleType):
        return f"the module {module}"
    if issubclass(kind, type):
        return f"the class {type_name(value)}"  # type: ignore[arg-type]
    return f"of the type {_name_of(kind)} and the module {module}"


def _name_of(kind: type) -> str:
    return type_name(kind).removeprefix("builtins.")


#: So many targets are known at once.
_MOST_STARTS: Final = 4096

_OPERATION_TYPES: Final = dispatch.INVOCATIONS | {CALL_TYPE_GET_ATTR, CALL_TYPE_ITEM, CALL_TYPE_SET_ATTR}

_PATHS: Final = ("posixpath", "ntpath", "genericpath")

#: Modules of the standard library whose contents say that they are of others.
_PARTS: Final[dict[str, tuple[str, ...]]] = {
    "os": ("posix", "nt", *_PATHS),
    "os.path": _PATHS,
    "collections": ("_collections_abc",),
    "threading": ("_thread",),
}

_OPERATORS: Final = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "neg", "pos", "abs", "invert"),
    *("and_", "or_", "xor", "lshift", "rshift", "eq", "ne", "lt", "le", "gt", "ge"),
    *("contains", "setitem", "delitem"),
)

#: What the host itself asks for on behalf of handles, and may always be called: on objects that have passed.
_NAMED_OPERATIONS: Final[dict[str, Any]] = {
    **{f"operator.{name}": getattr(operator, name) for name in _OPERATORS},
    **{f"builtins.{name}": getattr(builtins, name) for name in ("len", "repr", "iter")},
    **{f"hognose.interop.{name}": getattr(interop, name) for name in ("enter", "leave", "to_array", "to_arrow")},
    # Classes whose instances are data.
    **{f"builtins.{name}": value for name, value in vars(builtins).items() if module_of(value) == PLAIN},
}
_OPERATIONS: Final = frozenset(map(id, _NAMED_OPERATIONS.values()))

#: How many of its arguments an operation works on, where it only keeps the others.
_OPERANDS: Final = {id(operator.setitem): 1}

cancel.INTERRUPTIBLE.update(
    function.__code__
    for function in (
        *(Guard.evaluate, Guard.run_steps, Guard.resolve, Guard._operate, Guard._run_steps, Guard._step),
        *(Guard._resolve, Guard._walk, Guard._start),
    )
)
