from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hognose_shm import dtypes
from hognose_shm.arena import Arena
from hognose_shm.dlpack import CPU, DeviceError, DlpackView, as_tensor, export, from_dlpack, to_numpy
from hognose_shm.numpy_arena import empty
from hognose_shm.numpy_dtypes import DTYPES, shareable_dtype

ml_dtypes = pytest.importorskip("ml_dtypes", reason="bfloat16 needs ml_dtypes")

VERSIONED = b"dltensor_versioned"
LEGACY = b"dltensor"

needs_versions = pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="NumPy before 2.1 knows only DLPack before 1.0"
)

capsule_is = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_IsValid", ctypes.pythonapi))
capsule_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


class Watched(np.ndarray[Any, Any]):
    """An array that `weakref` can watch."""


def watched(array: np.ndarray[Any, Any]) -> Watched:
    return array.view(Watched)


def address_of(array: np.ndarray[Any, Any]) -> int:
    return int(array.__array_interface__["data"][0])


@pytest.fixture
def arena() -> Arena:
    return Arena(max_bytes=1 << 26)


def test_the_types_are_those_that_both_languages_know() -> None:
    assert set(DTYPES) == set(dtypes.DTYPES)


@needs_versions
@pytest.mark.parametrize("name", DTYPES)
def test_s67_every_type_comes_back_as_the_same_memory(arena: Arena, name: str) -> None:
    array = empty(arena, (3, 4), name)
    array[...] = np.arange(12).reshape(3, 4) % 2
    view = from_dlpack(export(array))
    assert view[:6] == (address_of(array), name, (3, 4), (4, 1), CPU, False)
    seen = view.ndarray()
    assert seen.dtype == array.dtype
    seen[0, 0] = 1
    array[1, 1] = 0
    np.testing.assert_array_equal(seen, array)


@given(
    st.lists(st.integers(0, 4), max_size=4),
    st.lists(st.sampled_from([slice(None), slice(None, None, -1), slice(None, None, 2), slice(1, None)]), max_size=4),
    st.booleans(),
    st.sampled_from(["int16", "bfloat16", "complex128"]),
)
def test_s67_any_shape_and_strides_come_back(
    extents: list[int], slices: list[slice], transpose: bool, name: str
) -> None:
    array = np.zeros(extents, shareable_dtype(name))
    array.reshape(-1)[:] = np.arange(array.size)
    array = array[(*slices[: array.ndim], ...)]
    array = array.T if transpose else array
    view = from_dlpack(export(array))
    assert view.shape == array.shape
    if array.size:
        assert view.address == address_of(array)
        # A stride along an axis of one element says nothing, and NumPy may give any.
        expected = [stride // array.itemsize for stride in array.strides]
        assert [s for s, n in zip(view.strides, view.shape, strict=True) if n > 1] == [
            s for s, n in zip(expected, array.shape, strict=True) if n > 1
        ]
    np.testing.assert_array_equal(view.ndarray(), array)


@needs_versions
def test_s67_numpy_opens_what_is_exported() -> None:
    array = np.arange(6.0)[::-2]
    seen = np.from_dlpack(export(array))
    assert address_of(seen) == address_of(array)
    np.testing.assert_array_equal(seen, [5, 3, 1])


@needs_versions
def test_a_capsule_is_of_the_version_that_the_consumer_knows() -> None:
    exported = export(np.arange(3))
    assert capsule_is(exported.__dlpack__(max_version=(1, 0)), VERSIONED)
    assert capsule_is(exported.__dlpack__(max_version=(1, 7)), VERSIONED)
    assert capsule_is(exported.__dlpack__(max_version=(0, 8)), LEGACY)
    assert capsule_is(exported.__dlpack__(), LEGACY)


@needs_versions
def test_a_read_only_array_is_shown_only_as_such() -> None:
    array = np.arange(3)
    array.flags.writeable = False
    view = from_dlpack(export(array))
    assert view.read_only
    assert not view.ndarray().flags.writeable
    with pytest.raises(BufferError, match="readonly"):
        export(array).__dlpack__()


@needs_versions
def test_a_copy_is_made_on_demand_and_flagged() -> None:
    array = np.arange(3)
    capsule = export(array).__dlpack__(max_version=(1, 0), copy=True)
    flags = ctypes.c_uint64.from_address((capsule_pointer(capsule, VERSIONED) or 0) + 24)
    assert flags.value == 2  # IS_COPIED
    copied = np.from_dlpack(export(array), copy=True)
    assert address_of(copied) != address_of(array)


def test_what_cannot_be_shown_is_refused() -> None:
    exported = export(np.arange(3))
    with pytest.raises(BufferError, match=r"cannot be shown on \(2, 0\)"):
        exported.__dlpack__(dl_device=(2, 0))
    with pytest.raises(BufferError, match="no stream"):
        exported.__dlpack__(stream=1)
    with pytest.raises(DeviceError, match="CUDA:0"):
        export(np.arange(3), device=(2, 0))
    for array in (np.array(["a"]), np.array([None]), np.zeros(2, "i4,f8"), np.arange(3, dtype=">i4")):
        with pytest.raises(TypeError, match=r"cannot be shared|byte order"):
            export(array)


def test_a_device_of_the_host_is_named() -> None:
    exported = export(np.arange(3), device=(3, 1))
    assert exported.__dlpack_device__() == (3, 1)
    view = from_dlpack(exported)
    assert view.device == (3, 1)
    capsule = exported.__dlpack__()
    assert ctypes.c_int32.from_address((capsule_pointer(capsule, LEGACY) or 0) + 8).value == 3


@pytest.mark.parametrize("max_version", [None, (1, 0)])
@pytest.mark.parametrize("name", ["float64", "bfloat16"])
def test_the_array_lives_as_long_as_a_capsule_that_nobody_takes(max_version: Any, name: str) -> None:
    array = watched(np.zeros(3, shareable_dtype(name)))
    gone = weakref.ref(array)
    capsule = export(array).__dlpack__(max_version=max_version)
    del array
    assert gone() is not None
    del capsule
    assert gone() is None


def test_the_array_lives_as_long_as_what_was_made_of_it() -> None:
    array = watched(np.arange(3.0))
    gone = weakref.ref(array)
    view = from_dlpack(export(array))
    part = to_numpy(export(array))[1:]
    del array, view
    assert gone() is not None
    assert part.tolist() == [1, 2]
    del part
    assert gone() is None


def test_a_tensor_that_is_refused_is_given_back() -> None:
    array = watched(np.arange(3, dtype=np.int32))
    gone = weakref.ref(array)

    class Strange:
        """A tensor of a type that DLPack may have one day."""

        def __init__(self, array: Watched) -> None:
            self.array = array

        def __dlpack_device__(self) -> tuple[int, int]:
            return CPU

        def __dlpack__(self, **_: object) -> object:
            capsule = export(self.array).__dlpack__()
            ctypes.c_uint8.from_address((capsule_pointer(capsule, LEGACY) or 0) + 20).value = 99
            return capsule

    with pytest.raises(TypeError, match="elements of type 99 of DLPack"):
        from_dlpack(Strange(array))
    del array
    gc.collect()
    assert gone() is None


class Producer:
    """A tensor that says what a test wants."""

    def __init__(self, device: tuple[int, int], capsule: object = None) -> None:
        self.device = device
        self.capsule = capsule
        self.calls = 0

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, *, stream: object = None) -> object:
        self.calls += 1
        return self.capsule


