from __future__ import annotations

import builtins
import sys
from typing import Any

import pytest

from hognose import dispatch
from hognose.errors import HognoseCancel, JavaScriptError, minimal_wire, to_wire

FIELDS = (
    "type",
    "module",
    "mro",
    "message",
    "args",
    "frames",
    "notes",
    "cause",
    "traceback",
    "exceptions",
    "host_error",
)


def wire_of(raise_it: Any, *args: object) -> dict[str, Any]:
    try:
        raise_it(*args)
    except BaseException as error:
        return dict(zip(FIELDS, to_wire(error), strict=True))
    pytest.fail("nothing was raised")


def raise_error(error: BaseException) -> None:
    raise error


class CustomError(LookupError):
    pass


def test_names_the_class_and_its_bases() -> None:
    wire = wire_of(raise_error, CustomError("a", 2))
    assert wire["type"] == "CustomError"
    assert wire["module"] == __name__
    assert wire["mro"][:3] == [f"{__name__}.CustomError", "builtins.LookupError", "builtins.Exception"]
    assert wire["message"] == "('a', 2)"
    assert wire["args"] == ["a", 2]


def test_has_frames_from_the_outermost_with_their_source() -> None:
    wire = wire_of(raise_error, ValueError())
    assert [frame[2] for frame in wire["frames"]] == ["wire_of", "raise_error"]
    file, line, _, source = wire["frames"][-1]
    assert file == __file__
    assert line > 0
    assert source == "raise error"
    assert wire["traceback"].endswith("ValueError\n")


def test_leaves_the_frames_of_the_worker_out_but_for_the_last_where_there_is_no_other() -> None:
    try:
        dispatch.resolve("math.nothing")
    except AttributeError as error:
        error.__traceback__ = error.__traceback__.tb_next if error.__traceback__ else None
        frames: Any = to_wire(error)[5]
    assert len(frames) == 1
    assert frames[0][0] == dispatch.__file__


def test_follows_causes_and_contexts_and_stops_at_circles() -> None:
    def with_cause() -> None:
        try:
            raise_error(KeyError("inner"))
        except KeyError as error:
            raise RuntimeError("outer") from error

    def in_context() -> None:
        try:
            raise_error(KeyError("inner"))
        except KeyError:
            raise RuntimeError("outer")  # noqa: B904 - the context is what is tested

    def alone() -> None:
        try:
            raise_error(KeyError("inner"))
        except KeyError:
            raise RuntimeError("outer") from None

    def circle() -> None:
        error = ValueError("round")
        error.__cause__ = RuntimeError("and")
        error.__cause__.__cause__ = error
        raise error

    assert wire_of(with_cause)["cause"][0] == "KeyError"
    assert wire_of(in_context)["cause"][0] == "KeyError"
    assert wire_of(alone)["cause"] is None
    assert wire_of(circle)["cause"][7] is None


def test_bounds_long_chains_of_causes() -> None:
    error: BaseException = ValueError(0)
    for count in range(100):
        outer = ValueError(count)
        outer.__cause__ = error
        error = outer
    wire = wire_of(raise_error, error)
    depth = 0
    cause = wire["cause"]
    while cause is not None:
        depth += 1
        cause = cause[7]
    assert depth == 32


def test_arguments_that_are_no_plain_data_stand_as_their_repr() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    wire = wire_of(raise_error, ValueError(None, b"x", 2**70, [1], "y" * 5000, Odd(), list(range(5000))))
    assert wire["args"][:4] == [None, b"x", 2**70, "[1]"]
    assert wire["args"][4] == "y" * 5000
    assert wire["args"][5] == "<Odd: its __repr__ raised RuntimeError>"
    assert len(wire["args"][6]) == 1001


