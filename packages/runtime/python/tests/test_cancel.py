from __future__ import annotations

import time
from pathlib import Path

import pytest
from fake_host import FakeHost, function

from hognose.cancel import is_interruptible
from hognose.errors import HognoseCancel
from hognose.gen import messages as m

T = "hgn_targets"


def is_cancelled(host: FakeHost, call: int) -> bool:
    error = host.error(call)
    return (error["type"], error["module"]) == ("HognoseCancel", "hognose.errors")


class TestS41:
    def test_a_call_that_waits_in_the_queue_never_runs(self, host: FakeHost, tmp_path: Path) -> None:
        running = host.message(f"{T}.touch_and_wait", [str(tmp_path / "file")])
        waiting = host.message(f"{T}.note", ["never"])
        host.send(running, waiting)
        host.wait_for((tmp_path / "file").exists)
        host.cancel(waiting[1])
        assert is_cancelled(host, waiting[1])
        host.cancel(running[1])
        assert is_cancelled(host, running[1])
        assert host.call(f"{T}.take_notes") == []

    def test_a_cancel_that_overtakes_its_call_is_not_lost(self, host: FakeHost, tmp_path: Path) -> None:
        running = host.message(f"{T}.touch_and_wait", [str(tmp_path / "file")])
        host.send(running)
        host.wait_for((tmp_path / "file").exists)
        host.cancel(1000)
        host.metrics()
        host.send(host.message(f"{T}.note", ["never"], id=1000))
        assert is_cancelled(host, 1000)
        host.cancel(running[1])
        host.answer(running[1])
        assert host.call(f"{T}.take_notes") == []

    @pytest.mark.parametrize("target", ["loop_forever", "sleep_long", "wait_for_lock", "read_socket", "suppressing"])
    def test_a_loop_a_sleep_a_lock_and_a_read_stop(self, host: FakeHost, tmp_path: Path, target: str) -> None:
        args = [] if target == "suppressing" else [str(tmp_path / "file")]
        call = host.send(host.message(f"{T}.{target}", args))
        host.wait_for((lambda: host.words()[8] == call) if target == "suppressing" else (tmp_path / "file").exists)
        before = time.monotonic()
        host.cancel(call)
        assert is_cancelled(host, call)
        assert time.monotonic() - before < 2
        assert host.call(f"{T}.add", [1, 2]) == 3

    def test_a_c_function_that_is_called_directly_stops(self, host: FakeHost) -> None:
        call = host.send(host.message("time.sleep", [1000]))
        host.wait_for(lambda: host.words()[8] == call)
        host.cancel(call)
        assert is_cancelled(host, call)

    def test_inline_code_stops(self, host: FakeHost) -> None:
        call = host.send(host.inline("while True: pass"))
        host.wait_for(lambda: host.words()[8] == call)
        host.cancel(call)
        assert is_cancelled(host, call)

    def test_it_is_cancelled_again_and_again_until_it_ends(self, host: FakeHost, tmp_path: Path) -> None:
        call = host.send(host.message(f"{T}.swallow_twice", [str(tmp_path / "file")]))
        host.wait_for((tmp_path / "file").exists)
        host.cancel(call)
        assert is_cancelled(host, call)
        assert host.call(f"{T}.take_notes") == ["HognoseCancel", "HognoseCancel"]

    def test_the_reason_is_told(self, host: FakeHost) -> None:
        for reason, words in ((m.CANCEL_REASON_ABORT, "by its caller"), (m.CANCEL_REASON_DEADLINE, "time is over")):
            call = host.send(host.message("time.sleep", [1000]))
            host.wait_for(lambda call=call: host.words()[8] == call)
            host.cancel(call, reason)
            assert words in host.error(call)["message"]

    @pytest.mark.parametrize("threads", [1, 4])
    def test_a_late_cancel_never_hits_another_call(self, threads: int, tmp_path: Path) -> None:
        """Each cancel races with the end of its call; the calls between them must never be hit."""
        with FakeHost(threads=threads) as host:
            # Threads take turns after a microsecond: the canceller gets in between as often as can be.
            host.run("import sys; sys.setswitchinterval(1e-6)")
            stubborn = host.send(host.message(f"{T}.resist_until_set", [str(tmp_path / "file")]))
            host.wait_for((tmp_path / "file").exists)
            host.cancel(stubborn)  # stays cancelled and alive for all of the test
            block = host.inline("n = 0\nfor i in range(a0): n += i\nreturn n", 1)[11]
            fields = {"call_type": m.CALL_TYPE_INLINE, "inline": block}
            interrupted = 0
            for number in range(10_000):
                # As long as the cancel takes to arrive, more or less.
                hit = host.message("", [number * 37 % 12_000], **fields)
                spared = host.message("", [100], **fields)
                host.send(hit, spared)
                host.cancel(hit[1])
                message = host.answer(hit[1])
                assert host.result(spared[1]) == 4950
                if message[0] == m.WORKER_MESSAGE_RAISED:
                    interrupted += any(frame[0] == "test.ts" for frame in message[2][5])
            assert interrupted > 10  # else the test has shown nothing
            host.call(f"{T}.set_event")
            assert host.result(stubborn) == "resisted"
            ids = [message[1] for message in host.received if message[0] in (3, 4)]
            assert len(ids) == len(set(ids)) == 20_003

    def test_a_call_that_waits_in_a_callback_stops_and_what_stands_above_it_too(self, host: FakeHost) -> None:
        outer = host.send(host.message(f"{T}.call_with", [function(5)]))
        host.expect(m.WORKER_MESSAGE_CALLBACK)
        host.cancel(outer)
        assert is_cancelled(host, outer)
        outer = host.send(host.message(f"{T}.call_with", [function(5)]))
        host.expect(m.WORKER_MESSAGE_CALLBACK)
        nested = host.send(host.message("time.sleep", [1000], parent_call=outer))
        host.wait_for(lambda: host.words()[8] == nested)
        host.cancel(outer)
        assert is_cancelled(host, nested)
        assert is_cancelled(host, outer)
        assert host.call(f"{T}.add", [1, 2]) == 3

    def test_threads_of_the_users_that_wait_in_a_callback_stop_with_their_call(self, host: FakeHost) -> None:
        call = host.send(host.message(f"{T}.call_from_threads", [function(5), 4]))
        for _ in range(4):
            host.expect(m.WORKER_MESSAGE_CALLBACK)
        host.cancel(call)
        assert is_cancelled(host, call)

    def test_a_coroutine_stops_and_its_finally_runs(self, host: FakeHost, tmp_path: Path) -> None:
        call = host.send(host.message(f"{T}.sleep_async", [str(tmp_path / "file")]))
        host.wait_for((tmp_path / "file").exists)
        host.cancel(call)
        assert is_cancelled(host, call)
        assert host.call(f"{T}.take_notes") == ["finally"]

    def test_an_unknown_or_finished_call_does_nothing(self, host: FakeHost) -> None:
        call = host.send(host.message(f"{T}.add", [1, 2]))
        assert host.result(call) == 3
        host.cancel(call)
        host.cancel(4711)
        assert host.call(f"{T}.add", [3, 4]) == 7


