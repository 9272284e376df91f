from __future__ import annotations

import importlib
import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

_numbers = itertools.count()


@pytest.fixture
def make_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModuleType]]:
    """Makes importable modules of source text; names end in a number, so that no test sees another's."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made: list[str] = []

    def make(source: str, *, submodules: dict[str, str] | None = None) -> ModuleType:
        name = f"made_{next(_numbers)}"
        made.append(name)
        if submodules is None:
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        else:
            (tmp_path / name).mkdir()
            for file, text in {"__init__": source, **submodules}.items():
                (tmp_path / name / f"{file}.py").write_text(textwrap.dedent(text), encoding="utf-8")
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield make
    for name in [each for each in sys.modules if each.partition(".")[0] in made]:
        del sys.modules[name]
