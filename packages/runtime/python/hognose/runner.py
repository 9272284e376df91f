"""Runs calls on a thread: the main thread, one of the pool, or one that waits in a callback."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from time import monotonic_ns, sleep
from typing import TYPE_CHECKING, Any, Final

from hognose import context
from hognose.call import CREDIT, ID, INLINE, MODE, ROOT, SCALARS, SESSION, STEPS, TARGET, USES, Call
from hognose.cancel import is_importing
from hognose.dispatch import Suspended, is_awaitable
from hognose.errors import HognoseCancel, HognoseError
from hognose.gen.messages import RESULT_MODE_HANDLE, WORKER_MESSAGE_RESULT
from hognose.outbox import MOST_BYTES, MOST_MESSAGES
from hognose.status_page import COUNT, RING
from hognose.transport import Packed

if TYPE_CHECKING:
    from hognose.core import Core

__all__ = ["MainRunner", "PoolRunner", "Runner"]

#: A call that takes longer on the average does not hold back the answers of those before it.
SLOW_NS: Final = 100_000
#: A call that takes longer may have kept other threads from reading what the host wants.
_LONG_NS: Final = 5_000_000

#: A message that is not larger counts by its number alone.
_SMALL_BYTES: Final = MOST_BYTES // MOST_MESSAGES

#: Targets whose time is known, at most.
_KNOWN_TARGETS: Final = 4096

#: What is neither awaited nor iterated, whatever was asked for.
_SIMPLE: Final = frozenset((type(None), bool, int, float, str, bytes, list, dict, tuple))


class Runner:
    """One thread that runs calls, of which one may stand above another that waits in a callback.

    Args:
        core: The worker.
        slot: The word of the thread's slot in the status page; 0: none.
    """

    def __init__(self, core: Core, slot: int) -> None:
        self._core = core
        self._slot = slot
        self._starts: list[int] = []
        #: The calls under way, the innermost last.
        self.calls: list[Call] = []
        self.ident = threading.get_ident()
        context.thread.calls = self.calls
        context.thread.runner = self

    def run(self, call: Call) -> None:
        """Runs a call, and sees to its answer.

        Raises:
            SystemExit: When the call ends the worker, and this is the thread that may.
        """
        core = self._core
        sources = core.sources
        self.begin(call)
        try:
            if sources.references and not sources.prepare(call):
                self.end()
                return
            value = self.expose(core.evaluate, call)
            if type(value) in _SIMPLE and not (call[MODE] or call[USES] or call[CREDIT] or call[SESSION]):
                packed: Packed | None = core.lane.pack([WORKER_MESSAGE_RESULT, call[ID], value])
            else:
                packed = self.finish(call, value)
        except SystemExit as error:
            self.leave(error)
            raise
        except BaseException as error:
            self.end()
            packed = core.failed(call, error)
        else:
            self.end()
        if packed is not None:
            core.answer(call, packed)

    def finish(self, call: Call, value: Any) -> Packed | None:
        """Makes the answer of a call whose evaluation has ended; None where it goes on elsewhere, and ends there."""
        core = self._core
        if type(value) is Suspended:
            core.loop.go_on(call, value)
            return None
        if call[MODE] != RESULT_MODE_HANDLE and is_awaitable(value):
            core.loop.go_on(call, Suspended(value, []))
            return None
        if call[USES]:
            core.sources.fulfil(call[ID], value)
        if call[CREDIT]:
            return core.streams.open(call, value, self)
        return core.pack_result(call, value)

    def begin(self, call: Call) -> None:
        """Notes, before any code of the user runs, that a call has started here."""
        self._core.page.started(call[ID])
        self.enter(call)

    def enter(self, call: Call) -> None:
        """Notes that code of a call runs here."""
        now = monotonic_ns()
        self.calls.append(call)
        self._starts.append(now)
        slot = self._slot
        if slot:
            words = self._core.page.words
            words[slot + 1] = now
            words[slot] = call[ID]

    def end(self) -> None:
        """Notes that the innermost call runs no more."""
        self.calls.pop()
        self._starts.pop()
        slot = self._slot
        if slot:
            words = self._core.page.words
            if self._starts:
                words[slot + 1] = self._starts[-1]
                words[slot] = self.calls[-1][ID]
            else:
                words[slot] = 0

    def leave(self, error: SystemExit) -> None:
        """Ends the worker: the call has asked for it."""
        self._core.exit(error)

    def expose(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls what runs the user's code; that may be interrupted here."""
        return function(*arguments)

    def interrupt(self, call_id: int) -> None:
        """Raises `HognoseCancel` in the user's code of a call that runs here, if that is possible right now."""

    def cover(self) -> bool:
        """From here on the worker's own code runs, within the user's: not to be interrupted.

        Returns:
            What `uncover` needs to know.
        """
        return False

    def uncover(self, was_exposed: bool) -> None:
        """What ran before goes on: the user's code, or the worker's."""

    def close(self) -> None:
        """Frees what the thread had, at its end."""
        self._core.page.give_slot(self._slot)


