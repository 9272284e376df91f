"""Modules that a test makes up."""

from __future__ import annotations

import textwrap
from pathlib import Path


def write(root: Path, name: str, text: str) -> None:
    """Writes a file below a directory, without the indentation of its text."""
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text), encoding="utf-8")
