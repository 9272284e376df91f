"""Messages that are encoded already."""

from __future__ import annotations

from typing import Final

__all__ = ["PART_BYTES", "LargeMessage", "Packed"]

#: A message that is larger travels in parts of this size.
PART_BYTES: Final = 1 << 18


class LargeMessage:
    """A message that travels in parts.

    Args:
        kind: Its number in the contract's oneof.
        call: The call that it belongs to; 0: none.
        pieces: Its encoding, cut wherever that saves a copy.
    """

    __slots__ = ("call", "kind", "pieces", "size")

    def __init__(self, kind: int, call: int, pieces: tuple[bytes, ...]) -> None:
        self.kind = kind
        self.call = call
        self.pieces = pieces
        self.size = sum(map(len, pieces))

    def __len__(self) -> int:
        return self.size


#: What `Lane.pack` makes and `Lane.write` sends.
Packed = bytes | LargeMessage
