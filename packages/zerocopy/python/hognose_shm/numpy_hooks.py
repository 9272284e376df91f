"""Connects the machine code that NumPy calls for the memory of arrays with functions in Python.

The code and why there is any: native/numpy_hooks.c, beside this package in its repository. Linux on x86-64 and
aarch64; the latter was run in an emulator only.
"""

from __future__ import annotations

import ctypes
import importlib
import mmap
import os
import platform
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from hognose_shm.errors import ShmError
from hognose_shm.gen.numpy_hooks import CODE

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Every block begins at a multiple of this, or the hooks do not know that it is one.
ALIGNMENT: Final = 4096

#: What `move` and `give_back` say of an address that is not the arena's.
NOT_SHARED: Final = 1

#: A threshold that no array reaches.
NEVER: Final = 2**64 - 1

#: The first version of NumPy's C API with handlers for memory, that of NumPy 1.22, and where in it things are.
_FIRST_VERSION = 0x0F
_GET_VERSION, _SET_HANDLER, _GET_HANDLER = 211, 304, 305

#: Of mprotect(2).
_PROT_READ, _PROT_EXEC = 1, 4

_pointer = ctypes.c_void_p
_length = ctypes.c_size_t

#: A function of an address and a length, as native/numpy_hooks.c asks it. It gives a number, or the type of an
#: exception that came when its work was done; if it raises, it has changed nothing.
Function = Callable[[int, int], "int | type[BaseException]"]


class NumpyApi:
    """NumPy's C functions that set and give the handler of the current context (`contextvars`)."""

    def __init__(self) -> None:
        """Finds them.

        Raises:
            ShmError: This NumPy has none.
        """
        table = ctypes.cast(_capsule_pointer(_array_api(), None), ctypes.POINTER(_pointer))
        version = ctypes.PYFUNCTYPE(ctypes.c_uint)(table[_GET_VERSION])()
        if version < _FIRST_VERSION:
            raise ShmError("NumPy's allocator can be set from version 1.22 on: install a newer NumPy")
        self.set_handler: Callable[[object], object] = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(
            table[_SET_HANDLER]
        )
        self.get_handler: Callable[[], object] = ctypes.PYFUNCTYPE(ctypes.py_object)(table[_GET_HANDLER])


class _Allocator(ctypes.Structure):
    """NumPy's PyDataMemAllocator."""

    _fields_ = (
        ("context", _pointer),
        ("malloc", _pointer),
        ("calloc", _pointer),
        ("realloc", _pointer),
        ("free", _pointer),
    )


