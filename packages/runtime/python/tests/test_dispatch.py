from __future__ import annotations

import asyncio
import os
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from hognose import PAYLOAD_VERSION
from hognose.codec import Undecodable
from hognose.dispatch import Dispatcher, resolve
from hognose.errors import DecodeError, ProtocolError
from hognose.gen import messages as m
from hognose.handles import HandleTable


@pytest.fixture
def handles() -> HandleTable:
    return HandleTable()


@pytest.fixture
def dispatcher(handles: HandleTable) -> Dispatcher:
    return Dispatcher(handles)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text), encoding="utf-8")


def call(
    kind: int = m.CALL_TYPE_FUNCTION,
    target: str = "",
    *,
    handle: int = 0,
    args: Any = None,
    kwargs: Any = None,
    steps: Any = (),
    block: Any = None,
    version: int = PAYLOAD_VERSION,
) -> list[Any]:
    return [m.HOST_MESSAGE_CALL, 1, version, kind, target, handle, block, args, kwargs, list(steps), m.RESULT_MODE_AUTO]


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
    def test_function_class_and_attribute(self, dispatcher: Dispatcher) -> None:
        assert dispatcher.run(call(target="math.sqrt", args=[16]), False) == 4
        assert dispatcher.run(call(target="builtins.round", args=[3.14159], kwargs={"ndigits": 2}), False) == 3.14
        assert dispatcher.run(call(m.CALL_TYPE_CLASS, "builtins.complex", args=[1, 2]), False) == 1 + 2j
        assert dispatcher.run(call(m.CALL_TYPE_GET_ATTR, "math.pi"), False) == resolve("math.pi")
        assert dispatcher.run(call(target="builtins.dict"), False) == {}

    def test_method_attribute_and_item_of_a_handle(self, dispatcher: Dispatcher, handles: HandleTable) -> None:
        number = handles.put({"a": [1, 2]})
        assert dispatcher.run(call(m.CALL_TYPE_METHOD, "get", handle=number, args=["a"]), False) == [1, 2]
        assert dispatcher.run(call(m.CALL_TYPE_ITEM, handle=number, args=["a"]), False) == [1, 2]
        assert dispatcher.run(call(m.CALL_TYPE_GET_ATTR, "__class__.__name__", handle=number), False) == "dict"
        function = handles.put(len)
        assert dispatcher.run(call(m.CALL_TYPE_METHOD, "", handle=function, args=["abc"]), False) == 3

    def test_assignment(self, dispatcher: Dispatcher, handles: HandleTable, packages: Path) -> None:
        target = type("Target", (), {})()
        target.inner = type("Inner", (), {})()
        number = handles.put(target)
        assert dispatcher.run(call(m.CALL_TYPE_SET_ATTR, "value", handle=number, args=[5]), False) is None
        dispatcher.run(call(m.CALL_TYPE_SET_ATTR, "inner.value", handle=number, args=[6]), False)
        assert (target.value, target.inner.value) == (5, 6)
        write(packages, "assignable.py", "value = 1\n")
        dispatcher.run(call(m.CALL_TYPE_SET_ATTR, "assignable.value", args=[7]), False)
        assert resolve("assignable.value") == 7

    def test_steps_go_on_from_the_result(self, dispatcher: Dispatcher) -> None:
        steps = [
            [m.STEP_KIND_ATTRIBUTE, "split", None, None],
            [m.STEP_KIND_INVOKE, "", [" "], {"maxsplit": 1}],
            [m.STEP_KIND_SUBSCRIPT, "", [1], None],
            [m.STEP_KIND_ATTRIBUTE, "upper", None, None],
            [m.STEP_KIND_INVOKE, "", None, None],
        ]
        assert dispatcher.run(call(target="builtins.str", args=["a b c"], steps=steps), False) == "B C"

    def test_inline_blocks_are_kept_by_their_hash(self, dispatcher: Dispatcher) -> None:
        whole = ["hash-1", ["return ", " + ", ""], "file.ts", 1]
        assert dispatcher.run(call(m.CALL_TYPE_INLINE, block=whole, args=[1, 2]), False) == 3
        known = ["hash-1", [], "file.ts", 1]
        assert dispatcher.run(call(m.CALL_TYPE_INLINE, block=known, args=[3, 4]), False) == 7
        with pytest.raises(ProtocolError, match="which it has not sent"):
            dispatcher.run(call(m.CALL_TYPE_INLINE, block=["hash-2", [], "file.ts", 1]), False)
        empty = ["hash-3", ["return 5"], "file.ts", 1]
        assert dispatcher.run(call(m.CALL_TYPE_INLINE, block=empty), False) == 5

    def test_coroutines_are_awaited_also_within_a_chain(self, dispatcher: Dispatcher, handles: HandleTable) -> None:
        async def later(value: int) -> int:
            await asyncio.sleep(0)
            return value

        number = handles.put(later)
        steps = [[m.STEP_KIND_ATTRIBUTE, "real", None, None]]
        assert dispatcher.run(call(m.CALL_TYPE_METHOD, handle=number, args=[7], steps=steps), False) == 7
        assert dispatcher.run(call(m.CALL_TYPE_METHOD, handle=number, args=[8]), False) == 8

    def test_what_it_does_not_know_is_refused(self, dispatcher: Dispatcher, handles: HandleTable) -> None:
        with pytest.raises(ProtocolError, match="the host encodes values in version 99, this worker in 1"):
            dispatcher.run(call(target="math.sqrt", version=99), False)
        with pytest.raises(ProtocolError, match="unknown type 42"):
            dispatcher.run(call(42, "math.sqrt"), False)
        with pytest.raises(ProtocolError, match="unknown kind 9"):
            dispatcher.run(call(target="builtins.dict", steps=[[9, "", None, None]]), False)
        with pytest.raises(ProtocolError, match="has no block"):
            dispatcher.run(call(m.CALL_TYPE_INLINE), False)
        with pytest.raises(DecodeError, match="handle 5 is unknown"):
            dispatcher.run(call(m.CALL_TYPE_METHOD, "x", handle=5), False)

    @pytest.mark.parametrize("place", [[Undecodable("why")], [[1, {"a": (Undecodable("why"),)}]]])
    def test_a_call_with_an_argument_that_cannot_be_read_does_not_run(
        self, dispatcher: Dispatcher, handles: HandleTable, place: Any
    ) -> None:
        ran: list[object] = []
        number = handles.put(ran.append)
        with pytest.raises(DecodeError, match="why"):
            dispatcher.run(call(m.CALL_TYPE_METHOD, handle=number, args=place), True)
        with pytest.raises(DecodeError, match="why"):
            dispatcher.run(call(m.CALL_TYPE_METHOD, handle=number, args=[1], kwargs={"x": place}), True)
        assert ran == []
