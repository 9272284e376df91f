"""What stands in Python for what lives in the host, as the codec needs it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["CodecHooks"]


class CodecHooks(Protocol):
    """What stands in Python for what lives in the host, and back. Each may raise `DecodeError`."""

    def make_function(self, function_id: int, name: str) -> object:
        """A function of the host."""

    def make_iterable(self, function_id: int, is_async: bool) -> object:
        """An iterable of the host."""

    def find_source(self, call_id: int) -> object:
        """The result of an earlier call."""

    def make_host_error(self, error_id: int, name: str, message: str, stack: str) -> object:
        """An error of the host."""

    def function_id(self, value: object) -> int | None:
        """The number of what `make_function` or `make_iterable` made; None for anything else."""

    def host_error_fields(self, value: object) -> tuple[int, str, str, str] | None:
        """Number, name, message and stack of what `make_host_error` made; None for anything else."""
