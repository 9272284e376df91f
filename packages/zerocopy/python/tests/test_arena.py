from __future__ import annotations

import ctypes
import errno
import fcntl
import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import ALL_SEALS, mapped_bytes

from hognose_shm import Arena, Block, NoSpaceError, SegmentError, ShmError
from hognose_shm import arena as arena_module
from hognose_shm.guard import Guard

MIB = 1 << 20


def test_a_block_is_memory_of_exactly_the_size_asked_for(arena: Arena) -> None:
    block = arena.take(100_001)
    assert (block.byte_length, block.buffer.nbytes, block.buffer.format, block.buffer.readonly) == (
        100_001,
        100_001,
        "B",
        False,
    )
    assert block.address % 4096 == 0
    block.buffer[100_000] = 7
    assert ctypes.string_at(block.address + 100_000, 1) == b"\x07"
    segment = arena.segment(block.segment)
    assert segment is not None
    assert os.pread(segment.fd, 1, block.offset + 100_000) == b"\x07"
    assert fcntl.fcntl(segment.fd, fcntl.F_GET_SEALS) & ALL_SEALS == ALL_SEALS


def test_small_blocks_share_a_segment_and_large_ones_do_not(arena: Arena) -> None:
    small = [arena.take(70_000) for _ in range(5)]
    assert len({block.segment for block in small}) == 1
    assert len({block.address for block in small}) == 5
    large = [arena.take(2 * MIB) for _ in range(2)]
    assert len({block.segment for block in large}) == 2
    assert arena.stats.segments == 3
    assert arena.stats.blocks == 7


@pytest.mark.parametrize("byte_length", [0, 1])
def test_nothing_can_be_taken_too(arena: Arena, byte_length: int) -> None:
    assert arena.take(byte_length).buffer.nbytes == byte_length


def test_a_negative_size_is_refused(arena: Arena) -> None:
    with pytest.raises(ValueError, match="byte_length is -1"):
        arena.take(-1)


def buffer_of(block: Block) -> Any:
    return block.buffer


def slice_of(block: Block) -> Any:
    return block.buffer[10:20]


def array_over(block: Block) -> Any:
    return np.frombuffer(block.buffer, "u1")[5:].reshape(-1, 1)


def ctypes_over(block: Block) -> Any:
    return ctypes.c_int64.from_buffer(block.buffer, 8)


@pytest.mark.parametrize("derive", [buffer_of, slice_of, array_over, ctypes_over])
def test_a_block_is_free_when_the_last_view_of_it_is_gone(arena: Arena, derive: Callable[[Block], Any]) -> None:
    block = arena.take(80_000)
    address = block.address
    view = derive(block)
    del block
    gc.collect()
    assert arena.stats.blocks == 1
    assert arena.take(80_000).address != address
    del view
    gc.collect()
    assert arena.stats.blocks == 0
    assert arena.stats.used_bytes == 0


def test_the_block_used_last_is_the_next_one(arena: Arena) -> None:
    blocks = [arena.take(3 * MIB) for _ in range(4)]
    addresses = [block.address for block in blocks]
    for index in (2, 0, 3, 1):
        blocks[index] = None  # type: ignore[call-overload]
    again = [arena.take(3 * MIB) for _ in range(4)]
    assert [block.address for block in again] == [addresses[index] for index in (1, 3, 0, 2)]


def test_a_block_serves_a_wish_that_is_a_little_smaller(arena: Arena) -> None:
    address = arena.take(10 * MIB).address
    assert arena.take(9 * MIB).address == address
    assert arena.stats.segments == 1
    assert arena.take(5 * MIB).address != address
    assert arena.stats.segments == 2


def test_s66_the_limit_is_a_typed_error() -> None:
    arena = Arena(max_bytes=8 * MIB)
    held = arena.take(6 * MIB)
    with pytest.raises(NoSpaceError, match="6291456 of 8388608 are in use"):
        arena.take(3 * MIB)
    with pytest.raises(NoSpaceError):
        arena.allocate(2**60)
    del held
    # Not of this size, but free: it makes room.
    assert arena.take(3 * MIB).byte_length == 3 * MIB
    assert arena.stats.bytes == 3 * MIB


