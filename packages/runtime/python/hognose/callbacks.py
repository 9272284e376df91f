"""Functions and iterables of JavaScript, as Python sees them.

A call of such a function waits for the answer, on any thread; calls that the function makes in turn run meanwhile on
that very thread. On the worker's event loop nothing may wait: there a call gives an awaitable.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NoReturn

from hognose import context
from hognose.call import ID, SCALARS, SESSION, Call
from hognose.codec import Undecodable
from hognose.errors import DecodeError, HognoseError, JavaScriptError
from hognose.gen.messages import (
    HOST_MESSAGE_CALLBACK_RAISED,
    RESULT_MODE_AUTO,
    WORKER_MESSAGE_CALLBACK,
)
from hognose.waiter import Waiter

if TYPE_CHECKING:
    import asyncio

    from hognose.core import Core
    from hognose.runner import Runner

__all__ = ["HostFunction", "HostFunctions", "HostIterable"]

#: How many items of a JavaScript iterable are asked for at once, at most.
_MOST_ITEMS: Final = 256

#: So many texts of such a length need no look at how large the message becomes.
_FEW: Final = 16
_SHORT_TEXT: Final = 1000


class _HostObject:
    """What lives in the host; when it is gone here, the host is told how often it was received."""

    __slots__ = ("__weakref__", "_functions", "_id")

    def __init__(self, functions: HostFunctions, function_id: int) -> None:
        self._functions = functions
        self._id = function_id

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} lives in the Node.js process of this worker, and cannot be copied to another process"
        )


class HostFunction(_HostObject):
    """A function of JavaScript.

    Called on the worker's event loop it returns an awaitable; anywhere else it waits for the answer. Keyword arguments
    arrive as one object behind the others.

    Raises:
        JavaScriptError: When the function throws.
    """

    __slots__ = ("__name__",)

    def __init__(self, functions: HostFunctions, function_id: int, name: str) -> None:
        super().__init__(functions, function_id)
        self.__name__ = name or "anonymous"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function; see the class."""
        return self._functions.call(self._id, args, kwargs)

    def __repr__(self) -> str:
        return f"<JavaScript function {self.__name__}>"


class HostIterable(_HostObject):
    """An iterable of JavaScript, to be iterated with `for`, or with `async for` on the worker's event loop.

    Items are fetched ahead, 1, 2, 4 and up to 256 at a time. Leaving the loop early closes JavaScript's iterator.
    """

    __slots__ = ("_is_async",)

    def __init__(self, functions: HostFunctions, function_id: int, is_async: bool) -> None:
        super().__init__(functions, function_id)
        self._is_async = is_async

    def __iter__(self) -> Iterator[Any]:
        wanted, is_done = 1, False
        try:
            while not is_done:
                items, is_done = self._functions.call(self._id, (wanted,), {})
                yield from items
                wanted = min(2 * wanted, _MOST_ITEMS)
        finally:
            if not is_done:
                self._functions.tell(self._id, (0,))

    async def __aiter__(self) -> AsyncIterator[Any]:
        wanted, is_done = 1, False
        try:
            while not is_done:
                answer = self._functions.call(self._id, (wanted,), {})
                # A loop of the user's own, on another thread, waits for it as any other code does.
                items, is_done = await answer if self._functions.is_on_loop() else answer
                for item in items:
                    yield item
                wanted = min(2 * wanted, _MOST_ITEMS)
        finally:
            if not is_done:
                self._functions.tell(self._id, (0,))

    def __repr__(self) -> str:
        return f"<JavaScript {'async ' if self._is_async else ''}iterable>"


class _Reference(weakref.ref[_HostObject]):
    """Where an object of the host is known by its id, and how often it was received."""

    __slots__ = ("function_id", "received")

    function_id: int
    received: int


