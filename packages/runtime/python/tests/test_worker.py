from __future__ import annotations

import struct
import time
from pathlib import Path

import msgpack
import pytest
from fake_host import FakeHost, extension, handle

from hognose.gen import messages as m
from hognose.source_hash import source_hash

T = "hgn_targets"


class TestStart:
    def test_dials_the_lifeline_then_control_then_data(self, host: FakeHost) -> None:
        assert host.roles == [m.ROLE_LIFELINE, m.ROLE_CONTROL, m.ROLE_DATA]
        for role, hello in host.hellos.items():
            assert hello[1:5] == [1, role, 7, "s3cret"]
            assert hello[5] == host.process.pid
            assert hello[7] == [1]
            assert hello[8] == "0.1.0"

    def test_tells_what_it_can_and_what_it_is_made_of(self, host: FakeHost) -> None:
        assert "numpy" in host.ready[1]
        assert host.ready[2] == source_hash()

    def test_the_source_hash_changes_with_any_file(self, tmp_path: Path) -> None:
        (tmp_path / "inner").mkdir()
        (tmp_path / "inner" / "a.py").write_text("1")
        first = source_hash(str(tmp_path))
        (tmp_path / "inner" / "a.txt").write_text("no source")
        assert source_hash(str(tmp_path)) == first
        (tmp_path / "inner" / "a.py").write_text("2")
        second = source_hash(str(tmp_path))
        (tmp_path / "inner" / "a.py").rename(tmp_path / "a.py")
        assert len({first, second, source_hash(str(tmp_path))}) == 3

    def test_preload_and_log_level_hold_before_the_first_call(self) -> None:
        with FakeHost(preload=[T], log_level=10) as host:
            assert host.run(f"import sys; return '{T}' in sys.modules")
            assert host.run("import logging; return logging.getLogger().level") == 10


class TestCalls:
    def test_calls_of_every_type(self, host: FakeHost) -> None:
        assert host.call(f"{T}.add", [1, 2]) == 3
        assert host.call("builtins.round", [2.567], kwargs={"ndigits": 1}) == 2.6
        number = host.call("fractions.Fraction", [1, 2], call_type=m.CALL_TYPE_CLASS, result=m.RESULT_MODE_HANDLE)
        assert number[1] == "fractions.Fraction"
        assert host.call("numerator", handle=number[0], call_type=m.CALL_TYPE_GET_ATTR) == 1
        assert host.call("limit_denominator", handle=number[0], call_type=m.CALL_TYPE_METHOD)[1][0] == 1
        assert host.call(args=["kept"], call_type=m.CALL_TYPE_HAND_OVER) == "kept"
        assert host.call(f"{T}.add", [1, 2], result=m.RESULT_MODE_NONE) is None

    def test_calls_of_one_frame_are_answered_in_order(self, host: FakeHost) -> None:
        calls = [host.message(f"{T}.add", [number, 1]) for number in range(500)]
        host.send(*calls)
        for number, call in enumerate(calls):
            assert host.next()[:3] == [m.WORKER_MESSAGE_RESULT, call[1], number + 1]

    def test_a_release_behind_a_call_in_its_frame_does_no_harm(self, host: FakeHost) -> None:
        kept = host.call("builtins.dict", [{"a": 1}], result=m.RESULT_MODE_HANDLE)[0]
        first = host.message("a", handle=kept, call_type=m.CALL_TYPE_METHOD)
        first[3:6] = [m.CALL_TYPE_ITEM, "", ["a"]]
        second = host.message("builtins.len", [handle(kept)])
        host.send(first, second, [m.HOST_MESSAGE_RELEASE, [[kept, 1]]])
        assert host.result(first[1]) == 1
        assert host.result(second[1]) == 1
        assert host.metrics()["handles"] == 0
        assert "was released" in host.error(host.send(host.message("builtins.len", [handle(kept)])))["message"]

    def test_an_unknown_handle_version_or_type_fails_its_own_call_alone(self, host: FakeHost) -> None:
        bad = host.message("x", handle=99, call_type=m.CALL_TYPE_GET_ATTR)
        newer = host.message(f"{T}.add", [1, 2], payload_version=9)
        odd = host.message(f"{T}.add", [1, 2], call_type=42)
        unreadable = host.message(f"{T}.note", [extension(99, 1)])
        good = host.message(f"{T}.add", [1, 2])
        host.send(bad, newer, odd, unreadable, good)
        assert "handle 99 is unknown" in host.error(bad[1])["message"]
        assert "version 9, and this worker knows only version 1" in host.error(newer[1])["message"]
        assert "unknown type 42" in host.error(odd[1])["message"]
        assert host.error(unreadable[1])["type"] == "DecodeError"
        assert host.result(good[1]) == 3
        assert host.call(f"{T}.take_notes") == []

    def test_a_slow_call_does_not_hold_back_the_answers_before_it(self, host: FakeHost, tmp_path: Path) -> None:
        host.call(f"{T}.add", [1, 1])
        fast = [host.message(f"{T}.add", [number, 0]) for number in range(5)]
        slow = host.message(f"{T}.touch_and_wait", [str(tmp_path / "file")])
        host.send(*fast, slow)
        for call in fast:
            host.result(call[1])
        host.wait_for((tmp_path / "file").exists)
        host.cancel(slow[1])
        assert host.error(slow[1])["type"] == "HognoseCancel"

    def test_an_exception_whose_own_attributes_raise_is_told_all_the_same(self, host: FakeHost) -> None:
        error = host.error(
            host.send(
                host.inline(
                    "class Odd(Exception):\n    @property\n    def args(self): raise RuntimeError('no')\nraise Odd()"
                )
            )
        )
        assert error["type"].endswith("Odd")
        assert host.call(f"{T}.add", [1, 2]) == 3

    def test_python_path_is_extended_before_the_next_call(self, host: FakeHost, tmp_path: Path) -> None:
        (tmp_path / "only_here.py").write_text("def f(): return 'found'\n")
        host.send([m.HOST_MESSAGE_PYTHON_PATH, [str(tmp_path)]], call := host.message("only_here.f"))
        assert host.result(call[1]) == "found"