class MainRunner(Runner):
    """The main thread, where it runs the calls itself; it may be interrupted by a signal, also while it waits in C."""

    def __init__(self, core: Core, slot: int) -> None:
        super().__init__(core, slot)
        #: Targets that take little time on the average, and the averages of the others.
        self._fast: set[object] = set()
        self._averages: dict[object, float] = {}

    def serve(self) -> None:
        """Reads and runs calls until no further frame comes; answers gather where that holds none back for long.

        Raises:
            ProtocolError: When the host does not keep to the contract.
            SystemExit: When a call ends the worker.
        """
        # One function, in which every attribute that is needed for each call has been read once: a call takes as long
        # as two dozen attributes.
        core, calls, slot, fast, learn = self._core, self.calls, self._slot, self._fast, self._learn
        reader, lane, queue, alive, waiters = core.reader, core.lane, core.queue, core.alive, core.reader.waiters
        receive, receive_or_wake, receive_now, write = lane.receive, lane.receive_or_wake, lane.receive_now, lane.write
        evaluate = core.evaluate
        take_role, leave_role, deliver = reader.role.acquire, reader.role.release, reader.deliver
        outbox, pack, pack_plain = core.outbox, lane.pack, core.pack_plain
        gathered, add, flush, forgotten = outbox.items, outbox.items.append, outbox.flush, core.functions.forgotten
        returns = core.returns
        words, numbers, references, ready = (
            core.page.words,
            core.page.numbers,
            core.sources.references,
            core.streams.ready,
        )
        # What is written on a thread of gRPC's has not left yet: a call that may end the process would take it along.
        settle = lane.settle
        while True:
            before = monotonic_ns()
            while queue:
                try:
                    call = queue.popleft()
                except IndexError:  # taken back at the last moment
                    break
                _, call_id, _, _, key, _, _, _, root, steps, mode, block, _, session, _, _, credit, _, uses, _ = call
                if root or steps or block:
                    key = _key_of(call)
                if gathered and (key not in fast or len(gathered) > MOST_MESSAGES or outbox.bytes > MOST_BYTES):
                    flush()
                if key not in fast:
                    settle()
                calls.append(call)
                number = next(numbers)
                words[RING + (number & 255)] = call_id
                words[COUNT] = number + 1
                words[slot + 1] = before
                words[slot] = call_id
                packed: Packed | None = None
                try:
                    if not references or core.sources.prepare(call):
                        value = evaluate(call)
                        kind = type(value)
                        if mode or uses or credit or session or kind not in _SIMPLE:
                            packed = self.finish(call, value)
                        elif kind in SCALARS:
                            packed = pack_plain([WORKER_MESSAGE_RESULT, call_id, value])
                        else:
                            packed = pack([WORKER_MESSAGE_RESULT, call_id, value])
                        value = None  # what it holds of the host is released with this answer, and not with the next
                except SystemExit:
                    flush()
                    raise
                except BaseException as error:
                    calls.clear()
                    words[slot] = 0
                    packed = core.failed(call, error)
                else:
                    calls.clear()
                    words[slot] = 0
                if packed is not None:
                    add(packed)
                    if len(packed) > _SMALL_BYTES:
                        outbox.bytes += len(packed)
                    alive.discard(call_id)
                    if core.is_watching:
                        core.answered(call)
                del call, root, steps, block
                now = monotonic_ns()
                if now - before > SLOW_NS or key not in fast:
                    learn(key, now - before)
                    if now - before > _LONG_NS:
                        # What has arrived meanwhile may say that the next call is not wanted any more.
                        sleep(0)
                if ready:
                    core.streams.pump_next(self)
                    now = monotonic_ns()
                before = now
            if ready:
                core.streams.pump_next(self)
            elif len(gathered) == 1 and not forgotten and not returns:
                outbox.bytes = 0
                try:  # noqa: SIM105 - a context manager would take as long as the rest
                    write([gathered.popleft()])
                except OSError:
                    pass  # as in the outbox
            elif gathered or forgotten or returns:
                flush()
            if reader.end:
                return
            if take_role(False):
                try:
                    if ready or queue:  # whoever has read until now may have put a call there
                        deliver(receive_now())
                    else:  # with nothing under way, nothing but a frame can make work
                        deliver(receive_or_wake() if alive else receive())
                except HognoseError as error:
                    reader.fail(error)
                    raise
                finally:
                    leave_role()
                if waiters:
                    reader.hand_over()
            elif not ready:
                reader.wait_for_calls(core.main_waiter)

    def interrupt(self, call_id: int) -> None:
        """See `Runner.interrupt`; the handler looks at what runs."""
        signal.pthread_kill(self.ident, signal.SIGUSR1)

    def _learn(self, key: object, elapsed: int) -> None:
        """Keeps a running average for a target that is slow, or not known yet."""
        if len(self._averages) >= _KNOWN_TARGETS:
            self._averages.clear()
            self._fast.clear()
        # A single slow run, such as the first with its imports, is soon forgotten.
        elapsed = min(elapsed, 8 * SLOW_NS)
        average = self._averages.get(key, float(elapsed))
        average += (elapsed - average) / 4
        self._averages[key] = average
        if average > SLOW_NS:
            self._fast.discard(key)
        else:
            self._fast.add(key)


