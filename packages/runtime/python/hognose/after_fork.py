"""Makes a forked process one of its own: what it has inherited and must not share with its siblings is made anew."""

from __future__ import annotations

import os
import sys
import weakref
from contextlib import suppress

__all__ = ["become_independent"]


def become_independent() -> None:
    """To be called in the child, once.

    `random` seeds itself after a fork, the legacy generator of NumPy and that of PyTorch are seeded here. Generators
    that preloaded code has made for itself (`numpy.random.default_rng()`) cannot be found: they give the same numbers
    in each child.
    """
    numpy_random = sys.modules.get("numpy.random")
    torch = sys.modules.get("torch")
    process = sys.modules.get("multiprocessing.process")
    with suppress(Exception):
        if numpy_random is not None:
            numpy_random.seed()
    with suppress(Exception):
        if torch is not None:
            torch.default_generator.seed()
    with suppress(Exception):
        if process is not None:
            process.current_process().authkey = os.urandom(32)
    _leave_to_parent()


def _leave_to_parent() -> None:
    """Who has made something cleans it up: a temporary directory of before the fork is there for all children."""
    for finalizer in tuple(getattr(weakref.finalize, "_registry", ())):
        with suppress(Exception):
            finalizer.atexit = False
