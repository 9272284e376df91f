"""The host of a zygote for tests: starts a real one, and speaks its protocol; what it forks are hosts' workers."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from fake_host import OWN_DIRECTORY, PATIENCE_S, TARGETS, Connection, FakeHost

from hognose.gen import messages as m
from hognose.native_threads import IMPOSED

_START = """
import os, sys
for target, given in zip((3, 4), map(int, sys.argv[1:])):
    os.dup2(given, target)
    os.close(given)
from hognose.__main__ import main
sys.exit(main(['zygote']))
"""

LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class FakeZygote:
    """A zygote; the messages that it sends are taken one by one."""

    def __init__(self, preload: list[str] | None = None, *, directory: Path | None = None, grpc: bool = False) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="hgn")
        self.directory = Path(self._directory.name)
        self._ids = itertools.count(1)
        self._messages: queue.Queue[dict[str, Any]] = queue.Queue()
        self._later: list[dict[str, Any]] = []
        self.output = {"stdout": "", "stderr": ""}
        self.hosts: list[ForkedHost] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.address = f"{self.directory}/s"
        self.listener.bind(self.address)
        self.listener.listen()
        self.listener.settimeout(PATIENCE_S)
        self.control, control = socket.socketpair()
        self.lifeline, lifeline = socket.socketpair()
        # High numbers, which are in nobody's way when they become 3 and 4.
        given = [fcntl.fcntl(end.fileno(), fcntl.F_DUPFD, 200) for end in (control, lifeline)]
        path = os.pathsep.join((OWN_DIRECTORY, TARGETS))
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START, *map(str, given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=given,
            # Unbuffered, nothing could be written twice.
            env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "", **dict.fromkeys(LIMITS, IMPOSED)},
            start_new_session=True,
            text=True,
        )
        for end in (control, lifeline):
            end.close()
        for descriptor in given:
            os.close(descriptor)
        self._readers = []
        self._read_lines(self.control.makefile("r"), lambda line: self._messages.put(json.loads(line)))
        for name, stream in (("stdout", self.process.stdout), ("stderr", self.process.stderr)):
            self._readers.append(self._read_lines(stream, partial(self._keep, name)))
        settings = {
            "preload": preload or [],
            "python_path": [] if directory is None else [str(directory)],
            "grpc": grpc,
            "restore_environment": {},
        }
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(settings) + "\n")
        self.process.stdin.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    def _keep(self, name: str, line: str) -> None:
        self.output[name] += line

    def _read_lines(self, stream: Any, take: Callable[[str], object]) -> threading.Thread:
        def read() -> None:
            with suppress(OSError, ValueError):
                for line in stream:
                    take(line)

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        return thread

    def __enter__(self) -> FakeZygote:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for host in self.hosts:
            host.end()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        if error is not None:
            print(self.output, file=sys.stderr)
        for end in (self.control, self.lifeline, self.listener):
            end.close()
        self._directory.cleanup()

    def wait(self) -> int:
        """Its exit status, when its output has been read too."""
        status = self.process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        return status

    def hang_up(self) -> None:
        """Closes the control connection."""
        self.control.shutdown(socket.SHUT_RDWR)

    def send(self, *messages: dict[str, Any]) -> None:
        self.control.sendall(b"".join(json.dumps(message).encode() + b"\n" for message in messages))

    def expect(self, kind: str, id: int | None = None) -> Any:  # noqa: A002
        """The content of the first message of a kind, about one worker where its id is given."""

        def matches(message: dict[str, Any]) -> bool:
            return kind in message and (id is None or message[kind]["id"] == id)

        for index, message in enumerate(self._later):
            if matches(message):
                return self._later.pop(index)[kind]
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                message = self._messages.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no such message; others: {self._later}; {self.output}") from None
            if matches(message):
                return message[kind]
            self._later.append(message)

    def request(self, **bootstrap: Any) -> dict[str, Any]:
        """A request for a worker."""
        number = next(self._ids)
        settings = {
            "worker_id": number,
            "address": self.address,
            "secret": "s3cret",
            "grpc_address": None,
            "preload": [],
            "python_path": [],
            "restore_environment": dict.fromkeys(LIMITS, "2"),
            "status_page": None,
            "spin_us": 0,
            **bootstrap,
        }
        paths = {name: f"{self.directory}/{name}{number}" for name in ("stdout", "stderr")}
        return {"fork": {"id": number, "bootstrap": settings, **paths}}

    def fork(self, **bootstrap: Any) -> ForkedHost:
        """A worker that has dialled in and is ready."""
        request = self.request(**bootstrap)
        self.send(request)
        host = ForkedHost(self, request["fork"])
        self.hosts.append(host)
        return host

    def wait_for(self, is_true: Callable[[], bool]) -> None:
        """Waits until something is so."""
        until = time.monotonic() + PATIENCE_S
        while not is_true():
            assert time.monotonic() < until, f"it never became true; {self.output}"
            time.sleep(0.005)


class ForkedHost(FakeHost):
    """A host of a worker that a zygote has forked."""

    def __init__(self, zygote: FakeZygote, request: dict[str, Any]) -> None:
        self.zygote = zygote
        self.id = request["id"]
        self.pid: int = zygote.expect("forked", self.id)["pid"]
        self._ids = itertools.count(1)
        self._messages = queue.Queue()
        self._later = []
        self.received = []
        self.stdout = self.stderr = ""
        self._readers = []
        for name in ("stdout", "stderr"):
            stream = os.fdopen(os.open(request[name], os.O_RDONLY), "r")
            reader = threading.Thread(target=self._read_output, args=(name, stream), daemon=True)
            reader.start()
            self._readers.append(reader)
        zygote.send({"opened": self.id})
        self.hellos, self.roles, self.connections = {}, [], {}
        while len(self.connections) < 3:
            accepted, _ = zygote.listener.accept()
            connection = Connection(accepted)
            frame = connection.receive()
            assert frame is not None, self.stderr
            hello, *rest = frame
            if hello[3] != self.id:
                continue  # of another worker, which nobody hosts
            self.hellos[hello[2]] = hello
            self.connections[hello[2]] = connection
            for message in rest:
                self._messages.put(message)
            if hello[2] == m.ROLE_LIFELINE:
                connection.send_raw(b"\x01")
        self.data, self.control = self.connections[m.ROLE_DATA], self.connections[m.ROLE_CONTROL]
        threading.Thread(target=self._read, daemon=True).start()
        self.ready = self.expect(m.WORKER_MESSAGE_READY)

    def _read_output(self, name: str, stream: Any) -> None:
        with stream:
            for line in stream:
                setattr(self, name, getattr(self, name) + line)

    def join_output(self) -> None:
        """Waits until all that it has written was read."""
        for reader in self._readers:
            reader.join(PATIENCE_S)

    def goodbye(self) -> None:
        """Ends it in good order."""
        self.send([m.HOST_MESSAGE_GOODBYE, "closing"])

    def end(self) -> None:
        """Ends it with all that it has started."""
        for connection in self.connections.values():
            connection.close()
