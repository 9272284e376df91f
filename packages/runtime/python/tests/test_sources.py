from __future__ import annotations

from pathlib import Path
from typing import Any

from fake_host import FakeHost, extension, function, handle, source

from hognose.gen import messages as m

T = "hgn_targets"


def test_a_chain_of_calls_in_one_frame_uses_results_that_never_travel(host: FakeHost) -> None:
    first = host.message("builtins.list", [[3, 1, 2]], uses=2, result=m.RESULT_MODE_NONE)
    second = host.message("copy", call_type=m.CALL_TYPE_METHOD, source_call=first[1])
    third = host.message("builtins.sorted", [source(first[1])])
    fourth = host.message("builtins.len", [source(first[1])])
    host.send(first, second, third, fourth)
    assert host.result(first[1]) is None
    assert host.result(second[1]) == [3, 1, 2]
    assert host.result(third[1]) == [1, 2, 3]
    assert "is unknown in this worker" in host.error(fourth[1])["message"]


def test_references_stand_anywhere_among_the_arguments(host: FakeHost) -> None:
    first = host.message("builtins.int", [7], uses=5)
    nested: list[Any] = [source(first[1]), {"a": [source(first[1])]}, extension(1, 1), extension(6, 2)]
    second = host.message(f"{T}.add", [nested, [source(first[1])]], kwargs={})
    step = [m.STEP_KIND_INVOKE, "", [source(first[1])], {"k": source(first[1])}]
    third = host.message("builtins.dict", call_type=m.CALL_TYPE_GET_ATTR, steps=[[1, "fromkeys", None, None], step])
    host.send(first, second, third)
    assert host.result(second[1])[:2] == [7, {"a": [7]}]
    assert host.result(second[1] - 1) == 7
    assert host.error(third[1])["type"] == "TypeError"


def test_an_object_of_the_users_is_neither_entered_nor_copied(host: FakeHost) -> None:
    kept = host.run("x = [1]\nx.append(x)\nreturn x", result=m.RESULT_MODE_HANDLE)[0]
    first = host.message("builtins.int", [7], uses=1)
    text = "a0.append(a1)\nreturn [len(a0), a0[1] is a0]"
    second = host.inline(text, handle(kept), source(first[1]))
    host.send(first, second)
    assert host.result(second[1]) == [3, True]


def test_what_a_source_raised_is_raised_by_what_refers_to_it(host: FakeHost) -> None:
    first = host.message(f"{T}.call_with", [function(5)], uses=1)
    second = host.message("x", call_type=m.CALL_TYPE_GET_ATTR, source_call=first[1], uses=1)
    third = host.message("builtins.len", [source(second[1])])
    host.send(first, second, third)
    host.send([m.HOST_MESSAGE_CALLBACK_RAISED, host.expect(m.WORKER_MESSAGE_CALLBACK)[1], [9, "Error", "x", ""]])
    for call in (first, second, third):
        assert host.error(call[1])["host_error"] == 9


def test_a_call_waits_for_a_source_that_is_awaited(host: FakeHost) -> None:
    first = host.message(f"{T}.call_async", [function(5), 1], uses=1)
    second = host.message(f"{T}.add", [source(first[1]), 1])
    third = host.message(f"{T}.add", [1, 1])
    host.send(first, second, third)
    assert host.result(third[1]) == 2
    assert host.metrics()["waiting"] == 1
    host.send([m.HOST_MESSAGE_CALLBACK_RESULT, host.expect(m.WORKER_MESSAGE_CALLBACK)[1], 40])
    assert host.result(second[1]) == 41


def test_a_call_that_waits_for_a_source_can_be_cancelled_and_recalled(host: FakeHost, tmp_path: Path) -> None:
    first = host.message(f"{T}.sleep_async", [str(tmp_path / "file")], uses=3)
    waiting = [host.message(f"{T}.note", [source(first[1])]) for _ in range(3)]
    host.send(first, *waiting)
    host.wait_for((tmp_path / "file").exists)
    host.cancel(waiting[0][1])
    assert host.error(waiting[0][1])["type"] == "HognoseCancel"
    host.urgent([m.HOST_MESSAGE_RECALL, [waiting[1][1]]])
    assert host.expect(m.WORKER_MESSAGE_RECALLED)[1] == [waiting[1][1]]
    host.cancel(first[1])
    assert host.error(first[1])["type"] == "HognoseCancel"
    assert host.error(waiting[2][1])["type"] == "HognoseCancel"
    assert host.metrics()["waiting"] == 0


def test_a_source_that_is_cancelled_before_it_starts_cancels_what_refers_to_it(host: FakeHost, tmp_path: Path) -> None:
    running = host.message(f"{T}.touch_and_wait", [str(tmp_path / "file")])
    first = host.message("builtins.int", [7], uses=1)
    second = host.message(f"{T}.note", [source(first[1])])
    host.send(running, first, second)
    host.wait_for((tmp_path / "file").exists)
    host.cancel(first[1])
    assert host.error(first[1])["type"] == "HognoseCancel"
    host.cancel(running[1])
    assert host.error(second[1])["type"] == "HognoseCancel"
    assert host.call(f"{T}.take_notes") == []


def test_a_handed_over_object_is_there_for_later_calls(host: FakeHost) -> None:
    first = host.message(args=[[1, 2]], call_type=m.CALL_TYPE_HAND_OVER, uses=1, result=m.RESULT_MODE_NONE)
    second = host.message("builtins.sum", [source(first[1])])
    host.send(first, second)
    assert host.result(second[1]) == 3


def test_results_are_kept_on_threads_too(pool: FakeHost) -> None:
    for _ in range(50):
        first = pool.message(f"{T}.add", [1, 1], uses=1)
        second = pool.message(f"{T}.add", [source(first[1]), 1], uses=1)
        third = pool.message(f"{T}.add", [source(second[1]), 1])
        pool.send(first, second, third)
        assert pool.result(third[1]) == 4
