from __future__ import annotations

from typing import Any

from fake_host import FakeHost, extension, function, iterable

from hognose.gen import messages as m

T = "hgn_targets"


def callback(host: FakeHost) -> dict[str, Any]:
    """The next callback of the worker."""
    message = host.expect(m.WORKER_MESSAGE_CALLBACK)
    names = [name for name, *_ in m.LAYOUT["Callback"]]
    return dict(zip(names, [*message[1:], *[None] * 5], strict=False))


def returns(host: FakeHost, callback_id: int, value: Any) -> None:
    host.send([m.HOST_MESSAGE_CALLBACK_RESULT, callback_id, value])


def test_s33_a_function_of_the_host_is_called_with_args_and_kwargs(host: FakeHost) -> None:
    call = host.send(host.message(f"{T}.call_with", [function(5, "double"), 21], kwargs={"by": 2}))
    asked = callback(host)
    assert (asked["function"], asked["args"], asked["kwargs"], asked["call"]) == (5, [21], {"by": 2}, call)
    returns(host, asked["id"], 42)
    assert host.result(call) == 42


def test_s33_it_serves_as_key_and_for_map(host: FakeHost) -> None:
    call = host.send(host.message("builtins.sorted", [[1, 3, 2]], kwargs={"key": function(5)}))
    for expected in (1, 3, 2):
        asked = callback(host)
        assert asked["args"] == [expected]
        returns(host, asked["id"], -expected)
    assert host.result(call) == [3, 2, 1]


def test_s33_what_it_throws_can_be_caught_and_comes_back_as_the_same_error(host: FakeHost) -> None:
    call = host.send(host.message(f"{T}.call_and_catch", [function(5)]))
    thrown = [77, "TypeError", "msg", "TypeError: msg\n    at f (x.ts:1:2)"]
    host.send([m.HOST_MESSAGE_CALLBACK_RAISED, callback(host)["id"], thrown])
    assert host.result(call) == ["TypeError", "msg", "TypeError: msg", thrown[3]]
    call = host.send(host.message(f"{T}.call_with", [function(5)]))
    host.send([m.HOST_MESSAGE_CALLBACK_RAISED, callback(host)["id"], thrown])
    error = host.error(call)
    assert (error["type"], error["module"], error["host_error"]) == ("JavaScriptError", "hognose.errors", 77)
    assert error["message"] == "TypeError: msg"


def test_s34_calls_from_a_thread_pool_make_progress_also_with_nested_calls(host: FakeHost) -> None:
    call = host.send(host.message(f"{T}.call_from_threads", [function(5), 8]))
    for _ in range(8):
        asked = callback(host)
        assert asked["call"] == call
        nested = host.message(f"{T}.add", [asked["args"][0], 100], parent_call=call)
        host.send(nested)
        returns(host, asked["id"], host.result(nested[1]))
    assert host.result(call) == [100 + number for number in range(8)]


def test_s34_a_reentrant_call_runs_above_the_one_that_waits_and_no_other_does(host: FakeHost) -> None:
    call = host.send(host.message(f"{T}.call_with", [function(5), "outer"]))
    outer = callback(host)
    unrelated = host.message(f"{T}.note", ["unrelated"])
    nested = host.message(f"{T}.call_with", [function(6), "inner"], parent_call=call)
    host.send(unrelated, nested)
    inner = callback(host)
    assert (inner["args"], inner["call"]) == (["inner"], nested[1])
    assert host.words()[8] == nested[1]
    deepest = host.message(f"{T}.take_notes", parent_call=call)
    host.send(deepest)
    assert host.result(deepest[1]) == []
    returns(host, inner["id"], "from inner")
    assert host.result(nested[1]) == "from inner"
    returns(host, outer["id"], "from outer")
    assert host.result(call) == "from outer"
    host.result(unrelated[1])
    assert host.call(f"{T}.take_notes") == ["unrelated"]


def test_s34_an_exception_of_a_nested_call_is_its_own(host: FakeHost) -> None:
    call = host.send(host.message(f"{T}.call_with", [function(5)]))
    asked = callback(host)
    nested = host.send(host.message("builtins.int", ["x"], parent_call=call))
    assert host.error(nested)["type"] == "ValueError"
    returns(host, asked["id"], 1)
    assert host.result(call) == 1


