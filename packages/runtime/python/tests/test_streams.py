from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost, Handle

from hognose.gen import messages as m

T = "hgn_targets"


def stream(host: FakeHost, call: int, *, grant: int = 0) -> tuple[list[Any], list[Any]]:
    """All items of a stream, and the fields of its end."""
    items: list[Any] = []
    while True:
        message = host.next(
            lambda got: got[0] in (m.WORKER_MESSAGE_STREAM_ITEMS, m.WORKER_MESSAGE_STREAM_END) and got[1] == call
        )
        if message[0] == m.WORKER_MESSAGE_STREAM_END:
            return items, [*message[2:], None, None][:2]
        items += message[2]
        if grant:
            host.send([m.HOST_MESSAGE_STREAM_CREDIT, call, grant])


def items(host: FakeHost, call: int, count: int) -> list[Any]:
    """The next items of a stream."""
    got: list[Any] = []
    while len(got) < count:
        got += host.expect(m.WORKER_MESSAGE_STREAM_ITEMS, call)[2]
    return got


@pytest.mark.parametrize("threads", [1, 4])
def test_iterates_anything_to_its_end(threads: int) -> None:
    with FakeHost(threads=threads) as host:
        for target, args, expected in (
            ("builtins.list", [[1, "b", None]], [1, "b", None]),
            ("builtins.dict", [{"a": 1, "b": 2}], ["a", "b"]),
            (f"{T}.generate", [10_000], list(range(10_000))),
            (f"{T}.generate_async", [100], list(range(100))),
            (f"{T}.coroutine_of_iterator", [], [1, 2, 3]),
            ("builtins.list", [], []),
        ):
            call = host.send(host.message(target, args, credit=20_000))
            got, (error, is_resumable) = stream(host, call)
            assert got == expected
            assert not error
            assert not is_resumable


@pytest.mark.parametrize("target", ["generate", "generate_async"])
def test_s31_nothing_is_taken_without_credit(host: FakeHost, target: str) -> None:
    call = host.send(host.message(f"{T}.{target}", [1000], credit=7))
    assert items(host, call, 7) == list(range(7))
    assert host.metrics()["streams"] == 1
    host.send([m.HOST_MESSAGE_STREAM_CREDIT, call, 3])
    assert items(host, call, 3) == [7, 8, 9]
    host.send([m.HOST_MESSAGE_STREAM_CREDIT, call, 5])
    got, _ = stream(host, call, grant=100)
    assert got == list(range(10, 1000))
    assert host.metrics()["streams"] == 0


def test_s30_an_iterator_that_is_left_goes_on_where_it_stands(host: FakeHost) -> None:
    counter = host.call(f"{T}.count_up", result=m.RESULT_MODE_HANDLE)[0]
    call = host.send(host.message(handle=counter, call_type=m.CALL_TYPE_GET_ATTR, credit=5))
    assert items(host, call, 5) == [1, 2, 3, 4, 5]
    host.cancel(call)
    assert stream(host, call) == ([], [None, True])
    call = host.send(host.message(handle=counter, call_type=m.CALL_TYPE_GET_ATTR, credit=1))
    assert items(host, call, 1) == [6]


@pytest.mark.parametrize("target", ["generate", "generate_async"])
@pytest.mark.parametrize("threads", [1, 4])
def test_s30_leaving_runs_the_finally_of_a_generator(threads: int, target: str) -> None:
    with FakeHost(threads=threads) as host:
        call = host.send(host.message(f"{T}.{target}", [1000], credit=3))
        items(host, call, 3)
        host.cancel(call)
        assert stream(host, call) == ([], [None, False])
        assert host.call(f"{T}.take_notes") == ["closed"]


@pytest.mark.parametrize("target", ["generate_slowly", "generate_async_then_wait"])
def test_s30_a_generator_that_waits_is_left_too(host: FakeHost, tmp_path: Path, target: str) -> None:
    call = host.send(host.message(f"{T}.{target}", [str(tmp_path / "file")], credit=100))
    assert items(host, call, 1) == [1]
    host.wait_for((tmp_path / "file").exists)
    host.cancel(call)
    got, (error, _) = stream(host, call)
    assert (got, error) == ([], None)
    assert host.call(f"{T}.take_notes") == ["closed"]


def test_s30_an_exception_arrives_behind_the_items_before_it(host: FakeHost) -> None:
    call = host.send(host.message(f"{T}.generate_two_then_raise", credit=100))
    got, (error, _) = stream(host, call)
    assert got == [1, 2]
    assert error[0:4:3] == ["ValueError", "third"]


def test_what_cannot_be_iterated_is_an_error_in_the_streams_own_answer(host: FakeHost) -> None:
    for target, args, kind in (("builtins.int", [5], "TypeError"), ("builtins.int", ["x"], "ValueError")):
        call = host.send(host.message(target, args, credit=5))
        got, (error, _) = stream(host, call)
        assert (got, error[0]) == ([], kind)


def test_items_travel_each_by_itself_in_the_mode_of_the_call(host: FakeHost) -> None:
    call = host.send(host.inline("return [1, object(), 'x']", credit=9))
    got, _ = stream(host, call)
    assert got[0::2] == [1, "x"]
    assert isinstance(got[1], Handle)
    call = host.send(host.inline("return [1, 2]", credit=9, result=m.RESULT_MODE_HANDLE))
    got, _ = stream(host, call)
    assert [type(item) for item in got] == [Handle, Handle]
    call = host.send(host.inline("return iter([1, object(), 'x'])", credit=9, result=m.RESULT_MODE_VALUE))
    got, (error, _) = stream(host, call)
    assert got == [1]
    assert error[0] == "EncodeError"
    call = host.send(host.inline("deep = []\nfor _ in range(3000): deep = [deep]\nreturn [1, deep, 2]", credit=9))
    got, _ = stream(host, call)
    assert got[0::2] == [1, 2]
    assert isinstance(got[1], Handle)


def test_calls_are_answered_between_the_chunks_of_endless_streams(host: FakeHost) -> None:
    endless = [host.send(host.message(f"{T}.count_up", credit=1 << 30)) for _ in range(2)]
    for number in range(50):
        assert host.call(f"{T}.add", [number, 1]) == number + 1
    for call in endless:
        host.cancel(call)
    for call in endless:
        got, (_, is_resumable) = stream(host, call)
        assert got[:3] == [1, 2, 3] or got
        assert is_resumable
    assert host.metrics()["streams"] == 0


def test_the_thread_is_free_while_a_stream_waits_for_credit(host: FakeHost) -> None:
    call = host.send(host.message(f"{T}.generate", [1000], credit=1))
    host.expect(m.WORKER_MESSAGE_AWAITING, call)
    assert host.call(f"{T}.add", [1, 2]) == 3
    host.cancel(call)
    stream(host, call)
