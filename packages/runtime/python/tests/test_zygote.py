from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_zygote import FakeZygote

from hognose import fork_safety

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is a zygote only on Linux")


@pytest.fixture
def zygote() -> Iterator[FakeZygote]:
    with FakeZygote() as started:
        started.expect("ready")
        yield started


def preloading(directory: Path, source: str, *others: str) -> FakeZygote:
    """A zygote that preloads a module of this source."""
    (directory / "preloaded.py").write_text(source)
    return FakeZygote(["preloaded", *others], directory=directory)


def state_of(pid: int) -> str:
    """As in `/proc`: R, S, Z and so on; empty: there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except OSError:
        return ""


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


class TestEnds:
    @pytest.mark.parametrize(
        ("source", "code", "number"),
        [
            ("import os; os._exit(7)", 7, None),
            ("import sys; sys.exit(3)", 3, None),
            ("import os; os.kill(os.getpid(), 11)", None, signal.SIGSEGV),
        ],
    )
    def test_an_end_is_told_at_once(self, zygote: FakeZygote, source: str, code: int, number: int) -> None:
        worker = zygote.fork()
        worker.send(worker.inline(source))
        assert zygote.expect("exited", worker.id) == {"id": worker.id, "code": code, "signal": number}

    def test_a_worker_in_good_order_ends_so(self, zygote: FakeZygote) -> None:
        worker = zygote.fork()
        worker.goodbye()
        assert zygote.expect("exited", worker.id)["code"] == 0

    def test_a_pid_is_nobody_elses_until_the_host_lets_go_of_it(self, zygote: FakeZygote) -> None:
        worker = zygote.fork()
        os.killpg(worker.pid, signal.SIGKILL)
        assert zygote.expect("exited", worker.id)["signal"] == signal.SIGKILL
        assert state_of(worker.pid) == "Z"
        zygote.send({"reap": worker.id})
        zygote.wait_for(lambda: state_of(worker.pid) == "")

    def test_it_leads_a_group_before_it_is_told_of(self, zygote: FakeZygote) -> None:
        zygote.send(zygote.request())
        pid = zygote.expect("forked")["pid"]
        assert os.getpgid(pid) == pid  # it waits for the host to take its lifeline

    def test_what_a_worker_has_started_ends_with_it(self, zygote: FakeZygote) -> None:
        worker = zygote.fork()
        grandchild = worker.run("import subprocess; return subprocess.Popen(['sleep', '60']).pid")
        assert state_of(grandchild) in ("S", "R")
        worker.send(worker.inline("import os; os._exit(0)"))
        zygote.expect("exited", worker.id)
        zygote.wait_for(lambda: state_of(grandchild) in ("", "Z"))

    def test_fifty_at_once_leave_nothing_behind(self, zygote: FakeZygote) -> None:
        before = sorted(os.listdir(f"/proc/{zygote.pid}/fd"))
        requests = [zygote.request(address=f"{zygote.directory}/nobody") for _ in range(50)]
        zygote.send(*requests)
        pids = {zygote.expect("forked", request["fork"]["id"])["pid"] for request in requests}
        assert len(pids) == 50
        for request in requests:
            number = request["fork"]["id"]
            assert zygote.expect("exited", number)["code"] == 1
            zygote.send({"opened": number}, {"reap": number})
        zygote.wait_for(lambda: children_of(zygote.pid) == [])
        assert sorted(os.listdir(f"/proc/{zygote.pid}/fd")) == before

    def test_it_ends_when_the_host_has_closed_and_its_workers_have_ended(self, zygote: FakeZygote) -> None:
        worker = zygote.fork()
        zygote.hang_up()
        assert worker.run("return 1") == 1
        assert zygote.process.poll() is None
        worker.data.close()
        assert zygote.wait() == 0

    def test_the_kernel_ends_it_with_the_host(self, zygote: FakeZygote) -> None:
        os.kill(zygote.pid, signal.SIGSTOP)
        zygote.lifeline.close()
        assert zygote.wait() == -signal.SIGKILL

    def test_workers_outlive_it(self, zygote: FakeZygote) -> None:
        worker = zygote.fork()
        os.killpg(zygote.pid, signal.SIGKILL)
        zygote.wait()
        assert worker.run("return 1") == 1

    def test_a_worker_that_the_host_was_not_told_of_never_runs(self, tmp_path: Path) -> None:
        # The first fork is the zygote's own; at the second it stops before it can tell.
        source = (
            "import os, signal\n"
            "forks = []\n"
            "def after():\n"
            "    forks.append(1)\n"
            "    if len(forks) == 2: os.kill(os.getpid(), signal.SIGSTOP)\n"
            "os.register_at_fork(after_in_parent=after)"
        )
        with preloading(tmp_path, source) as zygote:
            zygote.expect("ready")
            zygote.send(zygote.request())
            zygote.wait_for(lambda: state_of(zygote.pid) == "T")
            (child,) = children_of(zygote.pid)
            zygote.wait_for(lambda: state_of(int(child)) == "S")
            os.killpg(zygote.pid, signal.SIGKILL)
            zygote.wait()
            zygote.wait_for(lambda: state_of(int(child)) in ("", "Z"))
            zygote.listener.settimeout(0)
            with pytest.raises(BlockingIOError):
                zygote.listener.accept()


class TestOutput:
    def test_what_is_written_before_the_host_has_opened_it_is_not_lost(self, zygote: FakeZygote) -> None:
        request = zygote.request(address=f"{zygote.directory}/nobody")
        zygote.send(request)
        assert zygote.expect("exited")["code"] == 1
        descriptor = os.open(request["fork"]["stderr"], os.O_RDONLY | os.O_NONBLOCK)
        zygote.send({"opened": request["fork"]["id"]})
        os.set_blocking(descriptor, True)
        with os.fdopen(descriptor) as stream:
            assert "FileNotFoundError" in stream.read()

    def test_each_worker_has_its_own(self, zygote: FakeZygote) -> None:
        first, second = zygote.fork(), zygote.fork()
        first.run("import os; os.write(1, b'one\\n'); print('two'); os.system('echo three >&2')")
        second.run("open('/dev/stdout', 'w').write('four\\n')")
        zygote.wait_for(lambda: (first.stdout, first.stderr) == ("one\ntwo\n", "three\n"))
        zygote.wait_for(lambda: second.stdout == "four\n")

    def test_what_preloading_has_left_in_a_buffer_is_written_once(self, tmp_path: Path) -> None:
        source = "import ctypes, sys\nctypes.CDLL(None).printf(b'from C, ')\nsys.stdout.write('from Python')"
        with preloading(tmp_path, source) as zygote:
            zygote.expect("ready")
            workers = [zygote.fork(), zygote.fork()]
            for worker in workers:
                worker.run("print('mine')")
                worker.goodbye()
                assert zygote.expect("exited", worker.id)["code"] == 0
            zygote.hang_up()
            assert zygote.wait() == 0
            for worker in workers:
                worker.join_output()
                assert worker.stdout == "mine\n"
            assert zygote.output["stdout"].count("from C") == 1

    def test_stdin_is_empty(self, zygote: FakeZygote) -> None:
        assert zygote.fork().run("import sys; return sys.stdin.read()") == ""


class TestPreload:
    def test_workers_have_what_was_preloaded_and_only_their_own_path(self, tmp_path: Path) -> None:
        later = tmp_path / "later"
        later.mkdir()
        (later / "added.py").write_text("")
        with preloading(tmp_path, "value = []") as zygote:
            zygote.expect("ready")
            paths = [str(tmp_path), str(later)]
            worker = zygote.fork(preload=["preloaded"], python_path=paths)
            assert worker.run("import sys, added; return ['preloaded' in sys.modules, sys.path]")[0] is True
            path = worker.run("import sys; return sys.path")
            assert [path.count(entry) for entry in paths] == [1, 1]

    def test_an_exception_ends_it_with_its_traceback(self, tmp_path: Path) -> None:
        with preloading(tmp_path, "raise ValueError('no weights')") as zygote:
            assert zygote.wait() == 1
            assert "ValueError: no weights" in zygote.output["stderr"]

    def test_sys_exit_ends_it(self, tmp_path: Path) -> None:
        with preloading(tmp_path, "raise SystemExit(5)") as zygote:
            assert zygote.wait() == 5

    def test_a_thread_is_a_reason_to_refuse(self, tmp_path: Path) -> None:
        source = (
            "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True, name='feeder').start()\n"
        )
        with preloading(tmp_path, source) as zygote:
            assert zygote.expect("refused") == "threads were running after the preload: feeder"
            assert zygote.wait() == 0

    def test_so_is_one_that_python_does_not_know(self, tmp_path: Path) -> None:
        source = (
            "import _thread\nlock = _thread.allocate_lock()\nlock.acquire()\n_thread.start_new_thread(lock.acquire, ())"
        )
        with preloading(tmp_path, source) as zygote:
            assert "native threads were running" in zygote.expect("refused")

    def test_a_thread_that_ends_is_none(self, tmp_path: Path) -> None:
        source = "import threading, time\nthreading.Thread(target=time.sleep, args=(0.05,)).start()"
        with preloading(tmp_path, source) as zygote:
            zygote.expect("ready")

    def test_libraries_that_mind_forks_are_no_reason(self) -> None:
        with FakeZygote(["numpy", "sklearn.ensemble"]) as zygote:
            zygote.expect("ready")

    def test_an_open_accelerator_is_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        device = tmp_path / "nvidia0"
        monkeypatch.setattr(fork_safety, "_ACCELERATORS", (str(device),))
        with device.open("w"):
            assert fork_safety.why_not_forkable() == f"{device} was open after the preload"

    def test_grpc_may_be_imported(self) -> None:
        with FakeZygote(grpc=True) as zygote:
            zygote.expect("ready")
            assert zygote.fork().run("import sys; return 'grpc' in sys.modules")


class TestIndependence:
    def test_random_numbers_differ(self, tmp_path: Path) -> None:
        source = "import multiprocessing, random, numpy\nrandom.seed(1)\nnumpy.random.seed(1)"
        with preloading(tmp_path, source) as zygote:
            zygote.expect("ready")
            draw = (
                "import random, numpy, tempfile, multiprocessing\n"
                "key = multiprocessing.current_process().authkey\n"
                "return [random.random(), numpy.random.rand(), next(tempfile._get_candidate_names()), bytes(key)]"
            )
            first, second = zygote.fork().run(draw), zygote.fork().run(draw)
            assert not set(map(str, first)) & set(map(str, second))

    def test_limits_of_threads_are_set_back(self) -> None:
        with FakeZygote(["numpy", "scipy.linalg", "sklearn.ensemble"]) as zygote:
            zygote.expect("ready")
            worker = zygote.fork()
            counts = (
                "import threading\nfrom hognose.native_threads import loaded_libraries\n"
                "return [[library.name, library.get()] for library in loaded_libraries()]"
            )
            libraries = worker.run(counts)
            names = " ".join(name for name, _ in libraries)
            assert "openblas" in names
            assert "gomp" in names
            assert {count for _, count in libraries} == {2}
            assert worker.run("import os; return os.environ['OMP_NUM_THREADS']") == "2"
            # A coroutine runs on another thread, and OpenMP counts for each.
            assert {count for _, count in worker.run(f"import asyncio\nawait asyncio.sleep(0)\n{counts}")} == {2}
            multiply = "import os, numpy\nnumpy.ones((300, 300)) @ numpy.ones((300, 300))"
            tasks = f"{multiply}\nreturn os.listdir('/proc/self/task')"
            assert len(worker.run(tasks)) >= 4  # this one, that of the control connection, and one of each OpenBLAS

    def test_a_variable_that_was_set_by_what_was_preloaded_stays(self, tmp_path: Path) -> None:
        with preloading(tmp_path, "import os\nos.environ['OMP_NUM_THREADS'] = '1'") as zygote:
            zygote.expect("ready")
            variables = "import os; return [os.environ[name] for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS')]"
            assert zygote.fork().run(variables) == ["1", "2"]

    def test_a_temporary_directory_of_before_outlives_a_worker(self, tmp_path: Path) -> None:
        source = "import tempfile\ndirectory = tempfile.TemporaryDirectory()"
        with preloading(tmp_path, source) as zygote:
            zygote.expect("ready")
            worker = zygote.fork()
            directory = Path(worker.run("import preloaded; return preloaded.directory.name"))
            make = "import sys, tempfile\nsys.own = tempfile.TemporaryDirectory()\nreturn sys.own.name"
            own = Path(worker.run(make))
            worker.goodbye()
            zygote.expect("exited", worker.id)
            assert [directory.exists(), own.exists()] == [True, False]
            zygote.send({"reap": worker.id})
            zygote.hang_up()
            assert zygote.wait() == 0
            assert not directory.exists()

    def test_it_holds_nothing_of_the_zygotes(self, zygote: FakeZygote) -> None:
        other = zygote.fork()
        zygote.send(zygote.request())  # whose output the zygote still holds
        worker = zygote.fork()
        ids = "import os; return [os.getpid(), os.getpgrp(), os.getppid()]"
        assert worker.run(ids) == [worker.pid, worker.pid, zygote.pid]
        links = "import os; return [os.readlink(f'/proc/self/fd/{name}') for name in os.listdir('/proc/self/fd')[:-1]]"
        of_zygote = {os.readlink(f"/proc/{zygote.pid}/fd/{name}") for name in os.listdir(f"/proc/{zygote.pid}/fd")}
        assert set(worker.run(links)) & of_zygote <= {"/dev/null"}
        assert not set(worker.run(links)) & set(other.run(links)) - {"/dev/null"}
        handlers = (
            "import signal; return [signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL, signal.set_wakeup_fd(-1)]"
        )
        assert worker.run(handlers) == [True, -1]

    def test_a_crash_is_written_to_its_own_stderr(self, zygote: FakeZygote) -> None:
        worker = zygote.fork()
        worker.send(worker.inline("import ctypes; ctypes.string_at(0)"))
        assert zygote.expect("exited", worker.id)["signal"] == signal.SIGSEGV
        worker_stderr = lambda: "Segmentation fault" in worker.stderr  # noqa: E731
        zygote.wait_for(worker_stderr)
        assert zygote.output["stderr"] == ""
