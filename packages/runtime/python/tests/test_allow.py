from __future__ import annotations

import functools
import sys
import types
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fake_host import FakeHost, function, handle, source
from packages_on_disk import write

from hognose import inline
from hognose.allow import Guard, make_guard
from hognose.dispatch import Suspended, evaluate
from hognose.errors import NotAllowedError
from hognose.gen import messages as m
from hognose.homes import NAMESPACE, PLAIN, is_code, module_of

ATTRIBUTE, INVOKE, SUBSCRIPT = m.STEP_KIND_ATTRIBUTE, m.STEP_KIND_INVOKE, m.STEP_KIND_SUBSCRIPT


def call(
    target: str = "",
    *chain: Any,
    kind: int = m.CALL_TYPE_GET_ATTR,
    root: Any = 0,
    args: Any = None,
    kwargs: Any = None,
    block: Any = None,
) -> list[Any]:
    """A call; in the chain a text reads an attribute, a list is an index, a tuple are the arguments of a call."""
    message = list(m.HOST_DEFAULTS[m.HOST_MESSAGE_CALL])
    steps = []
    for step in chain:
        if type(step) is str:
            steps.append([ATTRIBUTE, step, None, None])
        else:
            steps.append([SUBSCRIPT if type(step) is list else INVOKE, "", list(step), None])
    message[1:6] = [1, 1, kind, target, args]
    message[7:10] = [kwargs, (root,) if root != 0 else 0, steps]
    message[11] = block
    return message


def invoke(target: str, *args: Any, **fields: Any) -> list[Any]:
    return call(target, kind=m.CALL_TYPE_FUNCTION, args=list(args), **fields)


