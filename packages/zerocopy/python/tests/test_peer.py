from __future__ import annotations

import array
import errno
import gc
import json
import os
import resource
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import MakeMemfd, Pair, borrow, drain, lend, made_in, mapped_bytes

from hognose_shm import Arena, DescriptorError, NoSpaceError, Peer, SegmentError, check_array_fields, open_array
from hognose_shm import peer as peer_module
from hognose_shm.posix import create_memory_file

MIB = 1 << 20


def test_both_sides_see_the_same_memory(pair: Pair) -> None:
    ours = made_in(pair.here.arena)
    fields = lend(pair.here, ours)
    assert fields[1] == 0
    assert fields[4:] == (0, 80_000)
    theirs = borrow(pair.there, fields)
    assert theirs.tolist() == ours.tolist()
    theirs[3] = -1.0
    ours[4] = -2.0
    assert (ours[3], theirs[4]) == (-1.0, -2.0)
    assert theirs.ctypes.data != ours.ctypes.data


def test_a_part_of_a_piece_is_lent_exactly(pair: Pair) -> None:
    ours = made_in(pair.here.arena)
    window = pair.there.borrow(lend(pair.here, ours[100:200]))
    assert len(window) == 800
    assert np.frombuffer(window, "f8").tolist() == list(range(100, 200))


def test_a_segment_is_sent_once(pair: Pair) -> None:
    arrays = [made_in(pair.here.arena) for _ in range(3)]
    held = [borrow(pair.there, lend(pair.here, values)) for values in arrays]
    assert len({values.ctypes.data for values in held}) == 3
    assert pair.there.stats.borrowed_segments == 1
    with pytest.raises(BlockingIOError):
        pair.there._channel.recv(1)


def test_segments_are_read_in_any_order(pair: Pair) -> None:
    arrays = [made_in(pair.here.arena, 400_000) for _ in range(3)]
    fields = [lend(pair.here, values) for values in arrays]
    assert len({words[2] for words in fields}) == 3
    for words, values in zip(reversed(fields), reversed(arrays), strict=True):
        assert np.array_equal(borrow(pair.there, words), values)


def test_ordinary_memory_is_not_lent(pair: Pair) -> None:
    ordinary = np.ones(20_000)
    assert pair.here.lend(ordinary.ctypes.data, ordinary.nbytes, ordinary) is None
    block = pair.here.arena.take(70_000)
    assert pair.here.lend(block.address + 60_000, 40_000, block) is None
    assert pair.here.lend(block.address, 0, block) is None
    assert pair.here.stats.lent == 0


def test_what_is_lent_lives_until_it_is_returned(pair: Pair) -> None:
    ours = made_in(pair.here.arena)
    fields = lend(pair.here, ours)
    del ours
    gc.collect()
    assert pair.here.arena.stats.blocks == 1
    theirs = borrow(pair.there, fields)
    pair.deliver()
    assert pair.here.arena.stats.blocks == 1
    del theirs
    pair.deliver()
    assert pair.here.arena.stats.blocks == 0
    assert pair.here.stats.lent == pair.there.stats.borrowed == 0


def test_memory_of_numpys_allocator_is_lent_although_numpy_has_freed_it(pair: Pair) -> None:
    arena = pair.here.arena
    address = arena.allocate(80_000)
    fields = pair.here.lend(address + 800, 8000, "an array")
    assert fields is not None
    arena.free(address)
    assert arena.allocate(80_000) != address
    pair.here.take_back([fields[0]])
    assert arena.allocate(80_000) == address


def test_numbers_that_are_not_lent_are_ignored(pair: Pair) -> None:
    lend(pair.here, made_in(pair.here.arena))
    pair.here.take_back([0, 17, -1])
    assert pair.here.stats.lent == 1


def slice_of(window: Any) -> Any:
    return np.frombuffer(window, "f8")[10:20:2]


def ndarray_of(window: Any) -> Any:
    return np.ndarray((10, 10), "f8", buffer=window, offset=80, strides=(800, 8)).T[1:]


def memoryview_of(window: Any) -> Any:
    return memoryview(window).cast("B")[5:9]


def array_over_memoryview_of(window: Any) -> Any:
    return np.asarray(memoryview(window))[1:]


def opened(window: Any) -> Any:
    return open_array(window, check_array_fields(["float64", [5, 5], [5, 1], 8, 1, 0, 1], len(window)))[2:]


