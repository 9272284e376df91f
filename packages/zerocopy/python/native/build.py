"""Compiles numpy_hooks.c for every machine into hognose_shm/gen/numpy_hooks.py.

Needs `pip install ziglang==0.17.1`, a C compiler for all of them::

    python build.py          writes the module
    python build.py --check  fails if it is not what the source gives
"""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE / "numpy_hooks.c"
MODULE = HERE.parent / "hognose_shm" / "gen" / "numpy_hooks.py"

#: The compiler's name of each machine that `platform.machine()` names, and its flags.
MACHINES = {
    "x86_64": ("x86_64-linux-musl", ["-mcpu=x86_64", "-fcf-protection=branch"]),
    "aarch64": ("aarch64-linux-musl", ["-mcpu=generic", "-mbranch-protection=bti"]),
}

FLAGS = [
    *("-c", "-Os", "-std=c11", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fPIC", "-fno-builtin", "-g0"),
    *("-fno-stack-protector", "-fno-sanitize=all", "-fno-asynchronous-unwind-tables", "-fno-function-sections"),
]

NAMES = ("malloc", "calloc", "realloc", "free")


def main() -> None:
    """Writes or checks the module."""
    text = module_text({machine: compiled(*target) for machine, target in MACHINES.items()})
    if "--check" not in sys.argv:
        MODULE.write_text(text)
    elif MODULE.read_text() != text:
        sys.exit(f"{MODULE} is not what {SOURCE.name} gives: run build.py")


def compiled(target: str, flags: list[str]) -> tuple[bytes, dict[str, int]]:
    """The machine code, and where each function begins in it."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "numpy_hooks.o"
        compiler = [sys.executable, "-m", "ziglang", "cc", "-target", target]
        subprocess.run([*compiler, *flags, *FLAGS, str(SOURCE), "-o", str(output)], check=True)
        return text_section(output.read_bytes())


def text_section(elf: bytes) -> tuple[bytes, dict[str, int]]:
    """The section .text of a 64-bit object file, which must need nothing else."""
    (headers_at,) = struct.unpack_from("<Q", elf, 0x28)
    _, count, names_index = struct.unpack_from("<HHH", elf, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", elf, headers_at + 64 * index) for index in range(count)]
    contents = [elf[header[4] : header[4] + header[5]] for header in headers]
    sections = {string(contents[names_index], header[0]): index for index, header in enumerate(headers)}
    foreign = {".rela.text", ".rodata", ".data", ".bss"} & {
        name for name, index in sections.items() if headers[index][5]
    }
    if foreign:
        sys.exit(f"the code is not complete in itself, it needs {sorted(foreign)}")
    symbols, names = contents[sections[".symtab"]], contents[sections[".strtab"]]
    starts = {}
    for name, _, _, section, value, _ in struct.iter_unpack("<IBBHQQ", symbols):
        if section == sections[".text"]:
            starts[string(names, name)] = value
    return contents[sections[".text"]], {name: starts[f"hooks_{name}"] for name in NAMES}


def string(table: bytes, start: int) -> str:
    """The string that begins there."""
    return table[start : table.index(b"\0", start)].decode()


def module_text(code: dict[str, tuple[bytes, dict[str, int]]]) -> str:
    """The module's source."""
    lines = [
        '"""Machine code of native/numpy_hooks.c for Linux. Do not edit: run `python native/build.py`."""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import Final",
        "",
        "#: By what `platform.machine()` says: the code, and where each function begins in it.",
        "CODE: Final[dict[str, tuple[bytes, dict[str, int]]]] = {",
    ]
    for machine, (text, starts) in code.items():
        rows = textwrap.wrap(text.hex(), 96)
        lines += [f'    "{machine}": (', "        bytes.fromhex(", *(f'            "{row}"' for row in rows)]
        shown = ", ".join(f'"{name}": {start}' for name, start in starts.items())
        lines += ["        ),", f"        {{{shown}}},", "    ),"]
    return "\n".join([*lines, "}", ""])


if __name__ == "__main__":
    main()
