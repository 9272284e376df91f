"""A worker: connects to its host, imports what it was told to and answers calls until the host closes the lane."""

from __future__ import annotations

import faulthandler
import importlib
import importlib.util
import json
import os
import platform
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from hognose import PAYLOAD_VERSIONS, PROTOCOL_VERSION, __version__, lifeline, logs, native_threads
from hognose.core import Core
from hognose.errors import HognoseCancel, HognoseError, MissingPackage, ProtocolError
from hognose.gen.messages import (
    ROLE_CONTROL,
    ROLE_DATA,
    ROLE_LIFELINE,
    ROLE_SEGMENTS,
    WORKER_MESSAGE_HELLO,
    WORKER_MESSAGE_READY,
)
from hognose.runner import MainRunner, PoolRunner
from hognose.source_hash import source_hash
from hognose.status_page import MAIN_SLOT, StatusPage
from hognose.transport import Lane
from hognose.transport.socket_lane import ControlLane, SocketLane, connect
from hognose.transport.socket_writer import SocketWriter

if TYPE_CHECKING:
    from hognose.codec import Codec
    from hognose.transport.grpc_lane import GrpcLane

__all__ = [
    "Bootstrap",
    "Worker",
    "describe",
    "import_grpc_lane",
    "prepare_process",
    "read_line",
    "run",
    "set_environment",
]

#: See `prepare_process`.
_SWITCH_INTERVAL_S: Final = 0.001

#: Packages that make a worker capable of more, where they are installed.
_CAPABILITIES: Final = ("numpy", "pyarrow")


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """What the host tells a worker at its start, as one JSON line on stdin.

    Attributes:
        worker_id: The host's number for this worker.
        address: The host's socket.
        secret: Proves this worker to the host. It stands neither in argv nor in the environment, which others may read.
        grpc_address: Where to serve gRPC; None: the socket lane carries the calls.
        preload: Modules to import before the first call.
        python_path: Directories to import from, before those of the interpreter.
        restore_environment: Variables to set back (None: to remove) that the host changed only to start this process.
        status_page: The file in which the worker notes what it runs; None: nobody looks.
        threads: How many threads run calls.
        spin_us: How many microseconds the worker polls for the next frame before it sleeps.
        has_control: Whether the host takes a control connection also beside the gRPC lane.
        log_level: The root logger's level; None: as Python has it.
        served: What `hognose.served.Served` holds, where `python -m hognose serve` has started this worker; None: its
            host has.
        shared_memory: How memory is shared with the host: `path` of the package that does, `max_bytes`, `requires` and
            `numpy_arena`; None: none is.
        allow: What calls may reach: `modules` and `inline`; None: everything.
    """

    worker_id: int
    address: str
    secret: str
    grpc_address: str | None
    preload: list[str]
    python_path: list[str]
    restore_environment: dict[str, str | None]
    status_page: str | None = None
    threads: int = 1
    spin_us: int = 50
    has_control: bool = False
    log_level: int | None = None
    allow: dict[str, Any] | None = None
    served: dict[str, Any] | None = None
    shared_memory: dict[str, Any] | None = None


def read_line(stdin: BinaryIO) -> dict[str, Any]:
    """What the host tells this process at its start.

    Raises:
        SystemExit: When there is no host.
    """
    line = stdin.readline()
    if not line:
        print("hognose: a worker is started by a host, which writes one JSON line to its stdin", file=sys.stderr)
        raise SystemExit(64)
    fields: dict[str, Any] = json.loads(line)
    return fields


def run(bootstrap: Bootstrap) -> int:
    """Runs a worker in a process that is prepared for it; returns the exit status."""
    guard = None
    if bootstrap.allow is not None:
        from hognose.allow import make_guard  # only for those who need it

        guard = make_guard(bootstrap.allow)
    worker = Worker(Core(threads=bootstrap.threads, page=StatusPage(bootstrap.status_page), guard=guard))
    lane = worker.open(bootstrap)
    logs.install(worker.core, bootstrap.log_level)
    for name in bootstrap.preload:
        importlib.import_module(name)
    lane.write([lane.pack([WORKER_MESSAGE_READY, *describe()])])
    if not worker.serve():
        # The lane may end before the lifeline does: what this process has started must not outlive it either.
        lifeline.end_group()
    lane.close()
    return 0


