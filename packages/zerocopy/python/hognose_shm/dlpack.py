"""Arrays and tensors of other frameworks over the same memory, by DLPack (https://dmlc.github.io/dlpack/latest/).

`export` shows an array to any framework, `as_tensor` opens it in one that is named, and `from_dlpack` looks at a tensor
of any framework that lies in memory of the CPU.
"""

from __future__ import annotations

import ctypes
import importlib
import itertools
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

from hognose_shm.dtypes import bfloat16
from hognose_shm.errors import ShmError
from hognose_shm.numpy_dtypes import shareable_dtype

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "CPU",
    "DeviceError",
    "DlpackView",
    "Exported",
    "SupportsDlpack",
    "as_tensor",
    "export",
    "from_dlpack",
    "to_numpy",
]

#: DLPack's device of ordinary memory.
CPU: Final = (1, 0)

#: DLPack's devices; the numbers of those whose memory the CPU can read come first.
_DEVICES = {1: "CPU", 3: "CUDA host", 11: "ROCm host", 2: "CUDA", 4: "OpenCL", 7: "Vulkan", 8: "Metal", 10: "ROCm"}
_HOST_DEVICES = (1, 3, 11)

#: DLPack's codes of types. Each name goes without the number of bits, except bool, which has one size.
_TYPE_NAMES = {0: "int", 1: "uint", 2: "float", 4: "bfloat", 5: "complex", 6: "bool"}
_TYPE_CODES = {name: code for code, name in _TYPE_NAMES.items()}

_READ_ONLY = 1 << 0

#: The version of DLPack that this file follows. A later minor version only adds.
_VERSION = (1, 0)


class DeviceError(ShmError, BufferError):
    """A tensor lies in memory that the CPU cannot read, such as a GPU's."""


class SupportsDlpack(Protocol):
    """A tensor of any framework."""

    def __dlpack__(self) -> object:
        """A capsule with a tensor."""

    def __dlpack_device__(self) -> tuple[Any, int]:
        """Where it lies."""


class DlpackView(NamedTuple):
    """A tensor in memory of the CPU.

    Attributes:
        address: Where the element [0, ..., 0] lies.
        dtype: The type of an element, one of `numpy_dtypes.DTYPES`.
        shape: The number of elements along each axis.
        strides: The distance between neighbours along each axis, in elements.
        device: DLPack's type and number of the device.
        read_only: Whether nobody may write; so said, or nothing said as by producers that follow DLPack before 1.0.
        keep: Keeps the memory alive: the producer is told when it is gone.
    """

    address: int
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    device: tuple[int, int]
    read_only: bool
    keep: object

    def ndarray(self) -> npt.NDArray[Any]:
        """The same memory as an array of NumPy, which keeps it alive."""
        import numpy as np

        dtype = np.dtype(np.uint16 if self.dtype == "bfloat16" else self.dtype)
        byte_strides = tuple(stride * dtype.itemsize for stride in self.strides)
        data = (self.address, self.read_only)
        array = np.asarray(_ArrayInterface(data, dtype.str, self.keep, shape=self.shape, strides=byte_strides))
        return array.view(bfloat16()) if self.dtype == "bfloat16" else array


