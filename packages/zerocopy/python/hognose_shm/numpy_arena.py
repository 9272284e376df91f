"""Arrays of NumPy that are born in shared memory: asked for one by one, or as the results of ordinary code.

`empty` and `zeros` make single arrays. `install` gives NumPy an allocator (NEP 49), so that whatever it makes from then
on lies in an arena if it is large enough. Where the arena has no room, arrays lie in ordinary memory as ever.

NumPy keeps the allocator in a variable of the current context (`contextvars`), with these consequences:

- `install` acts for the code that runs in the same context: the same thread, and what it calls.
- A new thread begins with an empty context, and so with NumPy's own allocator: it calls `adopt` first. (Python 3.14
  can be told to hand the context on, `-X thread_inherit_context`; free-threaded builds do so.)
- A task of asyncio, `asyncio.to_thread` and `contextvars.copy_context().run` use a copy of the context: they have the
  allocator if it was there when the copy was made. What they set themselves ends with them.
- `contextvars.Context().run` is an empty context, as a new thread.

An array is freed the way it was made, wherever that happens, also after `uninstall`.

After a fork, arrays that lie in the arena are shared by both processes rather than copied when one of them writes.
"""

from __future__ import annotations

import atexit
import ctypes
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import index
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from hognose_shm.errors import ShmError
from hognose_shm.numpy_dtypes import shareable_dtype
from hognose_shm.numpy_hooks import ALIGNMENT, NEVER, NOT_SHARED, Hooks, NumpyApi

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["adopt", "empty", "install", "installed", "is_installed", "uninstall", "zeros"]

#: Below this, sending an array costs less than sharing it.
DEFAULT_THRESHOLD: Final = 64 * 1024

#: Smaller blocks may begin anywhere, and the hooks could not tell them from ordinary memory.
SMALLEST_THRESHOLD: Final = 32 * 1024


class AddressArena(Protocol):
    """What `install` needs of an `Arena`."""

    def allocate(self, byte_length: int, /) -> int:
        """Takes a block and gives its address."""

    def free(self, address: int, /) -> None:
        """Gives a block back."""


class Buffered(Protocol):
    """A block of memory that lives as long as its buffer."""

    @property
    def buffer(self) -> memoryview:
        """The memory."""


class BlockArena(Protocol):
    """What `empty` needs of an `Arena`."""

    def take(self, byte_length: int, /) -> Buffered:
        """Takes a block."""


def install(arena: AddressArena, threshold: int = DEFAULT_THRESHOLD) -> None:
    """Lets arrays that NumPy makes from now on lie in `arena`, in this context; see the module's beginning for others.

    Small arrays cost what they cost before. Installing again changes the arena and the threshold everywhere.

    Args:
        arena: Where they lie. Its blocks of this size begin at multiples of 4096, as those of `Arena` do.
        threshold: The size in bytes from which on arrays do so, at least 32 KiB.

    Raises:
        ShmError: This NumPy or this machine has no such thing; the message says why.
    """
    if threshold < SMALLEST_THRESHOLD:
        raise ValueError(f"threshold is {threshold}, and it must be at least {SMALLEST_THRESHOLD} bytes")
    with _lock:
        allocator = _allocator()
        allocator.place(arena, threshold)
        allocator.adopt()


def uninstall() -> None:
    """Lets arrays lie in ordinary memory again: in every context, and without cost where `adopt` was called too.

    Arrays that lie in the arena stay there until they are freed.
    """
    with _lock:
        if _made:
            _made[0].place(None, NEVER)
            _made[0].abandon()


def adopt() -> None:
    """Does in this context what `install` did in another: for the beginning of each thread.

    Without `install`, or a second time, it does nothing, within a microsecond.
    """
    if _made and _made[0].is_placing:
        _made[0].adopt()


def is_installed() -> bool:
    """Whether large arrays that are made in this context lie in an arena, as far as it has room."""
    return bool(_made) and _made[0].is_placing and _made[0].is_adopted


@contextmanager
def installed(arena: AddressArena, threshold: int = DEFAULT_THRESHOLD) -> Iterator[None]:
    """Installs for the time of a `with` block, and brings back what there was before.

    Raises:
        ShmError: As `install`.
    """
    before = _made[0].placing if _made else None
    was_adopted = is_installed()
    install(arena, threshold)
    try:
        yield
    finally:
        with _lock:
            allocator = _allocator()
            allocator.place(*(before or (None, NEVER)))
            if not was_adopted:
                allocator.abandon()