def test_exceptions_that_misbehave_are_told_all_the_same() -> None:
    class Text(str):
        __slots__ = ()

    class StrangeError(Exception):
        def __str__(self) -> str:
            return Text("subclass")

    class SilentError(Exception):
        def __str__(self) -> str:
            raise ValueError("no words")

    wire = wire_of(raise_error, StrangeError())
    assert (wire["message"], type(wire["message"])) == ("subclass", str)
    assert wire_of(raise_error, SilentError())["message"] == "<the exception's __str__ raised ValueError>"
    for notes in (None, 7, [1, "kept", None], ("also",)):
        error = ValueError("x")
        error.__notes__ = notes  # type: ignore[assignment]
        assert wire_of(raise_error, error)["notes"] in ([], ["kept"], ["also"])
    StrangeError.__module__ = None  # type: ignore[assignment]
    assert wire_of(raise_error, StrangeError())["module"] == "None"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="add_note came with Python 3.11")
def test_carries_notes() -> None:
    error = ValueError("x")
    if sys.version_info >= (3, 11):
        error.add_note("first")
        error.add_note("second")
    assert wire_of(raise_error, error)["notes"] == ["first", "second"]


def test_deep_recursion_keeps_both_ends() -> None:
    def recurse(count: int) -> None:
        if count == 0:
            raise ValueError("bottom")
        recurse(count - 1)

    frames = wire_of(recurse, 500)["frames"]
    assert len(frames) == 100
    assert frames[0][2] == "wire_of"
    assert frames[-1][3] == 'raise ValueError("bottom")'


def test_a_syntax_error_keeps_its_place() -> None:
    wire = wire_of(compile, "x = = 1", "some.py", "exec")
    assert wire["type"] == "SyntaxError"
    assert "some.py" in wire["traceback"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with Python 3.11")
def test_tells_the_exceptions_of_a_group_within_bounds() -> None:
    group: Any = getattr(builtins, "ExceptionGroup", None)
    inner = group("inner", [KeyError("k")])
    wire = wire_of(raise_error, group("outer", [ValueError("v"), inner]))
    assert [one[0] for one in wire["exceptions"]] == ["ValueError", "ExceptionGroup"]
    assert wire["exceptions"][1][9][0][0] == "KeyError"
    deep: Exception = ValueError("bottom")
    for _ in range(100):
        deep = group("level", [deep])
    depth, exceptions = 0, [to_wire(deep)]
    while exceptions:
        depth, exceptions = depth + 1, exceptions[0][9]
    assert depth == 33
    wide = wire_of(raise_error, group("wide", [ValueError(number) for number in range(5000)]))
    assert len(wide["exceptions"]) == 255


def test_an_attribute_named_exceptions_makes_no_group() -> None:
    for value in (None, 5, ["text"], {"a": 1}):
        error = ValueError()
        error.exceptions = value  # type: ignore[attr-defined]
        assert wire_of(raise_error, error)["exceptions"] == []


def test_an_error_of_javascript_names_the_hosts_own_also_as_a_cause() -> None:
    thrown = JavaScriptError("TypeError", "msg", "stack", 5)
    assert (str(thrown), str(JavaScriptError("Error", ""))) == ("TypeError: msg", "Error")
    assert wire_of(raise_error, thrown)["host_error"] == 5
    assert wire_of(raise_error, ValueError())["host_error"] == 0

    def wrapped() -> None:
        try:
            raise_error(thrown)
        except JavaScriptError as error:
            raise RuntimeError("outer") from error

    assert wire_of(wrapped)["cause"][10] == 5


def test_a_cancellation_passes_what_catches_exceptions() -> None:
    assert not issubclass(HognoseCancel, Exception)
    assert wire_of(raise_error, HognoseCancel("why"))["mro"][0] == "hognose.errors.HognoseCancel"


def test_the_least_of_an_exception_has_all_fields_too() -> None:
    assert len(minimal_wire(ValueError("x"))) == len(FIELDS)
    assert minimal_wire(ValueError("x"))[3] == "x"
