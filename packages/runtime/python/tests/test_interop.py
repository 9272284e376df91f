"""Context managers as the host drives them."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from hognose.interop import enter, leave


class HostError(Exception):
    """Stands for what the host's code has thrown."""


class Manager:
    """Notes what it is left with."""

    def __init__(self, suppresses: bool = False) -> None:
        self.suppresses = suppresses
        self.left: list[Any] = []

    def __enter__(self) -> str:
        return "entered"

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> bool:
        self.left += [kind, value, traceback, sys.exc_info()[1]]
        return self.suppresses


def test_leaving_without_an_error_passes_none() -> None:
    manager = Manager(suppresses=True)
    assert enter(manager) == "entered"
    assert leave(manager) is True
    assert manager.left == [None, None, None, None]


@pytest.mark.parametrize("suppresses", [False, True])
def test_an_error_is_raised_in_earnest(suppresses: bool) -> None:
    manager = Manager(suppresses)
    error = HostError("from the host")
    assert leave(manager, error) is suppresses
    kind, value, traceback, current = manager.left
    assert (kind, value, current) == (HostError, error, error)
    assert traceback is not None


def test_a_generator_based_one_sees_the_error_at_its_yield() -> None:
    seen: list[BaseException] = []

    @contextlib.contextmanager
    def manager(suppresses: bool) -> Iterator[int]:
        try:
            yield 1
        except HostError as error:
            seen.append(error)
            if not suppresses:
                raise

    for suppresses in (False, True):
        made = manager(suppresses)
        assert enter(made) == 1
        error = HostError("x")
        assert leave(made, error) is suppresses
        assert seen.pop() is error


def test_an_exception_of_python_arrives_as_its_own_kind() -> None:
    manager = contextlib.suppress(LookupError)
    enter(manager)
    assert leave(manager, HostError("k"), ["builtins", "builtins.KeyError", ["k"]]) is True
    assert leave(contextlib.suppress(LookupError), HostError("v"), ["builtins", "builtins.ValueError", ["v"]]) is False
    seen = Manager()
    leave(seen, HostError("k"), ["builtins", "builtins.KeyError", ["k"]])
    assert seen.left[0] is KeyError
    assert seen.left[1].args == ("k",)


class PickyError(Exception):
    """Made by keyword only."""

    def __new__(cls, *, reason: str) -> PickyError:
        return super().__new__(cls, reason)


@pytest.mark.parametrize(
    "original",
    [
        ["no.such.module", "no.such.module.Error", []],
        ["builtins", "builtins.NoSuchError", []],
        ["builtins", "builtins.print", []],
        ["builtins", "builtins.int", []],
        [__name__, f"{__name__}.PickyError", ["x"]],
    ],
)
def test_one_that_cannot_be_made_anew_stays_the_hosts(original: list[Any]) -> None:
    manager = Manager()
    error = HostError("x")
    leave(manager, error, original)
    assert manager.left[1] is error


def test_what_leaving_raises_has_the_error_as_its_context() -> None:
    class Raising(Manager):
        def __exit__(self, kind: Any, value: Any, traceback: Any) -> bool:
            raise RuntimeError("on the way out")

    error = HostError("x")
    with pytest.raises(RuntimeError) as caught:
        leave(Raising(), error)
    assert caught.value.__context__ is error


def test_asynchronous_ones_give_awaitables() -> None:
    log: list[str] = []

    @contextlib.asynccontextmanager
    async def manager() -> AsyncIterator[int]:
        try:
            yield 5
        except HostError:
            log.append("suppressed")
        finally:
            log.append("left")

    async def run(error: BaseException | None) -> tuple[int, bool]:
        made = manager()
        return await enter(made), await leave(made, error)  # type: ignore[misc]

    assert asyncio.run(run(None)) == (5, False)
    assert asyncio.run(run(HostError("x"))) == (5, True)
    assert log == ["left", "suppressed", "left"]


def test_a_class_that_supports_both_is_entered_asynchronously() -> None:
    class Both(Manager):
        async def __aenter__(self) -> str:
            return "asynchronously"

        async def __aexit__(self, kind: Any, value: Any, traceback: Any) -> None:
            self.left.append("asynchronously")

    both = Both()

    async def run() -> tuple[str, bool]:
        return await enter(both), await leave(both)  # type: ignore[misc]

    assert asyncio.run(run()) == ("asynchronously", False)
    assert both.left == ["asynchronously"]


@pytest.mark.parametrize("value", [1, object(), Manager])
def test_what_is_no_context_manager_says_so(value: Any) -> None:
    with pytest.raises(TypeError, match="is no context manager: it has no __enter__ and __exit__"):
        enter(value)
