"""A worker: connects to its host, imports what it was told to and answers calls until the host closes the lane."""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import platform
import signal
import sys
from dataclasses import dataclass
from typing import Any, BinaryIO

from hognose import PAYLOAD_VERSION, PROTOCOL_VERSION, lifeline
from hognose.codec import Codec
from hognose.dispatch import Dispatcher, resolve
from hognose.errors import MissingPackage, ProtocolError, to_wire
from hognose.gen.messages import (
    HOST_MESSAGE_CALL,
    HOST_MESSAGE_GOODBYE,
    HOST_MESSAGE_PYTHON_PATH,
    HOST_MESSAGE_RELEASE,
    ROLE_DATA,
    ROLE_LIFELINE,
    WORKER_MESSAGE_HELLO,
    WORKER_MESSAGE_RAISED,
    WORKER_MESSAGE_READY,
    WORKER_MESSAGE_RESULT,
)
from hognose.handles import HandleTable
from hognose.transport import Lane
from hognose.transport.socket_lane import SocketLane, connect

__all__ = ["Bootstrap", "Worker", "run"]


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
    """

    worker_id: int
    address: str
    secret: str
    grpc_address: str | None
    preload: list[str]
    python_path: list[str]
    restore_environment: dict[str, str | None]


def run(stdin: BinaryIO) -> int:
    """Runs a worker told how by one line of `stdin`; returns the exit status."""
    line = stdin.readline()
    if not line:
        print("hognose: a worker is started by a host, which writes one JSON line to its stdin", file=sys.stderr)
        return 64
    bootstrap = Bootstrap(**json.loads(line))
    _prepare_process(bootstrap)
    worker = Worker()
    lane = worker.open(bootstrap)
    for name in bootstrap.preload:
        importlib.import_module(name)
    lane.send([[WORKER_MESSAGE_READY, PAYLOAD_VERSION]])
    if not worker.serve(lane):
        # The lane may end before the lifeline does: what this process has started must not outlive it either.
        lifeline.end_group()
    lane.close()
    return 0


def _prepare_process(bootstrap: Bootstrap) -> None:
    for name, value in bootstrap.restore_environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    sys.path[:0] = bootstrap.python_path
    # A segfault's Python stack goes to stderr, whose end the host keeps: the crashed thread's, not all of gRPC's.
    faulthandler.enable(all_threads=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the host's to answer
    # User code that reads stdin gets an end of file, never a part of the bootstrap or a hang.
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")


class Worker:
    """The state of one worker: the objects that it keeps for its host, and how values and calls are read."""

    def __init__(self) -> None:
        self.handles = HandleTable()
        self.codec = Codec(self.handles, resolve)
        self.dispatcher = Dispatcher(self.handles)

    def open(self, bootstrap: Bootstrap) -> Lane:
        """Connects to the host: the lifeline, and the lane that carries the calls.

        Raises:
            MissingPackage: When the gRPC lane is asked for and its packages are missing.
            OSError: When the host is gone.
        """
        if bootstrap.grpc_address is not None:
            try:
                from hognose.transport.grpc_lane import serve
            except ModuleNotFoundError as error:
                package = {"grpc": "grpcio", "google": "protobuf"}.get((error.name or "").partition(".")[0])
                if package is None:
                    raise
                raise MissingPackage(package) from error

            # The host dials as soon as the lifeline says that this worker listens.
            lane: Lane = serve(bootstrap.grpc_address, bootstrap.secret, self.codec)
            self._hold_lifeline(bootstrap)
            lane.send([_hello(bootstrap, ROLE_DATA, secret="")])
            return lane
        self._hold_lifeline(bootstrap)
        lane = SocketLane(connect(bootstrap.address), self.codec)
        lane.send([_hello(bootstrap, ROLE_DATA, bootstrap.secret)])
        return lane

    def _hold_lifeline(self, bootstrap: Bootstrap) -> None:
        connection = connect(bootstrap.address)
        SocketLane(connection, self.codec).send([_hello(bootstrap, ROLE_LIFELINE, bootstrap.secret)])
        # One byte says that the host has read it: a read still to come would raise the signal that means its end.
        if connection.recv(1) != b"\x01":
            raise ProtocolError("the host refused the lifeline")
        lifeline.hold(connection)

    def serve(self, lane: Lane) -> bool:
        """Answers until the host says goodbye or closes the lane; returns whether it has said goodbye."""
        while (messages := lane.receive()) is not None:
            broken, self.codec.found_undecodable = self.codec.found_undecodable, False
            for message in messages:
                kind = message[0]
                if kind == HOST_MESSAGE_CALL:
                    self._answer(lane, message, broken)
                elif kind == HOST_MESSAGE_RELEASE:
                    for handle, received in message[1]:
                        self.handles.release(handle, received)
                elif kind == HOST_MESSAGE_PYTHON_PATH:
                    sys.path[:0] = [entry for entry in message[1] if entry not in sys.path]
                    importlib.invalidate_caches()
                elif kind == HOST_MESSAGE_GOODBYE:
                    return True
                else:
                    raise ProtocolError(f"the host sent a message of the unknown kind {kind}")
        return False

    def _answer(self, lane: Lane, call: list[Any], may_be_broken: bool) -> None:
        call_id = call[1]
        try:
            result = self.codec.mark(self.dispatcher.run(call, may_be_broken), call[-1])
            lane.send([[WORKER_MESSAGE_RESULT, call_id, result]])
        except SystemExit:
            raise  # `sys.exit` in a call ends the worker, and its code tells the host why
        except BaseException as error:
            lane.send([[WORKER_MESSAGE_RAISED, call_id, to_wire(error)]])


def _hello(bootstrap: Bootstrap, role: int, secret: str) -> list[Any]:
    version = platform.python_version()
    return [WORKER_MESSAGE_HELLO, PROTOCOL_VERSION, role, bootstrap.worker_id, secret, os.getpid(), version]