def empty(
    arena: BlockArena, shape: int | Sequence[int], dtype: npt.DTypeLike = float, order: Literal["C", "F"] = "C"
) -> npt.NDArray[Any]:
    """An array that lies in an arena, for results that shall not be copied.

    It contains anything: earlier uses of the memory show.

    Args:
        arena: Where it lies. The memory is free again when the array and all views of it are gone.
        shape: The number of elements along each axis.
        dtype: Anything that NumPy takes for one of `numpy_dtypes.DTYPES`, in the machine's own byte order. "bfloat16"
            needs ml_dtypes.
        order: Whether the last axis varies fastest ("C", rows) or the first ("F", Fortran, columns).

    Raises:
        NoSpaceError: The arena's limit is reached, or the machine has no memory left.
        TypeError: Elements of this type cannot be shared.
    """
    import numpy as np

    if order not in ("C", "F"):
        raise ValueError(f"order is {order!r}, and it must be 'C' or 'F'")
    kind = shareable_dtype(dtype)
    extents = tuple(map(index, shape)) if isinstance(shape, Sequence) else (index(shape),)
    if any(extent < 0 for extent in extents):
        raise ValueError(f"shape is {extents}, and no extent may be negative")
    block = arena.take(math.prod(extents) * kind.itemsize)
    return np.ndarray(extents, kind, buffer=block.buffer, order=order)


def zeros(
    arena: BlockArena, shape: int | Sequence[int], dtype: npt.DTypeLike = float, order: Literal["C", "F"] = "C"
) -> npt.NDArray[Any]:
    """As `empty`, filled with zeros."""
    array = empty(arena, shape, dtype, order)
    array.fill(0)
    return array


class _ArenaAllocator:
    """Decides where NumPy's arrays lie. Its private methods are called by the hooks, in any thread, at any moment."""

    def __init__(self) -> None:
        self._api = NumpyApi()
        self._arena: AddressArena | None = None
        #: What was given out and by whom: the length of each block by its address.
        self._blocks: dict[int, tuple[int, AddressArena]] = {}
        # The last arrays are resized and freed when Python has emptied its modules already.
        self._copy = ctypes.memmove
        self._not_shared = NOT_SHARED
        self._hooks = Hooks(
            self._api.get_handler(),
            take=self._take,
            take_zeroed=self._take_zeroed,
            move=self._move,
            give_back=self._give_back,
        )
        atexit.register(self._hooks.leave)

    @property
    def placing(self) -> tuple[AddressArena | None, int]:
        """The arena and the threshold."""
        return self._arena, self._hooks.threshold

    @property
    def is_placing(self) -> bool:
        """Whether there is an arena."""
        return self._arena is not None

    @property
    def is_adopted(self) -> bool:
        """Whether NumPy asks the hooks in this context."""
        return self._api.get_handler() is self._hooks.handler

    def place(self, arena: AddressArena | None, threshold: int) -> None:
        """Sets where arrays lie from now on."""
        self._hooks.threshold = NEVER
        self._arena = arena
        self._hooks.threshold = threshold

    def adopt(self) -> None:
        """Makes NumPy ask the hooks in this context."""
        if not self.is_adopted:
            self._api.set_handler(self._hooks.handler)

    def abandon(self) -> None:
        """Makes NumPy do in this context what it did before there were hooks."""
        if self.is_adopted:
            self._api.set_handler(self._hooks.ordinary)

    # An exception that a signal or another thread raises may come anywhere in these. A call that ends with it is made
    # again, so it has changed nothing; at worst a block is lost, and never one given to two. What is raised each time
    # goes to sys.unraisablehook, and the array lies in ordinary memory.

    def _take(self, _: int, byte_length: int) -> int:
        arena, address = self._arena, 0
        try:
            if arena is not None:
                address = arena.allocate(byte_length)
                self._blocks[address] = (byte_length, arena)
                if address % ALIGNMENT == 0:
                    return address
                self._give_back(address, byte_length)
        except (ShmError, MemoryError):
            return 0
        except BaseException:
            self._give_back(address, byte_length)
            raise
        return 0

    def _take_zeroed(self, _: int, byte_length: int) -> int:
        address = 0
        try:
            address = self._take(0, byte_length)
            if address:
                ctypes.memset(address, 0, byte_length)
        except BaseException:
            self._give_back(address, byte_length)
            raise
        return address

    def _move(self, address: int, byte_length: int) -> int:
        if address not in self._blocks:
            return self._not_shared
        capacity, _ = self._blocks[address]
        # Not where more than half would be left unused: programs shrink arrays to save memory.
        if byte_length <= capacity <= 2 * byte_length:
            return address
        moved = 0
        try:
            if byte_length >= self._hooks.threshold:
                moved = self._take(0, byte_length)
            moved = moved or self._hooks.ordinary_malloc(byte_length)
            if moved:
                self._copy(moved, address, min(capacity, byte_length))
        except BaseException:
            if moved and self._give_back(moved, byte_length) == self._not_shared:
                self._hooks.ordinary_free(moved, byte_length)
            raise
        if not moved and byte_length <= capacity:
            return address
        return moved

    def _give_back(self, address: int, _: int) -> int | type[BaseException]:
        block = self._blocks.get(address)
        if block is None:
            return self._not_shared
        try:
            del self._blocks[address]
            block[1].free(address)
        except BaseException as error:
            # Not the address: another thread may have been given the same one meanwhile.
            if self._blocks.get(address) is block:
                raise
            return type(error)
        return 0


_lock = threading.Lock()

#: The one allocator, when there is one: arrays refer to it for ever.
_made: list[_ArenaAllocator] = []


def _allocator() -> _ArenaAllocator:
    if not _made:
        _made.append(_ArenaAllocator())
    return _made[0]
