from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from hognose_introspect.packages import normalise, packages_of


def install(site: Path, *, installer: str, prefix: str) -> None:
    info = site / "Some_Thing-1.2.dist-info"
    info.mkdir(parents=True)
    (site / "some_thing.py").write_text("")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Some_Thing\nVersion: 1.2\n")
    (info / "top_level.txt").write_text("some_thing\n")
    (info / "RECORD").write_text(
        "some_thing.py,sha256=abc,0\n"
        "__pycache__/some_thing.cpython-311.pyc,,\n"
        f"../../../bin/some-thing,sha256={prefix},200\n"
        f"Some_Thing-1.2.dist-info/INSTALLER,sha256={installer},4\n"
        "Some_Thing-1.2.dist-info/RECORD,,\n"
    )


def test_a_package_has_one_hash_whoever_installed_it_and_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for installer in ("pip", "uv"):
        site = tmp_path / installer
        install(site, installer=installer, prefix=installer)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(site))
            importlib.invalidate_caches()
            found.append(packages_of(["some_thing.part", "some_thing", "json"]))
    assert found[0] == found[1]
    assert [(each["name"], each["version"]) for each in found[0]] == [("some-thing", "1.2")]
    assert found[0][0]["record"] is not None


def test_a_package_without_a_record_has_no_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, installer="x", prefix="x")
    (tmp_path / "Some_Thing-1.2.dist-info" / "RECORD").unlink()
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    assert packages_of(["some_thing"]) == [{"name": "some-thing", "version": "1.2", "record": None}]


def test_the_standard_library_has_no_package() -> None:
    assert packages_of(["math", "json.decoder"]) == []


def test_names_have_one_spelling() -> None:
    assert normalise("Foo._-Bar") == "foo-bar"
