from __future__ import annotations

import asyncio
import contextvars
import gc
import io
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simple_arena import SimpleArena

from hognose_shm import numpy_arena, numpy_hooks
from hognose_shm.arena import Arena
from hognose_shm.errors import NoSpaceError, ShmError
from hognose_shm.numpy_arena import adopt, empty, install, installed, is_installed, uninstall, zeros
from hognose_shm.numpy_dtypes import DTYPES

PACKAGE = Path(__file__).parents[1]

#: Of float64, so that an array takes 128 KiB.
LARGE = 16 * 1024


def address_of(array: np.ndarray[Any, Any]) -> int:
    return int(array.__array_interface__["data"][0])


def owner_of(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


AnyArena = SimpleArena | Arena


def is_shared(arena: AnyArena, array: np.ndarray[Any, Any]) -> bool:
    """Whether an array lies in a block that the arena has given out."""
    return arena.keep(address_of(owner_of(array))) is not None


@pytest.fixture(params=["simple", "real"])
def arena(request: pytest.FixtureRequest) -> Iterator[AnyArena]:
    made: AnyArena = SimpleArena() if request.param == "simple" else Arena(max_bytes=1 << 26)
    with installed(made):
        yield made


@pytest.fixture
def simple() -> Iterator[SimpleArena]:
    made = SimpleArena()
    with installed(made):
        yield made


def run(code: str, *flags: str) -> tuple[int, str, str]:
    """Runs a program with an arena, an `array` that lies in it and much that a program may want."""
    beginning = f"""
import atexit, contextvars, ctypes, gc, os, signal, sys, threading, time
import numpy as np
from hognose_shm.arena import Arena
from hognose_shm.numpy_arena import adopt, install, uninstall
arena = Arena(max_bytes=1 << 28)
def is_shared(array): return arena.keep(array.__array_interface__["data"][0]) is not None
install(arena)
array = np.ones({LARGE})
assert is_shared(array)
"""
    ended = subprocess.run(
        [sys.executable, "-X", "faulthandler", *flags, "-c", beginning + code],
        cwd=PACKAGE,
        env={**os.environ, "PYTHONPATH": str(PACKAGE / "tests")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


class TestResults:
    """What NumPy makes while the allocator is installed."""

    @pytest.mark.parametrize(
        "make",
        [
            lambda a: a + 1,
            lambda a: a @ a.T,
            lambda a: np.sort(a, axis=0),
            lambda a: np.linalg.inv(a + np.eye(len(a))),
            lambda a: np.concatenate([a, a]),
            lambda a: a.astype(np.float32),
            lambda a: a.copy(order="F"),
            lambda a: np.empty(a.shape),
            lambda a: np.zeros(a.shape),
            lambda a: np.fromiter((float(i) for i in range(a.size)), float),
            lambda a: np.frombuffer(a.tobytes()).copy(),
            lambda a: np.loadtxt(io.StringIO("1 2\n" * a.size)),
        ],
    )
    def test_s61_results_of_ordinary_code_are_born_in_shared_memory(
        self, arena: AnyArena, make: Callable[[Any], Any]
    ) -> None:
        rng = np.random.default_rng(1)
        result = make(rng.random((128, 128)))
        assert is_shared(arena, result)

    def test_results_are_what_they_are_without(self, arena: AnyArena) -> None:
        values = np.random.default_rng(1).random((128, 128))

        def compute() -> list[np.ndarray[Any, Any]]:
            return [values + 1, values @ values.T, np.sort(values), np.zeros((300, 300)), np.cumsum(values, axis=1)]

        shared = compute()
        uninstall()
        for one, other in zip(shared, compute(), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_small_arrays_are_ordinary(self, simple: SimpleArena) -> None:
        small = np.ones(8191)  # 8 bytes less than the threshold
        assert not simple.taken
        large = np.ones(8192)
        assert list(simple.taken) == [address_of(large)]
        assert small.sum() == 8191

    def test_memory_is_free_again_with_the_last_view(self, arena: AnyArena) -> None:
        array = np.ones(LARGE)
        address = address_of(array)
        part = array[10:].reshape(-1, 2).T
        del array
        assert arena.keep(address) is not None
        del part
        assert arena.keep(address) is None

    def test_zeros_are_zeros_where_other_data_was(self, arena: AnyArena) -> None:
        for _ in range(3):
            array = np.zeros(LARGE)
            assert is_shared(arena, array)
            assert not array.any()
            array.fill(7)
            del array

    def test_an_array_without_elements_is_freed_whatever_size_numpy_names(self, arena: AnyArena) -> None:
        array = np.empty((LARGE, 0, 8))
        address = address_of(array)
        del array
        assert arena.keep(address) is None

    def test_nothing_is_left(self, simple: SimpleArena) -> None:
        for _ in range(100):
            array = np.ones(LARGE)
            array = (array + 1).reshape(2, -1).T.copy()
        assert len(simple.taken) == 1
        del array
        assert not simple.taken


class TestGrowing:
    """Arrays that change their size, which NumPy does by realloc."""

    @given(st.lists(st.integers(1, 4 * LARGE), min_size=1, max_size=12), st.booleans())
    @settings(max_examples=50, deadline=None)
    def test_contents_stay_wherever_the_array_lies(self, sizes: list[int], has_space: bool) -> None:
        simple = SimpleArena(1 << 20 if has_space else 1 << 17)
        with installed(simple):
            array = np.zeros(0)
            expected: list[float] = []
            for number, size in enumerate(sizes, 1):
                kept = len(expected)
                array.resize(size, refcheck=False)
                assert not array[kept:].any()
                array[kept:] = number
                expected = (expected + [float(number)] * size)[:size]
                assert array.tolist() == expected
                assert is_shared(simple, array) or size < 8192 or not has_space or size > LARGE
            del array
        assert not simple.taken

    def test_an_array_moves_between_ordinary_and_shared_memory(self, arena: AnyArena) -> None:
        array = np.arange(100.0)
        places = []
        for size in (LARGE, 4 * LARGE, 2 * LARGE, 50, LARGE):
            array.resize(size, refcheck=False)
            places.append(is_shared(arena, array))
            assert array[:50].tolist() == list(range(50))
        assert places == [True, True, True, False, True]

    def test_a_little_less_stays_where_it_is_and_may_grow_back(self, simple: SimpleArena) -> None:
        array = np.ones(2 * LARGE)
        address = address_of(array)
        array.resize(LARGE, refcheck=False)
        array.resize(2 * LARGE, refcheck=False)
        assert address_of(array) == address
        assert array.sum() == LARGE

    def test_an_array_that_cannot_move_within_the_arena_becomes_ordinary(self) -> None:
        simple = SimpleArena(1 << 20)
        with installed(simple):
            array = np.arange(float(LARGE))
            array.resize(1 << 18, refcheck=False)
            assert not simple.taken
            assert array[:LARGE].tolist() == list(range(LARGE))
            array.resize(LARGE, refcheck=False)
            assert is_shared(simple, array)
            assert array.tolist() == list(range(LARGE))


class TestFallback:
    """What happens where the arena does not give a block."""

    def test_s66_a_full_arena_means_ordinary_memory(self) -> None:
        simple = SimpleArena(1 << 17)
        with installed(simple):
            first, second, third = np.ones(LARGE), np.ones(LARGE), np.zeros(LARGE)
        assert [is_shared(simple, array) for array in (first, second, third)] == [True, False, False]
        assert second.sum() == LARGE
        assert not third.any()

    def test_s66_the_limit_of_a_real_arena_means_ordinary_memory(self) -> None:
        real = Arena(max_bytes=4 << 20)
        with installed(real):
            arrays = [np.full(LARGE, number) for number in range(100)]
        assert [int(array[-1]) for array in arrays] == list(range(100))
        places = [is_shared(real, array) for array in arrays]
        assert any(places)
        assert not all(places)

    @pytest.mark.parametrize("failure", [NoSpaceError("full"), ShmError("not here"), MemoryError()])
    def test_an_arena_that_refuses_means_ordinary_memory(
        self, simple: SimpleArena, failure: Exception, capfd: pytest.CaptureFixture[str]
    ) -> None:
        simple.failures = [failure] * 3
        arrays = [np.ones(LARGE), np.zeros(LARGE), np.ones(100)]
        arrays[2].resize(LARGE, refcheck=False)
        assert [array.sum() for array in arrays] == [LARGE, 0, 100]
        assert not simple.taken
        assert not simple.failures
        assert capfd.readouterr().err == ""

    def test_an_arena_that_is_broken_means_ordinary_memory_and_is_reported(
        self, simple: SimpleArena, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reported: list[BaseException | None] = []
        monkeypatch.setattr(sys, "unraisablehook", lambda report: reported.append(report.exc_value))
        failure = RuntimeError("broken")
        simple.failures = [failure] * 3
        assert np.ones(LARGE).sum() == LARGE
        assert reported == [failure]
        assert not simple.taken

    def test_a_block_at_an_odd_address_is_given_back(self, simple: SimpleArena) -> None:
        simple.shift = 64
        array = np.ones(LARGE)
        assert array.sum() == LARGE
        assert not simple.taken

    def test_more_memory_than_there_is_is_a_memory_error_as_ever(self, arena: AnyArena) -> None:
        with pytest.raises(MemoryError):
            np.ones(1 << 58)
        array = np.ones(LARGE)
        with pytest.raises(MemoryError):
            array.resize(1 << 58, refcheck=False)
        assert array.sum() == LARGE


class TestExceptions:
    """Exceptions that are on their way while memory is taken or freed."""

    def test_an_exception_of_numpy_survives_the_freeing_of_its_result(
        self, arena: AnyArena, capfd: pytest.CaptureFixture[str]
    ) -> None:
        array = np.ones(LARGE)
        for _ in range(3):
            with np.errstate(all="raise"), pytest.raises(FloatingPointError, match="divide by zero"):
                array / 0
        with pytest.raises(ValueError, match="could not convert"):
            np.array(["1"] * LARGE + ["x"]).astype(float)
        with pytest.raises(ZeroDivisionError):
            np.fromiter((1 / (LARGE - i) for i in range(2 * LARGE)), float)
        assert capfd.readouterr().err == ""

    @pytest.mark.parametrize("kind", ["simple", "real"])
    def test_an_exception_of_a_signal_meets_the_code_that_called_numpy(self, kind: str) -> None:
        # The __del__ methods of a real arena lose an exception now and then, so its alarm rings again.
        code, output, _ = run(f"""
if {kind == "simple"}:
    from simple_arena import SimpleArena
    arena = SimpleArena()
    install(arena)
    array = np.ones(array.size)
class Interrupted(BaseException): pass
def interrupt(*_): raise Interrupted
signal.signal(signal.SIGALRM, interrupt)
caught = 0
for number in range(300):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0002 + number % 20 * 0.00005, {0 if kind == "simple" else 0.02})
        while True:
            b = array + 1
            c = np.zeros(array.shape)
            d = np.arange(10.0)
            d.resize(array.size, refcheck=False)
            d.resize(4 * array.size, refcheck=False)
            d.resize(3, refcheck=False)
            assert b[0] == 2 and b[-1] == 2 and c[0] == 0 and d[2] == 2
    except Interrupted:
        caught += 1
signal.setitimer(signal.ITIMER_REAL, 0)
print(caught, is_shared(array))
""")
        assert (code, output) == (0, "300 True\n")

    def test_an_exception_of_another_thread_meets_the_code_that_called_numpy(self) -> None:
        code, output, errors = run("""
from simple_arena import SimpleArena
install(SimpleArena())
class Interrupted(BaseException): pass
raise_in_thread = ctypes.pythonapi.PyThreadState_SetAsyncExc
raise_in_thread.argtypes = (ctypes.c_ulong, ctypes.py_object)
go, caught = threading.Semaphore(0), []
def work():
    adopt()
    while len(caught) < 200:
        try:
            go.release()
            while True:
                b = array + 1
                b.resize(3 * array.size, refcheck=False)
                assert b[0] == 2
        except Interrupted as error:
            caught.append(error)
thread = threading.Thread(target=work)
thread.start()
for number in range(200):
    go.acquire()
    raise_in_thread(thread.ident, Interrupted)
thread.join()
print(len(caught))
""")
        assert (code, output, errors) == (0, "200\n", "")

    @pytest.mark.parametrize("kind", [KeyboardInterrupt, TimeoutError])
    def test_an_exception_while_the_arena_works_comes_afterwards(
        self, simple: SimpleArena, kind: type[BaseException]
    ) -> None:
        simple.failures = [kind()]
        with pytest.raises(kind):
            np.ones(LARGE)
        assert not simple.failures
        assert not simple.taken


class TestContexts:
    """Who has the allocator: NumPy keeps it in a variable of the context."""

    def test_a_new_thread_has_it_once_it_adopts_it(self, simple: SimpleArena) -> None:
        seen = []

        def work() -> None:
            seen.append(is_installed())
            adopt()
            adopt()
            seen.append(is_installed())
            array = np.ones(LARGE)
            seen.append(is_shared(simple, array))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        inherits = bool(getattr(sys.flags, "thread_inherit_context", False))
        assert seen == [inherits, True, True]
        assert not simple.taken

    def test_a_thread_of_a_pool_keeps_it(self, simple: SimpleArena) -> None:
        with ThreadPoolExecutor(1, initializer=adopt) as pool:
            array = pool.submit(np.ones, LARGE).result()
            assert is_shared(simple, array)
            assert is_shared(simple, pool.submit(np.ones, LARGE).result())

    def test_tasks_have_it_if_it_was_there_when_they_were_made(self, simple: SimpleArena) -> None:
        async def task() -> bool:
            await asyncio.sleep(0)
            return is_installed()

        async def main() -> list[bool]:
            in_task = await asyncio.create_task(task())
            in_thread = await asyncio.to_thread(is_installed)
            in_executor = await asyncio.get_running_loop().run_in_executor(None, is_installed)
            return [in_task, in_thread, in_executor]

        inherits = bool(getattr(sys.flags, "thread_inherit_context", False))
        assert asyncio.run(main()) == [True, True, inherits]

    def test_a_task_that_installs_does_so_for_itself(self) -> None:
        simple = SimpleArena()

        async def task() -> bool:
            install(simple)
            await asyncio.sleep(0)
            return is_installed()

        async def main() -> list[bool]:
            return [await asyncio.create_task(task()), is_installed()]

        assert asyncio.run(main()) == [True, False]
        adopt()
        assert is_installed()
        uninstall()

    def test_a_copied_context_has_it_and_an_empty_one_has_not(self, simple: SimpleArena) -> None:
        assert contextvars.copy_context().run(is_installed)
        assert not contextvars.Context().run(is_installed)

        def adopting() -> bool:
            adopt()
            return is_installed()

        context = contextvars.Context()
        assert context.run(adopting)
        assert context.run(is_installed)

    def test_uninstalling_ends_it_in_every_context(self, simple: SimpleArena) -> None:
        context = contextvars.copy_context()
        uninstall()
        assert not context.run(is_installed)
        array = context.run(np.ones, LARGE)
        assert not simple.taken
        adopt()
        assert not is_installed()
        assert array.sum() == LARGE


class TestInstalling:
    """Installing, uninstalling, installing something else."""

    def test_an_array_is_freed_as_it_was_made_after_uninstalling(self) -> None:
        simple, ordinary = SimpleArena(), np.ones(LARGE)
        install(simple)
        array = ordinary + 1
        uninstall()
        assert not is_installed()
        assert simple.taken
        array.resize(2 * LARGE, refcheck=False)
        assert not simple.taken
        assert array[:LARGE].sum() == 2 * LARGE
        install(simple)
        ordinary.resize(2 * LARGE, refcheck=False)
        uninstall()
        assert ordinary.sum() == LARGE

    def test_each_block_goes_back_to_the_arena_that_it_came_from(self) -> None:
        first, second = SimpleArena(), SimpleArena()
        with installed(first):
            one = np.ones(LARGE)
            with installed(second, 1 << 18):
                assert not second.taken
                two = one + np.ones((3, LARGE))
                assert is_shared(second, two)
            three = np.ones(LARGE)
        assert [is_shared(first, array) for array in (one, two, three)] == [True, False, True]
        assert not is_installed()
        del one, two, three
        assert not first.taken
        assert not second.taken

    def test_a_threshold_has_a_lower_limit(self) -> None:
        with pytest.raises(ValueError, match="at least 32768"):
            install(SimpleArena(), 4096)
        assert not is_installed()

    def test_it_says_why_it_is_not_possible(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(platform, "machine", lambda: "riscv64")
        with pytest.raises(ShmError, match=r"Linux for x86_64 and aarch64, and this is linux on riscv64"):
            numpy_hooks.Hooks(None, take=max, take_zeroed=max, move=max, give_back=max)
        monkeypatch.setattr(numpy_hooks, "_extension_modules", lambda: iter([object()]))
        with pytest.raises(ShmError, match=r"does not show its C API"):
            numpy_hooks.NumpyApi()

    def test_many_threads_take_and_free_at_once(self) -> None:
        real = Arena(max_bytes=1 << 28)
        with installed(real), ThreadPoolExecutor(8, initializer=adopt) as pool:

            def work(number: int) -> float:
                array = np.full(LARGE + number, float(number))
                array.resize(3 * LARGE, refcheck=False)
                other = array[: LARGE + number] + 1
                return float(other.sum())

            sums = list(pool.map(work, range(200)))
        assert sums == [(LARGE + number) * (number + 1.0) for number in range(200)]
        gc.collect()
        assert real.stats.blocks == 0


class TestEnding:
    """Programs that end while arrays lie in the arena."""

    @pytest.mark.parametrize(
        ("code", "status"),
        [
            ("", 0),
            ("sys.exit(3)", 3),
            ("sys.modules['kept'] = array; del array", 0),
            ("cycle = [array]; cycle.append(cycle)", 0),
            ("atexit.register(lambda: (array + 1).sum())", 0),
            ("atexit.register(lambda: array.resize(9, refcheck=False))", 0),
            ("uninstall()", 0),
            ("del arena; gc.collect()", 0),
            ("os._exit(4)", 4),
            ("os.kill(os.getpid(), signal.SIGTERM)", -15),
        ],
    )
    def test_the_end_is_quiet(self, code: str, status: int) -> None:
        ended, _, errors = run(f"arrays = [array + n for n in range(9)]\n{code}\n")
        assert (ended, errors) == (status, "")

    def test_arrays_may_be_freed_by_what_python_takes_apart_last(self) -> None:
        code, output, errors = run("""
class Late:
    def __init__(self): self.array = array + 1
    def __del__(self, write=os.write):
        self.array.resize(2 * self.array.size, refcheck=False)
        write(1, b"%d" % self.array[-1])
sys.late = Late()
""")
        assert (code, output, errors) == (0, "0", "")

    def test_threads_that_still_compute_do_no_harm(self) -> None:
        code, _, errors = run("""
ready = threading.Barrier(4)
def work():
    adopt()
    ready.wait()
    while True:
        (array + 1).resize(2 * array.size, refcheck=False)
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
ready.wait()
""")
        assert (code, errors) == (0, "")

    def test_a_forked_process_has_ordinary_memory_of_its_own(self) -> None:
        code, output, errors = run("""
child = os.fork()
if child == 0:
    b = array + 1
    os._exit(0 if b.sum() == 2 * array.size and not is_shared(b) else 1)
print(os.waitpid(child, 0)[1], array.sum())
""")
        assert (code, output, errors) == (0, f"0 {LARGE}.0\n", "")


class TestEmpty:
    """Arrays that are asked for one by one."""

    @pytest.mark.parametrize("name", DTYPES)
    def test_s62_every_type_lies_in_the_arena(self, name: str) -> None:
        if name == "bfloat16":
            pytest.importorskip("ml_dtypes", reason="bfloat16 needs ml_dtypes")
        real = Arena(max_bytes=1 << 24)
        array = empty(real, (3, 5), name)
        assert (array.shape, array.dtype.name, array.flags.writeable) == ((3, 5), name, True)
        assert array.flags.c_contiguous
        assert address_of(array) % 64 == 0
        assert real.find(address_of(array)) is not None
        array[...] = 1
        again = zeros(real, (3, 5), array.dtype, "F")
        assert again.flags.f_contiguous
        assert not again.any()
        assert array.all()

    def test_memory_is_free_again_with_the_last_view(self) -> None:
        real = Arena(max_bytes=1 << 24)
        part = empty(real, (100, 100))[::2].T
        gc.collect()
        assert real.stats.blocks == 1
        del part
        assert real.stats.blocks == 0

    @pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), 7, (np.int64(2), 2), [2, 3]])
    def test_any_shape_is_possible(self, shape: Any) -> None:
        real = Arena(max_bytes=1 << 24)
        assert empty(real, shape, np.float32).shape == np.empty(shape).shape

    @pytest.mark.parametrize("dtype", [object, "S4", "U4", "i4,f8", "M8[s]", np.longdouble, "V3"])
    def test_types_that_cannot_be_shared_are_refused(self, dtype: Any) -> None:
        with pytest.raises(TypeError, match=r"possible are bool, int8, .*, complex128"):
            empty(Arena(max_bytes=1 << 24), 3, dtype)

    def test_what_makes_no_sense_is_refused(self) -> None:
        real = Arena(max_bytes=1 << 24)
        with pytest.raises(TypeError, match="byte order"):
            empty(real, 3, ">f8")
        with pytest.raises(ValueError, match="negative"):
            empty(real, (3, -1))
        with pytest.raises(ValueError, match="order is 'K'"):
            empty(real, 3, float, "K")  # type: ignore[arg-type]
        with pytest.raises(NoSpaceError):
            empty(real, 1 << 40)
        assert real.stats.blocks == 0

    def test_bfloat16_names_the_package_that_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "ml_dtypes", None)
        with pytest.raises(ImportError, match="pip install ml_dtypes"):
            empty(Arena(max_bytes=1 << 24), 3, "bfloat16")


def test_the_exports_are_those() -> None:
    assert set(numpy_arena.__all__) == {"adopt", "empty", "install", "installed", "is_installed", "uninstall", "zeros"}