class TestContext:
    def test_current_call_tells_id_session_deadline_trace_and_attempt(self, host: FakeHost) -> None:
        trace = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
        call = host.message(f"{T}.current", deadline_ms=60_000, session_id=3, trace=trace, idempotent=True, attempt=2)
        host.send([m.HOST_MESSAGE_SESSION_OPEN, 3], call)
        call_id, session, left, told, idempotent, attempt = host.result(call[1])
        assert (call_id, session, told, idempotent, attempt) == (call[1], 3, trace, True, 2)
        assert 30 < left <= 60
        assert host.call(f"{T}.current")[-1] == 0
        assert host.call(f"{T}.current")[2] is None

    def test_a_session_keeps_its_state_until_it_is_closed(self, host: FakeHost) -> None:
        host.send([m.HOST_MESSAGE_SESSION_OPEN, 3], [m.HOST_MESSAGE_SESSION_OPEN, 4])
        host.call(f"{T}.state", ["a", 1], session_id=3)
        assert host.call(f"{T}.state", ["a"], session_id=3) == 1
        assert host.call(f"{T}.state", ["a"], session_id=4) is None
        host.send([m.HOST_MESSAGE_SESSION_CLOSE, 3])
        assert host.call(f"{T}.state", ["a"], session_id=3) is None
        assert "for calls of a session" in host.error(host.send(host.message(f"{T}.state", ["a"])))["message"]

    def test_a_handle_tells_the_session_that_it_is_for(self, host: FakeHost) -> None:
        host.send([m.HOST_MESSAGE_SESSION_OPEN, 5])
        assert host.call("builtins.object", session_id=5)[4] == 5
        assert len(host.call("builtins.object")) == 4


class TestStatusPage:
    def test_shows_the_running_call_and_those_that_were_started(self, host: FakeHost, tmp_path: Path) -> None:
        first = host.message(f"{T}.add", [1, 2])
        running = host.message(f"{T}.touch_and_wait", [str(tmp_path / "file")])
        behind = host.message(f"{T}.add", [1, 2])
        before = time.monotonic_ns()
        host.send(first, running, behind)
        host.wait_for((tmp_path / "file").exists)
        words = host.words()
        assert words[0] == 0x31534748
        assert words[1] == 2
        assert words[8] == running[1]
        assert before <= words[9] <= time.monotonic_ns()
        assert list(words[256:259]) == [first[1], running[1], 0]
        host.cancel(running[1])
        host.result(behind[1])
        words = host.words()
        assert words[1] == 3
        assert words[8] == 0

    def test_names_the_call_that_a_crash_interrupted(self, host: FakeHost) -> None:
        call = host.message("os.abort")
        host.send(host.message(f"{T}.add", [1, 2]), call, host.message(f"{T}.add", [3, 4]))
        host.process.wait(30)
        assert host.words()[8] == call[1]
        assert host.words()[1] == 2


