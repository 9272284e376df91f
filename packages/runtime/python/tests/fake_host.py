"""A host for tests: starts a real worker, and speaks the contract with it over real sockets."""

from __future__ import annotations

import itertools
import json
import os
import queue
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import msgpack

from hognose.gen import messages as m

OWN_DIRECTORY = str(Path(__file__).parent.parent)
TARGETS = str(Path(__file__).parent / "targets")
#: So long a test waits before it fails; nothing that goes well takes nearly as long.
PATIENCE_S = 10.0


class Connection:
    """One connection of the worker."""

    def __init__(self, accepted: socket.socket) -> None:
        self._socket = accepted
        self._buffer = bytearray()

    def send(self, *messages: list[Any]) -> None:
        body = msgpack.packb(list(messages), unicode_errors="surrogatepass")
        self._socket.sendall(struct.pack("<I", len(body)) + body)

    def send_raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def receive(self) -> list[list[Any]] | None:
        length = self._take(4)
        body = length and self._take(struct.unpack("<I", length)[0])
        if not body:
            return None
        frame: list[list[Any]] = msgpack.unpackb(
            body, ext_hook=_read_extension, strict_map_key=False, unicode_errors="surrogatepass"
        )
        return frame

    def _take(self, count: int) -> bytes | None:
        while len(self._buffer) < count:
            try:
                data = self._socket.recv(1 << 16)
            except OSError:
                return None
            if not data:
                return None
            self._buffer += data
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Handle(tuple[Any, ...]):
    """What the worker sends of an object: id, type, bases, repr, session."""

    __slots__ = ()


def _read_extension(code: int, data: bytes) -> Any:
    if code in (17, 18):
        return list(struct.unpack(f"<{len(data) // 8}{'q' if code == 17 else 'd'}", data))
    value = msgpack.unpackb(data, ext_hook=_read_extension, strict_map_key=False) if code not in (2, 14) else data
    if code == 1:
        return tuple(value)
    if code == 3:
        return Handle(value)
    if code == 19:
        keys, *columns = value
        return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]
    return (f"ext {code}", value)


def extension(code: int, *fields: Any) -> msgpack.ExtType:
    return msgpack.ExtType(code, msgpack.packb(list(fields)))


def function(function_id: int, name: str = "f") -> msgpack.ExtType:
    return extension(16, function_id, name)


def iterable(function_id: int, *, is_async: bool = False) -> msgpack.ExtType:
    return extension(21, function_id, is_async)


def source(call_id: int) -> msgpack.ExtType:
    return extension(22, call_id)


def handle(handle_id: int) -> msgpack.ExtType:
    return extension(3, handle_id)


FIELDS = (
    *("id", "payload_version", "call_type", "target", "args", "deadline_ms", "kwargs", "handle", "steps", "result"),
    *("inline", "parent_call", "session_id", "idempotent", "trace", "credit", "source_call", "uses", "attempt"),
)


