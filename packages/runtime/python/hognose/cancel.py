"""Ends calls that the host has given up, wherever they are: each is still answered, once.

A call that has not started never starts. One that runs gets a `HognoseCancel` in its own code, again and again until
it ends: on the main thread by a signal (SIGUSR1), which also ends a wait in C, on others where they run Python. A
thread that waits in a callback raises it itself, a coroutine is cancelled by its event loop, a stream is closed.

The exception never meets the worker's own code, nor another call: the signal's handler runs on the very thread that
runs the calls, and looks at what is interrupted; a thread of the pool says under a lock when it may be interrupted, and
clears what comes too late. Code that takes SIGUSR1 for itself (`signal.signal`, `faulthandler.register`) cannot be
interrupted by it: its calls end where they wait in a callback, or with the worker.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from contextlib import suppress
from time import monotonic
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Final

from hognose import dispatch, streams
from hognose.call import ID, Call
from hognose.errors import OWN_DIRECTORY, HognoseCancel
from hognose.gen.messages import CANCEL_REASON_DEADLINE

if TYPE_CHECKING:
    from hognose.core import Core
    from hognose.runner import MainRunner

__all__ = ["INTERRUPTIBLE", "Canceller", "is_importing", "is_interruptible"]

#: How long a call has to end before it is interrupted again: the first time, and from then on.
FIRST_PAUSE_S: Final = 0.01
PAUSE_S: Final = 0.05

#: How the files of the import system begin.
_IMPORTING: Final = "<frozen importlib"
#: What manages shared memory: an exception in the middle of it would lose a piece.
_MEMORY: Final = f"{os.sep}hognose_shm{os.sep}"

#: Code of the worker's own in which an exception may be raised; whoever evaluates calls in another way adds to it.
INTERRUPTIBLE: Final[set[CodeType]] = {*dispatch.INTERRUPTIBLE, *streams.INTERRUPTIBLE}


class Canceller:
    """Cancels calls until they have ended.

    Args:
        core: The worker.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        #: The calls under way that are cancelled, and why.
        self.reasons: dict[int, int] = {}
        #: When those are tried again that have not ended at once.
        self._due: dict[int, float] = {}
        self._main: MainRunner | None = None
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._starts_repeating = threading.Lock()
        self._repeats = False

    def listen(self, main: MainRunner) -> None:
        """Installs the signal's handler; on the main thread, which then can be interrupted."""
        self._main = main
        if hasattr(signal, "SIGUSR1"):
            signal.signal(signal.SIGUSR1, self._interrupt)

    def cancel(self, call_id: int, reason: int) -> None:
        """Cancels a call; one that is unknown has ended, or is still to come."""
        core = self._core
        if call_id not in core.alive and core.note_ahead(call_id, reason):
            return
        self.reasons[call_id] = reason
        core.is_watching = True
        if self._attempt(call_id):
            return
        self._due[call_id] = monotonic() + FIRST_PAUSE_S
        with self._starts_repeating:
            if not self._repeats:
                self._repeats = True
                threading.Thread(target=self._repeat, name="hognose-cancel", daemon=True).start()
        self._news.put(None)

    def refuse(self, call: Call, reason: int) -> None:
        """Answers a call that never starts."""
        self.reasons[call[ID]] = reason
        error = self.error(call[ID])
        self._core.sources.drop(call, error)
        self._core.answer(call, self._core.failed(call, error))

    def error(self, call_id: int) -> HognoseCancel:
        """The exception that tells why a call ends."""
        if self.reasons.get(call_id) == CANCEL_REASON_DEADLINE:
            return HognoseCancel("the call was cancelled, as its time is over")
        return HognoseCancel("the call was cancelled by its caller")

    def _attempt(self, call_id: int) -> bool:
        """Does what can be done right now; returns whether nothing remains to be done."""
        core = self._core
        call = core.take_queued(call_id)
        if call is not None:
            self.refuse(call, self.reasons.get(call_id, 0))
            return True
        if core.streams.cancel(call_id):
            return True
        core.loop.cancel(call_id)
        for runner in tuple(core.runners):
            if any(running[ID] == call_id for running in tuple(runner.calls)):
                runner.interrupt(call_id)
        for waiter in tuple(core.reader.waiters):
            if waiter.runs(call_id):
                waiter.cancelled_by = call_id
                waiter.wake()
                core.lane.wake()
        return False

    def _repeat(self) -> None:
        while True:
            self._news.get()
            while due := dict(self._due):
                with suppress(queue.Empty):
                    self._news.get(timeout=max(0.0, min(due.values()) - monotonic()))
                for call_id, time in due.items():
                    if call_id not in self._core.alive:
                        self._forget(call_id)
                    elif time <= monotonic():
                        self._due[call_id] = monotonic() + PAUSE_S
                        if self._attempt(call_id):
                            self._forget(call_id)

    def _forget(self, call_id: int) -> None:
        self._due.pop(call_id, None)
        self.reasons.pop(call_id, None)

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        main = self._main
        if not self.reasons or main is None or not is_interruptible(frame):
            return
        for call in main.calls:
            if call[ID] in self.reasons:
                raise self.error(call[ID])


def is_interruptible(frame: FrameType | None) -> bool:
    """Whether an exception may be raised in a frame: in the user's code, or where the worker only calls it.

    Never within an import: Python would forget the package and keep its submodules, and every later import of it in
    this process would lack them.
    """
    while frame is not None:
        code = frame.f_code
        if code in INTERRUPTIBLE:
            return True
        if code.co_filename.startswith((OWN_DIRECTORY, _IMPORTING)) or _MEMORY in code.co_filename:
            return False
        frame = frame.f_back
    return False


def is_importing(frame: FrameType | None) -> bool:
    """Whether a frame runs within an import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTING) or _MEMORY in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False
