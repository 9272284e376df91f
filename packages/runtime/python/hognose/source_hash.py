"""Tells one build of this package from another."""

from __future__ import annotations

import hashlib
import os

__all__ = ["source_hash"]


def source_hash(directory: str | None = None) -> str:
    """The sha256 of all Python files of a package, with their names.

    Args:
        directory: The package; None: this one.
    """
    root = directory or os.path.dirname(os.path.abspath(__file__))
    paths = []
    for parent, directories, names in os.walk(root):
        directories[:] = [name for name in directories if name != "__pycache__"]
        paths += [os.path.relpath(os.path.join(parent, name), root) for name in names if name.endswith(".py")]
    digest = hashlib.sha256()
    for path in sorted(path.replace(os.sep, "/") for path in paths):
        with open(os.path.join(root, path), "rb") as file:
            text = file.read().replace(b"\r\n", b"\n")
        digest.update(f"{path}\0{len(text)}\0".encode())
        digest.update(text)
    return digest.hexdigest()