DERIVED = [slice_of, ndarray_of, memoryview_of, array_over_memoryview_of, opened]


@pytest.mark.parametrize("derive", DERIVED)
def test_a_loan_is_over_when_the_last_view_is_gone(pair: Pair, derive: Callable[[Any], Any]) -> None:
    fields = lend(pair.here, made_in(pair.here.arena))
    view = derive(pair.there.borrow(fields))
    gc.collect()
    assert list(pair.there.returns) == []
    other = view[1:]
    del view
    gc.collect()
    assert list(pair.there.returns) == []
    del other
    gc.collect()
    assert list(pair.there.returns) == [fields[0]]


def test_a_loan_ends_in_a_cycle_and_in_another_thread(pair: Pair) -> None:
    class Cycle:
        def __init__(self, values: object) -> None:
            self.values = values
            self.own = self

    arrays = [made_in(pair.here.arena) for _ in range(20)]
    fields = [lend(pair.here, values) for values in arrays]
    for words in fields[:10]:
        Cycle(borrow(pair.there, words))
    held = [borrow(pair.there, words) for words in fields[10:]]
    gc.collect()
    assert sorted(pair.there.returns) == [words[0] for words in fields[:10]]
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert sorted(pair.there.returns) == [words[0] for words in fields]


def test_threads_lend_and_borrow_at_once(pair: Pair) -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        try:
            for turn in range(100):
                count = 10_000 + 7_000 * ((turn + number) % 5)
                ours = made_in(pair.here.arena, count)
                ours[-1] = number
                theirs = borrow(pair.there, lend(pair.here, ours))
                del ours
                if theirs.size != count or theirs[-1] != number or theirs[7] != 7:
                    wrong.append((number, turn))
                del theirs
                pair.here.take_back([pair.there.returns.popleft()])
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert pair.here.stats.lent == pair.there.stats.borrowed == 0
    assert pair.here.arena.stats.blocks == 0


def test_borrowed_memory_is_lent_on_by_the_loan_it_is_held_by(pair: Pair) -> None:
    ours = made_in(pair.here.arena)
    there = borrow(pair.there, lend(pair.here, ours))[50:60]
    back = lend(pair.there, there)
    assert back[1] == 1
    assert back[4:] == (400, 80)
    again = borrow(pair.here, back)
    assert again.ctypes.data == ours.ctypes.data + 400
    del there
    pair.deliver()
    assert pair.here.stats.lent == 1, "the loan is held by the one that came back"
    del ours
    gc.collect()
    assert again.tolist() == list(range(50, 60))
    assert pair.here.arena.stats.blocks == 1
    del again
    pair.deliver()  # the loan back is over
    pair.deliver()  # and so is the first
    assert pair.here.stats == pair.there.stats.__class__(0, 0, 0)
    assert pair.there.stats == pair.there.stats.__class__(0, 0, 1)
    assert pair.here.arena.stats.blocks == 0


def test_of_overlapping_loans_one_that_spans_the_range_is_named(pair: Pair) -> None:
    ours = made_in(pair.here.arena)
    whole = borrow(pair.there, lend(pair.here, ours))
    part = borrow(pair.there, lend(pair.here, ours[:10]))
    assert lend(pair.there, whole)[1] == 1
    assert lend(pair.there, part)[1] == 2
    del part
    gc.collect()
    assert lend(pair.there, whole[:11])[1] == 1


def test_a_view_of_a_loan_that_is_over_is_ordinary_memory(pair: Pair) -> None:
    window = pair.there.borrow(lend(pair.here, made_in(pair.here.arena)))
    address = window.address
    del window
    assert pair.there.lend(address, 800, None) is None


def test_own_memory_that_comes_back_is_checked_against_the_loan(pair: Pair) -> None:
    ours = made_in(pair.here.arena)
    lease, _, segment, size, offset, length = lend(pair.here, ours[100:200])
    for forged, message in [
        ((9, 0, segment, size, offset, length), "loan 0 of it is not out"),
        ((9, lease + 1, segment, size, offset, length), "is not out"),
        ((9, lease, segment, size, offset - 8, length), "reach beyond loan 1"),
        ((9, lease, segment, size, offset, length + 8), "reach beyond loan 1"),
        ((9, lease, segment, size * 2, offset, length), "is it one of another process"),
        ((9, lease, segment + 1, size, offset, length), "does not exist any more"),
    ]:
        with pytest.raises(DescriptorError, match=message):
            pair.here.borrow(forged)
        assert drain(pair.here.returns) == [9], "nobody else could end it"
    good = (9, lease, segment, size, offset + 8, length - 8)
    held = borrow(pair.here, good)
    assert held[0] == 101.0
    with pytest.raises(DescriptorError, match="loan 9 is held here already"):
        pair.here.borrow(good)
    assert list(pair.here.returns) == []
    pair.here.take_back([lease])
    with pytest.raises(DescriptorError, match="is not out"):
        pair.here.borrow((10, *good[1:]))


