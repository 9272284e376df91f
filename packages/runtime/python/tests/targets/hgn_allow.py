"""Functions for the tests of `allow`: what they return belongs to modules that the tests do not permit."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def forbidden() -> list[Any]:
    return [Path("secret"), builtins.eval, vars(sys)]


def forbidden_one(index: int) -> Any:
    return forbidden()[index]


async def forbidden_async(index: int) -> Any:
    await asyncio.sleep(0)
    return forbidden()[index]


class _Items(SimpleNamespace):
    def __iter__(self) -> Iterator[int]:
        return iter([1, 2])


class _AsyncItems:
    def __aiter__(self) -> _AsyncItems:
        return self

    async def __anext__(self) -> int:
        raise StopAsyncIteration


# As if another library's.
_Items.__module__ = _AsyncItems.__module__ = "elsewhere"


def forbidden_iterable() -> Any:
    return _Items()


async def forbidden_iterable_async() -> Any:
    await asyncio.sleep(0)
    return _Items()


def forbidden_async_iterable() -> Any:
    return _AsyncItems()


async def forbidden_async_iterable_async() -> Any:
    await asyncio.sleep(0)
    return _AsyncItems()


def identity(*args: Any, **kwargs: Any) -> Any:
    return args[0]


def kind_of(value: object) -> str:
    return type(value).__name__


def is_imported(name: str) -> bool:
    return name in sys.modules


def call_with(function: Any) -> Any:
    return function()


def sleep_quietly(seconds: float) -> None:
    time.sleep(seconds)


@contextlib.contextmanager
def managed() -> Iterator[str]:
    yield "inside"