class TestThreads:
    def test_only_the_call_that_is_meant_is_interrupted_and_only_in_the_users_code(self) -> None:
        from hognose.core import Core
        from hognose.runner import PoolRunner

        runner = PoolRunner(Core(threads=2), 0)
        runner.calls.append([m.HOST_MESSAGE_CALL, 5])
        runner.interrupt(5)  # the worker's own code runs

        def user() -> str:
            runner.interrupt(6)  # another call
            was_exposed = runner.cover()
            runner.interrupt(5)  # the worker's own code runs within the user's
            runner.uncover(was_exposed)
            try:
                runner.interrupt(5)
                for _ in range(1000):
                    pass
            except HognoseCancel:
                return "interrupted"
            return "spared"

        assert runner.expose(user) == "interrupted"

        def late() -> str:
            runner._is_hit = True
            runner._raise_in_thread(runner.ident, HognoseCancel)
            return "done"

        with pytest.raises(HognoseCancel):
            runner.expose(late)
        assert runner.expose(lambda: "next") == "next"

    def test_a_python_loop_on_a_thread_of_the_pool_stops(self, pool: FakeHost, tmp_path: Path) -> None:
        files = [tmp_path / str(number) for number in range(3)]
        calls = [pool.send(pool.message(f"{T}.loop_forever", [str(file)])) for file in files]
        for file in files:
            pool.wait_for(file.exists)
        pool.cancel(calls[1])
        assert is_cancelled(pool, calls[1])
        assert pool.call(f"{T}.add", [1, 2]) == 3
        assert pool.metrics()["running"] == 2
        for call in (calls[0], calls[2]):
            pool.cancel(call)
            assert is_cancelled(pool, call)

    def test_a_callback_on_a_thread_of_the_pool_stops(self, pool: FakeHost) -> None:
        call = pool.send(pool.message(f"{T}.call_with", [function(5)]))
        pool.expect(m.WORKER_MESSAGE_CALLBACK)
        pool.cancel(call)
        assert is_cancelled(pool, call)


def test_the_workers_own_code_is_never_interrupted() -> None:
    import sys

    from hognose import outbox

    frames = []
    namespace = {"frames": frames, "sys": sys}
    own = compile("def f(inner): inner()", outbox.__file__, "exec")
    user = compile("def g(): frames.append(sys._getframe())", "user.py", "exec")
    exec(own, namespace)
    exec(user, namespace)
    namespace["f"](namespace["g"])
    assert not is_interruptible(frames[0])
    from hognose.dispatch import evaluate

    class Root:
        def probe(self) -> None:
            frames.append(sys._getframe())

    call = [1, 1, 1, m.CALL_TYPE_METHOD, "probe", None, 0, None, (Root(),), (), 0, None, 0, 0, False, "", 0, 0, 0, 0]
    evaluate(call)
    assert is_interruptible(frames[1])