class TestRecallAndDrain:
    def test_gives_back_what_has_not_started(self, host: FakeHost, tmp_path: Path) -> None:
        running = host.message(f"{T}.touch_and_wait", [str(tmp_path / "file")])
        waiting = [host.message(f"{T}.note", [number]) for number in range(3)]
        host.send(running, *waiting)
        host.wait_for((tmp_path / "file").exists)
        host.urgent([m.HOST_MESSAGE_RECALL, [running[1], waiting[0][1], waiting[2][1]]])
        assert host.expect(m.WORKER_MESSAGE_RECALLED)[1] == [waiting[0][1], waiting[2][1]]
        host.cancel(running[1])
        host.answer(running[1])
        host.result(waiting[1][1])
        assert host.call(f"{T}.take_notes") == [1]

    def test_gives_back_a_call_that_the_recall_has_overtaken(self, host: FakeHost, tmp_path: Path) -> None:
        host.urgent([m.HOST_MESSAGE_RECALL, [1000]])
        assert host.expect(m.WORKER_MESSAGE_RECALLED)[1:] in ([[]], [])
        host.send(host.message(f"{T}.note", ["never"], id=1000))
        assert host.expect(m.WORKER_MESSAGE_RECALLED)[1] == [1000]
        assert host.call(f"{T}.take_notes") == []

    def test_drains_while_it_is_idle(self, host: FakeHost) -> None:
        host.call(f"{T}.add", [1, 2])
        host.urgent([m.HOST_MESSAGE_DRAIN])
        assert host.expect(m.WORKER_MESSAGE_GOODBYE)[1] == "drained"
        assert host.process.wait(30) == 0

    def test_drains_behind_the_call_that_runs(self, host: FakeHost, tmp_path: Path) -> None:
        running = host.message(f"{T}.touch_and_wait", [str(tmp_path / "file")])
        waiting = host.message(f"{T}.note", ["never"])
        host.send(running, waiting)
        host.wait_for((tmp_path / "file").exists)
        host.urgent([m.HOST_MESSAGE_DRAIN])
        assert host.expect(m.WORKER_MESSAGE_RECALLED)[1] == [waiting[1]]
        late = host.message(f"{T}.note", ["never"])
        host.send(late)
        assert host.expect(m.WORKER_MESSAGE_RECALLED)[1] == [late[1]]
        host.cancel(running[1])
        host.answer(running[1])
        host.expect(m.WORKER_MESSAGE_GOODBYE)
        assert host.process.wait(30) == 0

    def test_measures_itself_also_while_a_call_runs(self, host: FakeHost, tmp_path: Path) -> None:
        host.call("builtins.object")
        running = host.message(f"{T}.loop_forever", [str(tmp_path / "file")])
        host.send(running, host.message(f"{T}.add", [1, 2]))
        host.wait_for((tmp_path / "file").exists)
        metrics = host.metrics()
        assert metrics["rss_bytes"] > 1_000_000
        assert metrics["cpu_ms"] > 0
        names = ("handles", "functions", "running", "waiting", "streams", "answered")
        assert [metrics[name] for name in names] == [1, 0, 1, 1, 0, 1]
        host.cancel(running[1])


class TestEnd:
    @pytest.mark.parametrize(("code", "status"), [("3", 3), ("", 0), ("'why'", 1)])
    def test_sys_exit_ends_the_worker_with_its_code(self, host: FakeHost, code: str, status: int) -> None:
        first = host.message(f"{T}.add", [1, 2])
        host.send(first, host.inline(f"import sys; sys.exit({code})"))
        assert host.process.wait(30) == status
        assert host.result(first[1]) == 3

    @pytest.mark.parametrize("threads", [1, 4])
    def test_sys_exit_in_a_coroutine_or_a_thread_of_the_pool_does_too(self, threads: int) -> None:
        with FakeHost(threads=threads) as host:
            text = "import sys; sys.exit(5)"
            host.send(host.inline(text if threads > 1 else f"import asyncio\nawait asyncio.sleep(0)\n{text}"))
            assert host.process.wait(30) == 5

    def test_goodbye_ends_it_in_good_order(self, host: FakeHost) -> None:
        host.send([m.HOST_MESSAGE_GOODBYE, "closing"])
        assert host.process.wait(30) == 0

    def test_the_end_of_the_data_connection_ends_it(self, host: FakeHost) -> None:
        host.data.close()
        assert host.process.wait(30) == -9

    @pytest.mark.parametrize(
        "garbage",
        [
            struct.pack("<I", 1 << 31),
            struct.pack("<I", 3) + b"\xc1\xc1\xc1",
            struct.pack("<I", 4) + msgpack.packb([[99]])[:4].ljust(4, b"\0"),
        ],
    )
    def test_garbage_ends_it_with_a_reason(self, host: FakeHost, garbage: bytes) -> None:
        host.data.send_raw(garbage)
        assert host.process.wait(30) not in (0, None)
        host.wait_for(lambda: "ProtocolError" in host.stderr)

    def test_a_forked_child_never_answers(self, host: FakeHost, tmp_path: Path) -> None:
        file = tmp_path / "status"
        queued = host.message(f"{T}.note", ["once"])
        call = host.message(f"{T}.fork_and_return", [str(file)])
        host.send(call, queued)
        assert host.result(call[1]) == 1
        host.result(queued[1])
        assert file.read_text() == "0"
        assert host.call(f"{T}.take_notes") == ["once"]
        assert [message[1] for message in host.received].count(call[1]) == 1

    def test_a_forked_child_cannot_call_the_host(self, host: FakeHost) -> None:
        from fake_host import function

        assert host.call(f"{T}.fork_and_call", [function(1)]) == "HognoseError"

    def test_multiprocessing_works(self, host: FakeHost) -> None:
        text = (
            "import multiprocessing\n"
            "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
            "    return pool.map(abs, [-1, -2])"
        )
        assert host.run(text) == [1, 2]
        assert host.call(f"{T}.add", [1, 2]) == 3
