"""The two lanes between host and worker, behind one interface."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from hognose.transport.packed import LargeMessage, Packed
from hognose.transport.waiting import INTERRUPTIBLE

__all__ = ["INTERRUPTIBLE", "NOTHING", "Frame", "Lane", "LargeMessage", "Packed"]

#: The messages of a frame, each a list with every field of its kind, and whether an `Undecodable` stands among them.
Frame = tuple[list[list[Any]], bool]

#: A frame without messages: there was nothing to receive, or the wait for it was ended by `Lane.wake`.
NOTHING: Frame = ([], False)


class Lane(Protocol):
    """Carries messages in both directions.

    A message is a list: its number in the contract's oneof, then its fields in the contract's order, with values of
    Python where the contract says `Value`. One thread at a time may receive; any thread may pack and write.

    An exception that a signal handler raises is harmless while the interrupted frame runs one of `INTERRUPTIBLE`: what
    has arrived stays there for the next to receive. Anywhere else in a lane it could lose a part of a frame.
    """

    @property
    def has_control(self) -> bool:
        """Whether urgent messages arrive on a connection of their own (`ControlLane`), and not here."""

    def receive(self) -> Frame | None:
        """Waits for the next frame; None when the host has closed the lane.

        A message that came in parts is delivered when it is whole; a call that cannot be put together is delivered with
        an `Undecodable` for its arguments.

        Raises:
            ProtocolError: When the host sends what is no frame of messages, or a message unknown to this worker.
        """

    def receive_or_wake(self) -> Frame | None:
        """As `receive`, but `NOTHING` as soon as another thread wakes it.

        A wake that comes while nobody waits ends the next wait. It may also return `NOTHING` without a reason.
        """

    def receive_now(self) -> Frame | None:
        """As `receive`, but `NOTHING` where no whole frame is there yet."""

    def wake(self) -> None:
        """Ends the wait of `receive_or_wake`; for any thread."""

    def pack(self, message: list[Any]) -> Packed:
        """Encodes a message; `len` of what is returned is its size in bytes.

        A value is encoded by the codec unless it is an `Encoded` already.

        Raises:
            EncodeError: When a value cannot travel.
        """

    def write(self, packed: Iterable[Packed]) -> None:
        """Sends messages as one frame, and large ones in parts.

        Does not wait for a large message to leave: other messages travel between its parts. Never blocks on another
        thread that is writing: that thread sends these messages too. Safe in finalizers and signal handlers.

        Raises:
            OSError: When the host is gone.
        """

    def settle(self) -> None:
        """Waits until what was written has left the process, so that its end loses nothing; large messages apart."""

    def close(self) -> None:
        """Closes the lane after what was written has left."""
