"""Puts messages together that came in parts."""

from __future__ import annotations

from typing import Any, Final

from hognose.errors import ProtocolError

__all__ = ["Assembly", "Unassembled"]

#: Messages that may be under way at once; a host sends one after the other.
MAX_UNDER_WAY: Final = 256


class Unassembled(Exception):  # noqa: N818 - an outcome, told to one call
    """A message cannot be put together here; the connection is as good as before.

    Args:
        call: The call that it belongs to, which alone fails.
        reason: What stood in the way.
    """

    def __init__(self, call: int, reason: str) -> None:
        super().__init__(reason)
        self.call = call
        self.reason = reason


class _UnderWay:
    __slots__ = ("data", "received", "total")

    def __init__(self, total: int) -> None:
        self.total = total
        self.received = 0
        #: None once the message is given up: its other parts are read and forgotten.
        self.data: bytearray | None = bytearray()


class Assembly:
    """The messages of one connection that are under way."""

    def __init__(self) -> None:
        self._under_way: dict[int, _UnderWay] = {}

    def add(self, chunk: list[Any]) -> bytearray | None:
        """Takes a part; returns the message that it completes.

        Raises:
            Unassembled: When the message does not fit into memory; told once for a message.
            ProtocolError: When the part does not belong where it came.
        """
        _, identifier, total, data, call = chunk
        if not (isinstance(identifier, int) and isinstance(total, int) and isinstance(data, bytes)):
            raise ProtocolError("a chunk must hold two numbers and bytes")
        if total == 0:  # the host has given the message up
            self._under_way.pop(identifier, None)
            return None
        message = self._under_way.get(identifier)
        if message is None:
            if len(self._under_way) == MAX_UNDER_WAY:
                raise ProtocolError(f"more than {MAX_UNDER_WAY} messages in parts are under way")
            message = self._under_way[identifier] = _UnderWay(total)
        message.received += len(data)
        if not data or total != message.total or message.received > total:
            raise ProtocolError(
                f"part of message {identifier}: {message.received} bytes after {len(data)} more, of {total} where "
                f"{message.total} were announced"
            )
        is_whole = message.received == total
        if is_whole:
            del self._under_way[identifier]
        if message.data is None:
            return None
        try:
            message.data += data
        except (MemoryError, OverflowError) as error:
            message.data = None
            if call == 0:
                raise ProtocolError(f"a message of {total} bytes does not fit into this process's memory") from error
            raise Unassembled(
                call, f"a call of {total} bytes does not fit into the worker's memory ({type(error).__name__})"
            ) from error
        return message.data if is_whole else None