def test_a_wrong_size_of_a_known_segment_is_refused(pair: Pair) -> None:
    lease, via, segment, size, offset, length = lend(pair.here, made_in(pair.here.arena))
    with pytest.raises(DescriptorError, match=f"has {size} bytes, and {size + 4096} are named"):
        pair.there.borrow((lease, via, segment, size + 4096, offset, length))


def test_a_segment_that_does_not_come_is_an_error(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_module, "RECEIVE_TIMEOUT_S", 0.01)
    with pytest.raises(SegmentError, match="segment 5 was named and has not come within"):
        pair.there.borrow((1, 0, 5, 4096, 0, 64))
    assert list(pair.there.returns) == [1]


def test_a_closed_channel_is_an_error_at_once(pair: Pair) -> None:
    ours, other = made_in(pair.here.arena), made_in(pair.here.arena, 400_000)
    theirs = borrow(pair.there, lend(pair.here, ours))
    pair.here.close()
    with pytest.raises(SegmentError, match="has closed the channel"):
        pair.there.borrow((2, 0, 5, 4096, 0, 64))
    with pytest.raises(SegmentError, match="channel of segments was closed"):
        lend(pair.here, other)
    with pytest.raises(SegmentError, match="Broken pipe"):
        lend(pair.there, made_in(pair.there.arena))
    assert pair.here.stats.lent == 0
    assert theirs[7] == 7.0, "what was borrowed stays valid"


def test_s66_a_peer_that_does_not_read_fills_its_channel(pair: Pair) -> None:
    arena = Arena(max_bytes=2 << 30)
    peer = Peer(pair.here._channel, arena)
    pair.here._channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    blocks = []

    def fill() -> None:
        for _ in range(1000):
            block = arena.take(MIB + 1)
            blocks.append(block)
            peer.lend(block.address, 64, block)

    with pytest.raises(NoSpaceError, match="does not read its channel"):
        fill()
    assert peer.stats.lent == len(blocks) - 1


def test_segments_that_are_closed_are_unmapped_on_both_sides(pair: Pair) -> None:
    gc.collect()
    before = mapped_bytes()
    ours = made_in(pair.here.arena, 400_000)
    theirs = borrow(pair.there, lend(pair.here, ours))
    number = pair.here.arena.find(ours.ctypes.data).segment.number  # type: ignore[union-attr]
    pair.here.trim(0)
    assert list(pair.here.closed) == []
    del ours, theirs
    pair.deliver()
    pair.here.trim(0)
    assert list(pair.here.closed) == [number]
    pair.deliver()
    assert pair.there.stats.borrowed_segments == 0
    assert mapped_bytes() == before


def test_only_segments_that_the_peer_has_are_reported(pair: Pair) -> None:
    pair.here.arena.take(3 * MIB)
    pair.here.trim(0)
    assert list(pair.here.closed) == []


def test_a_segment_that_is_closed_before_it_was_needed_is_read_and_forgotten(pair: Pair) -> None:
    ours = made_in(pair.here.arena, 400_000)
    lease, _, number, *_ = lend(pair.here, ours)
    pair.here.take_back([lease])
    del ours
    gc.collect()
    pair.here.trim(0)
    descriptors = len(os.listdir("/proc/self/fd"))
    pair.there.segments_closed(pair.here.closed)
    assert list(pair.here.closed) == [number]
    assert pair.there.stats.borrowed_segments == 0
    with pytest.raises(BlockingIOError):
        pair.there._channel.recv(1)
    assert len(os.listdir("/proc/self/fd")) == descriptors
    # And others are read as ever.
    assert borrow(pair.there, lend(pair.here, made_in(pair.here.arena)))[7] == 7.0


def send(channel: socket.socket, data: bytes, *fds: int) -> None:
    channel.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])