class Exported:
    """An array as any framework takes it: `torch.from_dlpack(exported)`, `jax.dlpack.from_dlpack(exported)`."""

    def __init__(self, array: npt.NDArray[Any], device: tuple[int, int]) -> None:
        self._array = array
        self._device = device

    def __dlpack_device__(self) -> tuple[int, int]:
        """Where the array lies."""
        return self._device

    def __dlpack__(
        self,
        *,
        stream: object = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> object:
        """The array as a capsule, as the Python array API standard describes it.

        Args:
            stream: None, as this is not a GPU.
            max_version: What the consumer understands; from (1, 0) on the capsule is a versioned one, if NumPy is 2.1
                or newer.
            dl_device: Where the consumer wants the tensor: None, or where it lies.
            copy: Whether the tensor must be a copy; by default it never is.

        Raises:
            BufferError: A tensor like this cannot be shown; a read-only one only in a versioned capsule.
        """
        import numpy as np

        if stream is not None:
            raise BufferError("an array in memory of the CPU belongs to no stream")
        if dl_device is not None and tuple(dl_device) != self._device:
            raise BufferError(f"the array lies on device {self._device}, and cannot be shown on {tuple(dl_device)}")
        array = self._array
        is_bfloat16 = array.dtype.name == "bfloat16"
        if is_bfloat16:  # NumPy refuses types that are not its own
            array = array.view(np.uint16)
        capsule = _numpy_capsule(array, max_version, copy)
        tensor, _ = _tensor_in(capsule)
        tensor.device = _Device(*self._device)
        if is_bfloat16:
            tensor.dtype.code = _TYPE_CODES["bfloat"]
        return capsule


def export(array: npt.NDArray[Any], *, device: tuple[int, int] = CPU) -> Exported:
    """Shows an array to other frameworks, in its own memory.

    Args:
        array: Of any shape, strides and type of `numpy_dtypes.DTYPES`. It lives as long as a tensor over it.
        device: DLPack's type and number of the device to name; memory of the CPU in any case.

    Raises:
        DeviceError: `device` is none whose memory the CPU can read.
        TypeError: DLPack has no such type of elements.
    """
    shareable_dtype(array.dtype)
    if device[0] not in _HOST_DEVICES:
        raise DeviceError(f"an array of NumPy lies in memory of the CPU, not on {_device_name(device)}")
    return Exported(array, device)


def from_dlpack(tensor: SupportsDlpack) -> DlpackView:
    """Looks at the memory of a tensor of any framework, without a copy.

    Raises:
        BufferError: The producer cannot show it, or shows it in a version of DLPack that is not known here.
        DeviceError: It lies in memory that the CPU cannot read; the tensor was not touched.
        TypeError: Its elements have a type that arrays here cannot have.
    """
    device_type, device_id = tensor.__dlpack_device__()
    device = (int(device_type), int(device_id))
    if device[0] not in _HOST_DEVICES:
        raise DeviceError(f"the tensor lies on {_device_name(device)}: move it to the CPU first")
    capsule = _capsule_of(tensor)
    described, read_only = _tensor_in(capsule)
    keep = _Keep(_consume(capsule))
    count = described.ndim
    shape = tuple(described.shape[:count])
    strides = tuple(described.strides[:count]) if described.strides else _contiguous_strides(shape)
    address = (described.data or 0) + described.byte_offset
    return DlpackView(address, _type_name(described.dtype), shape, strides, device, read_only, keep)


def to_numpy(tensor: SupportsDlpack) -> npt.NDArray[Any]:
    """A tensor of any framework as an array over the same memory; unlike NumPy's own function it knows bfloat16.

    Raises:
        BufferError: As `from_dlpack`.
        DeviceError: As `from_dlpack`.
        ImportError: The tensor is of bfloat16, and ml_dtypes is not installed.
        TypeError: As `from_dlpack`.
    """
    return from_dlpack(tensor).ndarray()


def as_tensor(
    array: npt.NDArray[Any], framework: Literal["numpy", "torch", "jax"], *, share_read_only: bool = False
) -> Any:
    """Opens an array as a tensor of another framework, in the same memory: never a copy.

    Whether a tensor may be written to is for each framework to say. PyTorch has none that may not, so that it gets a
    read-only array only on `share_read_only`. JAX never writes to an array, so it gets any; but it also assumes that
    nobody else does, which is for the caller to see to.

    Args:
        array: Of a type of `numpy_dtypes.DTYPES`. JAX needs memory that begins at a multiple of 64 bytes, as that of
            arenas does, without gaps and not reversed, and for 64-bit types its option `jax_enable_x64`.
        framework: The name of its module. JAX's tensor lies on its CPU device.
        share_read_only: Lets PyTorch have memory that must not be written to. To write is to change what others rely
            on, or the end of the process where the memory itself is protected.

    Returns:
        `numpy.ndarray`, `torch.Tensor` or `jax.Array`; it keeps the memory alive.

    Raises:
        BufferError: The framework cannot use this memory as it is.
        ImportError: The framework is not installed.
        TypeError: It has no such type of elements.
    """
    if framework == "numpy":
        return array
    if framework == "torch":
        return _torch_tensor(array, share_read_only)
    if framework == "jax":
        return _jax_array(array)
    raise ValueError(f"framework is {framework!r}, and it must be 'numpy', 'torch' or 'jax'")


def _torch_tensor(array: npt.NDArray[Any], share_read_only: bool) -> Any:
    torch = _framework("torch")
    if not array.flags.writeable and not share_read_only:
        raise BufferError(
            "the array is read-only, and PyTorch has no such tensors: pass array.copy(), or share_read_only=True if "
            "nothing writes to the tensor"
        )
    if any(stride < 0 for stride in array.strides):
        raise BufferError("PyTorch has no negative strides: pass a copy")
    return torch.from_dlpack(export(_as_writable(array)))


def _jax_array(array: npt.NDArray[Any]) -> Any:
    jax = _framework("jax")
    try:
        # JAX asks for an old capsule, which cannot say that it is read-only.
        tensor = jax.dlpack.from_dlpack(export(_as_writable(array)), copy=False)
    except (ValueError, RuntimeError) as error:
        raise BufferError(f"JAX cannot use the memory of this array: {error}") from error
    if tensor.dtype != array.dtype:
        raise BufferError(
            f"JAX makes {tensor.dtype} of {array.dtype}, which is a copy: jax.config.update('jax_enable_x64', True)"
        )
    if array.size and tensor.unsafe_buffer_pointer() != _address(array):
        raise BufferError("JAX has copied the array")
    return tensor


def _framework(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"tensors of {name} need its package: pip install {name}") from error


def _as_writable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same memory for those who do not write."""
    import numpy as np

    if array.flags.writeable:
        return array
    plain = array.view(np.uint16) if array.dtype.name == "bfloat16" else array
    data = (_address(plain), False)
    writable = np.asarray(_ArrayInterface(data, plain.dtype.str, array, shape=plain.shape, strides=plain.strides))
    return writable.view(array.dtype)


def _address(array: npt.NDArray[Any]) -> int:
    address: int = array.__array_interface__["data"][0]  # `array.ctypes` takes a microsecond, and makes a cycle
    return address


class _ArrayInterface:
    """Memory that `numpy.asarray` makes an array of; the array keeps it and what it refers to."""

    def __init__(self, data: tuple[int, bool], dtype: str, keep: object, **extents: tuple[int, ...]) -> None:
        """Describes the memory.

        Args:
            data: The address, and whether nobody may write.
            dtype: The type of an element, as `numpy.dtype.str`.
            keep: Keeps the memory alive.
            extents: `shape` and `strides`, the latter in bytes.
        """
        self.__array_interface__ = {"version": 3, "data": data, "typestr": dtype, **extents}
        self.keep = keep


class _Device(ctypes.Structure):
    """DLDevice."""

    _fields_ = (("type", ctypes.c_int32), ("id", ctypes.c_int32))


class _Type(ctypes.Structure):
    """DLDataType."""

    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class _Tensor(ctypes.Structure):
    """DLTensor."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", _Device),
        ("ndim", ctypes.c_int32),
        ("dtype", _Type),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Legacy(ctypes.Structure):
    """DLManagedTensor, of DLPack before 1.0."""

    _fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p))