@pytest.mark.parametrize(("device", "name"), [((2, 1), "CUDA:1"), ((10, 0), "ROCm:0"), ((77, 3), "device type 77")])
def test_a_tensor_of_another_device_is_refused_without_being_touched(device: tuple[int, int], name: str) -> None:
    producer = Producer(device)
    with pytest.raises(DeviceError, match=name) as caught:
        to_numpy(producer)
    assert isinstance(caught.value, BufferError)
    assert producer.calls == 0


def test_an_old_producer_is_understood_and_what_it_gives_is_read_only() -> None:
    array = np.arange(4, dtype=np.uint8).reshape(2, 2).T
    view = from_dlpack(Producer(CPU, array.__dlpack__()))
    assert view[:6] == (address_of(array), "uint8", (2, 2), (1, 2), CPU, True)


def test_a_tensor_without_strides_is_contiguous() -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    capsule = array.__dlpack__()
    ctypes.c_void_p.from_address((capsule_pointer(capsule, LEGACY) or 0) + 32).value = None
    view = from_dlpack(Producer(CPU, capsule))
    assert view.strides == (12, 4, 1)
    scalar = np.array(7.0).__dlpack__()
    ctypes.c_void_p.from_address((capsule_pointer(scalar, LEGACY) or 0) + 32).value = None
    assert from_dlpack(Producer(CPU, scalar)).ndarray() == 7


def test_a_capsule_is_taken_once() -> None:
    producer = Producer(CPU, np.arange(3).__dlpack__())
    from_dlpack(producer)
    for capsule in (producer.capsule, None, object()):
        with pytest.raises(BufferError, match="no tensor"):
            from_dlpack(Producer(CPU, capsule))


@needs_versions
def test_a_later_version_is_refused_and_given_back() -> None:
    array = watched(np.arange(3))
    gone = weakref.ref(array)
    capsule = array.__dlpack__(max_version=(1, 0))
    ctypes.c_uint32.from_address(capsule_pointer(capsule, VERSIONED) or 0).value = 2
    with pytest.raises(BufferError, match="version 2"):
        from_dlpack(Producer(CPU, capsule))
    del array, capsule
    gc.collect()
    assert gone() is None