class PoolRunner(Runner):
    """A thread of the pool; it may be interrupted where it runs Python, and not while it waits in C."""

    def __init__(self, core: Core, slot: int) -> None:
        super().__init__(core, slot)
        self._lock = threading.Lock()
        self._is_exposed = False
        self._is_hit = False
        self._raise_in_thread = _raiser()

    def expose(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """See `Runner.expose`."""
        try:
            self.uncover(True)
            return function(*arguments)
        finally:
            self.cover()

    def end(self) -> None:
        """See `Runner.end`."""
        self.cover()  # once more: the exception may have come just before the first time
        super().end()

    def interrupt(self, call_id: int) -> None:
        """See `Runner.interrupt`."""
        with self._lock:
            # What runs here does not change while the lock is held and the user's code runs.
            if (
                self._is_exposed
                and any(call[ID] == call_id for call in self.calls)
                and not is_importing(sys._current_frames().get(self.ident))
            ):
                self._is_hit = True
                self._raise_in_thread(self.ident, HognoseCancel)

    def cover(self) -> bool:
        """See `Runner.cover`."""
        while True:
            try:
                with self._lock:
                    was_exposed, self._is_exposed = self._is_exposed, False
                    if self._is_hit:
                        self._is_hit = False
                        self._raise_in_thread(self.ident, None)  # not delivered yet: it never is
                return was_exposed
            except HognoseCancel:
                continue  # delivered just now, too late for the user's code

    def uncover(self, was_exposed: bool) -> None:
        """See `Runner.uncover`."""
        if was_exposed:
            with self._lock:
                self._is_exposed = True


class GuestRunner(Runner):
    """A thread of the user's that waits in a callback, and runs what that callback calls."""

    def __init__(self, core: Core) -> None:
        super().__init__(core, 0)

    def enter(self, call: Call) -> None:
        """See `Runner.enter`."""
        if self._slot == 0:
            self._slot = self._core.page.take_slot()
        super().enter(call)

    def end(self) -> None:
        """See `Runner.end`."""
        super().end()
        if not self._starts:
            self._core.page.give_slot(self._slot)
            self._slot = 0


def _key_of(call: Call) -> object:
    """What calls have in common that take about the same time."""
    if call[INLINE]:
        return call[INLINE][0]
    root = call[ROOT]
    owner = type(root[0]).__qualname__ if type(root) is tuple else ""
    return (owner, call[TARGET], *[step[1] for step in call[STEPS]])


def _raiser() -> Callable[[int, type[BaseException] | None], None]:
    import ctypes  # as long as the rest of a worker's start: only for those who need it

    set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
    set_exception.argtypes = (ctypes.c_ulong, ctypes.py_object)

    def raise_in_thread(ident: int, kind: type[BaseException] | None) -> None:
        set_exception(ident, ctypes.py_object() if kind is None else kind)

    return raise_in_thread
