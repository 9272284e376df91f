"""What a worker tells of its process."""

from __future__ import annotations

import sys
import time

__all__ = ["cpu_ms", "own_memory"]


def own_memory() -> int:
    """Bytes of this process's own memory, without mapped files and shared memory where the system can tell."""
    try:
        with open("/proc/self/status", "rb") as status:
            for line in status:
                if line.startswith(b"RssAnon:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass  # no Linux
    return _peak_memory()


def cpu_ms() -> int:
    """Milliseconds of processor time that this process has used."""
    return int(time.process_time() * 1000)


def _peak_memory() -> int:
    """The most that was ever in memory: all that POSIX tells."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