#: What somebody may try who chooses targets and chains, with the modules that are permitted.
ESCAPES = [
    # Modules that a permitted one has imported.
    ("json", call("json.codecs.builtins.eval", ("1",))),
    ("json", invoke("json.codecs.builtins.eval", "1")),
    ("json", call("json.codecs")),
    ("numpy", invoke("numpy.f2py.os.system", "true")),
    ("numpy", call("numpy.f2py.os")),
    ("numpy", call("numpy", "f2py", "os", "system", ("true",))),
    ("numpy", call("numpy.linalg", "_linalg", "functools", "reduce")),
    # What was never permitted.
    ("numpy", call("os.environ")),
    ("numpy", invoke("builtins.eval", "1")),
    ("numpy", invoke("builtins.getattr", 1, "real")),
    ("numpy", invoke("numpyx.f")),
    ("numpy", invoke("hognose.current_call")),
    ("numpy", invoke("hognose.interop.enter.__globals__.get", "sys")),
    ("", invoke("math.sqrt", 4)),
    ("functools", call("functools.partial", (max, 1), (2,))),
    # Up the bases, and down to all classes.
    ("numpy", call("numpy.ndarray.__class__")),
    ("numpy", call("numpy.ndarray.__base__", "__subclasses__", ())),
    ("numpy", call("numpy.ndarray.__mro__", [1], "__subclasses__", ())),
    ("numpy", call("numpy.ndarray.mro", (), [-1], "__subclasses__")),
    ("numpy", call("numpy.ndarray.__class__.__base__.__subclasses__", ())),
    ("numpy", call("numpy.__doc__.__class__.__base__")),
    ("numpy", call("numpy.__doc__.__class__.__mro__", [1])),
    ("numpy", call("builtins.int.__subclasses__", (), [1])),
    ("numpy", call("builtins.str.mro", (), [1])),
    ("json", call("json.JSONDecoder.__new__")),
    # The namespaces and the inside of functions, by any of the ways to read an attribute.
    ("json", call("json.dumps.__globals__", ["codecs"])),
    ("json", call("json.dumps.__globals__")),
    ("json", call("json.dumps.__builtins__", ["eval"])),
    ("json", call("json.__builtins__")),
    ("json", call("json.__dict__", ["codecs"])),
    ("json", call("json.dumps.__getattribute__", ("__globals__",), ["codecs"])),
    ("json", call("json.__getattribute__", ("codecs",))),
    ("json", call("json.JSONDecoder", (), "__class__", "__init__", "__globals__", "keys")),
    ("json", call("json.dumps.__code__")),
    ("json", call("json.dumps.__class__")),
    ("json", call("json.dumps.__closure__.__class__.__base__")),
    ("json", call("json.JSONEncoder.iterencode.__code__.co_consts")),
    ("json", call("json.__loader__")),
    ("json", call("json.__spec__.loader.get_data", ("/etc/passwd",))),
    ("json", call("json.JSONDecoder", (), "decode", "__func__", "__globals__", ["WHITESPACE"])),
    ("json", call("json.JSONDecoder", (), "__reduce_ex__", (2,), [0])),
    ("json", call("json.JSONDecoder", (), "__dir__", "__class__")),
    ("json", call("json.JSONDecoder.__dict__")),
    ("fractions", call("fractions.Fraction", (1, 2), "limit_denominator", "__globals__", ["sys"])),
    ("random", call("random.random.__self__.__init__.__globals__")),
    # Formatting reads attributes.
    ("json", call("json.__doc__.format", ("",))),
    ("json", call("builtins.str.format", ("{0.__class__}", 1))),
    ("json", call("json.__name__.format_map", ({},))),
    ("numpy", call("numpy.str_", ("{0.__class__}",), "format", (1,))),
    # Assigning to what says where something belongs.
    ("json", call("json.dumps.__module__", kind=m.CALL_TYPE_SET_ATTR, args=["x"])),
    ("json", call("json.dumps.__defaults__", kind=m.CALL_TYPE_SET_ATTR, args=[()])),
    ("json", call("json.codecs.open", kind=m.CALL_TYPE_SET_ATTR, args=[1])),
    ("json", call("json.__setattr__", ("x", 1))),
    # Python's own operations on what is not permitted.
    ("json", invoke("builtins.str", Path("x"))),
    ("json", invoke("builtins.repr", types.SimpleNamespace(a=1))),
    ("json", invoke("builtins.str", kwargs={"object": Path("x")})),
    ("json", invoke("builtins.list", Path("x"))),
    ("json", invoke("builtins.dict", vars(sys))),
    ("json", invoke("operator.add", 1, Path("x"))),
    ("json", invoke("operator.setitem", vars(sys), "x", 1)),
    ("json", invoke("hognose.interop.enter", Path("x"))),
    ("json", call("builtins.dict.update", ({}, types.MappingProxyType({})))),
    # Roots that are no paths.
    ("json", call("name", root=Path("x"))),
    ("json", invoke("", "1", root=eval)),
    ("json", invoke("open", "x", root=Path("x"))),
    ("json", call("", root=Path("x"))),
    ("json", call("", "name", kind=m.CALL_TYPE_HAND_OVER, args=[Path("x")])),
    ("json", call("", kind=m.CALL_TYPE_ITEM, root=vars(sys), args=["path"])),
    ("json", call("x", kind=m.CALL_TYPE_SET_ATTR, root=types.SimpleNamespace(), args=["path"])),
    ("json", call("", [0], root=[eval])),
    ("json", call("", ["f"], ("1",), root={"f": eval})),
]


@pytest.mark.parametrize(("modules", "attempt"), ESCAPES, ids=lambda value: repr(value)[:60])
def test_what_is_not_permitted_is_refused(modules: str, attempt: list[Any]) -> None:
    evaluated = Guard(modules.split(), inline=False)
    with pytest.raises(NotAllowedError):
        evaluated.evaluate(attempt)


