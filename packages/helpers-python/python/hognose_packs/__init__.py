"""Helper packs: functions that hide a library's awkward corners, each written in plain, annotated Python."""

from __future__ import annotations

from typing import Final

__all__ = ["__version__"]

__version__: Final = "0.1.0"
