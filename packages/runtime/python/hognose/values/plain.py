"""What has a plain form besides the types that travel as they are."""

from __future__ import annotations

import sys
from typing import Any, Final

__all__ = ["NO_FORM", "numpy_scalar", "plain_form"]

#: What has no plain form.
NO_FORM: Final = object()


def numpy_scalar(value: object) -> Any:
    """The number or boolean that a scalar of NumPy is; `NO_FORM` for anything else."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, getattr(numpy, "generic", ())):
        return NO_FORM
    scalar: Any = value
    kind, size = scalar.dtype.kind, scalar.dtype.itemsize
    return scalar.item() if (kind in "biuf" and size <= 8) or (kind == "c" and size <= 16) else NO_FORM


def plain_form(value: Any) -> Any:
    """The value without what its class adds to a plain type, its own items as they are; `NO_FORM` where it has none.

    An enum member is its value, a namedtuple a tuple, a dataclass a dict of its fields, an instance of a derived class
    of a builtin type one of that type.
    """
    kind = type(value)
    enum = sys.modules.get("enum")
    if enum is not None and isinstance(value, enum.Enum):
        return value.value
    dataclasses = sys.modules.get("dataclasses")
    if dataclasses is not None and dataclasses.is_dataclass(kind):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    for base, copy in _COPIES.items():
        if issubclass(kind, base) and kind is not base:
            return copy(value)
    return NO_FORM


#: Made by the plain type itself: what the derived class says of iteration or conversion is not asked.
_COPIES: Final[dict[type, Any]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    complex: lambda value: complex(complex.real.__get__(value), complex.imag.__get__(value)),
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    list: lambda value: list(list.__iter__(value)),
    dict: lambda value: dict(dict.items(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
}
