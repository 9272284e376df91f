"""`python -m hognose serve`: keeps one worker at an address of the network, and a fresh one for every host."""

from __future__ import annotations

import argparse
import importlib.util
import ipaddress
import logging
import os
import re
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["Settings", "main"]

#: EX_CONFIG: the interpreter lacks what a worker needs.
_ENVIRONMENT_STATUS: Final = 78
_MIN_TOKEN_LENGTH: Final = 16
_LOG_LEVELS: Final = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the worker is run; checked.

    Attributes:
        host: Where to listen: a name or an address, IPv6 in brackets.
        port: 0: any free one, which stays the same from then on.
        token: What a host must send; None: nothing.
        tls_cert: File of the certificate; None: plain text.
        tls_key: File of its key.
        tls_client_ca: File of the authorities of hosts' certificates; None: hosts need none.
        host_timeout_s: How long a host may be silent.
        bootstrap: What the worker is told beside that: see `hognose.worker.Bootstrap`.
    """

    host: str
    port: int
    token: str | None
    tls_cert: str | None
    tls_key: str | None
    tls_client_ca: str | None
    host_timeout_s: float
    bootstrap: dict[str, Any]


class _WrongOptionError(Exception):
    """What a person has to correct."""


def main(arguments: list[str]) -> int:
    """Runs the command line behind `serve` until SIGTERM or SIGINT; returns the exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        settings = _check(given)
    except _WrongOptionError as error:
        parser.exit(2, f"hognose: {error}\n")
    for package, name in (("msgpack", "msgpack"), ("grpc", "grpcio"), ("google.protobuf", "protobuf")):
        if not _is_installed(package):
            print(f"hognose: serving needs the package {name}: pip install {name}", file=sys.stderr)
            return _ENVIRONMENT_STATUS
    if sys.platform == "win32":
        print("hognose: serve runs on Linux and macOS, where a worker can be tied to it", file=sys.stderr)
        return _ENVIRONMENT_STATUS

    from hognose.supervisor import Supervisor

    return Supervisor(settings).run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hognose serve",
        description="Keeps one worker listening for a host: a Node.js process whose pool has "
        "`placement.static([address])`. It serves one host at a time, and every host gets a fresh process.",
        epilog="A host may run any Python code here unless --allow-modules limits it, which is no sandbox.",
    )
    add = parser.add_argument
    add("--listen", required=True, metavar="HOST:PORT", help="where to listen; port 0: any free one, see stdout")
    add("--token-file", metavar="FILE", help="file of what hosts must send; only its owner may read it")
    add("--tls-cert", metavar="FILE", help="certificate with what leads to its authority, PEM")
    add("--tls-key", metavar="FILE", help="key of the certificate, PEM; only its owner may read it")
    add("--tls-client-ca", metavar="FILE", help="authorities whose certificate a host must have, PEM")
    add("--preload", action="append", default=[], metavar="MODULE", help="import it before the first call; repeatable")
    add("--python-path", action="append", default=[], metavar="DIR", help="import from here, too; repeatable")
    add("--threads", type=int, default=1, metavar="N", help="how many threads run calls (default 1)")
    add("--allow-modules", metavar="M,...", help="modules that calls may reach; default: all")
    add("--allow-inline", action="store_true", help="with --allow-modules: run inline code all the same")
    add("--log-level", metavar="LEVEL", help="of the root logger: debug, info, warning, error, critical or a number")
    add(
        "--host-timeout",
        type=float,
        default=60,
        metavar="SECONDS",
        help="how long a host's network may be silent before the host is taken for gone (default 60)",
    )
    return parser