#: What people do, with the modules that are permitted.
USES = [
    ("math", invoke("math.sqrt", 16), 4.0),
    ("json", invoke("json.dumps", [1]), "[1]"),
    ("json", call("json.JSONDecoder", (), "decode", ("[1, 2]",), [1]), 2),
    ("json", call("json.JSONDecoder", (), "decode", ('{"a": [1]}',), "get", ("a",), "copy", ()), [1]),
    ("numpy", call("numpy.linalg.norm", ([3, 4],), "item", ()), 5.0),
    ("numpy", call("numpy.random.default_rng", (1,), "integers", (1,), "item", ()), 0),
    ("numpy", call("numpy.array", ([1, 2],), "T", "sum", (), "item", ()), 3),
    ("numpy", call("numpy.add", (1, 2), "item", ()), 3),
    ("numpy", call("numpy.float64.__name__"), "float64"),
    ("numpy", call("numpy.zeros", (2,), "dtype", "name"), "float64"),
    ("numpy", call("numpy.ndarray.__class_getitem__.__name__"), "__class_getitem__"),
    ("scipy numpy", call("scipy.linalg.det", ([[1, 2], [3, 5]],), "is_integer", ()), True),
    ("scipy", call("scipy.linalg.lapack.dgetrf", ([[2.0]],), [2]), 0),
    ("sympy", call("sympy.Symbol", ("x",), "name", "upper", ()), "X"),
    ("os", invoke("os.path.join", "a", "b"), "a/b"),
    ("os.path", invoke("os.path.join", "a", "b"), "a/b"),
    ("datetime", call("datetime.date", (2024, 2, 29), "isoformat", ()), "2024-02-29"),
    ("random", call("random.Random", (1,), "randint", (3, 3)), 3),
    ("collections", call("collections.Counter", ("aab",), "most_common", (1,), [0], [0]), "a"),
    ("functools", call("functools.partial", ("".join, ["a"]), ()), "a"),
    ("heapq", invoke("heapq.nlargest", 1, [1, 3, 2]), [3]),
    ("struct", call("struct.calcsize", ("<i",)), 4),
    ("*", invoke("builtins.eval", "1"), 1),
    ("builtins", invoke("builtins.eval", "1"), 1),
    # Python's own operations and data, whatever is permitted.
    ("", invoke("builtins.len", [1, 2]), 2),
    ("", invoke("operator.add", 1, 2), 3),
    ("", call("upper", (), root="abc"), "ABC"),
    ("", call("append", (1,), root=[]), None),
    ("", call("builtins.int.from_bytes", (b"\x01", "big")), 1),
    ("", call("", [0], root=(1,)), 1),
]


@pytest.mark.parametrize(("modules", "use", "expected"), USES, ids=lambda value: repr(value)[:60])
def test_what_is_permitted_runs(modules: str, use: list[Any], expected: object) -> None:
    guard = Guard(modules.split(), inline=False)
    assert guard.evaluate(use) == expected


