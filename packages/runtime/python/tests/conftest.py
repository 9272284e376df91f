from __future__ import annotations

from collections.abc import Iterator

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
