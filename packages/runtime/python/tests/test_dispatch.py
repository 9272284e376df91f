from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from packages_on_disk import write

from hognose.dispatch import Suspended, evaluate, is_awaitable, is_coroutine_call, resolve, run_steps
from hognose.errors import DecodeError, ProtocolError
from hognose.gen import messages as m


def call(
    kind: int = m.CALL_TYPE_FUNCTION,
    target: str = "",
    *,
    root: Any = 0,
    args: Any = None,
    kwargs: Any = None,
    steps: Any = (),
    block: Any = None,
    version: int = 1,
) -> list[Any]:
    message = list(m.HOST_DEFAULTS[m.HOST_MESSAGE_CALL])
    message[1:6] = [1, version, kind, target, args]
    message[7:10] = [kwargs, root, list(steps)]
    message[11] = block
    return message


@pytest.mark.parametrize("kind", [m.CALL_TYPE_FUNCTION, m.CALL_TYPE_CLASS, m.CALL_TYPE_METHOD, m.CALL_TYPE_HELPER])
def test_every_kind_of_invocation_calls_what_the_target_names(kind: int) -> None:
    assert evaluate(call(kind, "operator.add", args=[1, 2])) == 3


class TestResolve:
    def test_finds_functions_classes_and_attributes_of_both(self) -> None:
        assert resolve("math.sqrt")(16) == 4
        assert resolve("pathlib.Path") is Path
        assert resolve("pathlib.Path.cwd")() == Path.cwd()
        assert resolve("os.path.join") is os.path.join
        assert resolve("sys") is sys

    def test_imports_submodules_on_the_way(self, packages: Path) -> None:
        write(packages, "lazy_one/__init__.py", "")
        write(packages, "lazy_one/inner/deep.py", "value = {'k': 1}\n")
        assert resolve("lazy_one.inner.deep.value") == {"k": 1}

    def test_prefers_an_attribute_to_a_submodule_of_its_name(self, packages: Path) -> None:
        write(packages, "two_faces/__init__.py", "def thing(): return 'function'\n")
        write(packages, "two_faces/thing.py", "")
        assert resolve("two_faces.thing")() == "function"

    def test_reads_a_modules_attribute_anew_each_time(self, packages: Path) -> None:
        write(packages, "changing.py", "value = 1\n")
        assert resolve("changing.value") == 1
        sys.modules["changing"].value = 2  # type: ignore[attr-defined]
        assert resolve("changing.value") == 2

    def test_finds_what_a_module_serves_by_getattr(self, packages: Path) -> None:
        write(
            packages,
            "served.py",
            "def __getattr__(name):\n    if name == 'late': return 5\n    raise AttributeError(name)\n",
        )
        assert resolve("served.late") == 5

    def test_finds_a_module_under_an_alias(self, packages: Path) -> None:
        write(packages, "aliased.py", "import json as j\n")
        assert resolve("aliased.j.dumps")(1) == "1"

    def test_names_what_is_missing_in_pythons_own_words(self) -> None:
        with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_module'"):
            resolve("no_such_module.f")
        with pytest.raises(AttributeError, match="module 'math' has no attribute 'nope'") as caught:
            resolve("math.nope")
        assert caught.value.__context__ is None
        with pytest.raises(AttributeError, match="'Path' has no attribute 'nope'"):
            resolve("pathlib.Path.nope")

    def test_does_not_hide_what_a_submodule_lacks(self, packages: Path) -> None:
        write(packages, "needy/__init__.py", "")
        write(packages, "needy/part.py", "import not_installed_here\n")
        with pytest.raises(ModuleNotFoundError, match="No module named 'not_installed_here'"):
            resolve("needy.part.f")

    def test_passes_on_what_an_import_raises(self, packages: Path) -> None:
        write(packages, "explosive.py", "raise RuntimeError('boom')\n")
        for _ in range(2):
            with pytest.raises(RuntimeError, match="boom"):
                resolve("explosive.f")