class TestPaths:
    def test_what_is_not_permitted_is_not_even_imported(self, packages: Path) -> None:
        for name in ("loud_one", "loud_two/__init__", "quiet_one/__init__", "quiet_one/part"):
            write(packages, f"{name}.py", "import sys\nsys.loud = __name__\n")
        guard = Guard(["quiet_one"], inline=False)
        for target in ("loud_one.f", "loud_two.part.f", "loud_one", "quiet_onex.f"):
            with pytest.raises(NotAllowedError, match="calls in this pool may reach only these modules: quiet_one"):
                guard.evaluate(invoke(target))
            with pytest.raises(NotAllowedError):
                guard.resolve(target)
        assert not any(name.startswith(("loud_", "quiet_")) for name in sys.modules)
        assert not hasattr(sys, "loud")
        guard.evaluate(call("quiet_one.part"))
        assert sys.__dict__.pop("loud") == "quiet_one.part"

    def test_a_submodule_may_be_permitted_without_its_package(self, packages: Path) -> None:
        write(packages, "packed/__init__.py", "def secret(): return 1\n")
        write(packages, "packed/api.py", "import packed\nfrom packed import secret, inner\ndef f(): return 2\n")
        write(packages, "packed/inner.py", "def g(): return 3\n")
        guard = Guard(["packed.api"], inline=False)
        assert guard.evaluate(invoke("packed.api.f")) == 2
        for target in ("packed.secret", "packed.inner.g", "packed.api.secret", "packed.api.inner.g", "packed"):
            with pytest.raises(NotAllowedError):
                guard.evaluate(invoke(target))
        with pytest.raises(NotAllowedError):
            guard.evaluate(invoke("packed.api.packed.secret"))

    def test_a_module_that_goes_by_another_name_is_what_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import json as package
        import os

        monkeypatch.setitem(sys.modules, "json.disguised", os)
        monkeypatch.setitem(sys.modules, "renamed", os)
        guard = Guard(["json", "renamed"], inline=False)
        for target in ("json.disguised", "json.disguised.getcwd", "renamed", "renamed.getcwd"):
            with pytest.raises(NotAllowedError, match="is the module os"):
                guard.evaluate(call(target))
        assert guard.evaluate(call("json")) is package

    def test_paths_lead_where_they_lead_without_a_guard(self, packages: Path) -> None:
        write(packages, "held/__init__.py", "from held import thing as thing\nvalue = {'k': 1}\n")
        write(packages, "held/thing.py", "class Thing:\n    def __init__(self, n=0): self.n = n\n")
        write(packages, "held/needy.py", "import no_such_module\n")
        guard = Guard(["held", "math", "operator"], inline=True)
        item = guard.evaluate(invoke("held.thing.Thing", 1))
        for each in (
            call("math.pi"),
            call("held.value"),
            call("held.value", kind=m.CALL_TYPE_ITEM, args=["k"]),
            call("held.value", ["k"], "bit_length", ()),
            invoke("operator.add", 1, 2),
            invoke("math.isclose", 1, 1.05, kwargs={"rel_tol": 0.1}),
            call("n", root=item),
            call("", root=item),
            call("real", root=5),
            call("", kind=m.CALL_TYPE_HAND_OVER, args=[[1]]),
            call("", [0], kind=m.CALL_TYPE_HAND_OVER, args=[[1]]),
            call("", kind=m.CALL_TYPE_INLINE, args=[1], block=["allow-1", ["", " + 1"], "file.ts", 1]),
            call("", "real", kind=m.CALL_TYPE_INLINE, args=[1], block=["allow-1", ["", " + 1"], "file.ts", 1]),
        ):
            assert guard.evaluate([*each]) == evaluate([*each])
        guard.evaluate(call("n", kind=m.CALL_TYPE_SET_ATTR, root=item, args=[7]))
        assert item.n == 7
        guard.evaluate(call("held.flag", kind=m.CALL_TYPE_SET_ATTR, args=[True]))
        assert sys.modules["held"].flag is True
        for wrong in (
            invoke("math.nope"),
            invoke("held.needy.f"),
            invoke("held.nope.f"),
            invoke("held."),
            call("math.pi", kind=77),
            call("math.pi", kind=m.CALL_TYPE_INLINE),
            [0, 1, 99, *call("math.pi")[3:]],
            [*call("x")[:8], ValueError("why"), *call("x")[9:]],
        ):
            with pytest.raises(Exception) as expected:  # noqa: PT011 - whichever it is
                evaluate([*wrong])
            with pytest.raises(type(expected.value)) as raised:
                guard.evaluate([*wrong])
            assert str(raised.value) == str(expected.value)

    def test_many_targets_are_not_all_remembered(self) -> None:
        guard = Guard(["math"], inline=False)
        for number in range(5000):
            with pytest.raises(AttributeError):
                guard.evaluate(call(f"math.a{number}"))
            guard.evaluate(call("math.pi"))
        assert len(guard._starts) <= 4096


class TestMessages:
    @pytest.mark.parametrize(
        ("attempt", "message"),
        [
            (invoke("os.getcwd"), "os.getcwd: it is in the module os, and calls in this pool may reach only these "),
            (invoke("json.codecs.open"), "json.codecs.open: .codecs is the module codecs, and calls "),
            (call("json.dumps.__code__"), r"\.__code__ is of the type code and the module builtins, and "),
            (call("json.JSONDecoder.__base__"), r"\.__base__ is the class builtins\.object, and "),
            (call("json.dumps.__globals__"), r"\.__globals__ is the namespace of a module, and "),
            (call("json.__name__.format"), "is a method that reads any attribute of what it formats, and "),
            (
                call("name", root=Path("x")),
                "name of an object of the type pathlib.PosixPath: the object is of",
            ),
            (call("json.dumps.__doc__", kind=m.CALL_TYPE_SET_ATTR, args=[1]), "__doc__ is Python's own"),
        ],
    )
    def test_tell_what_was_reached_and_how_to_permit_it(self, attempt: list[Any], message: str) -> None:
        with pytest.raises(NotAllowedError, match=message) as raised:
            Guard(["json", "csv"], inline=False).evaluate(attempt)
        assert "the pool's option `allow`" in str(raised.value).lower() or "its option `allow`" in str(raised.value)

    def test_name_the_modules_that_are_permitted(self) -> None:
        with pytest.raises(PermissionError, match=r"only these modules: json, csv\. The pool's option `allow`"):
            Guard(["json", "csv"], inline=False).evaluate(call("os"))