def message(number: int, byte_length: int, magic: bytes = b"HGSM") -> bytes:
    return struct.pack("<4sIQQ", magic, 0, number, byte_length)


def test_the_bytes_on_the_channel(pair: Pair) -> None:
    block = pair.here.arena.take(3 * MIB)
    pair.here.lend(block.address, 64, block)
    data, fds, _, _ = socket.recv_fds(pair.there._channel, 100, 10)
    assert data == message(block.segment, 3 * MIB)
    assert os.fstat(fds[0]).st_size == 3 * MIB
    os.close(fds[0])
    assert len(fds) == 1


def test_what_is_no_segment_on_the_channel_is_refused(pair: Pair, make_memfd: MakeMemfd) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    for data, fds in [
        (message(5, 4096), []),
        (b"HGSM", [make_memfd(4096)]),
        (message(5, 1, b"XXXX"), [make_memfd(4096)]),
    ]:
        send(pair.here._channel, data, *fds)
        with pytest.raises(SegmentError, match="where a segment was expected"):
            pair.there.borrow((1, 0, 5, 4096, 0, 64))
    assert len(os.listdir("/proc/self/fd")) == descriptors + 2


def test_a_segment_that_could_shrink_or_is_not_as_announced_is_refused(pair: Pair, make_memfd: MakeMemfd) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    send(pair.here._channel, message(5, 4096), make_memfd(4096, 0))
    send(pair.here._channel, message(6, 8192), make_memfd(4096))
    send(pair.here._channel, message(7, 4096), make_memfd(4096))
    assert len(pair.there.borrow((1, 0, 7, 4096, 0, 64))) == 64, "a bad segment does not concern the others"
    for lease in (2, 3):
        with pytest.raises(SegmentError, match="lacks F_SEAL_SEAL"):
            pair.there.borrow((lease, 0, 5, 4096, 0, 64))
    with pytest.raises(SegmentError, match="of 8192 bytes was announced, and it has 4096"):
        pair.there.borrow((4, 0, 6, 8192, 0, 64))
    # Three of the fixture, and on this Python one that the mapping keeps.
    assert len(os.listdir("/proc/self/fd")) == descriptors + 3 + (sys.version_info < (3, 13))


def test_a_descriptor_that_the_limit_of_open_files_has_cost_is_told(pair: Pair) -> None:
    ours = made_in(pair.here.arena)
    fields = lend(pair.here, ours)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    spare = [os.open("/dev/null", os.O_RDONLY) for _ in range(8)]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(highest, *spare), limits[1]))
        with pytest.raises(SegmentError, match=r"descriptor of segment \d+ was lost"):
            pair.there.borrow(fields)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for fd in spare:
            os.close(fd)


