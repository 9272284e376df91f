from __future__ import annotations

import time
from pathlib import Path

from fake_host import FakeHost, function

from hognose.gen import messages as m

T = "hgn_targets"


def test_s44_four_threads_run_four_calls_and_a_fifth_waits(pool: FakeHost, tmp_path: Path) -> None:
    files = [tmp_path / str(number) for number in range(5)]
    before = time.monotonic()
    calls = [pool.send(pool.message(f"{T}.touch_and_wait", [str(file)])) for file in files]
    for file in files[:4]:
        pool.wait_for(file.exists)
    assert time.monotonic() - before < 5
    assert not files[4].exists()
    words = pool.words()
    shown = {words[8 + 2 * slot] for slot in range(64)} - {0}
    assert shown == set(calls[:4])
    pool.urgent([m.HOST_MESSAGE_RECALL, [calls[4]]])
    assert pool.expect(m.WORKER_MESSAGE_RECALLED)[1] == [calls[4]]
    fifth = pool.send(pool.message(f"{T}.later", ["coroutines need no thread"]))
    pool.urgent([m.HOST_MESSAGE_ATTEND])
    assert pool.result(fifth) == "coroutines need no thread"


def test_s44_sleeps_run_side_by_side(pool: FakeHost) -> None:
    before = time.monotonic()
    calls = [pool.send(pool.message("time.sleep", [1])) for _ in range(4)]
    for call in calls:
        pool.result(call)
    assert time.monotonic() - before < 2


def test_callbacks_nested_calls_and_current_call_work_on_every_thread(pool: FakeHost) -> None:
    calls = [pool.send(pool.message(f"{T}.call_with", [function(5), number])) for number in range(4)]
    for _ in calls:
        message = pool.expect(m.WORKER_MESSAGE_CALLBACK)
        call = message[5]
        nested = pool.send(pool.message(f"{T}.current", parent_call=call))
        assert pool.result(nested)[0] == nested
        pool.send([m.HOST_MESSAGE_CALLBACK_RESULT, message[1], message[3][0] + 100])
    assert sorted(pool.result(call) for call in calls) == [100, 101, 102, 103]


def test_many_calls_on_many_threads_are_each_answered_once(pool: FakeHost) -> None:
    calls = [pool.message(f"{T}.add", [number, 1]) for number in range(2000)]
    pool.send(*calls)
    for number, call in enumerate(calls):
        assert pool.result(call[1]) == number + 1
    assert pool.metrics()["answered"] == 2000


def test_drains(pool: FakeHost, tmp_path: Path) -> None:
    running = pool.send(pool.message(f"{T}.touch_and_wait", [str(tmp_path / "file")]))
    pool.wait_for((tmp_path / "file").exists)
    pool.urgent([m.HOST_MESSAGE_DRAIN])
    pool.expect(m.WORKER_MESSAGE_RECALLED)
    pool.send(late := pool.message(f"{T}.set_event"))
    assert pool.expect(m.WORKER_MESSAGE_RECALLED)[1] == [late[1]]
    pool.cancel(running)
    pool.process.kill()
