from __future__ import annotations

from pathlib import Path

from fake_host import FakeHost

from hognose.gen import messages as m

T = "hgn_targets"


def test_a_coroutine_is_awaited_and_its_thread_is_free_meanwhile(host: FakeHost, tmp_path: Path) -> None:
    waiting = host.send(host.message(f"{T}.sleep_async", [str(tmp_path / "file")]))
    host.expect(m.WORKER_MESSAGE_AWAITING, waiting)
    assert host.call(f"{T}.add", [1, 2]) == 3
    assert host.call(f"{T}.later", ["x"]) == "x"
    assert host.metrics()["running"] == 1
    host.cancel(waiting)
    assert host.error(waiting)["type"] == "HognoseCancel"


def test_a_chain_goes_on_behind_a_coroutine(host: FakeHost) -> None:
    steps = [
        [m.STEP_KIND_ATTRIBUTE, "upper", None, None],
        [m.STEP_KIND_INVOKE, "", None, None],
        [m.STEP_KIND_SUBSCRIPT, "", [0], None],
    ]
    assert host.call(f"{T}.later", ["abc"], steps=steps) == "A"
    inner = [[m.STEP_KIND_ATTRIBUTE, "later", None, None], [m.STEP_KIND_INVOKE, "", ["end"], None]]
    assert host.call(T, call_type=m.CALL_TYPE_GET_ATTR, steps=inner) == "end"


def test_inline_code_may_await(host: FakeHost) -> None:
    assert host.run("import asyncio\nawait asyncio.sleep(0)\nreturn a0 + 1", 1) == 2


def test_all_coroutines_share_one_loop_that_lives_as_long_as_the_worker(host: FakeHost) -> None:
    text = "import asyncio, sys\nreturn id(asyncio.get_running_loop()) if await asyncio.sleep(0, True) else 0"
    assert host.run(text) == host.run(text)


def test_a_background_task_goes_on_behind_its_call(host: FakeHost) -> None:
    host.run(
        "import asyncio, hgn_targets\n"
        "async def task():\n"
        "    await asyncio.to_thread(hgn_targets.event.wait)\n"
        "    hgn_targets.notes.append('task')\n"
        "hgn_targets.kept.append(asyncio.get_running_loop().create_task(task()))\n"
        "await asyncio.sleep(0)"
    )
    host.call(f"{T}.set_event")
    assert host.run("import hgn_targets\nawait hgn_targets.kept[0]\nreturn hgn_targets.take_notes()") == ["task"]


def test_an_exception_of_a_coroutine_is_raised(host: FakeHost) -> None:
    error = host.error(host.send(host.message(f"{T}.fail_async")))
    assert (error["type"], error["message"]) == ("ValueError", "async")
    assert [frame[2] for frame in error["frames"]] == ["fail_async"]


def test_current_call_is_known_in_coroutines_and_what_they_start(host: FakeHost) -> None:
    call = host.send(host.message(f"{T}.current_async"))
    assert host.result(call) == [call, call]


def test_other_awaitables_are_awaited_at_the_end_unless_a_handle_is_asked_for(host: FakeHost) -> None:
    text = (
        "class Query:\n"
        "    def filter(self): return self\n"
        "    def __await__(self):\n"
        "        yield from ()\n"
        "        return 'rows'\n"
        "return Query()"
    )
    assert host.run(text) == "rows"
    query = host.run(text, result=m.RESULT_MODE_HANDLE)
    assert query[1].endswith("Query")
    steps = [[m.STEP_KIND_ATTRIBUTE, "filter", None, None], [m.STEP_KIND_INVOKE, "", None, None]]
    assert host.call(handle=query[0], call_type=m.CALL_TYPE_GET_ATTR, steps=steps) == "rows"


def test_s34_a_coroutine_beside_a_long_synchronous_call_makes_progress(host: FakeHost, tmp_path: Path) -> None:
    host.run("import hgn_targets")
    running = host.message(f"{T}.touch_and_wait", [str(tmp_path / "file")])
    waiting = host.message(f"{T}.later", ["in the queue"])
    host.send(running, waiting)
    host.wait_for((tmp_path / "file").exists)
    host.urgent([m.HOST_MESSAGE_ATTEND])
    assert host.result(waiting[1]) == "in the queue"
    unread = host.message(f"{T}.set_event_async")
    host.send(host.message(f"{T}.add", [1, 2]), unread)
    assert host.result(unread[1]) == "set"
    host.result(running[1])
    assert host.call(f"{T}.add", [3, 4]) == 7


def test_s34_the_lane_is_attended_again_and_again(host: FakeHost, tmp_path: Path) -> None:
    host.run("import hgn_targets")
    for number in range(20):
        file = tmp_path / str(number)
        running = host.message(f"{T}.touch_and_wait", [str(file)])
        host.send(running)
        host.wait_for(file.exists)
        host.send(freeing := host.message(f"{T}.set_event_async"))
        host.urgent([m.HOST_MESSAGE_ATTEND])
        host.result(freeing[1])
        host.result(running[1])
        assert host.call(f"{T}.add", [number, 1]) == number + 1


def test_sys_exit_in_a_task_that_no_call_waits_for_ends_the_worker(host: FakeHost) -> None:
    host.send(
        host.inline(
            "import asyncio, sys\n"
            "async def task(): sys.exit(6)\n"
            "asyncio.get_running_loop().create_task(task())\n"
            "await asyncio.sleep(0)"
        )
    )
    assert host.process.wait(30) == 6
