"""`python -m hognose serve`, under hosts that know the contract alone."""

from __future__ import annotations

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import msgpack
import pytest

from hognose import serve
from hognose.connections import is_established
from hognose.transport.grpc_messages import message_class

PATIENCE_S = 30
TOKEN = "0123456789abcdef0123456789abcdef"
OWN_DIRECTORY = str(Path(serve.__file__).parent.parent)
FUNCTION, ATTRIBUTE, INVOKE = 1, 1, 2

HostFrame = message_class("HostFrame")
WorkerFrame = message_class("WorkerFrame")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of the connections of a process")


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process is there, and more than a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    if sys.platform != "linux":
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Server:
    """A supervisor, and what it has written."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hognose", "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": OWN_DIRECTORY},
            text=True,
        )
        self.stderr = ""
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()
        self.address = self.first_line.removeprefix("listening on ").strip()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.stderr += line

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE_S)
        self._reading.join(PATIENCE_S)
        return status


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def run(*arguments: str) -> Server:
        servers.append(Server(*arguments))
        return servers[-1]

    yield run
    for server in servers:
        if server.process.poll() is None:
            server.end()


@pytest.fixture
def server(start: Callable[..., Server], token_file: str) -> Server:
    return start("--listen", "127.0.0.1:0", "--token-file", token_file)


class Host:
    """A stock gRPC client that attaches to a worker."""

    def __init__(
        self,
        address: str,
        *,
        token: str | None = TOKEN,
        runtime: str | None = "r",
        epoch: object = 1,
        options: tuple[tuple[str, int], ...] = (),
    ) -> None:
        self.channel = grpc.insecure_channel(address, (("grpc.use_local_subchannel_pool", 1), *options))
        self._frames: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._ids = iter(range(1, 1000))
        attach = self.channel.stream_stream(
            "/hognose.v1.Worker/Attach",
            request_serializer=lambda frame: frame.SerializeToString(),
            response_deserializer=WorkerFrame.FromString,
        )
        metadata = []
        if token is not None:
            metadata.append(("hognose-secret", token))
        if runtime is not None:
            metadata += [("hognose-runtime", runtime), ("hognose-epoch", str(epoch))]
        self.stream = attach(iter(self._frames.get, None), metadata=metadata, timeout=PATIENCE_S)
        self.received: list[Any] = []

    def expect(self, kind: str) -> Any:
        """The next message, which must be of a kind."""
        while not self.received:
            self.received += next(self.stream).messages
        message = self.received.pop(0)
        assert message.WhichOneof("message") == kind
        return getattr(message, kind)

    def start_call(self, target: str, *args: object, steps: tuple[dict[str, Any], ...] = ()) -> None:
        fields = {"id": next(self._ids), "payload_version": 1, "call_type": FUNCTION, "target": target}
        self._frames.put(
            HostFrame(messages=[{"call": {**fields, "args": {"msgpack": msgpack.packb(args)}, "steps": steps}}])
        )

    def call(self, target: str, *args: object, steps: tuple[dict[str, Any], ...] = ()) -> Any:
        self.start_call(target, *args, steps=steps)
        return msgpack.unpackb(self.expect("result").value.msgpack)

    def attach(self) -> Host:
        """Waits until the worker is ready."""
        self.hello = self.expect("hello")
        self.expect("ready")
        return self

    def refusal(self) -> tuple[grpc.StatusCode, str, dict[str, str]]:
        """How the worker has ended the stream."""
        with pytest.raises(grpc.RpcError):
            next(self.stream)
        metadata = dict(self.stream.trailing_metadata() or ())
        return self.stream.code(), self.stream.details() or "", metadata

    def close(self) -> None:
        self.channel.close()


_BUSY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.FAILED_PRECONDITION)


def attach(address: str, **how: Any) -> Host:
    """Attaches as soon as there is a worker for it."""
    end = time.monotonic() + PATIENCE_S
    while True:
        host = Host(address, **how)
        try:
            return host.attach()
        except grpc.RpcError:
            host.close()
            if host.stream.code() not in _BUSY or time.monotonic() > end:
                raise
            time.sleep(0.05)


def hold_gil(seconds: int) -> Any:
    """Steps on a `ctypes.PyDLL`."""
    arguments = {"msgpack": msgpack.packb([seconds])}
    return ({"kind": ATTRIBUTE, "name": "sleep"}, {"kind": INVOKE, "args": arguments})


# What is wrong is told before anything is started.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--listen 0.0.0.0:1", "plain text"),
        ("--listen 10.1.2.3:1 --token-file TOKEN", "plain text"),
        ("--listen [::]:1", "plain text"),
        ("--listen example.org:1", "plain text"),
        ("--listen 0.0.0.0:1 --tls-cert TOKEN --tls-key TOKEN", "--token-file or --tls-client-ca"),
        ("--listen 127.0.0.1", "write HOST:PORT"),
        ("--listen 127.0.0.1:65536", "write HOST:PORT"),
        ("--listen ::1:1", "write HOST:PORT"),
        ("--listen 127.0.0.1:1 --tls-cert TOKEN", "go together"),
        ("--listen 127.0.0.1:1 --tls-client-ca TOKEN", "needs --tls-cert"),
        ("--listen 127.0.0.1:1 --token-file OPEN", "open to every user of this machine: chmod 600"),
        ("--listen 127.0.0.1:1 --tls-cert OPEN --tls-key OPEN", "--tls-key .*open is open to every user"),
        ("--listen 127.0.0.1:1 --token-file SHORT", "holds 5 characters"),
        ("--listen 127.0.0.1:1 --token-file SPACED", "one word"),
        ("--listen 127.0.0.1:1 --token-file EMPTY", "is empty"),
        ("--listen 127.0.0.1:1 --token-file NONE", "cannot be read: No such file"),
        ("--listen 127.0.0.1:1 --threads 0", "at least 1"),
        ("--listen 127.0.0.1:1 --host-timeout 0", "more than 0"),
        ("--listen 127.0.0.1:1 --allow-inline", "--allow-modules"),
        ("--listen 127.0.0.1:1 --preload a-b", "no name of a module"),
        ("--listen 127.0.0.1:1 --log-level loud", "one of debug"),
    ],
)
def test_what_is_wrong_is_refused(
    arguments: str, message: str, tmp_path: Path, token_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"open": TOKEN, "short": "short", "spaced": f"{TOKEN} {TOKEN}", "empty": "\n"}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o644 if name == "open" else 0o600)
    names = {"TOKEN": token_file, "NONE": str(tmp_path / "none"), **{n.upper(): str(tmp_path / n) for n in files}}
    with pytest.raises(SystemExit) as ended:
        serve.main([names.get(word, word) for word in arguments.split()])
    assert ended.value.code == 2
    assert re.search(message, capsys.readouterr().err)


def test_the_wire_is_not_open_to_others_by_mistake(start: Callable[..., Server]) -> None:
    server = start("--listen", "127.0.0.1:0")
    assert server.end() == 0
    assert "every user and program of this machine" in server.stderr


def test_an_address_in_use_is_told(start: Callable[..., Server]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = start("--listen", address)
        assert server.process.wait(PATIENCE_S) == 1
    assert f"cannot listen on {address}" in server.stderr


# Hosts.


def test_a_host_attaches_and_is_answered_under_its_number(server: Server) -> None:
    host = attach(server.address, epoch=41)
    assert (host.hello.worker_id, host.hello.secret, host.hello.protocol_version) == (41, "", 1)
    assert host.call("os.getpid") == host.hello.pid != server.process.pid
    host.close()


def test_a_host_without_a_number_is_served_as_well(server: Server) -> None:
    host = attach(server.address, runtime=None)
    assert host.hello.worker_id == 0
    host.close()


@pytest.mark.parametrize("token", [None, "", TOKEN[:-1], TOKEN + "0", TOKEN.upper()])
def test_a_wrong_token_is_refused(server: Server, token: str | None) -> None:
    code, details, _ = Host(server.address, token=token).refusal()
    assert (code, TOKEN in details) == (grpc.StatusCode.UNAUTHENTICATED, False)
    attach(server.address).close()


@pytest.mark.parametrize("epoch", ["-1", "x", "1.5", str(1 << 32), "9" * 5000])
def test_a_number_that_is_none_is_refused(server: Server, epoch: str) -> None:
    assert Host(server.address, epoch=epoch).refusal()[0] == grpc.StatusCode.INVALID_ARGUMENT
    attach(server.address).close()


@needs_linux
def test_the_token_stands_in_no_argument_and_no_environment_variable(server: Server) -> None:
    host = attach(server.address)
    for pid in (server.process.pid, host.hello.pid):
        for name in ("cmdline", "environ"):
            assert TOKEN.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
    host.close()


def test_a_second_host_is_refused_while_the_first_is_there(server: Server) -> None:
    first = attach(server.address, runtime="a", epoch=5)
    for runtime, epoch in (("b", 9), ("a", 5), ("a", 4)):
        code, details, metadata = Host(server.address, runtime=runtime, epoch=epoch).refusal()
        assert (code, details) == (grpc.StatusCode.FAILED_PRECONDITION, "this worker already serves a host")
        assert "grpc-retry-pushback-ms" not in metadata
    assert first.call("math.sqrt", 16) == 4.0
    first.close()


def test_a_host_without_a_name_takes_nothing_over(server: Server) -> None:
    first = attach(server.address, runtime="", epoch=1)
    assert Host(server.address, runtime="", epoch=9).refusal()[0] == grpc.StatusCode.FAILED_PRECONDITION
    assert first.call("math.sqrt", 16) == 4.0
    first.close()


def test_the_next_host_finds_a_fresh_process_at_the_same_address(server: Server) -> None:
    first = attach(server.address)
    first.call("os.putenv", "HOGNOSE_TEST", "left behind")
    first.close()
    until(lambda: not is_alive(first.hello.pid))
    second = attach(server.address, runtime="another")
    assert second.hello.pid != first.hello.pid
    assert second.call("math.sqrt", 16) == 4.0
    second.close()


def test_a_later_attempt_of_the_same_runtime_takes_over(server: Server) -> None:
    earlier = attach(server.address, epoch=5)
    earlier.start_call("time.sleep", 100)
    code, details, metadata = Host(server.address, epoch=6).refusal()
    assert (code, int(metadata["grpc-retry-pushback-ms"]) > 0) == (grpc.StatusCode.UNAVAILABLE, True)
    assert "try again" in details
    later = attach(server.address, epoch=7)
    assert later.hello.pid != earlier.hello.pid
    assert earlier.refusal()[0] in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    later.close()


def test_a_host_that_is_gone_ends_its_call_and_what_the_call_has_started(server: Server, tmp_path: Path) -> None:
    host = attach(server.address)
    mark = tmp_path / "pid"
    host.start_call("subprocess.call", ["sh", "-c", f"echo $$ > {mark}.new; mv {mark}.new {mark}; sleep 100"])
    until(mark.exists)
    grandchild = int(mark.read_text())
    assert is_alive(grandchild)
    host.close()
    until(lambda: not is_alive(host.hello.pid) and not is_alive(grandchild))
    until(lambda: "was ended by SIGKILL; the next starts at once" in server.stderr)
    assert "did not notice" not in server.stderr
    attach(server.address).close()


@needs_linux
def test_a_host_that_is_gone_ends_a_call_that_holds_the_gil(server: Server) -> None:
    host = attach(server.address)
    host.start_call("ctypes.PyDLL", None, steps=hold_gil(100))
    # It runs: an answer to anything else would need the GIL.
    asking = grpc.insecure_channel(server.address)
    check = asking.unary_unary("/grpc.health.v1.Health/Check")

    def is_held() -> bool:
        try:
            check(b"", timeout=0.3)
        except grpc.RpcError as error:
            return bool(error.code() == grpc.StatusCode.DEADLINE_EXCEEDED)
        return False

    until(is_held)
    host.close()
    until(lambda: not is_alive(host.hello.pid))
    asking.close()
    attach(server.address).close()
    assert "did not notice that its host has gone" in server.stderr


def test_a_host_whose_network_is_silent_is_taken_for_gone(start: Callable[..., Server], token_file: str) -> None:
    server = start("--listen", "127.0.0.1:0", "--token-file", token_file, "--host-timeout", "1.5")
    # Its deadline, of which the worker knows, is far behind the patience of this test.
    code = (
        f"import test_serve as t; t.PATIENCE_S *= 9; host = t.attach({server.address!r}); "
        "print(host.hello.pid, flush=True); input()"
    )
    directory = str(Path(__file__).parent)
    frozen = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((OWN_DIRECTORY, directory))},
    )
    try:
        assert frozen.stdout is not None
        worker = int(frozen.stdout.readline())
        assert is_alive(worker)
        frozen.send_signal(signal.SIGSTOP)  # as if its machine had lost its power
        until(lambda: not is_alive(worker))
        attach(server.address, runtime="another").close()
    finally:
        frozen.kill()
        frozen.wait()


def test_a_call_that_holds_the_gil_is_mistaken_for_a_silent_network_by_neither_side(
    start: Callable[..., Server], token_file: str
) -> None:
    server = start("--listen", "127.0.0.1:0", "--token-file", token_file, "--host-timeout", "1")
    often = (
        ("grpc.keepalive_time_ms", 500),
        ("grpc.keepalive_timeout_ms", 500),
        ("grpc.http2.max_pings_without_data", 0),
    )
    host = attach(server.address, options=often)
    assert host.call("ctypes.PyDLL", None, steps=hold_gil(5)) == 0
    host.close()


# The worker.


def test_a_worker_that_crashes_is_replaced(server: Server) -> None:
    for status in (3, 0):
        host = attach(server.address)
        host.start_call("os._exit", status)
        host.refusal()
        host.close()
        until(lambda host=host: not is_alive(host.hello.pid))  # type: ignore[misc]
    attach(server.address).close()
    assert "exited with code 3; the next starts at once" in server.stderr


def test_a_worker_that_dies_at_its_start_is_started_again_after_a_growing_pause(
    start: Callable[..., Server], tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('of this module')\n")
    server = start("--listen", "127.0.0.1:0", "--python-path", str(tmp_path), "--preload", "broken")
    until(lambda: server.stderr.count("the next starts in") >= 3)
    assert [pause in server.stderr for pause in ("in 0.1 s", "in 0.2 s", "in 0.4 s")] == [True, True, True]
    assert "RuntimeError: of this module" in server.stderr
    (tmp_path / "broken.py").write_text("")
    attach(server.address).close()


def test_what_was_preloaded_and_how_many_threads_run_calls(start: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import sys\ndef loaded(): return 'colorsys' in sys.modules\n")
    server = start(
        "--listen", "localhost:0", "--python-path", str(tmp_path), "--preload", "colorsys", "--preload", "mine",
        "--threads", "2",
    )  # fmt: skip
    assert server.first_line.startswith("listening on localhost:")
    host = attach(server.address, token=None)
    host.start_call("time.sleep", 100)
    assert host.call("mine.loaded") is True
    host.close()


def test_what_calls_may_reach_can_be_limited(start: Callable[..., Server]) -> None:
    server = start("--listen", "127.0.0.1:0", "--allow-modules", "math, colorsys")
    host = attach(server.address, token=None)
    assert host.call("math.sqrt", 16) == 4.0
    host.start_call("os.getpid")
    assert host.expect("raised").error.type == "NotAllowedError"
    host.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_both(server: Server, number: int) -> None:
    host = attach(server.address)
    host.start_call("time.sleep", 100)
    assert server.end(number) == 0
    assert not is_alive(host.hello.pid)
    host.close()


@needs_linux
def test_the_worker_dies_with_its_supervisor(server: Server) -> None:
    host = attach(server.address)
    host.start_call("ctypes.PyDLL", None, steps=hold_gil(100))
    server.end(signal.SIGKILL)
    until(lambda: not is_alive(host.hello.pid))
    host.close()


def test_a_signal_ends_a_supervisor_that_waits_to_start_again(start: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import os; os._exit(9)\n")
    server = start("--listen", "127.0.0.1:0", "--python-path", str(tmp_path), "--preload", "broken")
    until(lambda: "in 0.8 s" in server.stderr)
    assert server.end() == 0


def test_established_connections_are_found_in_the_kernels_tables(tmp_path: Path) -> None:
    head = "  sl  local_address rem_address   st tx_queue\n"
    rows = "   0: 0100007F:1F90 0100007F:D431 01 0\n   1: 0100007F:1F90 0100007F:D432 08 0\n"
    (tmp_path / "tcp").write_text(head + rows)
    (tmp_path / "tcp6").write_text(f"{head}   0: {'0' * 32}:1F90 {'0' * 32}:0001 01 0\n")
    directory = str(tmp_path)
    assert is_established(0x1F90, 0xD431, directory) is True
    assert is_established(0x1F90, 1, directory) is True
    assert is_established(0x1F90, 0xD432, directory) is False  # CLOSE_WAIT: the other side has closed
    assert is_established(0x1F91, 0xD431, directory) is False
    assert is_established(1, 1, str(tmp_path / "none")) is None