class Treacherous(type):
    """Whatever is asked of it or of its instances is noted, and a lie."""

    asked: ClassVar[list[str]] = []

    def __getattribute__(cls, name: str) -> Any:
        Treacherous.asked.append(name)
        return "json"

    def __instancecheck__(cls, instance: object) -> bool:
        Treacherous.asked.append("instance")
        return True

    def __hash__(cls) -> int:
        Treacherous.asked.append("hash")
        return 0


class Lying(metaclass=Treacherous):
    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        Treacherous.asked.append(name)
        return "json"

    def __eq__(self, other: object) -> bool:
        Treacherous.asked.append("eq")
        return True

    def __hash__(self) -> int:
        Treacherous.asked.append("hash")
        return 0


class LyingFunction(Lying):
    __slots__ = ()

    def __call__(self) -> None: ...


class LyingModule(types.ModuleType):
    def __getattribute__(self, name: str) -> Any:
        Treacherous.asked.append(name)
        return "json"


class TestObjects:
    def test_are_asked_nothing(self) -> None:
        guard = Guard(["json"], inline=False)
        lying = object.__new__(Lying)
        Treacherous.asked.clear()
        for value in (lying, Lying, LyingModule("shutil"), functools.partial(LyingFunction())):
            with pytest.raises(NotAllowedError):
                guard.check(value, "it", None)
            is_code(value)
        assert Treacherous.asked == []

    def test_belong_to_the_module_that_their_class_or_they_themselves_name(self) -> None:
        import contextlib
        import decimal
        import random

        @contextlib.contextmanager
        def managed() -> Any:
            yield

        @functools.lru_cache
        def cached() -> None: ...

        class Named(dict[str, int]):
            def method(self) -> None: ...

        own = __name__
        for value, module in (
            (sys, "sys"),
            (TestObjects, own),
            (managed, own),
            (managed(), own),
            (cached, own),
            (functools.partial(managed), own),
            (Named(), own),
            (Named().method, own),
            (Named().keys, own),
            (Named.fromkeys, own),
            (Named.__init__, PLAIN),
            (Path("x"), "pathlib"),
            (len, "builtins"),
            (random.random, "random"),
            (sys.getrefcount, "sys"),
            (object, "builtins"),
            (type, "builtins"),
            (object(), "builtins"),
            (dict, PLAIN),
            (decimal.Decimal, PLAIN),
            (decimal.Decimal(1), PLAIN),
            (dict.update, PLAIN),
            ([].append, PLAIN),
            (iter([]), PLAIN),
            (map(len, []), PLAIN),
            (ValueError("x"), PLAIN),
            (sys._getframe(), "builtins"),
            (vars(sys), NAMESPACE),
            (globals(), NAMESPACE),
            ({"__name__": "sys"}, PLAIN),
        ):
            assert module_of(value) == module, value

    def test_that_can_be_called_or_show_the_inside_of_code_are_no_mere_data(self) -> None:
        code: tuple[object, ...] = (
            len,
            sys,
            object,
            lambda: 1,
            sys._getframe(),
            vars(sys),
            property(),
            functools.partial(len),
        )
        for value in code:
            assert is_code(value), value
        data: tuple[object, ...] = (1, "a", {}, [len], Path("x"), ValueError(), object(), None, iter([]), 1j)
        for value in data:
            assert not is_code(value), value


class TestChainsThatAwait:
    def test_go_on_only_from_what_is_permitted(self, packages: Path) -> None:
        write(
            packages,
            "awaiting.py",
            """
            import asyncio, pathlib
            async def path(): return pathlib.Path("a")
            async def text(): return "a"
            """,
        )
        import asyncio

        guard = Guard(["awaiting"], inline=False)
        for name, expected in (("path", None), ("text", "A")):
            suspended = guard.evaluate(call(f"awaiting.{name}", (), "upper", ()))
            assert type(suspended) is Suspended
            result = asyncio.run(suspended.awaitable)
            if expected is None:
                with pytest.raises(NotAllowedError, match="pathlib"):
                    guard.run_steps(result, suspended.steps)
            else:
                assert guard.run_steps(result, suspended.steps) == expected