class TestCalls:
    def test_function_class_and_attribute(self) -> None:
        assert evaluate(call(target="math.sqrt", args=[16])) == 4
        assert evaluate(call(target="builtins.round", args=[3.14159], kwargs={"ndigits": 2})) == 3.14
        assert evaluate(call(m.CALL_TYPE_CLASS, "builtins.complex", args=[1, 2])) == 1 + 2j
        assert evaluate(call(m.CALL_TYPE_GET_ATTR, "math.pi")) == resolve("math.pi")
        assert evaluate(call(target="builtins.dict")) == {}

    def test_method_attribute_and_item_of_an_object(self) -> None:
        root = ({"a": [1, 2]},)
        assert evaluate(call(m.CALL_TYPE_METHOD, "get", root=root, args=["a"])) == [1, 2]
        assert evaluate(call(m.CALL_TYPE_ITEM, root=root, args=["a"])) == [1, 2]
        assert evaluate(call(m.CALL_TYPE_GET_ATTR, "__class__.__name__", root=root)) == "dict"
        assert evaluate(call(m.CALL_TYPE_GET_ATTR, root=root)) is root[0]
        assert evaluate(call(m.CALL_TYPE_METHOD, root=(len,), args=["abc"])) == 3
        assert evaluate(call(m.CALL_TYPE_ITEM, "sys.argv", args=[slice(0, 0)])) == []

    def test_an_object_may_be_falsy_or_without_a_truth_value(self) -> None:
        class Doubtful:
            def __bool__(self) -> bool:
                raise ValueError("ambiguous")

        doubtful = Doubtful()
        assert evaluate(call(m.CALL_TYPE_GET_ATTR, root=(doubtful,))) is doubtful
        assert evaluate(call(m.CALL_TYPE_METHOD, "bit_length", root=(0,))) == 0

    def test_assignment(self, packages: Path) -> None:
        target = type("Target", (), {})()
        target.inner = type("Inner", (), {})()
        assert evaluate(call(m.CALL_TYPE_SET_ATTR, "value", root=(target,), args=[5])) is None
        evaluate(call(m.CALL_TYPE_SET_ATTR, "inner.value", root=(target,), args=[6]))
        assert (target.value, target.inner.value) == (5, 6)
        write(packages, "assignable.py", "value = 1\n")
        evaluate(call(m.CALL_TYPE_SET_ATTR, "assignable.value", args=[7]))
        assert resolve("assignable.value") == 7

    def test_steps_go_on_from_the_result(self) -> None:
        steps = [
            [m.STEP_KIND_ATTRIBUTE, "split", None, None],
            [m.STEP_KIND_INVOKE, "", [" "], {"maxsplit": 1}],
            [m.STEP_KIND_SUBSCRIPT, "", [1], None],
            [m.STEP_KIND_ATTRIBUTE, "upper", None, None],
            [m.STEP_KIND_INVOKE, "", None, None],
        ]
        assert evaluate(call(target="builtins.str", args=["a b c"], steps=steps)) == "B C"

    def test_inline_blocks_are_kept_by_their_hash(self) -> None:
        whole = ["hash-1", ["return ", " + ", ""], "file.ts", 1]
        assert evaluate(call(m.CALL_TYPE_INLINE, block=whole, args=[1, 2])) == 3
        known = ["hash-1", [], "file.ts", 1]
        assert evaluate(call(m.CALL_TYPE_INLINE, block=known, args=[3, 4])) == 7
        with pytest.raises(ProtocolError, match="which it has not sent"):
            evaluate(call(m.CALL_TYPE_INLINE, block=["hash-2", [], "file.ts", 1]))
        empty = ["hash-3", ["return 5"], "file.ts", 1]
        assert evaluate(call(m.CALL_TYPE_INLINE, block=empty)) == 5

    def test_a_handed_over_value_is_the_result(self) -> None:
        value = object()
        assert evaluate(call(m.CALL_TYPE_HAND_OVER, args=[value])) is value

    def test_what_it_does_not_know_is_refused(self) -> None:
        with pytest.raises(ProtocolError, match="in version 99, and this worker knows only version 1"):
            evaluate(call(target="math.sqrt", version=99))
        with pytest.raises(ProtocolError, match="unknown type 42"):
            evaluate(call(42, "math.sqrt"))
        with pytest.raises(ProtocolError, match="unknown kind 9"):
            evaluate(call(target="builtins.dict", steps=[[9, "", None, None]]))
        with pytest.raises(ProtocolError, match="has no block"):
            evaluate(call(m.CALL_TYPE_INLINE))

    def test_why_a_call_cannot_start_stands_in_its_root(self) -> None:
        for kind in (m.CALL_TYPE_METHOD, m.CALL_TYPE_INLINE, m.CALL_TYPE_HAND_OVER):
            with pytest.raises(DecodeError, match="why"):
                evaluate(call(kind, "x", root=DecodeError("why"), args=[1]))