def prepare_process(python_path: list[str], restore_environment: dict[str, str | None]) -> None:
    """Makes this process what user code expects of one.

    Args:
        python_path: Directories to import from, before those of the interpreter.
        restore_environment: Variables to set back (None: to remove) that were changed only to start this process.
    """
    set_environment(restore_environment)
    sys.path[:0] = python_path
    # A segfault's Python stack goes to stderr, whose end the host keeps: the crashed thread's, not all of gRPC's.
    faulthandler.enable(all_threads=False)
    # How long a thread that cancels a loop in Python waits for its turn, twice; the default is for fewer switches.
    sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_INTERVAL_S))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the host's to answer
    # User code that reads stdin gets an end of file, never a part of the bootstrap or a hang.
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")


def set_environment(values: dict[str, str | None]) -> None:
    """Sets environment variables; None removes one."""
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@cache
def describe() -> tuple[list[str], str]:
    """What a worker tells when it is ready: of what it is capable, and the hash of its sources."""
    return [name for name in _CAPABILITIES if importlib.util.find_spec(name) is not None], source_hash()


def import_grpc_lane() -> Callable[[str, str, Codec], GrpcLane]:
    """The function that starts a gRPC server.

    Raises:
        MissingPackage: When what it needs is not installed.
    """
    try:
        from hognose.transport.grpc_lane import serve
    except ModuleNotFoundError as error:
        package = {"grpc": "grpcio", "google": "protobuf"}.get((error.name or "").partition(".")[0])
        if package is None:
            raise
        raise MissingPackage(package) from error
    return serve