class HostFunctions:
    """The functions that this worker holds, and the calls of them that are under way.

    Args:
        core: The worker.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._known: dict[int, _Reference] = {}
        #: Ids and counts of the functions that are gone; the outbox tells the host.
        self.forgotten: deque[list[int]] = deque()
        self._callback_ids = count(1)
        #: Who waits for the answer of a callback.
        self._waiting: dict[int, Waiter | asyncio.Future[Any]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def make_function(self, function_id: int, name: str) -> object:
        """The function of an id: one object for as long as it lives."""
        return self._again(function_id) or self._keep(HostFunction(self, function_id, name))

    def make_iterable(self, function_id: int, is_async: bool) -> object:
        """The iterable of an id."""
        return self._again(function_id) or self._keep(HostIterable(self, function_id, is_async))

    def function_id(self, value: object) -> int | None:
        """The id of a function or an iterable of the host; None for anything else."""
        return value._id if isinstance(value, _HostObject) else None

    def _again(self, function_id: int) -> _HostObject | None:
        reference = self._known.get(function_id)
        known = reference() if reference is not None else None
        if reference is not None and known is not None:
            reference.received += 1
        return known

    def _keep(self, made: _HostObject) -> _HostObject:
        reference = _Reference(made, self._forget)
        reference.function_id = made._id
        reference.received = 1
        self._known[made._id] = reference
        return made

    def _forget(self, reference: weakref.ref[_HostObject]) -> None:
        # Runs wherever the last reference goes: it only notes what is to be sent.
        assert isinstance(reference, _Reference)
        if self._known.get(reference.function_id) is reference:
            del self._known[reference.function_id]
        self.forgotten.append([reference.function_id, reference.received])

    def is_on_loop(self) -> bool:
        """Whether this is the thread of the event loop, where nothing may wait."""
        return threading.get_ident() == self._core.loop.ident

    def call(self, function_id: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Calls a function of the host, and waits for what it returns; on the event loop returns an awaitable.

        Raises:
            JavaScriptError: When it throws.
            EncodeError: When an argument cannot travel.
            DecodeError: When what it returns cannot be read here.
            HognoseError: When the host is gone, or is another process's.
            HognoseCancel: When the call is cancelled on whose behalf this is.
        """
        if self._core.is_forked:
            raise HognoseError("a forked process has no host: JavaScript functions are called in the worker itself")
        if self.is_on_loop():
            return self._call_on_loop(function_id, args, kwargs)
        runner: Runner = getattr(context.thread, "runner", None) or self._core.make_guest()
        was_exposed = runner.cover()
        is_guest = not runner.calls
        if is_guest:
            runner.calls.extend(self._core.only_call())
        callback_id = next(self._callback_ids)
        waiter = self._waiting[callback_id] = Waiter(runner.calls)
        try:
            call = context.innermost_call()
            answer = self._core.reader.wait(
                waiter, runner, lambda: self._send(callback_id, function_id, args, kwargs, call)
            )
            return _value_of(answer)
        finally:
            self._waiting.pop(callback_id, None)
            if is_guest:
                runner.calls.clear()
            runner.uncover(was_exposed)

    def tell(self, function_id: int, args: tuple[Any, ...]) -> None:
        """Calls a function of the host whose answer nobody waits for."""
        self._send(next(self._callback_ids), function_id, args, {}, context.innermost_call())

    def answer(self, message: list[Any]) -> None:
        """Gives an answer to whoever waits for it; nobody does where the call was cancelled."""
        waiting = self._waiting.pop(message[1], None)
        if isinstance(waiting, Waiter):
            waiting.answer = message
            waiting.notify()
        elif waiting is not None:
            self._core.loop.call_soon(_settle, waiting, message)

    def _call_on_loop(self, function_id: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> asyncio.Future[Any]:
        import asyncio

        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        callback_id = next(self._callback_ids)
        self._waiting[callback_id] = future
        future.add_done_callback(lambda _: self._waiting.pop(callback_id, None))
        self._send(callback_id, function_id, args, kwargs, context.innermost_call())
        return future

    def _send(
        self, callback_id: int, function_id: int, args: tuple[Any, ...], kwargs: dict[str, Any], call: Call | None
    ) -> None:
        core = self._core
        call_id, session_id = (0, 0) if call is None else (call[ID], call[SESSION])
        is_plain = not kwargs and len(args) <= _FEW and all(map(_is_simple, args))
        if is_plain and threading.get_ident() == core.main_ident:
            packed = core.pack_plain([WORKER_MESSAGE_CALLBACK, callback_id, function_id, list(args), None, call_id])
        else:
            values = core.pack_list(list(args), RESULT_MODE_AUTO, session_id)
            keywords = core.pack_keywords(kwargs, session_id) if kwargs else None
            packed = core.lane.pack([WORKER_MESSAGE_CALLBACK, callback_id, function_id, values, keywords, call_id])
        core.outbox.post(packed)


def _is_simple(value: object) -> bool:
    kind = type(value)
    return kind in SCALARS or (kind is str and len(value) < _SHORT_TEXT)  # type: ignore[arg-type]


def _value_of(answer: list[Any]) -> Any:
    if answer[0] == HOST_MESSAGE_CALLBACK_RAISED:
        error_id, name, message, stack = answer[2]
        raise JavaScriptError(name, message, stack, error_id)
    value = answer[2]
    if type(value) is Undecodable:
        if not isinstance(value.error, DecodeError):
            raise value.error
        raise DecodeError(f"what the JavaScript function has returned cannot be read here: {value.reason}")
    return value


def _settle(future: asyncio.Future[Any], answer: list[Any]) -> None:
    if future.done():
        return  # given up meanwhile
    try:
        future.set_result(_value_of(answer))
    except Exception as error:
        future.set_exception(error)
