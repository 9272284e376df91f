"""The standard health service, `grpc.health.v1.Health`: a worker serves from its start to its end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Final

import grpc

from hognose.transport.grpc_messages import message_class

__all__ = ["Health"]

_SERVING: Final = 1
_NOT_SERVING: Final = 2
_SERVICE_UNKNOWN: Final = 3
_SERVICES: Final = ("", "hognose.v1.Worker")
#: Each holds a thread of the server.
_MAX_WATCHERS: Final = 8


class Health:
    """Answers `Check`, and `Watch` until the worker ends."""

    def __init__(self) -> None:
        self._has_ended = False
        #: One event per watcher, which ends its wait.
        self._watchers: list[threading.Event] = []
        self._lock = threading.Lock()

    def end(self) -> None:
        """Tells every watcher that the worker no longer serves."""
        with self._lock:
            self._has_ended = True
            for over in self._watchers:
                over.set()

    def service(self) -> grpc.GenericRpcHandler:
        """The service for a server."""

        def serialize(answer: Any) -> bytes:
            data: bytes = answer.SerializeToString()
            return data

        return grpc.method_handlers_generic_handler(
            "grpc.health.v1.Health",
            {
                "Check": grpc.unary_unary_rpc_method_handler(
                    self._check, request_deserializer=_Request.FromString, response_serializer=serialize
                ),
                "Watch": grpc.unary_stream_rpc_method_handler(
                    self._watch, request_deserializer=_Request.FromString, response_serializer=serialize
                ),
            },
        )

    def _check(self, asked: Any, context: grpc.ServicerContext) -> Any:
        if asked.service not in _SERVICES:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no service {asked.service!r} here")
        return _answer(_SERVING)

    def _watch(self, asked: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        over = threading.Event()
        with self._lock:
            is_refused = self._has_ended or len(self._watchers) == _MAX_WATCHERS
            if not is_refused:
                self._watchers.append(over)
        if is_refused:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"a worker has at most {_MAX_WATCHERS} watchers")
        try:
            if context.add_callback(over.set):
                yield _answer(_SERVING if asked.service in _SERVICES else _SERVICE_UNKNOWN)
                over.wait()
                if self._has_ended:
                    yield _answer(_NOT_SERVING)
        finally:
            with self._lock:
                self._watchers.remove(over)


# Made once: protobuf does not make a class in several threads at a time.
_Request: Final = message_class("HealthCheckRequest", "grpc.health.v1")
_Response: Final = message_class("HealthCheckResponse", "grpc.health.v1")


def _answer(status: int) -> Any:
    return _Response(status=status)
