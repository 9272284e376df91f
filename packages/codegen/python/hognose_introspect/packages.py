"""The installed distributions that modules come from."""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import re
from collections.abc import Iterable

from .ir import PackageIr

# What installers add on their own: their notes, caches and scripts, which differ between installers and machines.
_NOTES = ("/INSTALLER", "/REQUESTED", "/RECORD", "/direct_url.json", "/uv_cache.json", "/uv_build.json")


def packages_of(modules: Iterable[str]) -> list[PackageIr]:
    """Name, version and content hash of the distributions of the modules, sorted; the standard library has none."""
    roots = {module.partition(".")[0] for module in modules}
    providers = importlib.metadata.packages_distributions()
    names = sorted({name for root in roots for name in providers.get(root, [])}, key=normalise)
    packages: dict[str, PackageIr] = {}
    for name in names:
        distribution = importlib.metadata.distribution(name)
        packages[normalise(name)] = {
            "name": normalise(name),
            "version": distribution.version,
            "record": _record_hash(distribution),
        }
    return [packages[name] for name in sorted(packages)]


def normalise(name: str) -> str:
    """The one spelling of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _record_hash(distribution: importlib.metadata.Distribution) -> str | None:
    """SHA-256 over the lines of RECORD that the wheel brought."""
    record = distribution.read_text("RECORD")
    if record is None:
        return None
    lines = sorted(
        f"{row[0]},{row[1]}" for row in csv.reader(record.splitlines()) if len(row) == 3 and _is_content(row[0])
    )
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _is_content(path: str) -> bool:
    return not (path.startswith("..") or path.endswith((".pyc", *_NOTES)))
