"""The one event loop of a worker, on a thread of its own: coroutines go on there while other calls run."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hognose import native_threads
from hognose.call import CREDIT, ID, MODE, USES, Call
from hognose.context import task_call
from hognose.dispatch import Settled, Suspended, is_awaitable
from hognose.gen.messages import RESULT_MODE_HANDLE, WORKER_MESSAGE_AWAITING
from hognose.transport import Packed

if TYPE_CHECKING:
    import asyncio

    from hognose.core import Core

__all__ = ["EventLoop"]


class EventLoop:
    """Runs calls that await something. The loop starts with the first of them and lives as long as the worker.

    Args:
        core: The worker.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = threading.Lock()
        self._tasks: dict[int, asyncio.Task[Packed | None]] = {}
        #: The thread's identifier; 0 while there is none.
        self.ident = 0

    def start(self, call: Call) -> None:
        """Runs a call from its beginning, whose target makes a coroutine; for any thread."""
        self._core.page.started(call[ID])
        self._submit(call, None)

    def go_on(self, call: Call, suspended: Suspended | Settled) -> None:
        """Runs the rest of a call that awaits something; for any thread."""
        self._submit(call, suspended)

    def cancel(self, call_id: int) -> None:
        """Cancels a call's task, where it has one; for any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel, call_id)

    def call_soon(self, function: Callable[..., object], *arguments: Any) -> None:
        """Calls a function on the loop's thread, where the loop has been started; for any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(function, *arguments)

    def _submit(self, call: Call, suspended: Suspended | Settled | None) -> None:
        # First of all: the answer may follow at once.
        self._core.outbox.post(self._core.lane.pack([WORKER_MESSAGE_AWAITING, call[ID]]))
        self._started_loop().call_soon_threadsafe(self._begin, call, suspended)

    def _started_loop(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                import asyncio  # as long as the rest of a worker's start: only for those who need it

                loop = self._loop = asyncio.new_event_loop()
                is_running = threading.Event()
                loop.call_soon(is_running.set)
                thread = threading.Thread(target=self._run, name="hognose-event-loop", daemon=True)
                thread.start()
                is_running.wait()
            return self._loop

    def _run(self) -> None:
        assert self._loop is not None
        self.ident = threading.get_ident()
        native_threads.adopt()
        self._core.adopt_thread()
        while True:
            try:
                self._loop.run_forever()
            except SystemExit as error:  # of a task that no call waits for
                self._core.exit(error)
            except BaseException:  # such as KeyboardInterrupt: the loop itself is as good as before
                import traceback

                traceback.print_exc()

    def _begin(self, call: Call, suspended: Suspended | Settled | None) -> None:
        assert self._loop is not None
        context = contextvars.copy_context()
        context.run(task_call.set, call)
        task = context.run(self._loop.create_task, self._drive(call, suspended))
        self._tasks[call[ID]] = task
        task.add_done_callback(lambda done: self._end(call, suspended, done))

    async def _drive(self, call: Call, suspended: Suspended | Settled | None) -> Packed | None:
        """The task of a call: everything but its cancellation before it has begun."""
        try:
            value: Any = self._core.evaluate(call) if suspended is None else suspended
            if type(value) is Settled:
                value = value.value
            while True:
                if type(value) is Suspended:
                    result = await value.awaitable
                    value = self._core.run_steps(result, value.steps) if value.steps else result
                elif call[MODE] != RESULT_MODE_HANDLE and is_awaitable(value):
                    value = await value
                else:
                    break
            if call[USES]:
                self._core.sources.fulfil(call[ID], value)
            if not call[CREDIT]:
                return self._core.pack_result(call, value)
            if hasattr(type(value), "__aiter__"):
                return await self._core.streams.run_async(call, value)
            self._core.streams.submit(call, value)
            return None
        except SystemExit as error:
            self._core.exit(error)
            raise
        except BaseException as error:
            return self._core.failed(call, self._as_cancel(call, error))

    def _as_cancel(self, call: Call, error: BaseException) -> BaseException:
        """What is told of an error: a cancellation of the host's is its own, not asyncio's."""
        import asyncio

        if isinstance(error, asyncio.CancelledError) and call[ID] in self._core.canceller.reasons:
            return self._core.canceller.error(call[ID])
        return error

    def _end(self, call: Call, suspended: Suspended | Settled | None, task: asyncio.Task[Packed | None]) -> None:
        import asyncio

        del self._tasks[call[ID]]
        if task.cancelled():  # before its first step
            packed: Packed | None = self._core.failed(call, self._core.canceller.error(call[ID]))
            if type(suspended) is Suspended and hasattr(suspended.awaitable, "close"):
                suspended.awaitable.close()
        else:
            packed = task.result()
        if packed is not None:
            self._core.answer(call, packed)
        # What the task held of the host is gone when it is.
        asyncio.get_running_loop().call_soon(self._core.outbox.flush)

    def _cancel(self, call_id: int) -> None:
        task = self._tasks.get(call_id)
        if task is not None:
            task.cancel()
