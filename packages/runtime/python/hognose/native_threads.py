"""Numbers of threads of numerical libraries: one each in a zygote, and in its workers what their environment says.

A library that has started threads cannot always be forked: OpenMP's of GCC hangs in the child. With a limit of one it
starts none. The environment variables are read when a library is loaded, so that a forked worker has to tell each
library itself.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

__all__ = ["IMPOSED", "Library", "adopt", "loaded_libraries", "note_imposed", "set_back"]

#: What the host sets the variables to in a zygote. It means 1 everywhere, and nobody else writes it so.
IMPOSED: Final = "01"

_KINDS: Final = (
    # OpenBLAS as it is, as SciPy's and NumPy's wheels name it, and with 64-bit integers.
    *(
        (
            "openblas",
            f"{prefix}openblas_get_num_threads{suffix}",
            f"{prefix}openblas_set_num_threads{suffix}",
            ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"),
        )
        for prefix in ("scipy_", "")
        for suffix in ("64_", "")
    ),
    ("mkl_rt", "MKL_Get_Max_Threads", "MKL_Set_Num_Threads", ("MKL_NUM_THREADS", "OMP_NUM_THREADS")),
    ("gomp|iomp5|libomp", "omp_get_max_threads", "omp_set_num_threads", ("OMP_NUM_THREADS",)),
)


class Library:
    """One that can be told how many threads it may use.

    Args:
        name: Its file or module.
        get: Tells how many it uses.
        set_count: Tells it.
        variables: Environment variables that say so, the first that is set counts.
        is_per_thread: Whether it has a number for each thread that uses it.
    """

    def __init__(
        self,
        name: str,
        get: Callable[[], int],
        set_count: Callable[[int], object],
        variables: tuple[str, ...],
        *,
        is_per_thread: bool = False,
    ) -> None:
        self.name = name
        self.get = get
        self.set_count = set_count
        self.variables = variables
        self.is_per_thread = is_per_thread

    def wanted(self, environment: Mapping[str, str]) -> int:
        """How many threads it may use: what the variables say, else all cores that this process has."""
        for variable in self.variables:
            number = re.match(r"\s*(\d+)", environment.get(variable, ""))  # OpenMP: a list, for nested regions
            if number is not None and int(number[1]) > 0:
                return int(number[1])
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def loaded_libraries() -> list[Library]:
    """The libraries that this process has loaded; to be looked up before the fork, as that takes milliseconds."""
    import ctypes

    found = []
    for path in _mapped_files():
        for pattern, get_name, set_name, variables in _KINDS:
            if re.search(pattern, path) is None:
                continue
            with suppress(OSError, AttributeError):  # such as a file that was replaced since it was loaded
                library = ctypes.CDLL(path)
                get, set_count = library[get_name], library[set_name]
                set_count.argtypes, set_count.restype = (ctypes.c_int,), None
                found.append(Library(path, get, set_count, variables, is_per_thread=pattern.startswith("gomp")))
                break
    torch, numexpr = sys.modules.get("torch"), sys.modules.get("numexpr")
    with suppress(AttributeError):  # half imported
        if torch is not None:
            found.append(
                Library("torch", torch.get_num_threads, torch.set_num_threads, ("OMP_NUM_THREADS", "MKL_NUM_THREADS"))
            )
    with suppress(AttributeError):
        if numexpr is not None:
            variables = ("NUMEXPR_NUM_THREADS", "OMP_NUM_THREADS")
            found.append(Library("numexpr", numexpr.get_num_threads, numexpr.set_num_threads, variables))
    return found


def note_imposed(environment: Mapping[str, str]) -> frozenset[str]:
    """The variables that still say what the host has imposed: the others were set by what was preloaded, and stay."""
    return frozenset(name for name, value in environment.items() if value == IMPOSED)


def set_back(libraries: list[Library], environment: Mapping[str, str]) -> None:
    """Tells libraries that were loaded under a limit of one what the environment says; in a forked worker.

    One that was told another number by what was preloaded keeps it.
    """
    for library in libraries:
        with suppress(Exception):  # a number of threads is worth no worker
            wanted = library.wanted(environment)
            if wanted != 1 and library.get() == 1:
                library.set_count(wanted)
                if library.is_per_thread:
                    _adopted.append((library, wanted))


def adopt() -> None:
    """Tells the libraries that count for each thread about this thread, which will run calls."""
    for library, wanted in _adopted:
        library.set_count(wanted)


_adopted: Final[list[tuple[Library, int]]] = []


def _mapped_files() -> list[str]:
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            paths = {line[line.index("/") :].rstrip("\n") for line in maps if "/" in line}
    except OSError:
        return []
    return sorted(path for path in paths if ".so" in path)
