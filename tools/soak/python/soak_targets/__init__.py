"""What the soak calls in its workers: ordinary work, and the ways in which a process ends.

Every function notes its call before it does anything else, so that the soak knows how often each call has run.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

#: Where calls are noted: `once` of calls that may run once, `again` of idempotent ones, `kills` of what ends a process.
_DIRECTORY = os.environ["HOGNOSE_SOAK_DIRECTORY"]

_MIB = 1 << 20
#: What a memory bomb takes at most: far beyond the limit, and no harm to a machine where the limit does not work.
_BOMB_MIB = 448
#: How long a call waits for the death that it has asked for.
_DEATH_S = 20.0

_files: dict[str, int] = {}


def add(call: str, a: int, b: int) -> int:
    """Adds."""
    _note(call)
    return a + b


def sleep(call: str, seconds: float) -> str:
    """Blocks in a system call; returns the call's name."""
    _note(call)
    time.sleep(seconds)
    return call


def spin(call: str, seconds: float) -> str:
    """Computes and never leaves the interpreter; returns the call's name."""
    _note(call)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return call


async def pause(call: str, seconds: float) -> str:
    """Waits on the event loop; returns the call's name."""
    _note(call)
    await asyncio.sleep(seconds)
    return call


def echo(call: str, value: T) -> T:
    """Returns what it got."""
    _note(call)
    return value


def refuse(call: str) -> None:
    """Raises.

    Raises:
        ValueError: Always, with the call's name.
    """
    _note(call)
    raise ValueError(call)


def numbers(call: str, count: int) -> Iterator[int]:
    """Yields integers, slowly enough that a death meets the stream."""
    _note(call)
    for number in range(count):
        if number % 64 == 63:
            time.sleep(0.001)
        yield number


def call_back(call: str, function: Callable[[int], int], count: int) -> int:
    """Calls back and sums the answers."""
    _note(call)
    return sum(function(number) for number in range(count))


class Counter:
    """An object that lives in a worker."""

    def __init__(self) -> None:
        self.count = 0

    def step(self) -> Counter:
        """Counts one more."""
        self.count += 1
        return self

    def total(self, call: str) -> int:
        """How far it has counted."""
        _note(call)
        return self.count


def talk(call: str, lines: int) -> int:
    """Prints, also where nobody listens any more."""
    _note(call)
    for line in range(lines):
        print(f"{call}: line {line}", file=sys.stderr)
        try:
            print(f"{call}: line {line}", flush=True)
        except (OSError, ValueError):
            break  # stdout was closed here
    return lines


def start_child(call: str) -> int:
    """Starts a process that outlives the call, and ends with the worker; returns its pid."""
    _note(call)
    return subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL).pid


def die(call: str, how: str) -> str:
    """Ends the worker in one of several ways, or does no harm where `how` is `not at all`."""
    _note(call)
    if how != "not at all":
        _write("kills", f"{how}\t{os.getpid()}\t{call}\n")
    if how == "SIGSEGV from within":
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(_DEATH_S)
    elif how == "null pointer":
        ctypes.string_at(0)
    elif how == "os._exit(0)":
        os._exit(0)
    elif how == "os._exit(3)":
        os._exit(3)
    elif how == "os.abort":
        os.abort()
    elif how == "SystemExit":
        raise SystemExit(5)
    elif how == "memory bomb":
        return _take_memory()
    elif how == "stdout closed":
        _close_stdout()
    return call


def probe(call: str, seconds: float) -> int:
    """Occupies the worker for a moment; returns its pid."""
    _note(call)
    time.sleep(seconds)
    return os.getpid()


def _take_memory() -> str:
    taken = []
    for _ in range(_BOMB_MIB // 8):
        taken.append(b"\1" * (8 * _MIB))
        time.sleep(0.005)  # a limit by sampling needs to see it
    time.sleep(_DEATH_S)
    return f"{len(taken) * 8} MiB were not too much"


def _close_stdout() -> None:
    if "stdout" in _files:
        return  # its descriptor may belong to something else by now
    _files["stdout"] = -1
    with contextlib.suppress(OSError):
        sys.stdout.close()
    with contextlib.suppress(OSError):
        os.close(1)  # closing the object leaves the descriptor open


def _note(call: str) -> None:
    """Writes `call pid` as one line, whole also when several processes write: `o...` calls may run once only."""
    _write("again" if call.startswith("i") else "once", f"{call}\t{os.getpid()}\n")


def _write(name: str, line: str) -> None:
    # Opened by each process for itself, and before stdout is closed: its descriptor would be taken instead.
    file = _files.get(name)
    if file is None:
        path = os.path.join(_DIRECTORY, name)
        file = _files[name] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.write(file, line.encode())
