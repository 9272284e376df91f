from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hognose.inline import compile_block


def run(*parts: str, values: tuple[object, ...] = (), line: int = 1) -> Any:
    result = compile_block(list(parts), "file.ts", line)(*values)
    return asyncio.run(result) if inspect.iscoroutine(result) else result


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("return 5", 5),
        ("5", 5),
        ("x = 5", None),
        ("", None),
        ("\n  # nothing\n", None),
        ("\n    x = 1\n    x + 1\n", 2),
        ("\n    if True:\n        return 3\n    4\n", 3),
        ("import math\n    return math.floor(2.5)", 2),
        ("\n\treturn 6\n", 6),
        ("\n  def f(n):\n    return n and f(n - 1)\n  return f(3)\n", 0),
        ("\n  return '''\n  a\n  '''", "\na\n"),
        ("await __import__('asyncio').sleep(0, 9)", 9),
        ("\n  async def f():\n    return 1\n  return await f()", 1),
        ("\n  async def unused():\n    await x\n  return 2", 2),
        ("return [n for n in range(2)]", [0, 1]),
        ("return __name__", "__inline__"),
    ],
)
def test_blocks_return_their_result(source: str, expected: object) -> None:
    assert run(source) == expected


def test_placeholders_are_parameters() -> None:
    assert run("return ", " - ", "", values=(5, 3)) == 2
    assert run("x = [*", "]\nreturn sum(x, ", ")", values=([1, 2], 10)) == 13
    assert run("return f'{", "}'", values=(1,)) == "1"
    assert run("class A:\n  _v0 = 1\n  value = ", "\nreturn A.value", values=(4,)) == 4


@given(st.text())
def test_a_value_is_never_source(text: str) -> None:
    assert run("return ", "", values=(text,)) == text


@pytest.mark.parametrize(
    "parts",
    [
        ("return '", "'"),
        ("return f'", "'"),
        ("# ", "\nreturn 1"),
        ("x", " = 1"),
        ("", " = 1"),
        ("return a.", ""),
        ("return 1", ""),
        ("def ", "(): pass"),
        ("return f(", "=1)"),
        ('return """', '"""'),
        ("import ", ""),
    ],
)
def test_a_placeholder_where_no_value_can_stand_is_refused(parts: tuple[str, str]) -> None:
    with pytest.raises(SyntaxError) as caught:
        compile_block(list(parts), "file.ts", 7)
    assert caught.value.filename == "file.ts"


def test_tracebacks_have_the_lines_of_the_file() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run("\n    x = 1\n    return x / ", "", values=(0,), line=10)
    frame = caught.traceback[-1]
    assert (str(frame.path).endswith("file.ts"), frame.lineno + 1) == (True, 12)


@pytest.mark.parametrize(
    ("source", "line", "column"), [("\n    x = 1\n    y = = 2\n", 12, 9), ("1 +", 10, None), ("break", 10, None)]
)
def test_syntax_errors_have_the_place_in_the_file(source: str, line: int, column: int | None) -> None:
    with pytest.raises(SyntaxError) as caught:
        compile_block([source], "file.ts", 10)
    assert caught.value.filename == "file.ts"
    assert caught.value.lineno == line
    assert column is None or caught.value.offset == column


def test_each_run_has_a_namespace_of_its_own() -> None:
    block = compile_block(["global kept\ntry:\n  kept += 1\nexcept NameError:\n  kept = 1\nreturn kept"], "file.ts", 1)
    assert [block(), block()] == [1, 1]
    assert compile_block(["return 'kept' in globals()"], "file.ts", 1)() is False
