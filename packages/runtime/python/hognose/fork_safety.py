"""Whether a process may be forked: with other threads or an open accelerator its children would hang or crash."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import Final

__all__ = ["why_not_forkable"]

#: How long threads may take to end that end by themselves.
_PATIENCE_S: Final = 0.5
#: Threads that their library ends or starts anew around a fork, by name.
_SAFE_TASKS: Final = frozenset(
    (
        "jemalloc_bg_thd",  # pyarrow's allocator: its handlers of pthread_atfork set it up again
    )
)
#: Devices whose state a fork does not copy.
_ACCELERATORS: Final = ("/dev/nvidia", "/dev/kfd", "/dev/dri/", "/dev/accel", "/dev/neuron", "/dev/habanalabs")


def why_not_forkable() -> str | None:
    """Why children of this process would not be sound; None: they are.

    Forks once: libraries that know of forks, such as OpenBLAS, end their threads before one.
    """
    device = _open_accelerator()
    if device is not None:
        return f"{device} was open after the preload"
    child = os.fork()
    if child == 0:
        os._exit(0)
    with suppress(ChildProcessError):  # a handler of preloaded code was quicker
        os.waitpid(child, 0)
    until = time.monotonic() + _PATIENCE_S
    while True:
        reason = _running_threads()
        if reason is None or time.monotonic() > until:
            return reason
        time.sleep(0.005)


def _running_threads() -> str | None:
    """The threads besides this one, as a reason; None where there are none that matter."""
    names = [thread.name for thread in threading.enumerate() if thread is not threading.current_thread()]
    if names:
        return f"threads were running after the preload: {', '.join(names)}"
    own = str(threading.get_native_id())
    tasks = [_task_name(task) for task in os.listdir("/proc/self/task") if task != own]
    unsafe = [name for name in tasks if name is not None and name not in _SAFE_TASKS]
    if unsafe:
        kinds = ", ".join(sorted(set(unsafe)))
        return f"{len(unsafe)} native threads were running after the preload, named {kinds}"
    return None


def _task_name(task: str) -> str | None:
    """The name of a thread of this process; None when it has just ended."""
    try:
        with open(f"/proc/self/task/{task}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().rstrip("\n")
    except OSError:
        return None


def _open_accelerator() -> str | None:
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            continue  # the one that lists them
        if target.startswith(_ACCELERATORS):
            return target
    return None
