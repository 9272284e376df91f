from __future__ import annotations

import os
import sys

import pytest

from hognose_introspect.text import has_absolute_path, method_doc, own_doc, scrub


def test_addresses_are_removed() -> None:
    assert scrub("<function f at 0x7f00deadBEEF> and <g at 0x1>") == "<function f> and <g>"


def test_paths_into_this_machines_directories_are_replaced() -> None:
    library = os.path.dirname(os.__file__)
    assert scrub(f"read from '{library}/os.py', then") == "read from '…', then"
    assert scrub(f"in {sys.prefix}") == "in …"


@pytest.mark.parametrize("text", ["/usr/share/dict/words", "~/data", "a/b", "https://example.org/home/x", "/"])
def test_other_paths_stay(text: str) -> None:
    assert scrub(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [("'/etc/x'", True), ("a=/x", True), ("C:\\x", True), ("a/b", False), ("1 / 2", False), ("", False)],
)
def test_absolute_paths_are_recognised(text: str, expected: bool) -> None:
    assert has_absolute_path(text) is expected


def test_only_an_objects_own_docstring_counts() -> None:
    class Documented:
        """Docs."""

    class Child(Documented): ...

    class Hostile:
        @property
        def __doc__(self) -> str:  # type: ignore[override]
            raise RuntimeError("no")

    assert own_doc(Documented) == "Docs."
    assert own_doc(Child) is None
    assert own_doc(Documented()) is None
    assert own_doc(3) is None
    assert own_doc(len) == len.__doc__
    assert method_doc(Hostile()) is None
