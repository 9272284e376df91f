from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_host import FakeHost


@pytest.fixture
def host() -> Iterator[FakeHost]:
    with FakeHost() as started:
        yield started


@pytest.fixture
def pool() -> Iterator[FakeHost]:
    """A worker with four threads."""
    with FakeHost(threads=4) as started:
        yield started


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to import from, for modules that the test makes up."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path
