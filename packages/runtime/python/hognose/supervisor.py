"""What `python -m hognose serve` does: starts a worker, waits for its end, starts the next."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from hognose.connections import is_established

if TYPE_CHECKING:
    from hognose.serve import Settings

__all__ = ["Supervisor"]

#: Of this package, for a worker whose interpreter would not find it by itself: behind everything else.
_OWN_DIRECTORY: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
#: Not by `-m`, which would put the working directory first.
_START: Final = (
    "import sys; sys.path[:1] = [entry for entry in sys.path[:1] if entry]; sys.path.append({own!r}); "
    "from hognose.__main__ import main; sys.exit(main(['worker']))"
)
#: EX_CONFIG: starting again would not help.
_ENVIRONMENT_STATUS: Final = 78
#: Between starts, while workers die before a host could have used them.
_FIRST_DELAY_S: Final = 0.1
_MAX_DELAY_S: Final = 10.0
#: How long a worker may take to end by SIGTERM.
_TERMINATE_S: Final = 2.0
#: How often it is looked whether the host's connection still stands; and for how long a worker may outlive it.
_LOOK_EVERY_S: Final = 1.0
_OUTLIVE_S: Final = 3.0


@dataclass
class _Child:
    """A worker's process."""

    process: subprocess.Popen[bytes]
    #: Held: its end ends the worker and all that it has started.
    lifeline: socket.socket
    #: Where the worker reports.
    reports: int
    #: Of a report that has not come whole.
    text: str = ""
    #: Whether a host has attached, ever.
    has_host: bool = False
    #: Port from which it dials; None: nobody can tell.
    host_port: int | None = None
    #: Since when its connection is gone.
    gone_since: float | None = None


class Supervisor:
    """Keeps one worker at an address.

    Args:
        settings: How it is run.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        #: Fixed once a worker has listened.
        self._port = settings.port
        self._has_announced = False
        self._stopping: int | None = None
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Runs until a signal, or until starting again cannot help; returns the exit status."""
        waker, wakened = socket.socketpair()
        waker.setblocking(False)
        wakened.setblocking(False)
        self._selector.register(wakened, selectors.EVENT_READ)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)  # only that the wait ends
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        failures = 0
        while self._stopping is None:
            child = self._start()
            status = self._watch(child)
            if self._stopping is not None:
                break
            if not self._has_announced:  # the first: a person looks on
                return status if status > 0 else 1
            if status == _ENVIRONMENT_STATUS:
                return status
            failures = 0 if child.has_host else failures + 1
            delay = 0.0 if child.has_host else min(_MAX_DELAY_S, _FIRST_DELAY_S * 2 ** (failures - 1))
            how = f"exited with code {status}" if status >= 0 else f"was ended by {signal.Signals(-status).name}"
            when = "at once" if delay == 0 else f"in {delay:g} s"
            _say(f"worker {child.process.pid} {how}; the next starts {when}")
            self._wait(delay)
        return 0

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = number

    def _start(self) -> _Child:
        lifeline, its_end = socket.socketpair()
        reports, its_reports = os.pipe()
        os.set_blocking(reports, False)
        settings = self._settings
        bootstrap: dict[str, Any] = {
            "worker_id": 0,
            "address": "",
            "secret": "",
            "grpc_address": f"{settings.host}:{self._port}",
            "restore_environment": {},
            "spin_us": 0,
            **settings.bootstrap,
            "served": {
                "lifeline": its_end.fileno(),
                "reports": its_reports,
                "token": settings.token,
                "tls_cert": settings.tls_cert,
                "tls_key": settings.tls_key,
                "tls_client_ca": settings.tls_client_ca,
                "host_timeout_s": settings.host_timeout_s,
            },
        }
        process = subprocess.Popen(
            [sys.executable, "-c", _START.format(own=_OWN_DIRECTORY)],
            stdin=subprocess.PIPE,
            pass_fds=(its_end.fileno(), its_reports),
            start_new_session=True,  # ended as a whole; Ctrl-C in a terminal is for this process alone
        )
        its_end.close()
        os.close(its_reports)
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died at once
            process.stdin.write(json.dumps(bootstrap).encode() + b"\n")
            process.stdin.close()
        return _Child(process, lifeline, reports)

    def _watch(self, child: _Child) -> int:
        """Waits for a worker's end, and ends it where it must; returns its status, negative for a signal."""
        self._selector.register(child.reports, selectors.EVENT_READ)
        told_at: float | None = None
        while not _has_ended(child.process):
            now = time.monotonic()
            if self._stopping is not None:
                if told_at is None:
                    told_at = now
                    _signal_group(child.process, signal.SIGTERM)
                elif now >= told_at + _TERMINATE_S:
                    _signal_group(child.process, signal.SIGKILL)
                self._select(child, 0.1)
            else:
                self._select(child, None if child.host_port is None else _LOOK_EVERY_S)
                self._look_after_host(child)
        self._take_reports(child)
        _signal_group(child.process, signal.SIGKILL)  # what it has started: its number is not used again before `wait`
        status = child.process.wait()
        with contextlib.suppress(KeyError):
            self._selector.unregister(child.reports)
        os.close(child.reports)
        child.lifeline.close()
        return status

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._stopping is None and (left := until - time.monotonic()) > 0:
            self._select(None, left)

    def _select(self, child: _Child | None, seconds: float | None) -> None:
        for key, _ in self._selector.select(seconds):
            if child is not None and key.fd == child.reports:
                self._take_reports(child)
            elif isinstance(key.fileobj, socket.socket):
                with contextlib.suppress(BlockingIOError):
                    while key.fileobj.recv(4096):
                        pass

    def _take_reports(self, child: _Child) -> None:
        try:
            data = os.read(child.reports, 4096)
        except BlockingIOError:
            return
        if not data:  # its end; that of the process is told by SIGCHLD
            with contextlib.suppress(KeyError):
                self._selector.unregister(child.reports)
            return
        *lines, child.text = (child.text + data.decode()).split("\n")
        for line in lines:
            self._take_report(child, line)

    def _take_report(self, child: _Child, line: str) -> None:
        kind, _, what = line.partition(" ")
        if kind == "listening":
            self._port = int(what)
            if not self._has_announced:
                self._has_announced = True
                print(f"listening on {self._settings.host}:{self._port}", flush=True)
        elif kind == "attached":
            child.has_host = True
            port = what.rpartition(":")[2]
            child.host_port = int(port) if port.isdigit() else None

    def _look_after_host(self, child: _Child) -> None:
        """Ends a worker whose host has gone, and which cannot notice: it is in a call that holds the GIL."""
        if child.host_port is None or is_established(self._port, child.host_port) is not False:
            child.gone_since = None
            return
        now = time.monotonic()
        child.gone_since = child.gone_since or now
        if now >= child.gone_since + _OUTLIVE_S:
            _say(f"worker {child.process.pid} did not notice that its host has gone, and is ended")
            _signal_group(child.process, signal.SIGKILL)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process has ended; it stays a zombie where that can be: its number is not another's then."""
    if hasattr(os, "waitid"):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return process.poll() is not None


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left
        os.killpg(process.pid, number)


def _say(text: str) -> None:
    print(f"hognose: {text}", file=sys.stderr, flush=True)
