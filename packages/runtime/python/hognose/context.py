"""What code that runs in a call may know of it."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from hognose.call import ATTEMPT, DEADLINE, ID, IDEMPOTENT, SESSION, TRACE, Call

__all__ = ["CallInfo", "current_call", "session_state"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CallInfo:
    """The call on whose behalf code runs.

    Attributes:
        id: The host's number for it.
        session_id: The session that it belongs to; 0: none.
        deadline: When the host cancels it, on the clock of `time.monotonic()`; None: never.
        trace: The W3C traceparent of its caller; empty: none.
        idempotent: Whether the caller has said that to run it twice does no harm.
        attempt: How often it was started before, on workers that died under it; 0: this is the first time.
    """

    id: int
    session_id: int
    deadline: float | None
    trace: str
    idempotent: bool
    attempt: int


def current_call() -> CallInfo | None:
    """The call that this code runs in; None outside of calls.

    Known on the thread that runs the call, in its coroutines and their tasks, and wherever their context is copied to
    (`asyncio.to_thread`). A thread that a call starts by other means belongs to no call.
    """
    call = innermost_call()
    if call is None:
        return None
    return CallInfo(
        id=call[ID],
        session_id=call[SESSION],
        deadline=call[DEADLINE] / 1e9 if call[DEADLINE] else None,
        trace=call[TRACE],
        idempotent=call[IDEMPOTENT],
        attempt=call[ATTEMPT],
    )


def session_state() -> dict[Any, Any]:
    """A dict for whatever the session of the current call wants to keep in this worker, until the session is closed.

    Raises:
        RuntimeError: When this code does not run in a call of a session.
    """
    call = innermost_call()
    if call is None or call[SESSION] == 0:
        raise RuntimeError(
            "session_state() is for calls of a session: make the call through `runtime.session(...)`, and ask on the "
            "thread that runs it"
        )
    return sessions.setdefault(call[SESSION], {})


def innermost_call() -> Call | None:
    """The call that the current thread or task runs, of several the one that was started last."""
    calls: list[Call] | None = getattr(thread, "calls", None)
    return calls[-1] if calls else task_call.get()


#: What each open session keeps here.
sessions: Final[dict[int, dict[Any, Any]]] = {}

#: Of each thread that has run a call: `calls`, those under way on it, and its `runner`.
thread: Final = threading.local()

#: The call that a task of the event loop belongs to.
task_call: Final[ContextVar[Call | None]] = ContextVar("hognose_call", default=None)