def test_near_the_limit_slabs_are_smaller() -> None:
    arena = Arena(max_bytes=6 * MIB)
    large = arena.take(5 * MIB)
    small = arena.take(100_000)
    assert arena.stats.bytes == 6 * MIB
    assert (large.byte_length, small.byte_length) == (5 * MIB, 100_000)


def test_s66_what_the_system_refuses_is_a_typed_error_and_leaves_nothing_behind() -> None:
    program = """
import resource, os
from hognose_shm import Arena, NoSpaceError
resource.setrlimit(resource.RLIMIT_FSIZE, (5 << 20, 5 << 20))
arena = Arena(max_bytes=1 << 30)
before = os.listdir("/proc/self/fd")
try:
    arena.take(8 << 20)
except NoSpaceError as error:
    print("large:", error.__cause__.strerror)
assert os.listdir("/proc/self/fd") == before
print(arena.stats.bytes, arena.take(1 << 20).buffer.nbytes)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "large: File too large\n0 1048576\n"


def test_s66_a_full_memory_is_a_typed_error(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    descriptors = os.listdir("/proc/self/fd")
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(NoSpaceError, match="No space left on device"):
        arena.take(80_000)
    monkeypatch.undo()
    assert os.listdir("/proc/self/fd") == descriptors
    assert arena.stats.bytes == 0
    assert arena.take(80_000).byte_length == 80_000


def test_more_than_the_machine_has_is_refused_before_it_is_taken(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hognose_shm.posix.available_memory", lambda: 3 * MIB)
    with pytest.raises(NoSpaceError, match="3145728 bytes are free"):
        arena.take(4 * MIB)
    # A slab of 4 MiB does not fit, one of 2 MiB does.
    arena.take(70_000)
    assert arena.stats.bytes == 2 * MIB


def test_trim_gives_back_what_nobody_uses(arena: Arena) -> None:
    gc.collect()
    before = mapped_bytes()
    descriptors = len(os.listdir("/proc/self/fd"))
    small = [arena.take(70_000) for _ in range(3)]
    large = arena.take(3 * MIB)
    numbers = {small[0].segment, large.segment}
    small.pop()
    assert arena.trim(0) == []
    del large
    assert arena.trim() == []  # it was used a moment ago
    [number] = arena.trim(0)
    small.clear()
    assert {number, *arena.trim(0)} == numbers
    assert arena.stats == arena_module.ArenaStats(0, 0, 0, 0, arena.max_bytes)
    assert mapped_bytes() == before
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_trim_keeps_the_order_of_free_blocks(arena: Arena) -> None:
    held = arena.take(70_000)
    blocks = [arena.take(70_000) for _ in range(3)]
    last = blocks[-1].address
    while blocks:
        blocks.pop(0)
    arena.trim(0)
    assert arena.take(70_000).address == last
    assert held.byte_length == 70_000


def test_trim_counts_from_the_last_use(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(arena_module, "monotonic", lambda: now[0])
    arena = Arena(max_bytes=64 * MIB, idle_s=30)
    number = arena.take(3 * MIB).segment
    now[0] += 29
    arena.take(3 * MIB)
    now[0] += 29
    assert arena.trim() == []
    now[0] += 1
    assert arena.trim() == [number]


def test_addresses_are_allocated_and_freed(arena: Arena) -> None:
    address = arena.allocate(100_000)
    assert arena.owns(address)
    assert arena.owns(address + 99_999)
    assert not arena.owns(id(arena))
    ctypes.memset(address, 1, 100_000)
    arena.free(address)
    assert arena.stats.blocks == 0
    arena.free(address)
    arena.free(12345)
    assert arena.stats.blocks == 0
    assert arena.allocate(100_000) == address


def test_reallocate_moves_what_does_not_fit(arena: Arena) -> None:
    address = arena.allocate(100_000)
    ctypes.memmove(address, b"first", 5)
    assert arena.reallocate(address, 90_000) == address
    larger = arena.reallocate(address, 3 * MIB)
    assert larger != address
    smaller = arena.reallocate(larger, 70_000)
    assert ctypes.string_at(smaller, 5) == b"first"
    assert arena.stats.blocks == 1
    with pytest.raises(ShmError, match="no address that allocate"):
        arena.reallocate(smaller + 64, 10)


def test_a_failed_reallocate_changes_nothing() -> None:
    arena = Arena(max_bytes=4 * MIB)
    address = arena.allocate(70_000)
    ctypes.memmove(address, b"first", 5)
    with pytest.raises(NoSpaceError):
        arena.reallocate(address, 5 * MIB)
    assert ctypes.string_at(address, 5) == b"first"
    assert arena.stats.blocks == 1


def test_keep_defers_free(arena: Arena) -> None:
    address = arena.allocate(100_000)
    kept = [arena.keep(address + 50), arena.keep(address)]
    arena.free(address)
    assert arena.stats.blocks == 1
    assert arena.allocate(100_000) != address
    kept.pop()
    assert arena.stats.blocks == 2
    kept.pop()
    assert arena.stats.blocks == 1


def test_only_what_was_allocated_can_be_kept(arena: Arena) -> None:
    block = arena.take(100_000)
    assert arena.keep(block.address) is None
    assert arena.keep(id(arena)) is None


def test_a_block_in_a_cycle_that_comes_back_to_life_stays_its_owners(arena: Arena) -> None:
    saved: list[Any] = []

    class Phoenix:
        def __init__(self) -> None:
            self.array = np.frombuffer(arena.take(80_000).buffer, "u1")
            self.own = self

        def __del__(self) -> None:
            saved.append(self)

    Phoenix()
    gc.collect()
    assert len(saved) == 1
    assert arena.stats.blocks == 1
    saved.clear()
    gc.collect()
    assert arena.stats.blocks == 0


def test_no_block_has_two_holders_at_once() -> None:
    arena = Arena(max_bytes=512 * MIB)
    wrong: list[str] = []

    def use(number: int) -> None:
        mark = bytes([number])
        for turn in range(300):
            size = 70_000 + (turn * 7919 * number) % 400_000
            try:
                if turn % 3:
                    block = arena.take(size)
                    block.buffer[:64] = block.buffer[-64:] = mark * 64
                    if turn % 7 == 0:
                        arena.trim(0)
                    if bytes(block.buffer[:64]) + bytes(block.buffer[-64:]) != mark * 128:
                        wrong.append(f"block of thread {number}, turn {turn}")
                    del block
                else:
                    address = arena.allocate(size)
                    ctypes.memset(address, number, 64)
                    if ctypes.string_at(address, 64) != mark * 64:
                        wrong.append(f"address of thread {number}, turn {turn}")
                    arena.free(address)
            except NoSpaceError as error:
                wrong.append(str(error))

    threads = [threading.Thread(target=use, args=(number,)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert arena.stats.blocks == 0
    arena.trim(0)
    assert arena.stats.bytes == 0


def test_the_garbage_collector_may_free_and_allocate_in_the_middle_of_anything(arena: Arena) -> None:
    """Runs the collector at nearly every allocation, with garbage that uses the arena itself."""
    collected: list[int] = []

    class Garbage:
        def __init__(self) -> None:
            self.block = arena.take(70_000)
            self.address = arena.allocate(70_000)
            self.own = self

        def __del__(self) -> None:
            arena.free(self.address)
            address = arena.allocate(3 * MIB)
            arena.free(address)
            arena.trim(0)
            collected.append(address)

    threshold = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        for size in range(70_000, 700_000, 20_000):
            Garbage()
            arena.take(size)
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert len(collected) == len(range(70_000, 700_000, 20_000))
    assert arena.stats.blocks == 0


def test_memory_outlives_its_arena() -> None:
    gc.collect()
    before = mapped_bytes()
    arena = Arena(max_bytes=16 * MIB)
    block = arena.take(3 * MIB)
    gone = weakref.ref(arena)
    del arena
    gc.collect()
    assert gone() is None
    block.buffer[-1] = 5
    assert bytes(block.buffer[-1:]) == b"\x05"
    del block
    gc.collect()
    assert mapped_bytes() == before


def test_a_forked_process_gets_nothing_of_its_parents_memory() -> None:
    program = """
