"""What the tests of the worker call."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hognose

#: What a test looks at later.
notes: list[Any] = []
event = threading.Event()


def add(a: float, b: float) -> float:
    return a + b


def note(value: Any) -> None:
    notes.append(value)


def take_notes() -> list[Any]:
    taken = notes.copy()
    notes.clear()
    return taken


def touch_and_wait(file: str) -> None:
    """Says that it runs, and waits until somebody sets the event."""
    Path(file).touch()
    event.wait()
    event.clear()


def set_event() -> None:
    event.set()


async def set_event_async() -> str:
    event.set()
    return "set"


def loop_forever(file: str) -> None:
    Path(file).touch()
    while True:
        pass


def sleep_long(file: str) -> None:
    Path(file).touch()
    time.sleep(1000)


def wait_for_lock(file: str) -> None:
    lock = threading.Lock()
    lock.acquire()
    Path(file).touch()
    lock.acquire()


def read_socket(file: str) -> None:
    import socket

    one, _other = socket.socketpair()
    Path(file).touch()
    one.recv(1)


def swallow_twice(file: str) -> str:
    """Ends at the third interruption."""
    for _ in range(2):
        try:
            Path(file).touch()
            while True:
                time.sleep(1000)
        except BaseException as error:
            notes.append(type(error).__name__)
    while True:
        time.sleep(1000)


async def later(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


async def sleep_async(file: str) -> None:
    Path(file).touch()
    try:
        await asyncio.sleep(1000)
    finally:
        notes.append("finally")


async def resist_until_set(file: str) -> str:
    Path(file).touch()
    while not event.is_set():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.01)
    event.clear()
    return "resisted"


async def fail_async() -> None:
    await asyncio.sleep(0)
    raise ValueError("async")


async def current_async() -> Any:
    await asyncio.sleep(0)
    one = hognose.current_call()
    other = await asyncio.to_thread(hognose.current_call)
    return [one.id if one else 0, other.id if other else 0]


def current() -> Any:
    call = hognose.current_call()
    if call is None:
        return None
    left = None if call.deadline is None else call.deadline - time.monotonic()
    return [call.id, call.session_id, left, call.trace, call.idempotent, call.attempt]


def state(key: str, value: Any = None) -> Any:
    kept = hognose.session_state()
    if value is not None:
        kept[key] = value
    return kept.get(key)


def count_up() -> Iterator[int]:
    return itertools.count(1)


def generate(count: int, file: str = "") -> Iterator[int]:
    try:
        yield from range(count)
    finally:
        notes.append("closed")
        if file:
            Path(file).touch()


def generate_two_then_raise() -> Iterator[int]:
    yield 1
    yield 2
    raise ValueError("third")


def generate_slowly(file: str) -> Iterator[int]:
    try:
        yield 1
        Path(file).touch()
        time.sleep(1000)
        yield 2
    finally:
        notes.append("closed")


async def generate_async(count: int) -> AsyncIterator[int]:
    try:
        for number in range(count):
            if number % 10 == 0:
                await asyncio.sleep(0)
            yield number
    finally:
        notes.append("closed")


async def generate_async_then_wait(file: str) -> AsyncIterator[int]:
    try:
        yield 1
        Path(file).touch()
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(0)
        notes.append("closed")


async def coroutine_of_iterator() -> Iterator[int]:
    await asyncio.sleep(0)
    return iter([1, 2, 3])


def call_with(callback: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return callback(*args, **kwargs)


def call_and_catch(callback: Callable[..., Any]) -> list[Any]:
    try:
        callback()
    except hognose.JavaScriptError as error:
        return [error.name, error.message, str(error), error.stack]
    return []


def call_from_threads(callback: Callable[[int], int], count: int) -> list[int]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(callback, range(count)))


async def call_async(callback: Callable[..., Any], value: Any) -> Any:
    return await callback(value)


def iterate(iterable: Any) -> list[Any]:
    return list(iterable)


async def iterate_async(iterable: Any) -> list[Any]:
    return [item async for item in iterable]


def take_some(iterable: Any, count: int) -> list[Any]:
    return list(itertools.islice(iterable, count))


kept: list[Any] = []


def keep(value: Any) -> int:
    kept.append(value)
    return len(kept)


def drop() -> None:
    kept.clear()


def fork_and_return(file: str) -> int:
    """Forks, and lets the child come back out of the call too."""
    import os

    child = os.fork()
    if child == 0:
        return -1
    _, status = os.waitpid(child, 0)
    Path(file).write_text(str(os.waitstatus_to_exitcode(status)), encoding="utf-8")
    return 1


def fork_and_call(callback: Callable[[], Any]) -> str:
    import os

    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        text = "called"
        try:
            callback()
        except Exception as error:
            text = type(error).__name__
        os.write(write, text.encode())
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(read, 100).decode()


def suppressing() -> None:
    with contextlib.suppress(Exception):
        while True:
            time.sleep(1000)