def test_inline_code_runs_only_where_it_is_permitted() -> None:
    block = ["allow-2", ["1 + 1"], "file.ts", 1]
    attempt = call(kind=m.CALL_TYPE_INLINE, block=block)
    for modules in (["json"], ["*"]):
        with pytest.raises(NotAllowedError, match=r"inline code may not run in this pool: .*`inline: true`"):
            Guard(modules, inline=False).evaluate(attempt)
        assert Guard(modules, inline=True).evaluate(attempt) == 2
    with pytest.raises(NotAllowedError):
        Guard(["json"], inline=True).evaluate(
            call("", "upper", kind=m.CALL_TYPE_INLINE, block=["allow-3", ["import sys\nsys"], "f", 1])
        )
    assert inline.find_block("allow-2") is not None


def test_there_is_a_guard_only_where_something_is_not_permitted() -> None:
    assert make_guard(None) is None
    assert make_guard({"modules": ["*"], "inline": True}) is None
    assert make_guard({"modules": ["*"], "inline": False}) is not None
    assert make_guard({"modules": [], "inline": True}) is not None


T = "hgn_allow"


@pytest.fixture(scope="module")
def guarded() -> Any:
    with FakeHost(allow={"modules": ["numpy", T, "math"], "inline": False}, preload=["numpy"]) as host:
        yield host


@pytest.fixture
def refused(guarded: FakeHost) -> Any:
    """Sends a call, and returns why it was refused."""

    def send(*messages: list[Any]) -> str:
        error = guarded.error(guarded.send(*messages))
        assert (error["type"], error["module"]) == ("NotAllowedError", "hognose.errors"), error
        assert "builtins.PermissionError" in error["mro"]
        return str(error["message"])

    return send