class Worker:
    """A worker's threads, and its connections to the host.

    Args:
        core: What they share.
    """

    def __init__(self, core: Core) -> None:
        self.core = core

    def open(self, bootstrap: Bootstrap) -> Lane:
        """Connects to the host: the lifeline, the control connection, and the lane that carries the calls.

        Raises:
            MissingPackage: When the gRPC lane is asked for and its packages are missing.
            OSError: When the host is gone.
        """
        core = self.core
        if bootstrap.grpc_address is not None:
            serve = import_grpc_lane()
            if bootstrap.served is not None:
                from hognose.served import Served, open_lane

                def greet(epoch: int) -> list[Any]:
                    return _hello(replace(bootstrap, worker_id=epoch), ROLE_DATA, secret="")

                core.attach(open_lane(Served(**bootstrap.served), bootstrap.grpc_address, core.codec, greet))
                return core.lane
            # The host dials as soon as the lifeline says that this worker listens.
            grpc_lane = serve(bootstrap.grpc_address, bootstrap.secret, core.codec)
            self._share_memory(bootstrap)
            self._hold_lifeline(bootstrap)
            grpc_lane.write([grpc_lane.pack(_hello(bootstrap, ROLE_DATA, secret=""))])
            grpc_lane.has_control = bootstrap.has_control
            core.attach(grpc_lane)
            if bootstrap.has_control:
                self._obey(self._dial_control(bootstrap))
            return core.lane
        self._hold_lifeline(bootstrap)
        self._share_memory(bootstrap)
        control = self._dial_control(bootstrap)
        data = connect(bootstrap.address)
        lane = SocketLane(data, core.codec, spin_ns=bootstrap.spin_us * 1000)
        lane.write([lane.pack(_hello(bootstrap, ROLE_DATA, bootstrap.secret))])
        core.attach(lane)
        core.connections.append(data)
        self._obey(control)
        return core.lane

    def _dial_control(self, bootstrap: Bootstrap) -> socket.socket:
        control = connect(bootstrap.address)
        writer = SocketWriter(control, self.core.codec)
        writer.write([writer.pack(_hello(bootstrap, ROLE_CONTROL, bootstrap.secret))])
        return control

    def _share_memory(self, bootstrap: Bootstrap) -> None:
        """Shares memory with the host, where both sides can."""
        options = bootstrap.shared_memory
        if options is None or sys.platform == "win32":
            return
        if options["path"] not in sys.path:
            sys.path.append(options["path"])
        connection = connect(bootstrap.address)
        writer = SocketWriter(connection, self.core.codec)
        writer.write([writer.pack(_hello(bootstrap, ROLE_SEGMENTS, bootstrap.secret))])
        # One byte says whether the host can share memory.
        if connection.recv(1) != b"\x01":
            connection.close()
            return
        from hognose import sharing

        self.core.connections.append(connection)
        shared = sharing.Sharing(connection, max_bytes=options["max_bytes"], requires=options["requires"])
        sharing.install(shared)
        self.core.share(shared)
        if options["numpy_arena"]:
            shared.use_for_numpy()

    def _obey(self, control: socket.socket) -> None:
        self.core.connections.append(control)
        self.listen(ControlLane(control, self.core.codec))

    def listen(self, control: ControlLane) -> None:
        """Does what comes on the control connection, on a thread that waits for nothing else."""

        def obey() -> None:
            handle = self.core.reader.handle
            try:
                while (frame := control.receive()) is not None:
                    for message in frame[0]:
                        handle(message)
            except (HognoseError, OSError) as error:
                print(f"hognose: the control connection has ended: {error}", file=sys.stderr)

        threading.Thread(target=obey, name="hognose-control", daemon=True).start()

    def _hold_lifeline(self, bootstrap: Bootstrap) -> None:
        connection = connect(bootstrap.address)
        writer = SocketWriter(connection, self.core.codec)
        writer.write([writer.pack(_hello(bootstrap, ROLE_LIFELINE, bootstrap.secret))])
        # One byte says that the host has read it: a read still to come would raise the signal that means its end.
        if connection.recv(1) != b"\x01":
            raise ProtocolError("the host refused the lifeline")
        lifeline.hold(connection)

    def serve(self) -> bool:
        """Answers until the host says goodbye or closes the lane; returns whether the end was in good order.

        Raises:
            HognoseError: When the host does not keep to the contract.
            SystemExit: When a call ends the worker.
        """
        core = self.core
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=core.become_child)
        if core.threads > 1:
            self._start_pool()
            core.reader.read_always()
        else:
            if core.has_reading_thread:
                threading.Thread(target=core.reader.read_always, name="hognose-reader", daemon=True).start()
            self._run_calls()
        if core.reader.failure is not None:
            raise core.reader.failure
        return core.has_said_goodbye

    def _run_calls(self) -> None:
        core = self.core
        main = MainRunner(core, MAIN_SLOT)
        core.runners[main] = None
        core.busy = main.calls
        core.canceller.listen(main)
        main.serve()

    def _start_pool(self) -> None:
        for number in range(self.core.threads):
            thread = threading.Thread(target=self._run_pooled, name=f"hognose-call-{number}", daemon=True)
            thread.start()

    def _run_pooled(self) -> None:
        native_threads.adopt()
        core = self.core
        core.adopt_thread()
        tokens = core.tokens
        assert tokens is not None
        runner = PoolRunner(core, core.page.take_slot())
        core.runners[runner] = None
        while not core.reader.end:
            tokens.get()
            try:
                job = core.queue.popleft()
            except IndexError:
                continue  # taken back
            try:
                if type(job) is list:
                    runner.run(job)
                else:
                    core.streams.pump(job, runner)
            except HognoseCancel:
                pass  # delivered after the call had ended
            except BaseException:  # nothing of a call's comes here: the thread is for the next
                import traceback

                traceback.print_exc()
            del job
            core.outbox.flush()


def _hello(bootstrap: Bootstrap, role: int, secret: str) -> list[Any]:
    python_version = platform.python_version()
    versions = list(PAYLOAD_VERSIONS)
    return [
        WORKER_MESSAGE_HELLO,
        PROTOCOL_VERSION,
        role,
        bootstrap.worker_id,
        secret,
        os.getpid(),
        python_version,
        versions,
        __version__,
    ]
