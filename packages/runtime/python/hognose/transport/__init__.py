"""The two lanes between host and worker, behind one interface."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Lane"]


class Lane(Protocol):
    """Carries messages in both directions, in order.

    A message is a list: its number in the contract's oneof, then its fields in the contract's order, with values of
    Python where the contract says `Value`.
    """

    def receive(self) -> list[list[Any]] | None:
        """Waits for the next frame and returns its messages; None when the host has closed the lane."""

    def send(self, messages: list[list[Any]]) -> None:
        """Sends messages as one frame."""

    def close(self) -> None:
        """Closes the lane after what was sent has left."""
