"""Results that are iterated: their items are sent as fast as they come and the host has room for them.

An iterator runs on the thread that runs calls, a chunk at a time between the calls: the chunks grow while they take
little time. An asynchronous one runs on the event loop.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator
from itertools import islice
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

from hognose.call import CREDIT, ID, MODE, SESSION, Call
from hognose.dispatch import Settled
from hognose.errors import HognoseCancel
from hognose.gen.messages import (
    WORKER_MESSAGE_AWAITING,
    WORKER_MESSAGE_STREAM_END,
    WORKER_MESSAGE_STREAM_ITEMS,
)
from hognose.transport import Packed

if TYPE_CHECKING:
    import asyncio

    from hognose.core import Core
    from hognose.runner import Runner

__all__ = ["INTERRUPTIBLE", "Streams"]

#: A chunk that takes less time is followed by a larger one.
_CHUNK_NS: Final = 100_000
_MOST_ITEMS: Final = 1 << 16


class _Stream:
    """An open stream.

    Args:
        call: Its call.
        value: The result that is iterated.
    """

    def __init__(self, call: Call, value: Any) -> None:
        self.call = call
        self.value = value
        #: None until a thread that runs calls has made it.
        self.iterator: Iterator[Any] | None = None
        self.credit: int = call[CREDIT]
        self.chunk = 1
        self.is_cancelled = False
        #: Whether it stands in the queue, or is pumped right now.
        self.is_scheduled = True
        self.is_pumping = False
        self.lock = threading.Lock()

    @property
    def is_resumable(self) -> bool:
        """Whether the host can go on with the object later, where it stands: an iterator that was not closed."""
        return self.iterator is self.value and not isinstance(self.value, Generator)


class _AsyncStream:
    """An open stream on the event loop."""

    def __init__(self, call: Call, granted: asyncio.Event) -> None:
        self.credit: int = call[CREDIT]
        #: Set when there is credit again.
        self.granted = granted
        self.items: list[Any] = []
        #: Why its items cannot travel.
        self.error: BaseException | None = None
        self.is_sending_soon = False
        self.is_cancelled = False


class Streams:
    """The streams of a worker.

    Args:
        core: The worker.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._open: dict[int, _Stream] = {}
        self._async: dict[int, _AsyncStream] = {}
        #: Streams to go on with, where the main thread runs calls.
        self.ready: deque[_Stream] = deque()

    def __len__(self) -> int:
        return len(self._open) + len(self._async)

    def open(self, call: Call, value: Any, runner: Runner) -> Packed | None:
        """Iterates a call's result; returns the end of the stream where the first chunk has it, else None.

        Raises:
            TypeError: When the result cannot be iterated.
        """
        self._check(call, value)
        if hasattr(type(value), "__aiter__"):
            self._core.loop.go_on(call, Settled(value))
            return None
        stream = _Stream(call, value)
        stream.iterator = runner.expose(_iterate, value)
        self._open[call[ID]] = stream
        end = self._take(stream, runner)
        if end is None:
            self._core.outbox.post(self._core.lane.pack([WORKER_MESSAGE_AWAITING, call[ID]]))
            self._go_on_or_wait(stream)
        return end

    def submit(self, call: Call, value: Any) -> None:
        """Iterates a result that the event loop has got, on a thread that runs calls."""
        self._check(call, value)
        stream = self._open[call[ID]] = _Stream(call, value)
        self._schedule(stream)

    def grant(self, call_id: int, count: int) -> None:
        """Lets a stream send more items; for the thread that reads."""
        stream = self._open.get(call_id)
        if stream is not None:
            with stream.lock:
                stream.credit += count
                is_idle = not stream.is_scheduled
                stream.is_scheduled = True
            if is_idle:
                self._schedule(stream)
        elif call_id in self._async:
            self._core.loop.call_soon(self._grant_async, call_id, count)

    def cancel(self, call_id: int) -> bool:
        """Closes a stream; returns whether that needs no interruption of code that runs. For any thread."""
        if call_id in self._async:
            # Once, and no more: what the iterator does at its end is not interrupted.
            self._async[call_id].is_cancelled = True
            self._core.loop.cancel(call_id)
            return True
        stream = self._open.get(call_id)
        if stream is None:
            return False
        with stream.lock:
            stream.is_cancelled = True
            is_idle = not stream.is_scheduled
            stream.is_scheduled = True
            is_pumping = stream.is_pumping
        if is_idle:
            self._schedule(stream)
        return not is_pumping

    def pump_next(self, runner: Runner) -> None:
        """Sends a chunk of the stream whose turn it is; for the main thread."""
        try:
            stream = self.ready.popleft()
        except IndexError:
            return
        self.pump(stream, runner)

    def pump(self, stream: _Stream, runner: Runner) -> None:
        """Sends the next chunk of a stream, and its end where there is one."""
        call = stream.call
        runner.enter(call)
        end = None
        try:
            if stream.iterator is None:
                stream.iterator = runner.expose(_iterate, stream.value)
            end = self._take(stream, runner)
        except SystemExit as error:
            runner.leave(error)
            raise
        except BaseException as error:
            self._open.pop(call[ID], None)
            end = self._core.failed(call, error)
        finally:
            runner.end()
        if end is not None:
            self._core.answer(call, end)
        else:
            self._core.outbox.flush()
            self._go_on_or_wait(stream)

    def _take(self, stream: _Stream, runner: Runner) -> Packed | None:
        """Lets the next items go, and returns the end of the stream where it has come."""
        call, iterator = stream.call, stream.iterator
        assert iterator is not None
        with stream.lock:
            wanted = 0 if stream.is_cancelled else min(stream.chunk, stream.credit)
            stream.is_pumping = True
        items: list[Any] = []
        error: BaseException | None = None
        before = monotonic_ns()
        try:
            runner.expose(_extend, items, iterator, wanted)
        except SystemExit:
            raise
        except BaseException as raised:
            error = raised
        elapsed = monotonic_ns() - before
        with stream.lock:
            stream.credit -= len(items)
            stream.is_pumping = False
            is_cancelled = stream.is_cancelled
        stream.chunk = min(stream.chunk << 1, _MOST_ITEMS) if elapsed < _CHUNK_NS else max(stream.chunk >> 1, 1)
        is_exhausted = error is None and len(items) < wanted
        if items:
            error = self._send(call, items) or error
        if not (error or is_exhausted or is_cancelled):
            return None
        self._open.pop(call[ID], None)
        return self._end(stream, error, is_exhausted=is_exhausted, is_cancelled=is_cancelled)

    def _end(self, stream: _Stream, error: BaseException | None, *, is_exhausted: bool, is_cancelled: bool) -> Packed:
        call = stream.call
        if is_cancelled and isinstance(error, HognoseCancel):
            error = None  # it has done what it was for
        if not is_exhausted and isinstance(stream.iterator, Generator):
            try:
                stream.iterator.close()
            except BaseException as raised:
                error = error or raised
        if error is not None:
            return self._core.failed(call, error)
        return self._core.lane.pack(
            [WORKER_MESSAGE_STREAM_END, call[ID], None, stream.is_resumable and not is_exhausted]
        )

    def _send(self, call: Call, items: list[Any]) -> BaseException | None:
        """Puts items into the outbox; returns why one of them, and all behind it, cannot travel."""
        core = self._core
        try:
            encoded = core.pack_list(items, call[MODE], call[SESSION])
            core.outbox.add(core.lane.pack([WORKER_MESSAGE_STREAM_ITEMS, call[ID], encoded]))
        except Exception as error:
            if len(items) == 1:
                return error
            for item in items:
                failure = self._send(call, [item])
                if failure is not None:
                    return failure
        return None

    def _check(self, call: Call, value: object) -> None:
        if self._core.guard is not None:
            self._core.guard.check_stream(call, value)

    def _go_on_or_wait(self, stream: _Stream) -> None:
        with stream.lock:
            stream.is_scheduled = stream.credit > 0 or stream.is_cancelled
            is_scheduled = stream.is_scheduled
        if is_scheduled:
            self._schedule(stream)

    def _schedule(self, stream: _Stream) -> None:
        core = self._core
        if core.tokens is not None:
            core.queue.append(stream)
            core.tokens.put(None)
            return
        self.ready.append(stream)
        if threading.get_ident() != core.main_ident:
            core.wake_main()

    async def run_async(self, call: Call, value: Any) -> Packed:
        """Iterates an asynchronous result to its end; on the event loop."""
        import asyncio

        self._check(call, value)
        stream = self._async[call[ID]] = _AsyncStream(call, asyncio.Event())
        iterator: Any = None
        error: BaseException | None = None
        is_exhausted = False
        try:
            iterator = value.__aiter__()
            await self._iterate_async(call, stream, iterator)
            is_exhausted = True
        except SystemExit:
            raise
        except BaseException as raised:
            if not (stream.is_cancelled and isinstance(raised, asyncio.CancelledError)):
                error = raised
        close = getattr(iterator, "aclose", None)
        if not is_exhausted and close is not None:
            try:
                await close()
            except BaseException as raised:
                error = error or raised
        error = error or self._send_now(call, stream)
        del self._async[call[ID]]
        if error is not None:
            return self._core.failed(call, error)
        is_resumable = iterator is value and not is_exhausted and close is None
        return self._core.lane.pack([WORKER_MESSAGE_STREAM_END, call[ID], None, is_resumable])

    async def _iterate_async(self, call: Call, stream: _AsyncStream, iterator: Any) -> None:
        import asyncio

        loop = asyncio.get_running_loop()
        before = monotonic_ns()
        while True:
            if len(stream.items) >= stream.credit:
                self._send_now(call, stream)
                while stream.credit <= 0:
                    stream.granted.clear()
                    await stream.granted.wait()
            if stream.items and not stream.is_sending_soon:
                stream.is_sending_soon = True
                loop.call_soon(self._send_soon, call, stream)  # as soon as the iterator really waits
            try:
                item = await iterator.__anext__()
            except StopAsyncIteration:
                return
            if stream.error is not None:
                raise stream.error
            stream.items.append(item)
            if monotonic_ns() - before > _CHUNK_NS:
                self._send_now(call, stream)
                await asyncio.sleep(0)  # others have their turn
                before = monotonic_ns()

    def _send_soon(self, call: Call, stream: _AsyncStream) -> None:
        stream.is_sending_soon = False
        self._send_now(call, stream)

    def _send_now(self, call: Call, stream: _AsyncStream) -> BaseException | None:
        items, stream.items = stream.items, []
        if items and stream.error is None:
            stream.credit -= len(items)
            stream.error = self._send(call, items)
            self._core.outbox.flush()
        return stream.error

    def _grant_async(self, call_id: int, count: int) -> None:
        stream = self._async.get(call_id)
        if stream is not None:
            stream.credit += count
            stream.granted.set()


def _iterate(value: Any) -> Iterator[Any]:
    return iter(value)


def _extend(items: list[Any], iterator: Iterator[Any], count: int) -> None:
    items.extend(islice(iterator, count))  # what has come stays in the list when the iterator raises


#: Code in which an exception may be raised from outside, as it only stands between the worker and what it runs.
INTERRUPTIBLE: Final = frozenset((_iterate.__code__, _extend.__code__))