def test_ten_thousand_tensors_leave_nothing() -> None:
    array = np.arange(8)
    before = sys.getrefcount(array)
    for _ in range(10_000):
        from_dlpack(export(array)).ndarray()
        export(array).__dlpack__(max_version=(1, 0))
    assert sys.getrefcount(array) == before


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("read_only", [False, True])
def test_s67_jax_uses_the_same_memory(arena: Arena, name: str, read_only: bool) -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    array = empty(arena, (4, 8), name)
    array[...] = np.arange(32).reshape(4, 8) % 2
    array.flags.writeable = not read_only
    with jax.experimental.enable_x64() if hasattr(jax.experimental, "enable_x64") else jax.enable_x64(True):
        tensor = as_tensor(array, "jax")
        assert tensor.unsafe_buffer_pointer() == address_of(array)
        assert tensor.dtype == array.dtype
        assert [device.platform for device in tensor.devices()] == ["cpu"]
        np.testing.assert_array_equal(np.asarray(tensor), array)
        view = from_dlpack(tensor)
        assert view.address == address_of(array)
        assert view.read_only


def test_s67_jax_uses_transposed_and_empty_arrays(arena: Arena) -> None:
    pytest.importorskip("jax", reason="JAX is not installed")
    array = empty(arena, (4, 8), np.float32)
    assert as_tensor(array.T, "jax").unsafe_buffer_pointer() == address_of(array)
    assert as_tensor(array[:0], "jax").shape == (0, 8)
    assert as_tensor(array[0, 0:1].reshape(()), "jax").shape == ()


def test_what_jax_would_copy_is_refused(arena: Arena) -> None:
    pytest.importorskip("jax", reason="JAX is not installed")
    array = empty(arena, (4, 8), np.float32)
    with pytest.raises(BufferError, match="64 bytes"):
        as_tensor(array.reshape(-1)[1:], "jax")
    with pytest.raises(BufferError, match="strid"):
        as_tensor(array[:, ::2], "jax")
    with pytest.raises(BufferError, match="jax_enable_x64"):
        as_tensor(empty(arena, 8, np.float64), "jax")


def test_s67_memory_is_free_again_when_the_tensor_is_gone(arena: Arena) -> None:
    pytest.importorskip("jax", reason="JAX is not installed")
    array = empty(arena, 1024, np.float32)
    tensor = as_tensor(array, "jax")
    del array
    gc.collect()
    assert arena.stats.blocks == 1
    del tensor
    gc.collect()
    assert arena.stats.blocks == 0


@pytest.mark.parametrize("name", DTYPES)
def test_s67_torch_uses_the_same_memory(arena: Arena, name: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    array = empty(arena, (4, 8), name)
    array[...] = np.arange(32).reshape(4, 8) % 2
    tensor = as_tensor(array, "torch")
    assert tensor.data_ptr() == address_of(array)
    tensor[0, 0] = 1
    assert array[0, 0] == 1
    view = from_dlpack(tensor)
    assert (view.address, view.dtype, view.shape) == (address_of(array), name, (4, 8))
    del array, view
    gc.collect()
    assert arena.stats.blocks == 1
    del tensor
    gc.collect()
    assert arena.stats.blocks == 0


def test_torch_gets_a_read_only_array_only_on_demand(arena: Arena, recwarn: pytest.WarningsRecorder) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    array = empty(arena, 8, np.float32)
    array.flags.writeable = False
    with pytest.raises(BufferError, match="share_read_only=True"):
        as_tensor(array, "torch")
    assert as_tensor(array, "torch", share_read_only=True).data_ptr() == address_of(array)
    assert not recwarn.list


def test_torch_strides_are_kept_and_negative_ones_refused(arena: Arena) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    array = empty(arena, (4, 8), np.float32)
    tensor = as_tensor(array[1:, ::2].T, "torch")
    assert tensor.stride() == (2, 8)
    assert tensor.data_ptr() == address_of(array[1:])
    with pytest.raises(BufferError, match="negative"):
        as_tensor(array[::-1], "torch")


def test_numpy_gets_the_array_itself() -> None:
    array = np.arange(3)
    assert as_tensor(array, "numpy") is array


def test_a_framework_that_is_missing_or_unknown_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "jax"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ImportError, match=f"pip install {name}"):
            as_tensor(np.arange(3), name)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'tensorflow'"):
        as_tensor(np.arange(3), "tensorflow")  # type: ignore[arg-type]


def test_a_view_says_what_it_is() -> None:
    assert DlpackView._fields == ("address", "dtype", "shape", "strides", "device", "read_only", "keep")


def test_python_ends_in_peace_with_tensors_left() -> None:
    code = """
import atexit, numpy as np
from hognose_shm.dlpack import export, from_dlpack, as_tensor
left = [export(np.arange(9.0)).__dlpack__(), from_dlpack(export(np.arange(9.0))), as_tensor(np.zeros(9), "numpy")]
array = from_dlpack(export(np.arange(9.0))).ndarray()
atexit.register(lambda: print(array.sum()))
try:
    left.append(as_tensor(np.zeros(16, np.float32), "jax"))
except (ImportError, BufferError):
    pass
"""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "36.0\n", "")