class _Versioned(ctypes.Structure):
    """DLManagedTensorVersioned. Of a later major version only the fields before `flags` are certain."""

    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    )


class _Keep:
    """Owns a tensor of a producer; tells it when the last one who refers to this is gone."""

    def __init__(self, delete: Callable[[], None]) -> None:
        # Not at the end of the process, when others may still look at the memory.
        weakref.finalize(self, delete).atexit = False


# Python keeps only the address of a capsule's name, and compares it even when this module is gone.
_NAMES: Final = (b"dltensor_versioned", b"dltensor")
_USED_NAMES: Final = (b"used_dltensor_versioned", b"used_dltensor")
for _name in (*_NAMES, *_USED_NAMES):
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(_name))

_capsule_is = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi)
)
_capsule_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_rename_capsule = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_SetName", ctypes.pythonapi)
)


def _numpy_capsule(array: np.ndarray[Any, Any], max_version: tuple[int, int] | None, copy: bool | None) -> object:
    """NumPy's own capsule: its deleter is C, and so may be called in any state of Python's."""
    try:
        return array.__dlpack__(max_version=max_version, copy=copy)
    except TypeError:
        # NumPy before 2.1, which knows neither.
        return (array.copy() if copy else array).__dlpack__()


def _capsule_of(tensor: SupportsDlpack) -> object:
    produce: Any = tensor.__dlpack__
    try:
        return produce(max_version=_VERSION)
    except TypeError:
        return produce()  # a producer that follows DLPack before 1.0


def _tensor_in(capsule: object) -> tuple[Any, bool]:
    """The tensor that a capsule contains, and whether it is read-only. The capsule must outlive the result."""
    if _capsule_is(capsule, _NAMES[0]):
        versioned = _Versioned.from_address(_capsule_pointer(capsule, _NAMES[0]))
        if versioned.major != _VERSION[0]:
            raise BufferError(f"the tensor is shown in version {versioned.major} of DLPack, and 1 is known here")
        return versioned.tensor, bool(versioned.flags & _READ_ONLY)
    if _capsule_is(capsule, _NAMES[1]):
        return _Legacy.from_address(_capsule_pointer(capsule, _NAMES[1])).tensor, True
    raise BufferError("__dlpack__() gave no tensor that is still to be taken")


def _consume(capsule: object) -> Callable[[], None]:
    """Takes the tensor out of a capsule; returns what the producer wants to be called at its end."""
    index = 0 if _capsule_is(capsule, _NAMES[0]) else 1
    address = _capsule_pointer(capsule, _NAMES[index])
    managed: _Legacy | _Versioned = (_Versioned, _Legacy)[index].from_address(address)
    _rename_capsule(capsule, _USED_NAMES[index])
    if not managed.deleter:
        return lambda: None
    # Of PyDLL: a deleter of a Python object counts on the GIL.
    delete = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(managed.deleter)
    return lambda: delete(address)


def _type_name(dtype: _Type) -> str:
    name = _TYPE_NAMES.get(dtype.code, f"type {dtype.code} of DLPack with ")
    name = name if name == "bool" and dtype.bits == 8 else f"{name}{dtype.bits}"
    if dtype.lanes != 1:
        name = f"{name} in vectors of {dtype.lanes}"
    if name != "bfloat16":
        try:
            shareable_dtype(name)
        except TypeError as error:
            raise TypeError(f"elements of {name} cannot be shared") from error
    return name


def _contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    sizes = itertools.accumulate(reversed(shape[1:]), lambda size, extent: size * extent, initial=1)
    return tuple(reversed(list(sizes)))[: len(shape)] if shape else ()


def _device_name(device: tuple[int, int]) -> str:
    return f"{_DEVICES.get(device[0], f'device type {device[0]} of DLPack')}:{device[1]}"