class TestAwaiting:
    def test_a_coroutine_amid_a_chain_suspends_it(self) -> None:
        async def later() -> str:
            return "abc"

        steps = [[m.STEP_KIND_ATTRIBUTE, "upper", None, None], [m.STEP_KIND_INVOKE, "", None, None]]
        suspended = evaluate(call(m.CALL_TYPE_METHOD, root=(later,), steps=steps))
        assert type(suspended) is Suspended
        assert asyncio.run(suspended.awaitable) == "abc"
        assert run_steps("abc", suspended.steps) == "ABC"

    def test_a_library_s_own_awaitable_amid_a_chain_is_used_as_what_it_is(self) -> None:
        class Query:
            def __await__(self) -> Any:
                yield

            def first(self) -> int:
                return 1

        steps = [[m.STEP_KIND_ATTRIBUTE, "first", None, None], [m.STEP_KIND_INVOKE, "", None, None]]
        assert evaluate(call(m.CALL_TYPE_METHOD, root=(Query,), steps=steps)) == 1
        assert is_awaitable(Query())

    def test_knows_futures_and_old_coroutines(self) -> None:
        import types

        @types.coroutine
        def old() -> Any:
            yield

        steps = [[m.STEP_KIND_ATTRIBUTE, "real", None, None]]
        assert type(run_steps(old(), steps)) is Suspended
        loop = asyncio.new_event_loop()
        assert type(run_steps(loop.create_future(), steps)) is Suspended
        loop.close()
        assert is_awaitable(old())
        for value in (None, 1, [1], object(), (number for number in ())):
            assert not is_awaitable(value)

    def test_a_call_of_a_coroutine_function_is_seen_without_running_anything(self, packages: Path) -> None:
        write(
            packages,
            "seen.py",
            """
            class Thing:
                async def method(self): pass
                def plain(self): pass
                @staticmethod
                async def static(): pass
                @property
                def loud(self): raise RuntimeError("run")
            async def function(): pass
            async def generator(): yield
            def __getattr__(name): raise RuntimeError("run")
            """,
        )
        unseen = call(target="seen.function")
        assert not is_coroutine_call(unseen)  # imports nothing
        assert "seen" not in sys.modules
        thing = resolve("seen.Thing")()
        assert is_coroutine_call(unseen)
        assert is_coroutine_call(call(target="seen.generator"))
        assert is_coroutine_call(call(target="seen.Thing.static"))
        assert is_coroutine_call(call(m.CALL_TYPE_METHOD, "method", root=(thing,)))
        assert is_coroutine_call(call(m.CALL_TYPE_METHOD, root=(thing.method,)))
        assert is_coroutine_call(call(m.CALL_TYPE_INLINE, block=["h-a", ["await x()"], "f", 1]))
        for other in (
            call(m.CALL_TYPE_METHOD, "plain", root=(thing,)),
            call(m.CALL_TYPE_METHOD, "loud", root=(thing,)),
            call(m.CALL_TYPE_METHOD, "x", root=DecodeError("why")),
            call(target="seen.missing"),
            call(target="nowhere.at_all"),
            call(target="seen.function", steps=[[1, "x", None, None]]),
            call(m.CALL_TYPE_GET_ATTR, "seen.function"),
            call(m.CALL_TYPE_INLINE, block=["h-b", ["return 1"], "f", 1]),
            call(m.CALL_TYPE_INLINE, block=["h-c", ["return ("], "f", 1]),
        ):
            assert not is_coroutine_call(other)
