"""What the parts of a worker share: the calls that are under way, and how each of them is answered once."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

import msgpack

from hognose.call import CALL_TYPE, CREDIT, ID, MODE, PARENT, SESSION, STEPS, USES, Call
from hognose.callbacks import HostFunctions
from hognose.cancel import Canceller
from hognose.codec import Codec, Encoded
from hognose.dispatch import evaluate, resolve, run_steps
from hognose.errors import EncodeError, HognoseCancel, JavaScriptError, minimal_wire, to_wire
from hognose.event_loop import EventLoop
from hognose.gen.messages import (
    CALL_TYPE_GET_ATTR,
    RESULT_MODE_HANDLE,
    WORKER_MESSAGE_GOODBYE,
    WORKER_MESSAGE_METRICS,
    WORKER_MESSAGE_RAISED,
    WORKER_MESSAGE_RECALLED,
    WORKER_MESSAGE_RESULT,
    WORKER_MESSAGE_SEGMENTS_CLOSED,
    WORKER_MESSAGE_STREAM_END,
)
from hognose.handles import HandleTable
from hognose.metrics import cpu_ms, own_memory
from hognose.outbox import Outbox, take_all
from hognose.reader import Reader
from hognose.runner import GuestRunner, Runner
from hognose.sources import Sources
from hognose.status_page import StatusPage
from hognose.streams import Streams
from hognose.transport import Lane, Packed
from hognose.transport.socket_encoding import array_header
from hognose.transport.socket_lane import SocketLane
from hognose.values.extensions import EXT_BIG_INTEGER, EXT_HANDLE
from hognose.waiter import Waiter

if TYPE_CHECKING:
    from hognose.allow import Guard
    from hognose.sharing import Sharing

__all__ = ["Core", "exit_status"]

#: Calls that were cancelled or taken back before they arrived, at most.
_MOST_AHEAD: Final = 4096
_NOBODY: Final = object()


class Core:
    """One worker; its lane is opened after it, as the lane needs the codec.

    Args:
        threads: How many threads run calls.
        page: Where it is noted which calls run.
        guard: Lets calls reach only what is permitted; None: everything is.
    """

    lane: Lane
    outbox: Outbox
    reader: Reader
    #: As `Lane.pack`, for messages of `SCALARS`, short texts and lists of them; on the main thread.
    pack_plain: Callable[[list[Any]], Packed]

    def __init__(self, *, threads: int = 1, page: StatusPage | None = None, guard: Guard | None = None) -> None:
        self.threads = threads
        self.page = page or StatusPage(None)
        self.guard = guard
        #: What evaluates calls.
        self.evaluate: Callable[[Call], Any] = evaluate if guard is None else guard.evaluate
        self.run_steps: Callable[[Any, list[Any]], Any] = run_steps if guard is None else guard.run_steps
        self.handles = HandleTable()
        self.sources = Sources(self.handles, self.resume)
        self.functions = HostFunctions(self)
        self.codec = Codec(self.handles, resolve if guard is None else guard.resolve, Hooks(self))
        if guard is not None:
            # Wherever an object of this worker comes to stand among arguments.
            self.codec.find_handle = guard.guarded(self.handles.get)
            self.sources.check = guard.check_argument
        #: Loans of shared memory that are over here.
        self.returns: deque[int] = deque()
        self.loop = EventLoop(self)
        self.streams = Streams(self)
        self.canceller = Canceller(self)
        #: Calls that have not started; with several threads also streams that go on.
        self.queue: deque[Any] = deque()
        #: Ids of all calls that were read and not answered.
        self.alive: set[int] = set()
        #: The threads that run calls.
        self.runners: dict[Runner, None] = {}
        #: True while no thread would start a call at once; the main thread sets it to its own calls.
        self.busy: Any = _AllBusy(self.queue, self.runners)
        #: A token for each entry of the queue, where several threads run calls.
        self.tokens: SimpleQueue[None] | None = SimpleQueue() if threads > 1 else None
        #: Of the main thread, which makes this object.
        self.main_ident = threading.get_ident()
        self.main_waiter = Waiter([])
        #: Whether messages are read by a thread that does nothing else.
        self.has_reading_thread = threads > 1
        self.has_said_goodbye = False
        #: Whether calls that arrive must be looked at one by one: see `admit`.
        self.is_unusual = False
        #: Whether more is to be done at the end of a call than to answer it: see `answered`.
        self.is_watching = False
        #: The sockets to the host.
        self.connections: list[socket.socket] = []
        #: Set in a process that user code has forked.
        self.is_forked = False
        self._is_draining = False
        #: Held from the moment on at which nothing is left to be answered.
        self._drained = threading.Lock()
        #: What was asked about calls that have not arrived: urgent messages overtake calls. The reason of a
        #: cancellation, or None for a call to give back.
        self._ahead: dict[int, Any] = {}
        #: How many calls were read, and how many of them were given back.
        self.read_calls = 0
        self._given_back = 0

    def attach(self, lane: Lane) -> None:
        """Takes the lane that carries the messages."""
        self.lane = lane
        self.reader = Reader(self, lane)
        # A message of the socket lane is one msgpack value, which is written at once where it holds nothing special.
        self.pack_plain = _pack_plain if isinstance(lane, SocketLane) else lane.pack
        self.outbox = Outbox(lane, self.functions.forgotten, self.returns, self.pack_plain)
        if not lane.has_control:
            self.has_reading_thread = True

    def share(self, sharing: Sharing) -> None:
        """Shares memory with the host from now on; before a lane is attached."""
        self.codec.sharing = sharing
        self.returns = sharing.returns

    # Threads.

    def adopt_thread(self) -> None:
        """Makes a new thread of the worker one that runs calls as the main thread does."""
        if self.codec.sharing is not None:
            self.codec.sharing.adopt()

    def make_guest(self) -> Runner:
        """What runs calls on a thread of the user's, while it waits in a callback."""
        return GuestRunner(self)

    def only_call(self) -> list[Call]:
        """The call that runs, where there is just one: what a thread of the user's works for, most probably."""
        running = [runner.calls[-1] for runner in tuple(self.runners) if runner.calls]
        return running if len(running) == 1 else []

    # Calls that come.

    def enqueue(self, call: Call) -> None:
        """Puts a call into the queue; for the thread that reads."""
        self.queue.append(call)
        if self.tokens is not None:
            self.tokens.put(None)
        elif self.main_waiter.is_blocked:
            self.main_waiter.wake()

    def resume(self, call: Call) -> None:
        """Puts a call into the queue again; for any thread."""
        self.enqueue(call)
        self.wake_main()

    def wake_main(self) -> None:
        """Lets the main thread look at what there is to do, should it wait."""
        if self.tokens is None:
            self.main_waiter.wake()
            if self.alive:  # else it waits where it cannot be woken, and has nothing to be woken for
                self.lane.wake()

    def has_work(self) -> bool:
        """Whether the main thread has something to do."""
        return bool(self.queue or self.streams.ready or self.reader.end)

    def admit(self, call: Call) -> bool:
        """Whether a call that has arrived may run; where it may not, it has been answered or given back."""
        call_id = call[ID]
        if call_id in self._ahead:
            reason = self._ahead.pop(call_id, _NOBODY)
            self.is_unusual = self._is_draining or bool(self._ahead)
            if reason is None:
                self._give_back([call])
                return False
            if reason is not _NOBODY:
                self.canceller.refuse(call, reason)
                return False
        if self._is_draining and call[PARENT] not in self.alive:
            self._give_back([call])
            return False
        return True

    def note_ahead(self, call_id: int, reason: int | None) -> bool:
        """Remembers what is to be done with a call that is still to arrive; one that has ended needs nothing.

        Returns:
            Whether that is all; False where the call has arrived meanwhile.
        """
        if self.page.has_started_lately(call_id):
            return call_id not in self.alive
        if len(self._ahead) >= _MOST_AHEAD:
            del self._ahead[next(iter(self._ahead))]
        self._ahead[call_id] = reason
        self.is_unusual = True
        # Whoever reads first makes the call known, and then looks here.
        if call_id in self.alive and self._ahead.pop(call_id, _NOBODY) is not _NOBODY:
            return False
        self.reader.attend()
        return True

    # Calls that go.

    def take_queued(self, call_id: int) -> Call | None:
        """Takes a call that has not started; None where there is no such call, or a thread was faster."""
        for call in tuple(self.queue):
            if type(call) is list and call[ID] == call_id and _take(self.queue, call):
                return call
        for waiter in tuple(self.reader.waiters):
            for call in tuple(waiter.nested):
                if call[ID] == call_id and _take(waiter.nested, call):
                    return call
        return self.sources.take_parked(call_id)

    def recall(self, call_ids: list[int]) -> None:
        """Gives back those of these calls that have not started; also those that arrive only now."""
        calls = []
        for call_id in call_ids:
            call = self.take_queued(call_id)
            if call is not None:
                calls.append(call)
            elif call_id not in self.alive and not self.note_ahead(call_id, None):
                call = self.take_queued(call_id)  # it has arrived just now
                calls += [] if call is None else [call]
        self._give_back(calls)

    def drain(self) -> None:
        """Gives back what has not started, now and from now on, and says goodbye when the rest has ended."""
        self._is_draining = self.is_unusual = self.is_watching = True
        waiting = [call for call in tuple(self.queue) if type(call) is list]
        waiting += tuple(self.sources.parked.values())
        taken = [call for call in waiting if call[PARENT] not in self.alive and self.take_queued(call[ID]) is not None]
        self._give_back(taken)
        self.reader.attend()
        self._say_goodbye_when_drained()

    def _give_back(self, calls: list[Call]) -> None:
        for call in calls:
            self.alive.discard(call[ID])
            self._given_back += 1
            self.sources.drop(call, HognoseCancel("the call whose result this one needs was given back to the host"))
        self.outbox.post(self.lane.pack([WORKER_MESSAGE_RECALLED, [call[ID] for call in calls]]))
        self._say_goodbye_when_drained()

    def answer(self, call: Call, packed: Packed) -> None:
        """Sends the one answer of a call."""
        if self._is_draining:  # the goodbye stands behind the last answer
            self.outbox.add(packed)
            self.answered(call)
        else:
            self.alive.discard(call[ID])
            self.outbox.add(packed)
            if self.is_watching:
                self.answered(call)
        self.outbox.flush()

    def answered(self, call: Call) -> None:
        """Notes that a call is over, whose answer stands in the outbox.

        Who has many to note discards it from `alive`, and comes here only where `is_watching` says so.
        """
        if self.is_forked:  # it has come back out of its call, into a worker that is another process's
            self.exit(SystemExit(0))
        self.alive.discard(call[ID])
        self.canceller.reasons.pop(call[ID], None)
        if self._is_draining:
            self._say_goodbye_when_drained()

    def _say_goodbye_when_drained(self) -> None:
        if self._is_draining and not self.alive and self._drained.acquire(blocking=False):
            self.has_said_goodbye = True
            self.outbox.post(self.lane.pack([WORKER_MESSAGE_GOODBYE, "drained"]))
            self.reader.finish("the worker was drained")
            self.lane.close()  # ends the main thread's wait

    # What answers hold.

    def pack_result(self, call: Call, value: object) -> Packed:
        """The answer of a call that has returned a value.

        Raises:
            EncodeError: When the value cannot travel in the mode that the call asks for.
        """
        is_constant = call[CALL_TYPE] == CALL_TYPE_GET_ATTR and not call[STEPS]
        data = self.codec.encode(value, call[MODE], call[SESSION], is_constant=is_constant)
        return self.lane.pack([WORKER_MESSAGE_RESULT, call[ID], Encoded(data)])

    def pack_list(self, items: list[Any], mode: int, session_id: int) -> Encoded:
        """A list whose items travel each by itself: the list is always one.

        Raises:
            EncodeError: When an item cannot travel.
        """
        if mode != RESULT_MODE_HANDLE:
            data = self.codec.encode(items, mode, session_id)
            handle = _handle_in(data)
            if handle is None:
                return Encoded(data)
            self.handles.release(handle, 1)  # of the list as a whole: an item is nested too deeply
        parts = [self.codec.encode(item, mode, session_id) for item in items]
        return Encoded(b"".join((array_header(len(items)), *parts)))

    def pack_keywords(self, kwargs: dict[str, Any], session_id: int) -> Encoded:
        """Keyword arguments for the host: always a map.

        Raises:
            EncodeError: When they are nested too deeply.
        """
        data = self.codec.encode(kwargs, session_id=session_id)
        handle = _handle_in(data)
        if handle is not None:
            self.handles.release(handle, 1)
            raise EncodeError("keyword arguments for a JavaScript function are nested too deeply, or hold themselves")
        return Encoded(data)

    def failed(self, call: Call, error: BaseException) -> Packed:
        """The answer of a call that has raised."""
        if isinstance(error, HognoseCancel) and not error.args:
            error.args = self.canceller.error(call[ID]).args
        if call[USES]:
            self.sources.fail(call[ID], error)
        for describe in (to_wire, minimal_wire):
            try:
                fields = describe(error)
                if call[CREDIT]:
                    return self.lane.pack([WORKER_MESSAGE_STREAM_END, call[ID], fields, False])
                return self.lane.pack([WORKER_MESSAGE_RAISED, call[ID], fields])
            except Exception:  # an exception whose own attributes raise: less of it is told
                continue
        raise AssertionError("the least of an exception can be told")

    # What concerns the whole process.

    def measure(self) -> None:
        """Tells the host about this process."""
        waiting = len(self.queue) + len(self.sources.parked)
        metrics = [
            own_memory(),
            cpu_ms(),
            len(self.handles),
            len(self.functions),
            max(0, len(self.alive) - waiting),
            waiting,
            len(self.streams),
            max(0, self.read_calls - len(self.alive) - self._given_back),
            *(sharing.stats() if (sharing := self.codec.sharing) is not None else (0, 0, 0, 0)),
        ]
        self.outbox.post(self.lane.pack([WORKER_MESSAGE_METRICS, *metrics]))

    def trim(self, idle_ms: int) -> None:
        """Gives back shared memory that nobody has used for a while, and what is over of the host's."""
        sharing = self.codec.sharing
        if sharing is not None:
            sharing.trim(idle_ms / 1000)
            closed = take_all(sharing.peer.closed)
            if closed:
                self.outbox.post(self.lane.pack([WORKER_MESSAGE_SEGMENTS_CLOSED, closed]))
        self.outbox.flush()

    def become_child(self) -> None:
        """Gives up everything that is of the process which user code has forked: its host, its calls, its threads."""
        self.is_forked = self.is_watching = self.outbox.is_abandoned = True
        self.queue.clear()
        self.streams.ready.clear()
        self.canceller.reasons.clear()
        if hasattr(signal, "SIGUSR1"):
            signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        for connection in self.connections:
            connection.close()  # of this process alone: its copy of the descriptor

    def exit(self, error: SystemExit) -> None:
        """Ends the process, as a call has asked for it on a thread that cannot let the exception through."""
        status = exit_status(error)
        self.outbox.flush()
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # user code may have closed it
                stream.flush()
        os._exit(status)


