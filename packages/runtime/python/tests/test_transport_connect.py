"""Dialling the host, and whose process that is."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hognose.transport.socket_lane import connect

NOBODY = 65_534

#: Becomes a user, listens, and says what was received from the first who dials.
HOST = """
import os, socket, sys
path, user = sys.argv[1], int(sys.argv[2])
if user != os.geteuid():
    os.setgroups([]); os.setgid(user); os.setuid(user)
server = socket.socket(socket.AF_UNIX)
server.settimeout(20)
server.bind(path)
os.chmod(path, 0o777)
server.listen()
print("listens", flush=True)
connection, _ = server.accept()
connection.settimeout(20)
print(connection.recv(100), flush=True)
"""

unix = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix-domain sockets in this Python")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the user who listens")
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user"
)


@contextlib.contextmanager
def host(path: Path, user: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOST, str(path), str(user)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "listens\n"
            yield process
        finally:
            process.kill()


def received(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=20)
    return output.strip()


@unix
def test_a_host_of_this_user_is_dialled(tmp_path: Path) -> None:
    with host(tmp_path / "s", os.geteuid()) as process:
        with connect(str(tmp_path / "s")) as connection:
            connection.sendall(b"hello")
        assert received(process) == "b'hello'"


@on_linux
@as_root
def test_a_host_of_another_user_is_sent_nothing() -> None:
    # Not in pytest's own directories, which are closed to others.
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o777)
        path = Path(directory) / "s"
        with host(path, NOBODY) as process:
            with pytest.raises(PermissionError) as raised:
                connect(str(path))
            assert received(process) == "b''"
    message = (
        f"served by a process of user {NOBODY}, and this worker is of user 0: host and workers must run as the same"
    )
    assert message in str(raised.value)


@unix
def test_a_host_that_is_gone_leaves_no_descriptor(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
    lowest = os.dup(0)
    os.close(lowest)
    with pytest.raises(ConnectionRefusedError) as raised:
        connect(path)
    following = os.dup(0)
    os.close(following)
    assert following == lowest
    del raised  # until here its traceback has held what the frames hold


def test_a_loopback_address_is_dialled_without_delaying_small_frames() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host_name, port = server.getsockname()
        with connect(f"{host_name}:{port}") as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
            assert connection.gettimeout() is None
