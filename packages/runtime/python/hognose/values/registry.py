"""Codecs that authors register for classes of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

__all__ = ["RegisteredCodec", "codec_of", "codec_of_name", "register_codec"]

T = TypeVar("T")

#: Their values travel by rules of their own, which no codec changes.
_BUILT_IN: Final = frozenset(
    {
        *(type(None), bool, int, float, complex, str, bytes, bytearray, memoryview),
        *(list, tuple, dict, set, frozenset, object, type),
    }
)


class RegisteredCodec(NamedTuple):
    """What was registered for one class."""

    name: str
    kind: type
    encode: Callable[[Any], object]
    decode: Callable[[Any], object]


# Replaced as a whole, so that a reader on another thread never sees them half changed. By number, as a metaclass may
# make its classes unhashable.
_by_type: dict[int, RegisteredCodec] = {}
_by_name: dict[str, RegisteredCodec] = {}


def register_codec(name: str, cls: type[T], encode: Callable[[T], object], decode: Callable[[Any], T]) -> None:
    """Makes the instances of a class travel to JavaScript and back, where `registerCodec` names a class for them.

    Only instances of exactly this class are concerned; those of a derived class are handles as before.

    Args:
        name: The same on both sides, such as `"geo.Point"`.
        cls: The class.
        encode: Gives what stands for an instance: anything that travels, such as a dict of its fields.
        decode: Makes an instance of what the other side's `encode` gave.

    Raises:
        TypeError: When the class is one that travels by a rule of its own.
        ValueError: When the name or the class is registered already, with something else.

    Example:
        ```python
        register_codec("geo.Point", Point, lambda point: (point.x, point.y), lambda pair: Point(*pair))
        ```
    """
    global _by_type, _by_name  # noqa: PLW0603 - see above
    if not isinstance(cls, type) or cls in _BUILT_IN:
        raise TypeError(f"a codec is for a class of your own, and {cls!r} is none")
    for known in (_by_name.get(name), _by_type.get(id(cls))):
        if known is not None and (known.name != name or known.kind is not cls):
            raise ValueError(
                f"the codec {known.name!r} is registered for {known.kind.__qualname__}: "
                f"choose another name than {name!r}, or register {cls.__qualname__} once"
            )
    codec = RegisteredCodec(name, cls, encode, decode)
    _by_type = {**_by_type, id(cls): codec}
    _by_name = {**_by_name, name: codec}


def codec_of(kind: type) -> RegisteredCodec | None:
    """The codec of exactly this class."""
    return _by_type.get(id(kind))


def codec_of_name(name: str) -> RegisteredCodec | None:
    """The codec of a name."""
    return _by_name.get(name)
