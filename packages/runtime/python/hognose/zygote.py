"""A zygote: a process that has imported what workers need, and forks one whenever the host asks for it.

A forked worker is ready in milliseconds, and shares the memory of what was imported. The zygote runs one thread and
speaks lines of JSON with the host on file descriptor 3:

- the host: `{"fork": {id, bootstrap, stdout, stderr}}`, where the last two are the paths of FIFOs to make;
  `{"opened": id}` when it has opened both; `{"reap": id}` when it will send the worker no signal any more.
- the zygote, first of all: `{"ready": {}}`, or `{"refused": reason}`, after which it ends; then
  `{"forked": {id, pid}}`, `{"failed": {id, error}}` and `{"exited": {id, code, signal}}`.

A worker that has ended stays a zombie until the host says `reap`: until then its pid names nobody else, and the host
may send it signals by itself. File descriptor 4 is the lifeline: when the host dies, the kernel ends the zygote too.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from hognose import lifeline, native_threads
from hognose.after_fork import become_independent
from hognose.fork_safety import why_not_forkable
from hognose.worker import Bootstrap, describe, import_grpc_lane, prepare_process, read_line, set_environment

__all__ = ["run"]

_CONTROL: Final = 3
_LIFELINE: Final = 4


def run(stdin: BinaryIO) -> Bootstrap | None:
    """Serves the host until it closes the control connection and all workers have ended.

    Returns twice: None in the zygote itself, and in each worker that it forks what that one has to do.

    Args:
        stdin: Carries one line: `preload` and `python_path` as in `Bootstrap`, `restore_environment`, and `grpc`,
            whether workers serve gRPC.
    """
    control = socket.socket(fileno=_CONTROL)
    os.set_inheritable(_CONTROL, False)  # what is preloaded may start processes
    os.set_inheritable(_LIFELINE, False)
    lifeline.hold(socket.socket(fileno=_LIFELINE))
    settings = read_line(stdin)
    prepare_process(settings["python_path"], settings["restore_environment"])
    describe()
    if settings["grpc"]:
        import_grpc_lane()  # only that: with an object of gRPC's there would be threads
    for name in settings["preload"]:
        importlib.import_module(name)
    reason = why_not_forkable()
    if reason is not None:
        _send(control, {"refused": reason})
        return None
    # What is here stays: no collection in a worker needs to look at it, which would copy its pages.
    gc.collect()
    gc.freeze()
    return _Zygote(control).serve()


@dataclass
class _Child:
    id: int
    pid: int
    #: Both ends of its FIFOs, so that nothing is lost that it writes before the host has opened them.
    held: tuple[int, ...]
    has_exited: bool = False


class _Zygote:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, _Child] = {}
        self._is_open = True
        self._received = b""
        self._libraries = native_threads.loaded_libraries()
        self._imposed = native_threads.note_imposed(os.environ)
        # Not a pidfd for each child: not every interpreter that is in use has them.
        self._woken, self._wakes = socket.socketpair()
        self._woken.setblocking(False)
        self._wakes.setblocking(False)
        self._wakeup_before = signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)
        self._handler_before = signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> Bootstrap | None:
        _send(self._control, {"ready": {}})
        poll = select.poll()  # no epoll: that is a descriptor which children would share
        poll.register(self._control, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while self._is_open or self._children:
            for descriptor, _ in poll.poll():
                if descriptor == self._woken.fileno():
                    self._look_at_children()
                    continue
                for message in self._receive():
                    bootstrap = self._obey(message)
                    if bootstrap is not None:
                        return bootstrap
                if not self._is_open:
                    poll.unregister(self._control)
        return None

    def _receive(self) -> list[dict[str, Any]]:
        data = b""
        with suppress(ConnectionError):
            data = self._control.recv(1 << 16)
        if not data:
            self._is_open = False
            for child in tuple(self._children.values()):
                if child.has_exited:
                    self._reap(child)
        *lines, self._received = (self._received + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def _obey(self, message: dict[str, Any]) -> Bootstrap | None:
        ((kind, content),) = message.items()
        if kind == "fork":
            return self._fork(**content)
        child = self._children.get(content)
        if child is not None and kind == "opened":
            child.held = _close(child.held)
        elif child is not None and kind == "reap":
            self._reap(child)
        return None

    def _fork(self, id: int, bootstrap: dict[str, Any], stdout: str, stderr: str) -> Bootstrap | None:  # noqa: A002
        held: list[int] = []
        try:
            for path in (stdout, stderr):
                os.mkfifo(path, 0o600)
                held.append(os.open(path, os.O_RDWR))  # waits for no other end, and keeps what is written
                held.append(os.open(path, os.O_WRONLY))
            _flush()
            may_go, goes = os.pipe()
            held += (may_go, goes)
            pid = os.fork()
        except OSError as error:
            _close(held)
            self._tell({"failed": {"id": id, "error": str(error)}})
            return None
        if pid == 0:
            os.close(goes)
            if not os.read(may_go, 1):
                os._exit(1)  # the zygote is gone: nobody knows of this process
            held.remove(goes)
            return self._become_worker(bootstrap, held)
        with suppress(OSError):
            os.setpgid(pid, pid)
        self._children[id] = _Child(id, pid, (held[0], held[2]))
        self._tell({"forked": {"id": id, "pid": pid}})
        os.write(goes, b"1")
        _close((held[1], held[3], may_go, goes))
        return None

    def _become_worker(self, fields: dict[str, Any], held: list[int]) -> Bootstrap:
        os.dup2(held[1], 1)
        os.dup2(held[3], 2)
        _close(held)
        signal.set_wakeup_fd(self._wakeup_before)
        signal.signal(signal.SIGCHLD, self._handler_before or signal.SIG_DFL)
        for connection in (self._control, self._woken, self._wakes):
            connection.close()
        lifeline.let_go()
        for child in self._children.values():
            _close(child.held)
        self._children.clear()
        bootstrap = Bootstrap(**fields)
        # What was preloaded may have set a variable itself: as in a worker of its own, that stays.
        restored = bootstrap.restore_environment.items()
        set_environment({name: value for name, value in restored if name in self._imposed})
        sys.path[:0] = [entry for entry in bootstrap.python_path if entry not in sys.path]
        importlib.invalidate_caches()
        native_threads.set_back(self._libraries, os.environ)
        become_independent()
        return bootstrap

    def _look_at_children(self) -> None:
        with suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass
        for child in tuple(self._children.values()):
            if child.has_exited:
                continue
            # It stays a zombie, so that its pid and its group are still its own.
            code, number = None, None
            with suppress(ChildProcessError):  # preloaded code has reaped it
                status = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if status is None:
                    continue
                if status.si_code == os.CLD_EXITED:
                    code = status.si_status
                else:
                    number = status.si_status
                with suppress(OSError):
                    os.killpg(child.pid, signal.SIGKILL)  # what it has started does not outlive it
            child.has_exited = True
            self._tell({"exited": {"id": child.id, "code": code, "signal": number}})
            if not self._is_open:
                self._reap(child)

    def _reap(self, child: _Child) -> None:
        _close(child.held)
        with suppress(ChildProcessError):
            os.waitpid(child.pid, 0)
        del self._children[child.id]

    def _tell(self, message: dict[str, Any]) -> None:
        if self._is_open:
            with suppress(OSError):  # the host has gone: its end of the control connection says so
                _send(self._control, message)


def _send(control: socket.socket, message: dict[str, Any]) -> None:
    control.sendall(json.dumps(message).encode() + b"\n")


def _close(descriptors: list[int] | tuple[int, ...]) -> tuple[int, ...]:
    for descriptor in descriptors:
        os.close(descriptor)
    return ()


def _flush() -> None:
    """Writes out what is buffered: each child would do it again."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # preloaded code may have put anything there
            stream.flush()
    _c_library.fflush(None)


_c_library: Final = ctypes.CDLL(None)