class TestWorker:
    def test_runs_what_is_permitted(self, guarded: FakeHost) -> None:
        assert guarded.call("math.sqrt", [16]) == 4
        made = guarded.call("numpy.arange", [3], result=m.RESULT_MODE_HANDLE)
        assert guarded.call("sum", handle=made[0], call_type=m.CALL_TYPE_METHOD, result=m.RESULT_MODE_VALUE) == 3
        assert guarded.call("numpy.sum", [handle(made[0])], result=m.RESULT_MODE_VALUE) == 3
        assert guarded.call("builtins.len", [handle(made[0])]) == 3

    def test_refuses_targets_chains_and_inline_code(self, guarded: FakeHost, refused: Any) -> None:
        assert "os.getcwd: it is in the module os" in refused(guarded.message("os.getcwd"))
        assert "numpy.f2py.os.system: .os is the module os" in refused(
            guarded.message("numpy.f2py.os.system", ["true"])
        )
        steps = [[ATTRIBUTE, "__class__", None, None], [ATTRIBUTE, "__base__", None, None]]
        chain = guarded.message("numpy.ndarray", call_type=m.CALL_TYPE_GET_ATTR, steps=steps)
        assert ".__class__ is the class builtins.type" in refused(chain)
        assert "inline code" in refused(guarded.inline("return 1"))

    def test_refuses_handles_as_roots_and_code_among_arguments(self, guarded: FakeHost, refused: Any) -> None:
        path, evaluator, namespace = (
            guarded.call(f"{T}.forbidden_one", [index], result=m.RESULT_MODE_HANDLE)[0] for index in range(3)
        )
        assert "the object is of the type" in refused(
            guarded.message("name", handle=path, call_type=m.CALL_TYPE_GET_ATTR)
        )
        assert "the object is of the type builtin" in refused(
            guarded.message("", ["1"], handle=evaluator, call_type=m.CALL_TYPE_METHOD)
        )
        for place in ([handle(evaluator)], [[handle(evaluator)]], [{"a": handle(evaluator)}], [handle(namespace)]):
            assert "an argument is" in refused(guarded.message(f"{T}.identity", place))
        assert "an argument is" in refused(guarded.message(f"{T}.identity", [1], kwargs={"k": handle(evaluator)}))
        step = [INVOKE, "", [handle(evaluator)], None]
        assert "an argument is" in refused(
            guarded.message(f"{T}.identity", call_type=m.CALL_TYPE_GET_ATTR, steps=[step])
        )
        # Data of any class may be passed on, and nothing be done with it but by what is permitted.
        assert guarded.call(f"{T}.identity", [handle(path)])[0] == path
        for operation in ("builtins.str", "builtins.repr", "hognose.interop.enter", "builtins.iter", "builtins.list"):
            assert "the operand is" in refused(guarded.message(operation, [handle(path)]))

    def test_refuses_references_before_they_are_imported(self, guarded: FakeHost, refused: Any) -> None:
        reference = extension_of_reference("this.c")
        assert "this.c: it is in the module this" in refused(guarded.message(f"{T}.identity", [reference]))
        assert guarded.call(f"{T}.is_imported", ["this"]) is False
        assert guarded.call(f"{T}.identity", [extension_of_reference("math.pi")]) == pytest.approx(3.14159, 1e-5)
        assert guarded.call(f"{T}.kind_of", [extension_of_reference("builtins.float")]) == "type"

    def test_refuses_results_of_other_calls(self, guarded: FakeHost, refused: Any) -> None:
        first = guarded.message(f"{T}.forbidden_one", [1], uses=1, result=m.RESULT_MODE_NONE)
        assert "an argument is" in refused(first, guarded.message(f"{T}.identity", [source(first[1])]))
        first = guarded.message(f"{T}.forbidden_one", [0], uses=1, result=m.RESULT_MODE_NONE)
        second = guarded.message("name", call_type=m.CALL_TYPE_GET_ATTR, source_call=first[1])
        assert "pathlib" in refused(first, second)
        first = guarded.message(f"{T}.forbidden_one", [0], uses=1, result=m.RESULT_MODE_NONE)
        assert "the operand is" in refused(first, guarded.message("builtins.str", [source(first[1])]))
        over = guarded.message(
            args=[handle(guarded.call(f"{T}.forbidden")[0][0])],
            call_type=m.CALL_TYPE_HAND_OVER,
            steps=[[ATTRIBUTE, "name", None, None]],
        )
        assert "pathlib" in refused(over)

    def test_refuses_to_go_on_after_an_await_and_to_iterate(self, guarded: FakeHost, refused: Any) -> None:
        steps = [[ATTRIBUTE, "name", None, None]]
        message = refused(guarded.message(f"{T}.forbidden_async", [0], steps=steps))
        assert f"{T}.forbidden_async: what the chain goes on from is of the type pathlib" in message
        for name in (
            "forbidden_iterable",
            "forbidden_iterable_async",
            "forbidden_async_iterable",
            "forbidden_async_iterable_async",
        ):
            assert "what is iterated is" in refused(guarded.message(f"{T}.{name}", credit=10))

    def test_refuses_what_a_function_of_the_host_returns(self, guarded: FakeHost) -> None:
        evaluator = guarded.call(f"{T}.forbidden")[1][0]
        call_id = guarded.send(guarded.message(f"{T}.call_with", [function(5)]))
        callback = guarded.expect(m.WORKER_MESSAGE_CALLBACK)
        guarded.send([m.HOST_MESSAGE_CALLBACK_RESULT, callback[1], handle(evaluator)])
        assert guarded.error(call_id)["type"] == "NotAllowedError"

    def test_lets_a_permitted_context_be_entered_and_left(self, guarded: FakeHost) -> None:
        manager = guarded.call(f"{T}.managed", result=m.RESULT_MODE_HANDLE)
        assert guarded.call("hognose.interop.enter", [handle(manager[0])]) == "inside"
        assert guarded.call("hognose.interop.leave", [handle(manager[0])]) is False

    def test_interrupts_calls_all_the_same(self, guarded: FakeHost) -> None:
        call_id = guarded.send(guarded.message(f"{T}.sleep_quietly", [60]))
        guarded.wait_for(lambda: guarded.metrics()["running"] == 1)
        guarded.cancel(call_id)
        assert guarded.error(call_id)["type"] == "HognoseCancel"


def extension_of_reference(path: str) -> Any:
    import msgpack

    from hognose.values.extensions import EXT_REFERENCE

    return msgpack.ExtType(EXT_REFERENCE, path.encode())