class FakeHost:
    """Answers nothing by itself: a test sends messages, and takes those of the worker one by one."""

    def __init__(self, **bootstrap: Any) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="hgn")
        self.page = Path(self._directory.name) / "page"
        self.page.write_bytes(bytes(4096))
        self._ids = itertools.count(1)
        self._messages: queue.Queue[list[Any]] = queue.Queue()
        self._later: list[list[Any]] = []
        self.received: list[list[Any]] = []
        self.stderr = ""
        listener = socket.socket(socket.AF_UNIX)
        address = f"{self._directory.name}/s"
        listener.bind(address)
        listener.listen()
        path = os.pathsep.join((OWN_DIRECTORY, TARGETS))
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import sys; from hognose.__main__ import main; sys.exit(main(['worker']))"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
            text=True,
        )
        settings = {
            "worker_id": 7,
            "address": address,
            "secret": "s3cret",
            "grpc_address": None,
            "preload": [],
            "python_path": [],
            "restore_environment": {},
            "status_page": str(self.page),
            "spin_us": 0,
            **bootstrap,
        }
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(settings) + "\n")
        self.process.stdin.close()
        threading.Thread(target=self._read_stderr, daemon=True).start()
        self.hellos: dict[int, list[Any]] = {}
        self.roles: list[int] = []
        self.connections: dict[int, Connection] = {}
        listener.settimeout(PATIENCE_S)
        for _ in range(3):
            accepted, _ = listener.accept()
            connection = Connection(accepted)
            frame = connection.receive()
            assert frame is not None, self.stderr
            hello, *rest = frame
            self.hellos[hello[2]] = hello
            self.roles.append(hello[2])
            self.connections[hello[2]] = connection
            for message in rest:
                self._messages.put(message)
            if hello[2] == m.ROLE_LIFELINE:
                connection.send_raw(b"\x01")
        listener.close()
        self.data, self.control = self.connections[m.ROLE_DATA], self.connections[m.ROLE_CONTROL]
        threading.Thread(target=self._read, daemon=True).start()
        self.ready = self.expect(m.WORKER_MESSAGE_READY)

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.stderr += line

    def _read(self) -> None:
        while (frame := self.data.receive()) is not None:
            for message in frame:
                self._messages.put(message)

    def __enter__(self) -> FakeHost:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, 9)
        self.process.wait()
        for connection in self.connections.values():
            connection.close()
        if error is not None:
            print(self.stderr, file=sys.stderr)
        self._directory.cleanup()

    # What a host sends.

    def message(self, target: str = "", args: Any = None, **fields: Any) -> list[Any]:
        """A call, with the fields that are named; its id is the next."""
        given = {"id": next(self._ids), "payload_version": 1, "call_type": m.CALL_TYPE_FUNCTION, **fields}
        given.setdefault("target", target)
        given.setdefault("args", args)
        call = [m.HOST_MESSAGE_CALL]
        for name, default in zip(FIELDS, m.HOST_DEFAULTS[m.HOST_MESSAGE_CALL][1:], strict=True):
            call.append(given.pop(name, default))
        assert not given, given
        return call

    def inline(self, source_text: str, *args: Any, **fields: Any) -> list[Any]:
        """A call of inline code, in which the arguments are `a0`, `a1` and so on."""
        parts = [""]
        for index in range(len(args)):
            parts[-1] += f"a{index} = "
            parts.append("\n")
        parts[-1] += source_text
        block = [f"{hash((source_text, len(args)))}", parts, "test.ts", 1]
        return self.message(call_type=m.CALL_TYPE_INLINE, args=list(args), inline=block, **fields)

    def send(self, *messages: list[Any]) -> int:
        """Sends messages in one frame on the data connection; returns the id of the last."""
        self.data.send(*messages)
        last: int = messages[-1][1] if len(messages[-1]) > 1 else 0
        return last

    def urgent(self, *messages: list[Any]) -> None:
        self.control.send(*messages)

    def cancel(self, call_id: int, reason: int = m.CANCEL_REASON_ABORT) -> None:
        self.urgent([m.HOST_MESSAGE_CANCEL, call_id, reason])

    # What the worker sends.

    def next(self, matches: Callable[[list[Any]], bool] = lambda _: True) -> list[Any]:
        """The first message that matches and was not taken yet."""
        for index, message in enumerate(self._later):
            if matches(message):
                return self._later.pop(index)
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                message = self._messages.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no such message; others: {repr(self._later)[:500]}; {self.stderr}") from None
            self.received.append(message)
            if matches(message):
                return message
            self._later.append(message)

    def expect(self, kind: int, call_id: int | None = None) -> list[Any]:
        """The first message of a kind, of a call where its id is given."""
        return self.next(lambda message: message[0] == kind and (call_id is None or message[1] == call_id))

    def answer(self, call_id: int) -> list[Any]:
        """The answer of a call."""
        ends = (m.WORKER_MESSAGE_RESULT, m.WORKER_MESSAGE_RAISED, m.WORKER_MESSAGE_STREAM_END)
        return self.next(lambda message: message[0] in ends and message[1] == call_id)

    def result(self, call_id: int) -> Any:
        """The value of a call's answer."""
        message = self.answer(call_id)
        assert message[0] == m.WORKER_MESSAGE_RESULT, message
        return message[2] if len(message) > 2 else None

    def error(self, call_id: int) -> dict[str, Any]:
        """The error of a call's answer."""
        message = self.answer(call_id)
        assert message[0] in (m.WORKER_MESSAGE_RAISED, m.WORKER_MESSAGE_STREAM_END), message
        names = [name for name, *_ in m.LAYOUT["Error"]]
        return dict(zip(names, message[2], strict=False))

    def call(self, target: str = "", args: Any = None, **fields: Any) -> Any:
        """Sends a call and returns its value."""
        return self.result(self.send(self.message(target, args, **fields)))

    def run(self, source_text: str, *args: Any, **fields: Any) -> Any:
        """Runs inline code and returns its value."""
        return self.result(self.send(self.inline(source_text, *args, **fields)))

    def metrics(self) -> dict[str, int]:
        """What the worker tells of itself."""
        self.urgent([m.HOST_MESSAGE_MEASURE])
        message = self.expect(m.WORKER_MESSAGE_METRICS)
        names = [name for name, *_ in m.LAYOUT["Metrics"]]
        return dict(zip(names, [*message[1:], *[0] * 8], strict=False))

    def wait_for(self, is_true: Callable[[], bool]) -> None:
        """Asks the worker until something is so."""
        until = time.monotonic() + PATIENCE_S
        while not is_true():
            assert time.monotonic() < until, f"it never became true; stderr: {self.stderr}"

    def words(self) -> memoryview:
        """The status page."""
        return memoryview(self.page.read_bytes()).cast("Q")


@contextmanager
def host(**bootstrap: Any) -> Iterator[FakeHost]:
    with FakeHost(**bootstrap) as started:
        yield started