class Hooks:
    """What the codec makes of the host's functions, results and errors; see `CodecHooks`.

    Args:
        core: The worker.
    """

    def __init__(self, core: Core) -> None:
        self.make_function = core.functions.make_function
        self.make_iterable = core.functions.make_iterable
        self.function_id = core.functions.function_id
        self.find_source = core.sources.find_source

    def make_host_error(self, error_id: int, name: str, message: str, stack: str) -> object:
        """An error of JavaScript that is a value, and was not thrown."""
        return JavaScriptError(name, message, stack, error_id)

    def host_error_fields(self, value: object) -> tuple[int, str, str, str] | None:
        """What tells the host which of its errors this is."""
        if not isinstance(value, JavaScriptError):
            return None
        return value.host_id, value.name, value.message, value.stack


class _AllBusy:
    """Whether all threads of the pool have something to do."""

    def __init__(self, queue: deque[Any], runners: dict[Runner, None]) -> None:
        self._queue = queue
        self._runners = runners

    def __bool__(self) -> bool:
        return bool(self._queue) or all(runner.calls for runner in tuple(self._runners))


def exit_status(error: SystemExit) -> int:
    """The exit status that Python gives a process for this exception; a text is printed, as Python does."""
    if isinstance(error.code, int):
        return error.code & 0xFF if error.code >= 0 else error.code
    if error.code is None:
        return 0
    print(error.code, file=sys.stderr)
    return 1


def _take(calls: deque[Any], call: Call) -> bool:
    """Takes a call out of a queue; False where somebody else has."""
    try:
        calls.remove(call)
    except (ValueError, IndexError):  # IndexError: it changed meanwhile, at its front
        return False
    return True


def _handle_in(data: bytes) -> int | None:
    """The handle that a value is as a whole; None for any other value."""
    if data[0] not in _EXTENSIONS:
        return None
    value = msgpack.unpackb(data)
    if not isinstance(value, msgpack.ExtType) or value.code != EXT_HANDLE:
        return None
    handle: int = msgpack.unpackb(value.data, unicode_errors="surrogatepass")[0]
    return handle


#: The first bytes of msgpack's extension types.
_EXTENSIONS: Final = frozenset((0xC7, 0xC8, 0xC9, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8))


def _write_big_integer(value: int) -> msgpack.ExtType:
    return msgpack.ExtType(EXT_BIG_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))


_pack_plain: Final = msgpack.Packer(strict_types=True, unicode_errors="surrogatepass", default=_write_big_integer).pack