def test_memory_without_memfds_goes_both_ways(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(name: str, flags: int = 0) -> int:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(os, "memfd_create", forbidden)
    ours = made_in(pair.here.arena)
    theirs = borrow(pair.there, lend(pair.here, ours))
    theirs[0] = 9.0
    assert ours[0] == 9.0
    assert borrow(pair.here, lend(pair.there, made_in(pair.there.arena)))[5] == 5.0


@pytest.mark.parametrize("change", ["mode", "name"])
def test_a_shared_memory_object_that_others_could_open_is_refused(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    fd = create_memory_file(16384)
    name = f"/dev/shm/hognose-test-{os.getpid()}"
    if change == "mode":
        os.fchmod(fd, 0o666)
    else:
        os.close(fd)
        fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        os.ftruncate(fd, 16384)
    try:
        send(pair.here._channel, message(5, 16384), fd)
        with pytest.raises(SegmentError, match="its size may change"):
            pair.there.borrow((1, 0, 5, 16384, 0, 64))
    finally:
        os.close(fd)
        if change == "name":
            os.unlink(name)


OTHER_PROCESS = """
import gc, json, socket, sys
import numpy as np
from hognose_shm import Arena, Peer, check_array_fields, open_array
peer = Peer(socket.socket(fileno=int(sys.argv[1])), Arena(max_bytes=1 << 28))
held = {}
for line in sys.stdin:
    command = json.loads(line)
    if "borrow" in command:
        fields = command["borrow"]
        array = open_array(peer.borrow(fields), check_array_fields(command["array"], fields[5]))
        held[fields[0]] = array
        answer = {"sum": float(array.sum())}
        array[0] = command["write"]
    elif "drop" in command:
        del held[command["drop"]], array
        gc.collect()
        answer = {"returns": list(peer.returns)}
        peer.returns.clear()
    elif "lend" in command:
        array = held[command["lend"]]
        answer = {"fields": peer.lend(array.ctypes.data, array.nbytes, array)}
    elif "make" in command:
        array = np.frombuffer(peer.arena.take(command["make"] * 8).buffer, "f8")
        array[:] = 2.5
        answer = {"fields": peer.lend(array.ctypes.data, array.nbytes, array)}
        del array
    elif "take_back" in command:
        peer.take_back(command["take_back"])
        gc.collect()
        peer.trim(0)
        answer = {"closed": list(peer.closed), "bytes": peer.arena.stats.bytes}
    print(json.dumps(answer), flush=True)
"""


class OtherProcess:
    """A Python process that does what it is told."""

    def __init__(self) -> None:
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.peer = Peer(one, Arena(max_bytes=256 << 20))
        self.process = subprocess.Popen(
            [sys.executable, "-c", OTHER_PROCESS, str(other.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[other.fileno()],
        )
        other.close()

    def ask(self, **command: object) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(command), file=self.process.stdin, flush=True)
        assert select.select([self.process.stdout], [], [], 30)[0], "no answer"
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.peer.close()


@pytest.fixture
def other_process() -> Any:
    other = OtherProcess()
    yield other
    other.close()


def test_s60_two_processes_use_the_same_memory(other_process: OtherProcess) -> None:
    peer = other_process.peer
    ours = made_in(peer.arena)
    fields = lend(peer, ours)
    described = ["float64", [10_000], [1], 0, 1, 0, 0]
    answer = other_process.ask(borrow=fields, array=described, write=-5.0)
    assert answer == {"sum": float(np.arange(10_000).sum())}
    assert ours[0] == -5.0
    back = other_process.ask(lend=fields[0])["fields"]
    again = borrow(peer, tuple(back))
    assert again.ctypes.data == ours.ctypes.data
    del again
    gc.collect()
    other_process.ask(take_back=drain(peer.returns))
    assert other_process.ask(drop=fields[0]) == {"returns": [fields[0]]}
    peer.take_back([fields[0]])
    del ours
    gc.collect()
    assert peer.arena.stats.blocks == 0


def test_s61_a_result_that_was_born_shared_is_the_same_memory(other_process: OtherProcess) -> None:
    fields = other_process.ask(make=1_000_000)["fields"]
    result = borrow(other_process.peer, tuple(fields))
    assert (result.size, result.sum()) == (1_000_000, 2.5e6)
    assert other_process.ask(take_back=[])["closed"] == []
    del result
    gc.collect()
    answer = other_process.ask(take_back=drain(other_process.peer.returns))
    assert answer == {"closed": [fields[2]], "bytes": 0}
    other_process.peer.segments_closed(answer["closed"])
    assert other_process.peer.stats.borrowed_segments == 0


def test_s65_what_a_process_lent_stays_valid_when_it_dies(other_process: OtherProcess) -> None:
    fields = other_process.ask(make=1_000_000)["fields"]
    result = borrow(other_process.peer, tuple(fields))
    other_process.process.kill()
    other_process.process.wait()
    assert result.sum() == 2.5e6
    result[0] = 1.0
    assert result[0] == 1.0


def test_a_forked_process_leaves_the_channel_alone() -> None:
    program = """
import os, socket
from hognose_shm import Arena, Peer, ShmError
one, other = socket.socketpair()
arena = Arena(max_bytes=1 << 26)
here, there = Peer(one, arena), Peer(other, Arena(max_bytes=1 << 26))
block = arena.take(70_000)
window = there.borrow(here.lend(block.address, 100, block))
child = os.fork()
if child == 0:
    for attempt in (lambda: here.lend(block.address, 100, block), lambda: there.borrow((5, 0, 7, 4096, 0, 1))):
        try:
            attempt()
        except ShmError as error:
            print("refused:", error, flush=True)
    del window
    os._exit(0)
print(os.waitpid(child, 0)[1], len(there.returns), here.stats.lent, flush=True)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    *refused, last = run.stdout.splitlines()
    assert len(refused) == 2
    assert all("was forked from the one that the channel" in line for line in refused)
    assert last == "0 0 1"