def test_on_the_event_loop_a_function_gives_an_awaitable(host: FakeHost) -> None:
    call = host.send(host.message(f"{T}.call_async", [function(5), 1]))
    asked = callback(host)
    assert host.call(f"{T}.add", [1, 2]) == 3
    nested = host.message(f"{T}.later", ["nested"], parent_call=call)
    host.send(nested)
    assert host.result(nested[1]) == "nested"
    returns(host, asked["id"], 9)
    assert host.result(call) == 9
    call = host.send(host.message(f"{T}.call_async", [function(5), 1]))
    host.send([m.HOST_MESSAGE_CALLBACK_RAISED, callback(host)["id"], [1, "Error", "late", ""]])
    assert host.error(call)["message"] == "Error: late"


def test_a_result_that_cannot_be_read_fails_the_callback_alone(host: FakeHost) -> None:
    call = host.send(host.message(f"{T}.call_with", [function(5)]))
    returns(host, callback(host)["id"], [extension(99, 1)])
    error = host.error(call)
    assert error["type"] == "DecodeError"
    assert "JavaScript function has returned" in error["message"]


def test_a_function_is_one_object_and_comes_back_as_itself(host: FakeHost) -> None:
    assert host.run("return a0 is a1", function(5), function(5)) is True
    assert host.call("builtins.repr", [function(5, "double")]) == "<JavaScript function double>"
    assert host.run("return [a0, a0.__name__, callable(a0)]", function(5, "f")) == [("ext 16", [5]), "f", True]


def test_a_function_cannot_be_pickled_and_says_why(host: FakeHost) -> None:
    error = host.error(host.send(host.message("pickle.dumps", [function(5, "f")])))
    assert "<JavaScript function f> lives in the Node.js process" in error["message"]


def test_functions_that_are_gone_are_released_with_the_times_they_came(host: FakeHost) -> None:
    host.call(f"{T}.keep", [function(5)])
    host.call(f"{T}.keep", [function(5)])
    host.run("return None", function(5), function(6))
    assert host.expect(m.WORKER_MESSAGE_RELEASE_FUNCTIONS)[1] == [[6, 1]]
    assert host.metrics()["functions"] == 1
    host.call(f"{T}.drop")
    assert host.expect(m.WORKER_MESSAGE_RELEASE_FUNCTIONS)[1] == [[5, 3]]
    assert host.metrics()["functions"] == 0


def test_javascript_errors_are_values_too(host: FakeHost) -> None:
    error = extension(23, 8, "RangeError", "far", "RangeError: far")
    assert host.call("builtins.str", [error]) == "RangeError: far"
    assert host.run("return a0", error) == ("ext 23", [8, "RangeError", "far", "RangeError: far"])


class TestIterables:
    def test_items_are_fetched_in_growing_chunks(self, host: FakeHost) -> None:
        call = host.send(host.message(f"{T}.iterate", [iterable(5)]))
        expected = []
        for count in (1, 2, 4, 8):
            asked = callback(host)
            assert asked["args"] == [count]
            items = list(range(len(expected), len(expected) + count))
            expected += items
            host.send([m.HOST_MESSAGE_CALLBACK_RESULT, asked["id"], extension(1, items, count == 8)])
        assert host.result(call) == expected

    def test_leaving_early_closes_the_iterator_of_the_host(self, host: FakeHost) -> None:
        call = host.send(host.message(f"{T}.take_some", [iterable(5), 2]))
        host.send([m.HOST_MESSAGE_CALLBACK_RESULT, callback(host)["id"], extension(1, [1], False)])
        host.send([m.HOST_MESSAGE_CALLBACK_RESULT, callback(host)["id"], extension(1, [2, 3], False)])
        assert callback(host)["args"] == [0]
        assert host.result(call) == [1, 2]

    def test_an_error_of_the_host_ends_the_iteration(self, host: FakeHost) -> None:
        call = host.send(host.message(f"{T}.iterate", [iterable(5)]))
        host.send([m.HOST_MESSAGE_CALLBACK_RAISED, callback(host)["id"], [3, "Error", "broken", ""]])
        assert callback(host)["args"] == [0]
        assert host.error(call)["host_error"] == 3

    def test_async_for_works_on_the_event_loop(self, host: FakeHost) -> None:
        call = host.send(host.message(f"{T}.iterate_async", [iterable(5, is_async=True)]))
        host.send([m.HOST_MESSAGE_CALLBACK_RESULT, callback(host)["id"], extension(1, [1], False)])
        host.send([m.HOST_MESSAGE_CALLBACK_RESULT, callback(host)["id"], extension(1, [2], True)])
        assert host.result(call) == [1, 2]
