"""A worker under `python -m hognose serve`: it listens, and belongs to the first host that attaches."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc

from hognose import lifeline
from hognose.codec import Codec
from hognose.transport.grpc_lane import GrpcLane, Visitors, serve

__all__ = ["Served", "open_lane"]

#: Of the time for which a host may be silent, the part after which it is asked whether it is there.
_ASK_AFTER: Final = 1 / 3


@dataclass(frozen=True, kw_only=True)
class Served:
    """What the supervisor tells the worker, beside the bootstrap.

    Attributes:
        lifeline: Descriptor of a socket whose other end the supervisor holds.
        reports: Descriptor of a pipe on which the worker tells the supervisor in lines: `listening PORT`, and
            `attached PEER`, as gRPC writes it.
        token: What a host must send as metadata; None: none.
        tls_cert: File of the certificate and what leads to its authority; None: plain text.
        tls_key: File of its key.
        tls_client_ca: File of the authorities whose hosts may attach; None: a host needs no certificate.
        host_timeout_s: How long a host's network may be silent before it is taken for gone.
    """

    lifeline: int
    reports: int
    token: str | None
    tls_cert: str | None
    tls_key: str | None
    tls_client_ca: str | None
    host_timeout_s: float


def open_lane(served: Served, address: str, codec: Codec, greet: Callable[[int], list[Any]]) -> GrpcLane:
    """Listens at the address, tells the supervisor, and ties this process to it.

    Args:
        served: What the supervisor has told.
        address: Where to listen: `host:port`.
        codec: Reads and writes the values in the frames.
        greet: Makes the Hello for a host, with the number that it gives this worker.

    Raises:
        RuntimeError: When the address cannot be bound.
        OSError: When a file cannot be read.
    """
    os.set_inheritable(served.lifeline, False)
    os.set_inheritable(served.reports, False)
    lifeline.hold(socket.socket(fileno=served.lifeline))

    def report(line: str) -> None:
        os.write(served.reports, f"{line}\n".encode())

    lane = serve(
        address,
        served.token,
        codec,
        credentials=_credentials(served),
        options=_keepalive(served.host_timeout_s),
        visitors=Visitors(
            greet=greet,
            attached=lambda peer: report(f"attached {peer}"),
            lost=lifeline.end_group,
        ),
    )
    report(f"listening {lane.port}")
    return lane


def _credentials(served: Served) -> grpc.ServerCredentials | None:
    if served.tls_cert is None or served.tls_key is None:
        return None
    authorities = None if served.tls_client_ca is None else Path(served.tls_client_ca).read_bytes()
    return grpc.ssl_server_credentials(
        [(Path(served.tls_key).read_bytes(), Path(served.tls_cert).read_bytes())],
        root_certificates=authorities,
        require_client_auth=authorities is not None,
    )


def _keepalive(timeout_s: float) -> list[tuple[str, int]]:
    """Both sides ask: gRPC does and answers on threads of its own, without the GIL that a call may hold for long.

    A host may ask as often as it likes.
    """
    ask_after_ms = max(1, int(timeout_s * _ASK_AFTER * 1000))
    wait_ms = max(1, int(timeout_s * 1000) - ask_after_ms)
    return [
        ("grpc.keepalive_time_ms", ask_after_ms),
        ("grpc.keepalive_timeout_ms", wait_ms),
        ("grpc.http2.ping_timeout_ms", wait_ms),  # else a minute, whatever the keepalive says
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 1),
        ("grpc.http2.max_ping_strikes", 0),
    ]
