# ruff: noqa: B006 -- mutable defaults are what is tested
from __future__ import annotations

import ast
import enum
import functools
import math
import os
from typing import Any

import pytest

from hognose_introspect.signatures import describe_constructor, describe_signature

_sentinel = object()
HOME = os.path.join(os.sep, "home", "somebody", "data")


class Level(enum.Enum):
    HIGH = 1


def defaults_of(function: object) -> dict[str, str | None]:
    signature = describe_signature(function)
    assert signature is not None
    return {parameter["name"]: parameter["default"] for parameter in signature["parameters"]}


def test_defaults_are_shown_as_python_writes_them() -> None:
    def f(
        a: Any, b: Any = (1, ("x",), [None]), c: Any = {"k": 1.5}, d: Any = float("-inf"), *, e: Any = Level.HIGH
    ): ...

    assert defaults_of(f) == {"a": None, "b": "(1, ('x',), [None])", "c": "{'k': 1.5}", "d": "-inf", "e": "Level.HIGH"}


def test_what_has_no_literal_is_shown_by_its_source() -> None:
    def f(a: Any = _sentinel, b: Any = lambda: 1, *, c: Any = {1, 2}, d: Any = int): ...

    # How Python writes its own syntax tree as source differs between versions.
    shown = ast.unparse(ast.parse("lambda: 1", mode="eval"))
    assert defaults_of(f) == {"a": "_sentinel", "b": shown, "c": "{1, 2}", "d": "int"}


def test_an_absolute_path_of_this_machine_is_never_shown() -> None:
    def f(a: Any = HOME, b: Any = "relative/path", c: Any = "/etc/literal"): ...

    assert defaults_of(f) == {"a": "HOME", "b": "'relative/path'", "c": "'/etc/literal'"}


def test_a_default_without_source_is_an_ellipsis_and_never_an_address() -> None:
    namespace: dict[str, Any] = {"sentinel": object(), "path": HOME}
    exec("def f(a=sentinel, b=path, c=len, d=3): ...", namespace)
    assert defaults_of(namespace["f"]) == {"a": "…", "b": "…", "c": "len", "d": "3"}


def test_a_long_default_is_an_ellipsis() -> None:
    def f(a: Any = "x" * 200): ...

    namespace: dict[str, Any] = {}
    exec(f"def f(a={'x' * 200!r}): ...", namespace)
    assert defaults_of(f) == {"a": "'x' * 200"}
    assert defaults_of(namespace["f"]) == {"a": "…"}


def test_a_decorated_function_has_the_signature_and_annotations_of_what_it_wraps() -> None:
    def inner(a: Level, b: int = 3) -> str:
        return f"{a}{b}"

    @functools.wraps(inner)
    def outer(*args: object, **kwargs: object) -> object:
        return inner(*args, **kwargs)  # type: ignore[arg-type]

    signature = describe_signature(outer)
    assert signature is not None
    assert [parameter["name"] for parameter in signature["parameters"]] == ["a", "b"]
    assert signature["parameters"][0]["slot"]["type"]["name"].endswith(".Level")
    assert signature["result"]["type"] == {"kind": "str"}


def test_a_function_in_c_without_a_signature_has_none() -> None:
    assert describe_signature(math.hypot) is None
    assert describe_signature(math.sqrt) is not None


def test_a_signature_that_raises_is_none() -> None:
    class Hostile:
        @property
        def __signature__(self) -> object:
            raise RuntimeError("no")

        def __call__(self) -> None: ...

    assert describe_signature(Hostile()) is None


def test_only_self_is_left_out() -> None:
    class C:
        def method(self, a: int) -> None: ...

        def anything(*args: int) -> None: ...

    def names(function: object) -> list[str]:
        signature = describe_signature(function, skip_first=True)
        assert signature is not None
        return [parameter["name"] for parameter in signature["parameters"]]

    assert names(C.method) == ["a"]
    assert names(C.anything) == ["args"]


@pytest.mark.parametrize("by_new", [True, False])
def test_a_constructor_is_described_by_what_makes_the_object(by_new: bool) -> None:
    class ByInit:
        def __init__(self, a: Level, b: object = _sentinel) -> None: ...

    class ByNew:
        def __new__(cls, a: Level, b: object = _sentinel) -> ByNew:
            return super().__new__(cls)

    signature = describe_constructor(ByNew if by_new else ByInit)
    assert signature is not None
    first, second = signature["parameters"]
    assert first["slot"]["type"]["name"].endswith(".Level")
    assert second["default"] == "_sentinel"
    assert signature["result"]["source"] == "none"
