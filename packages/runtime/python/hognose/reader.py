"""Reading is a role, not a thread: whoever has nothing else to do reads, and gives to others what is theirs.

The main thread reads when it has no call to run: a hand-over between threads costs as much as a whole call. A thread
that waits in a callback reads if nobody else does, or else waits for whoever does. While the main thread runs a long
call, a thread of its own may attend to the lane. Nobody runs a call that has nothing to do with what he waits for:
unrelated calls stand in the queue.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

from hognose.call import ARGS, DEADLINE, ID, KWARGS, PARENT, ROOT, STEPS, Call
from hognose.codec import find_undecodable
from hognose.context import sessions
from hognose.dispatch import is_coroutine_call
from hognose.errors import DecodeError, HognoseError, ProtocolError
from hognose.gen.messages import (
    HOST_MESSAGE_ATTEND,
    HOST_MESSAGE_CALL,
    HOST_MESSAGE_CALLBACK_RAISED,
    HOST_MESSAGE_CALLBACK_RESULT,
    HOST_MESSAGE_CANCEL,
    HOST_MESSAGE_DRAIN,
    HOST_MESSAGE_GOODBYE,
    HOST_MESSAGE_LEASE_RETURN,
    HOST_MESSAGE_MEASURE,
    HOST_MESSAGE_PYTHON_PATH,
    HOST_MESSAGE_RECALL,
    HOST_MESSAGE_RELEASE,
    HOST_MESSAGE_SEGMENTS_CLOSED,
    HOST_MESSAGE_SESSION_CLOSE,
    HOST_MESSAGE_SESSION_OPEN,
    HOST_MESSAGE_STREAM_CREDIT,
    HOST_MESSAGE_TRIM,
)
from hognose.transport import Frame, Lane
from hognose.waiter import Waiter

if TYPE_CHECKING:
    from hognose.core import Core
    from hognose.runner import Runner

__all__ = ["Reader"]


class Reader:
    """Takes frames from the lane and gives each message to whom it concerns.

    Args:
        core: The worker.
        lane: Where frames come from.
    """

    def __init__(self, core: Core, lane: Lane) -> None:
        self._core = core
        self._lane = lane
        #: Held by the thread that reads, also while it gives away what it has read: so messages keep their order.
        self.role = threading.Lock()
        #: Who waits, in the order of coming.
        self.waiters: dict[Waiter, None] = {}
        #: Why no further frame will come; empty while they may.
        self.end = ""
        self.failure: HognoseError | None = None
        self._attend_tokens: SimpleQueue[None] | None = None
        self._starts_attendant = threading.Lock()
        self._is_attending = False
        self._gives_back = False
        self._handlers: Final[dict[int, Callable[[list[Any]], None]]] = {
            HOST_MESSAGE_RELEASE: self._release,
            HOST_MESSAGE_PYTHON_PATH: _extend_path,
            HOST_MESSAGE_GOODBYE: self._goodbye,
            HOST_MESSAGE_CANCEL: lambda message: core.canceller.cancel(message[1], message[2]),
            HOST_MESSAGE_RECALL: lambda message: core.recall(message[1]),
            HOST_MESSAGE_ATTEND: lambda message: self.attend(),
            HOST_MESSAGE_STREAM_CREDIT: lambda message: core.streams.grant(message[1], message[2]),
            HOST_MESSAGE_CALLBACK_RESULT: core.functions.answer,
            HOST_MESSAGE_CALLBACK_RAISED: core.functions.answer,
            HOST_MESSAGE_SESSION_OPEN: _open_session,
            HOST_MESSAGE_SESSION_CLOSE: _close_session,
            HOST_MESSAGE_MEASURE: lambda message: core.measure(),
            HOST_MESSAGE_DRAIN: lambda message: core.drain(),
            HOST_MESSAGE_LEASE_RETURN: self._take_back,
            HOST_MESSAGE_SEGMENTS_CLOSED: self._forget_segments,
            HOST_MESSAGE_TRIM: lambda message: core.trim(message[1]),
        }

    def read(self, receive: Callable[[], Frame | None]) -> None:
        """Reads one frame; for the thread that holds the role.

        Raises:
            HognoseError: When the host does not keep to the contract; to every thread that reads from then on.
        """
        if self.failure is not None:
            raise self.failure
        try:
            self.deliver(receive())
        except HognoseError as error:
            self.fail(error)
            raise

    def fail(self, error: HognoseError) -> None:
        """Tells everybody that the host does not keep to the contract."""
        self.failure = error
        self.finish(str(error))

    def finish(self, reason: str) -> None:
        """Tells everybody that no further frame comes."""
        if not self.end:
            self.end = reason
        for waiter in tuple(self.waiters):
            waiter.wake()
        self._core.wake_main()

    def deliver(self, frame: Frame | None) -> None:
        """Gives each message to whom it concerns; for the thread that holds the role."""
        if frame is None:
            self.finish("the host has closed the lane")
            return
        core = self._core
        messages, is_broken = frame
        handlers = self._handlers
        sources, alive, queue, busy, deadline_from = core.sources, core.alive, core.queue, core.busy, 0
        for message in messages:
            if message[0] != HOST_MESSAGE_CALL:
                if is_broken and message[0] == HOST_MESSAGE_CALLBACK_RESULT:
                    message[2] = find_undecodable(message[2]) or message[2]
                handlers.get(message[0], self.handle)(message)
                continue
            core.read_calls += 1
            _, call_id, _, _, _, _, deadline, _, root, _, _, _, parent, _, _, _, _, source, uses, _ = message
            alive.add(call_id)
            if deadline:
                deadline_from = deadline_from or monotonic_ns()
                message[DEADLINE] = deadline_from + deadline * 1_000_000
            if root:  # its object is found now: a release may stand behind the call in this frame
                message[ROOT] = self._root(root)
            if is_broken:
                self._mark_broken(message)
            if source or uses or sources.has_found:
                sources.register(message)
            if core.is_unusual and not core.admit(message):
                continue
            if parent and self._give_to_waiting(message):
                continue
            if busy and is_coroutine_call(message):
                core.loop.start(message)
            elif core.tokens is None:
                queue.append(message)
            else:
                queue.append(message)
                core.tokens.put(None)
        sources.has_found = False
        if core.main_waiter.is_blocked:
            core.main_waiter.wake()

    def _root(self, handle: int) -> object:
        try:
            return (self._core.handles.get(handle),)
        except DecodeError as error:
            return error

    def _mark_broken(self, call: Call) -> None:
        for place in (ARGS, KWARGS, STEPS):
            undecodable = find_undecodable(call[place])
            if undecodable is not None:
                call[ROOT] = undecodable.error
                return

    def _give_to_waiting(self, call: Call) -> bool:
        """Gives a call to the thread that waits in the callback which has made it."""
        for waiter in reversed(tuple(self.waiters)):  # of several on one thread it is the last that waits
            if waiter.answer is None and waiter.runs(call[PARENT]):
                waiter.nested.append(call)
                if waiter not in self.waiters:  # it has left, with the call or without
                    try:
                        waiter.nested.remove(call)
                    except ValueError:
                        return True
                    continue
                waiter.notify()
                return True
        return False

    def handle(self, message: list[Any]) -> None:
        """Does what a message asks for that is no call; those of the control connection come here from its thread."""
        handler = self._handlers.get(message[0])
        if handler is None:
            raise ProtocolError(f"the host sent a message of the unknown kind {message[0]}")
        handler(message)

    def _release(self, message: list[Any]) -> None:
        for handle, received in message[1]:
            self._core.handles.release(handle, received)

    def _take_back(self, message: list[Any]) -> None:
        sharing = self._core.codec.sharing
        if sharing is not None:
            sharing.take_back(message[1])

    def _forget_segments(self, message: list[Any]) -> None:
        sharing = self._core.codec.sharing
        if sharing is not None:
            sharing.peer.segments_closed(message[1])

    def _goodbye(self, message: list[Any]) -> None:
        self._core.has_said_goodbye = True
        self.finish("the host has said goodbye")

    def wait(self, waiter: Waiter, runner: Runner, ask: Callable[[], None]) -> list[Any]:
        """Waits for an answer, and runs the calls meanwhile that belong to one which this thread has under way.

        Args:
            waiter: What the answer is given to.
            runner: This thread.
            ask: Sends the question. What it causes may come before this thread begins to wait.

        Returns:
            The answer's message.

        Raises:
            HognoseCancel: When one of the calls under way is cancelled.
            HognoseError: When the host is gone.
        """
        self.waiters[waiter] = None
        try:
            ask()
            while True:
                # Before the answer: it may have come for another callback of the same call.
                if waiter.nested:
                    self._run_nested(waiter, runner)
                elif waiter.answer is not None:
                    return waiter.answer
                elif waiter.cancelled_by:
                    raise self._core.canceller.error(waiter.cancelled_by)
                elif self.end:
                    raise self.failure or HognoseError(f"{self.end}: a function of JavaScript cannot answer any more")
                else:
                    self._read_or_block(waiter, waiter.has_work)
        finally:
            del self.waiters[waiter]
            while (call := waiter.take_nested()) is not None:  # given at the last moment
                if not self._give_to_waiting(call):
                    self._core.resume(call)
            if self.waiters:
                self.hand_over()

    def _run_nested(self, waiter: Waiter, runner: Runner) -> None:
        if len(self.waiters) > 1:
            self.hand_over()
        call = waiter.take_nested()
        if call is None:
            return
        runner.run(call)
        self._core.outbox.flush()

    def _read_or_block(self, waiter: Waiter, has_work: Callable[[], bool]) -> None:
        waiter.is_blocked = True
        if self.role.acquire(blocking=False):
            waiter.is_blocked = False
            try:
                # Whoever has read until now may have given something at the last moment.
                if not has_work():
                    self.read(self._lane.receive_or_wake)
            finally:
                self.role.release()
        elif has_work():  # given before it could be seen to wait
            waiter.is_blocked = False
        else:
            waiter.block()
            waiter.is_blocked = False

    def hand_over(self) -> None:
        """Wakes one that waits, so that somebody reads. Each who stops reading calls it."""
        if self.role.locked():
            return
        for waiter in tuple(self.waiters):
            if waiter.is_blocked:
                waiter.wake()
                return

    def wait_for_calls(self, waiter: Waiter) -> None:
        """Waits until something may have come for the main thread, which has nothing to do."""
        self.waiters[waiter] = None
        try:
            if self._is_attending:
                self._gives_back = True
                self._lane.wake()
            self._read_or_block(waiter, self._core.has_work)
        finally:
            del self.waiters[waiter]

    def attend(self) -> None:
        """Lets a thread of its own read while the main thread runs calls, and starts coroutines that wait."""
        core = self._core
        if core.busy:
            for call in tuple(core.queue):
                if type(call) is list and is_coroutine_call(call) and core.take_queued(call[ID]) is not None:
                    core.loop.start(call)
        if core.has_reading_thread:
            return
        if self._attend_tokens is None:
            with self._starts_attendant:
                if self._attend_tokens is None:
                    self._attend_tokens = SimpleQueue()
                    threading.Thread(target=self._attend, name="hognose-attendant", daemon=True).start()
        self._attend_tokens.put(None)

    def _attend(self) -> None:
        tokens = self._attend_tokens
        assert tokens is not None
        while not self.end:
            tokens.get()
            if not self._core.busy or not self.role.acquire(blocking=False):
                continue  # somebody reads
            self._gives_back = False
            self._is_attending = True
            try:
                while self._core.busy and not self._gives_back and not self.end:
                    self.read(self._lane.receive_or_wake)
            except HognoseError:
                return  # everybody has been told
            finally:
                self._is_attending = False
                self.role.release()
                self.hand_over()

    def read_always(self) -> None:
        """Reads until the end, on a thread of its own: where urgent messages come on the lane itself."""
        with self.role:
            try:
                while not self.end:
                    self.read(self._lane.receive)
            except HognoseError:
                pass  # everybody has been told


def _open_session(message: list[Any]) -> None:
    sessions.setdefault(message[1], {})


def _close_session(message: list[Any]) -> None:
    sessions.pop(message[1], None)


def _extend_path(message: list[Any]) -> None:
    sys.path[:0] = [entry for entry in message[1] if entry not in sys.path]
    importlib.invalidate_caches()
