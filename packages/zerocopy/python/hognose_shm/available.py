"""How much memory may still be used."""

from __future__ import annotations

from pathlib import Path

#: Where the kernel says how much memory is free; none on other systems than Linux.
_MEMINFO = Path("/proc/meminfo")

#: A container's limit, what it uses and what of that is cached files: control groups of version 2, then of version 1.
_LIMITS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current"), "inactive_file"),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
        "total_inactive_file",
    ),
)


def available_memory() -> int | None:
    """The bytes that the machine and the container have left without swapping; None where that cannot be known.

    Memory files have no limit of their own: the kernel takes page after page, and then kills a process to get more.
    """
    known = [free for free in (_free_on_machine(), _free_in_container()) if free is not None]
    return min(known, default=None)


def _free_on_machine() -> int | None:
    kibibytes = _field(_MEMINFO, "MemAvailable:")
    return None if kibibytes is None else kibibytes * 1024


def _free_in_container() -> int | None:
    for limit_file, used_file, cached_name in _LIMITS:
        try:
            limit, used = int(limit_file.read_text()), int(used_file.read_text())
        except (OSError, ValueError):
            continue  # other version, or "max"
        cached = _field(used_file.with_name("memory.stat"), cached_name) or 0
        return max(0, limit - used + cached)
    return None


def _field(file: Path, name: str) -> int | None:
    try:
        for line in file.read_text().splitlines():
            words = line.split()
            if words[:1] == [name]:
                return int(words[1])
    except (OSError, ValueError, IndexError):
        pass
    return None
