"""Makes memory files, checks those that came from elsewhere, and maps both.

On Linux they are memfds whose size is sealed. Where there are none (macOS, a sandbox that forbids the system call) they
are POSIX shared memory objects that lose their name at once, so that nobody else can open them and nothing is left
behind. Whoever has such an object could shorten it, and the next access of the others would end them by SIGBUS; so it
is taken only from a process of the same user, which could do as much by a signal. This second way was run on Linux, not
on macOS.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import secrets
import stat
import sys
from functools import lru_cache
from importlib import import_module
from typing import Any

from hognose_shm.available import available_memory
from hognose_shm.errors import NoSpaceError, SegmentError

#: Of memfd_create(2), from Linux 6.3; some systems refuse memfds without it (vm.memfd_noexec=2).
_MFD_NOEXEC_SEAL = 0x8

#: Of madvise(2), from Linux 5.14: maps all pages now.
_MADV_POPULATE_WRITE = 23

#: Reserved at a time: a signal undoes the reservation that it interrupts.
_RESERVED_AT_ONCE = 64 << 20

_NO_SPACE = frozenset({errno.ENOSPC, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EDQUOT, errno.EFBIG})


def create_memory_file(byte_length: int) -> int:
    """Makes a file in memory, with all its pages reserved and, where possible, its size sealed.

    The thread is blocked for tens of milliseconds per 100 MB; other threads go on.

    Args:
        byte_length: The size, a multiple of 16 KiB, as macOS rounds it up to that.

    Returns:
        The file descriptor, which the caller owns. It is closed on exec.

    Raises:
        NoSpaceError: There is not so much memory, or no file descriptor left.
        SegmentError: Memory cannot be shared here.
    """
    available = available_memory()
    if available is not None and byte_length > available:
        raise NoSpaceError(f"no memory for a segment of {byte_length} bytes: {available} bytes are free")
    try:
        fd, is_memfd = _open_memory_file()
        try:
            os.ftruncate(fd, byte_length)
            _reserve(fd, byte_length)
            if is_memfd:
                _seal(fd)
        except BaseException:
            os.close(fd)
            raise
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise NoSpaceError(f"no room for a segment of {byte_length} bytes: {error}") from error
        raise SegmentError(f"a segment of {byte_length} bytes cannot be made: {error}") from error
    return fd


def shared_size(fd: int) -> int:
    """The size of a memory file that came from another process.

    Raises:
        SegmentError: `fd` is no memory file, or one that others could shorten while this process uses it.
        OSError: `fd` is not open.
    """
    status = os.fstat(fd)
    # macOS gives shared memory objects no file type at all.
    is_memory_file = stat.S_ISREG(status.st_mode) or (sys.platform == "darwin" and stat.S_IFMT(status.st_mode) == 0)
    if not is_memory_file:
        raise SegmentError(f"file descriptor {fd} is no memory file: is it the one that Node.js handed over?")
    problem = _why_not_sealed(fd)
    # Whoever can make sealed files need not trust others with theirs: to shorten one would end this process by SIGBUS.
    if problem is not None and (not _is_private_object(status) or _can_seal()):
        raise SegmentError(problem)
    return status.st_size


def map_memory(fd: int, byte_length: int, *, read_only: bool = False) -> mmap.mmap:
    """Maps a memory file; the mapping lives as long as anything that refers to it, whatever becomes of `fd`.

    Raises:
        SegmentError: The kernel refuses.
    """
    protection = mmap.PROT_READ if read_only else mmap.PROT_READ | mmap.PROT_WRITE
    # It would keep a file descriptor of its own, as if somebody wanted to resize it.
    options: dict[str, Any] = {"trackfd": False} if sys.version_info >= (3, 13) else {}
    try:
        return mmap.mmap(fd, byte_length, mmap.MAP_SHARED, protection, **options)
    except (OSError, ValueError, OverflowError) as error:
        raise SegmentError(f"the {byte_length} bytes of file descriptor {fd} cannot be mapped: {error}") from error


def address_of(mapping: mmap.mmap) -> int:
    """Where a writable mapping begins in this process."""
    return ctypes.addressof(ctypes.c_char.from_buffer(mapping))


def populate(address: int, byte_length: int) -> None:
    """Maps all pages of a new mapping now rather than one by one when they are first used; other threads go on.

    To use it is never wrong: where the kernel cannot do it, the pages come as they are used. MAP_POPULATE would do the
    same, but takes half as long again and keeps all Python threads waiting.
    """
    if sys.platform == "linux":
        _libc().madvise(ctypes.c_void_p(address), ctypes.c_size_t(byte_length), _MADV_POPULATE_WRITE)


def _open_memory_file() -> tuple[int, bool]:
    """A new file of no size, and whether it is a memfd."""
    try:
        return _open_memfd(), True
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno in _NO_SPACE:
            raise
        return _open_private_object(error), False


def _open_memfd() -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create("hognose", flags | _MFD_NOEXEC_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.memfd_create("hognose", flags)  # an older kernel


def _open_private_object(reason: Exception) -> int:
    """A POSIX shared memory object without a name."""
    try:
        # What the standard library's own multiprocessing.shared_memory uses. That itself is no choice: it keeps the
        # name, and a process that watches over it.
        shm = import_module("_posixshmem")
    except ImportError:
        raise SegmentError(f"memory cannot be shared on this system ({sys.platform}): {reason}") from reason
    name = f"/hognose-{secrets.token_hex(8)}"  # macOS allows 30 characters
    fd: int = shm.shm_open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode=0o600)
    try:
        shm.shm_unlink(name)
        os.set_inheritable(fd, False)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _reserve(fd: int, byte_length: int) -> None:
    """Sets every page aside now: to find none when the memory is written to would end the process by SIGBUS."""
    if not hasattr(os, "posix_fallocate"):
        return  # macOS, which has no limit on shared memory other than its swap
    for offset in range(0, byte_length, _RESERVED_AT_ONCE):
        os.posix_fallocate(fd, offset, min(_RESERVED_AT_ONCE, byte_length - offset))


def _seal(fd: int) -> None:
    import fcntl  # there is none on Windows

    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)


def _why_not_sealed(fd: int) -> str | None:
    """Why the size of a file is not settled for good; None: it is."""
    try:
        import fcntl

        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
    except (ImportError, AttributeError):
        return f"shared memory needs Linux or macOS, and this is {sys.platform}: send the data as bytes instead"
    except OSError:
        return f"file descriptor {fd} is a file and not a memfd: make it with createSegment()"
    required = {
        "F_SEAL_SEAL": fcntl.F_SEAL_SEAL,
        "F_SEAL_SHRINK": fcntl.F_SEAL_SHRINK,
        "F_SEAL_GROW": fcntl.F_SEAL_GROW,
    }
    missing = [name for name, seal in required.items() if not seals & seal]
    if not missing:
        return None
    return (
        f"the memfd of file descriptor {fd} lacks {', '.join(missing)}, so its size may change under this process: "
        "make it with createSegment()"
    )


def _can_seal() -> bool:
    """Whether this process can make files in memory whose size is sealed."""
    try:
        os.close(_open_memfd())
    except (AttributeError, OSError):
        return False
    return True


def _is_private_object(status: os.stat_result) -> bool:
    """Whether nobody can get at a shared memory object but this user's processes that it was handed to."""
    return status.st_nlink == 0 and status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == 0o600


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