class _Handler(ctypes.Structure):
    """NumPy's PyDataMem_Handler."""

    _fields_ = (("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("allocator", _Allocator))


class _Context(ctypes.Structure):
    """The structure of the same name in native/numpy_hooks.c."""

    _fields_ = (
        ("threshold", _length),
        ("ordinary", _Allocator),
        ("gil_ensure", _pointer),
        ("gil_release", _pointer),
        ("fetch_error", _pointer),
        ("restore_error", _pointer),
        ("report_error", _pointer),
        ("call", _pointer),
        ("as_pointer", _pointer),
        ("drop", _pointer),
        ("thread", _pointer),
        ("raise_in_thread", _pointer),
        ("format", ctypes.c_char_p),
        ("copy", _pointer),
        ("take", ctypes.py_object),
        ("take_zeroed", ctypes.py_object),
        ("move", ctypes.py_object),
        ("give_back", ctypes.py_object),
    )


class Hooks:
    """A handler for NumPy that asks functions in Python where larger arrays lie.

    It lives until the process ends, and so must those functions: any array that was made with it is freed through it.

    Attributes:
        handler: What NumPy takes.
        ordinary: The handler that ordinary memory comes from.
    """

    def __init__(
        self, ordinary: object, *, take: Function, take_zeroed: Function, move: Function, give_back: Function
    ) -> None:
        """Prepares the handler; no array is asked for before `threshold` is set.

        Args:
            ordinary: The handler that NumPy has without this one.
            take: Of 0 and a length: the address of a block, or 0 where none is to be had.
            take_zeroed: The same, for a block that is filled with zeros.
            move: Of an address and a length: the address of a block of that length with the same contents, perhaps the
                same one; 0 where there is none; NOT_SHARED. The block that it was is given back afterwards.
            give_back: Of an address and a length that means nothing: 0, or NOT_SHARED.

        Raises:
            ShmError: The code does not run on this machine.
        """
        code, starts = _code_of_this_machine()
        start = _make_executable(code)
        before = ctypes.cast(_capsule_pointer(ordinary, b"mem_handler"), ctypes.POINTER(_Handler)).contents
        python = ctypes.pythonapi
        self._context = _Context(
            threshold=NEVER,
            ordinary=before.allocator,
            gil_ensure=_address(python.PyGILState_Ensure),
            gil_release=_address(python.PyGILState_Release),
            fetch_error=_address(python.PyErr_Fetch),
            restore_error=_address(python.PyErr_Restore),
            report_error=_address(python.PyErr_WriteUnraisable),
            call=_address(python.PyObject_CallFunction),
            as_pointer=_address(python.PyLong_AsVoidPtr),
            drop=_address(python.Py_DecRef),
            thread=_address(python.PyThread_get_thread_ident),
            raise_in_thread=_address(python.PyThreadState_SetAsyncExc),
            format=b"nn",
            copy=_address(ctypes.CDLL(None).memcpy),
            take=take,
            take_zeroed=take_zeroed,
            move=move,
            give_back=give_back,
        )
        functions = {name: start + offset for name, offset in starts.items()}
        allocator = _Allocator(context=ctypes.addressof(self._context), **functions)
        self._handler = _Handler(name=b"hognose_shm", version=1, allocator=allocator)
        self._name = b"mem_handler"
        self.handler: object = _new_capsule(ctypes.addressof(self._handler), self._name, None)
        self.ordinary = ordinary
        self._ordinary_malloc = ctypes.PYFUNCTYPE(_pointer, _pointer, _length)(before.allocator.malloc)
        self._ordinary_free = ctypes.PYFUNCTYPE(None, _pointer, _pointer, _length)(before.allocator.free)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))

    @property
    def threshold(self) -> int:
        """From how many bytes on Python is asked; NEVER at first."""
        threshold: int = self._context.threshold
        return threshold

    @threshold.setter
    def threshold(self, byte_length: int) -> None:
        self._context.threshold = byte_length

    def ordinary_malloc(self, byte_length: int) -> int:
        """Ordinary memory; 0: there is none."""
        return self._ordinary_malloc(self._context.ordinary.context, byte_length) or 0

    def ordinary_free(self, address: int, byte_length: int) -> None:
        """Gives back what `ordinary_malloc` gave."""
        self._ordinary_free(self._context.ordinary.context, address, byte_length)

    def leave(self) -> None:
        """Asks nothing any more, as Python is about to end: what is freed later stays until the process is gone."""
        self.threshold = NEVER
        _Context.give_back.__set__(self._context, ctypes.py_object())


def _array_api() -> object:
    try:
        import numpy as np
    except ImportError as error:
        raise ShmError("arrays of NumPy need NumPy: pip install numpy") from error
    for module in _extension_modules():
        api: object = getattr(module, "_ARRAY_API", None)
        if api is not None:
            return api
    raise ShmError(f"NumPy {np.__version__} does not show its C API where hognose_shm looks for it")


def _extension_modules() -> Iterator[object]:
    for package in ("numpy._core", "numpy.core"):  # NumPy 2 and NumPy 1
        try:
            yield importlib.import_module(f"{package}._multiarray_umath")
        except ImportError:
            continue


def _code_of_this_machine() -> tuple[bytes, dict[str, int]]:
    machine = platform.machine()
    if sys.platform != "linux" or machine not in CODE or sys.maxsize < 2**32:
        raise ShmError(
            f"NumPy's results can be born in shared memory on Linux for {' and '.join(CODE)}, and this is "
            f"{sys.platform} on {machine}: use hognose.empty() or out= where copies matter"
        )
    return CODE[machine]


def _make_executable(code: bytes) -> int:
    """Maps machine code, for ever; returns where it begins."""
    memory = mmap.mmap(-1, len(code), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE)
    memory.write(code)
    view = ctypes.c_char.from_buffer(memory)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(view))
    start = ctypes.addressof(view)
    libc = ctypes.CDLL(None, use_errno=True)
    # Never writable and executable at once, which hardened systems forbid.
    if libc.mprotect(_pointer(start), _length(len(code)), _PROT_READ | _PROT_EXEC) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise ShmError(f"the system forbids to run the code of hognose_shm that NumPy calls (mprotect: {reason})")
    return start


def _address(function: object) -> int | None:
    return ctypes.cast(function, _pointer).value  # type: ignore[arg-type]


_capsule_pointer = ctypes.PYFUNCTYPE(_pointer, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_new_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, _pointer, ctypes.c_char_p, _pointer)(
    ("PyCapsule_New", ctypes.pythonapi)
)