import os
from hognose_shm import Arena, ShmError
arena = Arena(max_bytes=1 << 26)
held = arena.take(70_000)
raw = arena.allocate(70_000)
child = os.fork()
if child == 0:
    del held
    assert arena.owns(raw)
    arena.free(raw)
    for attempt in (arena.take, arena.allocate):
        try:
            attempt(70_000)
        except ShmError as error:
            print("refused:", error, flush=True)
    assert arena.trim(0) == []
    own = Arena(max_bytes=1 << 26).take(70_000)
    own.buffer[0] = 1
    os._exit(0)
print(os.waitpid(child, 0)[1], arena.stats.blocks, flush=True)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    *refused, last = run.stdout.splitlines()
    assert len(refused) == 2
    assert all("make another arena here" in line for line in refused)
    assert last == "0 2"


def test_blocks_may_become_free_and_be_taken_when_python_takes_everything_apart() -> None:
    program = """
import os, sys
from hognose_shm import Arena, SegmentError
class Late:
    def __init__(self):
        self.arena = Arena(max_bytes=1 << 26)
        self.block = self.arena.take(70_000)
        self.error = SegmentError
    def __del__(self, write=os.write):
        del self.block
        address = self.arena.allocate(70_000)
        self.arena.free(address)
        try:
            self.arena.allocate(3 << 20)
        except self.error as error:
            write(1, b"%d blocks; %s" % (self.arena.stats.blocks, str(error).encode()))
sys.late = Late()
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("0 blocks; Python ends", "")


def test_numbers_begin_with_the_tag_and_a_new_one_when_they_are_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arena_module, "NUMBERS_PER_TAG", 3)
    arena = Arena(max_bytes=256 * MIB, tag=77)
    blocks = [arena.take(2 * MIB) for _ in range(4)]
    numbers = [block.segment for block in blocks]
    assert numbers[:2] == [77 * 3 + 1, 77 * 3 + 2]
    assert len({number // 3 for number in numbers}) == 2
    assert len(set(numbers)) == 4
    assert all(arena.has_numbered(number) for number in numbers)
    assert not arena.has_numbered(78 * 3 + 5 * 10**9)


def test_without_memfds_memory_has_no_name_either(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(name: str, flags: int = 0) -> int:
        raise OSError(errno.EPERM, "Operation not permitted")

    names = os.listdir("/dev/shm")
    monkeypatch.setattr(os, "memfd_create", forbidden)
    block = arena.take(80_000)
    block.buffer[0] = 1
    segment = arena.segment(block.segment)
    assert segment is not None
    status = os.fstat(segment.fd)
    assert (status.st_nlink, status.st_mode & 0o777, status.st_size) == (0, 0o600, 4 * MIB)
    assert not os.get_inheritable(segment.fd)
    assert os.listdir("/dev/shm") == names


def test_without_any_shared_memory_the_error_says_so(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setitem(sys.modules, "_posixshmem", None)
    with pytest.raises(SegmentError, match="memory cannot be shared on this system"):
        arena.take(80_000)
    assert arena.stats.bytes == 0


def test_an_interrupted_growth_leaves_the_limit_as_it_was(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(fd: int, offset: int, length: int) -> None:
        raise KeyboardInterrupt

    descriptors = os.listdir("/proc/self/fd")
    monkeypatch.setattr(os, "posix_fallocate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        arena.take(80_000)
    monkeypatch.undo()
    assert os.listdir("/proc/self/fd") == descriptors
    assert arena.take(arena.max_bytes - 4096).byte_length == arena.max_bytes - 4096


def test_a_guard_holds_no_reference_to_the_arena(arena: Arena) -> None:
    block = arena.take(80_000)
    window = block.buffer.obj
    assert isinstance(window.guard, Guard)  # type: ignore[attr-defined]
    assert arena not in gc.get_referents(*gc.get_referents(window.guard))  # type: ignore[attr-defined]
