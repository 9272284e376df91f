from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest
from conftest import ALL_SEALS, MakeMemfd

from hognose_shm import NoSpaceError, SegmentError, available
from hognose_shm.available import available_memory
from hognose_shm.posix import create_memory_file, map_memory, shared_size


def test_a_memory_file_is_sealed_and_has_all_its_pages() -> None:
    fd = create_memory_file(1 << 20)
    try:
        assert fcntl.fcntl(fd, fcntl.F_GET_SEALS) & ALL_SEALS == ALL_SEALS
        assert os.fstat(fd).st_blocks * 512 >= 1 << 20
        assert shared_size(fd) == 1 << 20
        with pytest.raises(PermissionError):
            os.ftruncate(fd, 4096)
    finally:
        os.close(fd)


def test_older_kernels_do_not_know_every_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    create = os.memfd_create

    def old(name: str, flags: int) -> int:
        if flags & 8:
            raise OSError(errno.EINVAL, "Invalid argument")
        return create(name, flags)

    monkeypatch.setattr(os, "memfd_create", old)
    fd = create_memory_file(4096)
    assert fcntl.fcntl(fd, fcntl.F_GET_SEALS) & ALL_SEALS == ALL_SEALS
    os.close(fd)


def test_s66_no_file_descriptor_left_is_no_space(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(name: str, flags: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "memfd_create", none_left)
    with pytest.raises(NoSpaceError, match="Too many open files"):
        create_memory_file(4096)


def test_a_memfd_that_is_not_sealed_is_no_private_object(make_memfd: MakeMemfd) -> None:
    with pytest.raises(SegmentError, match="lacks F_SEAL_SEAL"):
        shared_size(make_memfd(4096, 0))


def test_what_cannot_be_mapped_is_a_typed_error(make_memfd: MakeMemfd) -> None:
    with pytest.raises(SegmentError, match="cannot be mapped"):
        map_memory(make_memfd(4096), 8192)
    with pytest.raises(SegmentError, match="cannot be mapped"):
        map_memory(make_memfd(4096), 2**70)


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)


def test_the_lower_of_the_machines_and_the_containers_memory_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(available, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(available, "_LIMITS", ((tmp_path / "max", tmp_path / "current", "inactive_file"),))
    assert available_memory() is None
    write(tmp_path, meminfo="MemTotal: 9 kB\nMemAvailable:    2 kB\n", max="max\n", current="500\n")
    assert available_memory() == 2048
    (tmp_path / "max").write_text("1000\n")
    assert available_memory() == 500
    (tmp_path / "memory.stat").write_text("anon 3\ninactive_file 100\n")
    assert available_memory() == 600
    (tmp_path / "current").write_text("5000\n")
    assert available_memory() == 0


def test_this_machine_has_memory() -> None:
    free = available_memory()
    assert free is not None
    assert free > 1 << 20