def _check(given: argparse.Namespace) -> Settings:
    host, port = _address(given.listen)
    has_tls = given.tls_cert is not None
    if has_tls != (given.tls_key is not None):
        raise _WrongOptionError("--tls-cert and --tls-key go together")
    if given.tls_client_ca is not None and not has_tls:
        raise _WrongOptionError("--tls-client-ca needs --tls-cert and --tls-key")
    is_guarded = given.token_file is not None or given.tls_client_ca is not None
    if not _is_loopback(host):
        if not has_tls:
            raise _WrongOptionError(
                f"{given.listen} can be reached from elsewhere, and calls would cross the network in plain text: "
                "give --tls-cert and --tls-key, or listen on 127.0.0.1"
            )
        if not is_guarded:
            raise _WrongOptionError(
                f"{given.listen} can be reached from elsewhere, and whoever reaches it could run code here: "
                "give --token-file or --tls-client-ca"
            )
    elif not is_guarded:
        _warn("every user and program of this machine can run code here as this user: --token-file limits that")
    for name in ("tls_cert", "tls_client_ca"):
        _read(name, getattr(given, name))
    if has_tls:
        _read("tls_key", given.tls_key, is_secret=True)
    if given.threads < 1:
        raise _WrongOptionError(f"--threads {given.threads}: at least 1")
    if not given.host_timeout > 0:
        raise _WrongOptionError(f"--host-timeout {given.host_timeout}: more than 0 seconds")
    if given.allow_inline and given.allow_modules is None:
        raise _WrongOptionError("--allow-inline goes with --allow-modules; without it everything is allowed")
    for module in given.preload:
        if not all(part.isidentifier() for part in module.split(".")):
            raise _WrongOptionError(f"--preload {module}: no name of a module")
    bootstrap = {
        "preload": given.preload,
        "python_path": [os.path.abspath(directory) for directory in given.python_path],
        "threads": given.threads,
        "log_level": _log_level(given.log_level),
    }
    if given.allow_modules is not None:
        modules = [name for name in (part.strip() for part in given.allow_modules.split(",")) if name]
        bootstrap["allow"] = {"modules": modules, "inline": given.allow_inline}
    return Settings(
        host=host,
        port=port,
        token=None if given.token_file is None else _token(given.token_file),
        tls_cert=given.tls_cert,
        tls_key=given.tls_key,
        tls_client_ca=given.tls_client_ca,
        host_timeout_s=given.host_timeout,
        bootstrap=bootstrap,
    )


def _address(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})", text)
    if match is None or int(match[2]) > 65535:
        raise _WrongOptionError(f"--listen {text}: write HOST:PORT, such as 127.0.0.1:50051, 0.0.0.0:50051 or [::1]:0")
    return match[1], int(match[2])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _token(file: str) -> str:
    content = _read("token_file", file, is_secret=True).strip()
    token = content.decode("ascii", "replace")
    if re.fullmatch(r"[\x21-\x7e]+", token) is None:
        raise _WrongOptionError(f"--token-file {file} must hold one word of visible ASCII characters")
    if len(token) < _MIN_TOKEN_LENGTH:
        raise _WrongOptionError(
            f"--token-file {file} holds {len(token)} characters, and a token needs {_MIN_TOKEN_LENGTH}: "
            "for example `openssl rand -hex 32`"
        )
    return token


def _read(option: str, file: str | None, *, is_secret: bool = False) -> bytes:
    """Reads a file, so that a mistake is told before anything is started."""
    if file is None:
        return b""
    name = f"--{option.replace('_', '-')} {file}"
    try:
        with Path(file).open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            content = opened.read()
    except OSError as error:
        raise _WrongOptionError(f"{name} cannot be read: {error.strerror}") from error
    if is_secret and os.name == "posix":
        if mode & stat.S_IRWXO:
            raise _WrongOptionError(f"{name} is open to every user of this machine: chmod 600 {file}")
        if mode & stat.S_IRWXG:
            _warn(f"{name} is open to its group")
    if not content.strip():
        raise _WrongOptionError(f"{name} is empty")
    return content


def _log_level(text: str | None) -> int | None:
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return int(text)
    if text.lower() not in _LOG_LEVELS:
        raise _WrongOptionError(f"--log-level {text}: one of {', '.join(_LOG_LEVELS)}, or a number")
    level: int = getattr(logging, text.upper())
    return level


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of its parent
        return False


def _warn(text: str) -> None:
    print(f"hognose: {text}", file=sys.stderr)
