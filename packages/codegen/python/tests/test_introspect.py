from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hognose_introspect import IR_VERSION
from hognose_introspect.introspect import describe_module

SOURCES = Path(__file__).parent.parent
FIXTURES = SOURCES.parent / "test" / "fixtures" / "python"


def introspect(folder: Path, *modules: str, python_path: Path = FIXTURES, ir_version: int = IR_VERSION) -> Any:
    output = folder / "answer.json"
    request = {
        "irVersion": ir_version,
        "modules": modules,
        "output": str(output),
        "progress": str(folder / "progress"),
    }
    path = os.pathsep.join([str(python_path), str(SOURCES)])
    subprocess.run(
        [sys.executable, "-m", "hognose_introspect"],
        input=json.dumps(request).encode(),
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"},
        cwd=folder,
        check=True,
        timeout=60,
    )
    return json.loads(output.read_text("ascii"))


def test_modules_come_sorted_and_once(tmp_path: Path) -> None:
    answer = introspect(tmp_path, "specimen.shapes", "json", "specimen.shapes")
    assert [module["name"] for module in answer["ir"]["modules"]] == ["json", "specimen.shapes"]
    assert answer["ir"]["irVersion"] == IR_VERSION
    assert answer["ir"]["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert (tmp_path / "progress").read_text("utf-8") == "specimen.shapes"


def test_every_failed_import_is_reported_with_pythons_last_line(tmp_path: Path) -> None:
    answer = introspect(tmp_path, "json", "specimen.needy", "specimen.raising")
    assert answer == {
        "error": {
            "kind": "import",
            "failures": [
                {
                    "module": "specimen.needy",
                    "error": "ModuleNotFoundError: No module named 'a_package_that_nobody_has'",
                    "missing": "a_package_that_nobody_has",
                },
                {
                    "module": "specimen.raising",
                    "error": "ValueError: the licence file is missing",
                    "missing": None,
                },
            ],
        }
    }


def test_a_request_of_another_version_is_refused(tmp_path: Path) -> None:
    answer = introspect(tmp_path, "json", ir_version=2)
    assert answer["error"] == {"kind": "ir-version", "known": IR_VERSION}


def test_a_thread_that_a_library_leaves_running_does_not_hold_it_up(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "lingering.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait).start()\n"
    )
    answer = introspect(tmp_path, "lingering", python_path=tmp_path / "library")
    assert "ir" in answer


def test_a_module_in_the_working_directory_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "stray.py").write_text("")
    answer = introspect(tmp_path, "stray")
    assert answer["error"]["failures"][0]["missing"] == "stray"


@pytest.mark.parametrize("name", ["breaks", "exits", "absent", "not a name", "inner", "Numbers"])
def test_members_that_cannot_be_described_are_recorded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FIXTURES))
    from specimen import lazy

    described = describe_module("specimen.lazy", lazy)
    assert [member["name"] for member in described["members"]] == ["constant", "late"]
    assert name in [each["name"] for each in described["skipped"]]


def test_a_library_that_exits_when_it_is_imported_does_not_end_the_run(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "leaving.py").write_text("raise SystemExit('bye')\n")
    answer = introspect(tmp_path, "leaving", python_path=tmp_path / "library")
    assert answer["error"]["failures"][0]["error"] == "SystemExit: bye"


def test_type_forms_are_no_members(make_module: Callable[..., ModuleType]) -> None:
    module = make_module(
        """
        import typing
        __all__ = ["A", "B", "C", "D", "E", "F"]
        A = list[int]
        B = typing.Optional[int]
        C = typing.TypeVar("C")
        D = int | str
        class E(typing.Protocol):
            def m(self): ...
        class F(typing.NamedTuple):
            x: int
        """
    )
    described = describe_module("m", module)
    assert [(member["kind"], member["name"]) for member in described["members"]] == [("class", "E"), ("class", "F")]
    assert [each["name"] for each in described["skipped"]] == ["A", "B", "C", "D"]
