"""The gRPC lane: `hognose.v1.Worker.Attach` and `grpc.health.v1.Health` on a server of the worker's own.

Descriptors are loaded into a private pool at run time. No gencode means no version check: any protobuf from 4.22 on
serves, and nothing clashes with what the user's libraries have registered.
"""

from __future__ import annotations

import hmac
import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from hognose.codec import Codec
from hognose.gen.descriptor import FILE_DESCRIPTOR
from hognose.gen.messages import LAYOUT

__all__ = ["SECRET_METADATA", "GrpcLane", "serve"]

#: Metadata key in which the host proves itself.
SECRET_METADATA: Final = "hognose-secret"

_UNLIMITED: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
)
_SERVING: Final = 1
_SERVICES: Final = ("", "hognose.v1.Worker")


def serve(address: str, secret: str, codec: Codec) -> GrpcLane:
    """Starts the server.

    Args:
        address: Where to listen, in gRPC's notation, such as `unix:/run/x.sock`.
        secret: What the host must send as metadata.
        codec: Reads and writes the values in the frames.

    Raises:
        RuntimeError: When the address cannot be bound.
    """
    lane = GrpcLane(secret, codec)
    # One thread for the stream and some for health checks: a stream holds its thread for as long as it lives.
    server = grpc.server(ThreadPoolExecutor(8, thread_name_prefix="hognose-grpc"), options=_UNLIMITED)
    server.add_generic_rpc_handlers((_worker_service(lane), _health_service()))
    if server.add_insecure_port(address) == 0:
        raise RuntimeError(f"the gRPC server cannot listen on {address}")
    server.start()
    lane.server = server
    return lane


class GrpcLane:
    """Carries frames between the stream's own threads and the thread that runs calls."""

    server: grpc.Server

    def __init__(self, secret: str, codec: Codec) -> None:
        self._secret = secret
        self._codec = codec
        self._received: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._sent: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._attached = False

    def attach(self, frames: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        """Serves the one host that this worker has; any other is refused."""
        metadata = dict(context.invocation_metadata())
        if not hmac.compare_digest(str(metadata.get(SECRET_METADATA, "")).encode(), self._secret.encode()):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, f"the metadata {SECRET_METADATA} does not hold the secret")
        if self._attached:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "this worker already serves a host")
        self._attached = True
        context.add_callback(lambda: self._sent.put(None))
        reader = ThreadPoolExecutor(1, thread_name_prefix="hognose-grpc-read")
        reader.submit(self._read, frames)
        while (frame := self._sent.get()) is not None:
            yield frame
        reader.shutdown(wait=False)

    def _read(self, frames: Iterator[Any]) -> None:
        try:
            for frame in frames:
                self._received.put(frame)
        except grpc.RpcError:
            pass  # the host is gone; the end below says so
        finally:
            self._received.put(None)

    def receive(self) -> list[list[Any]] | None:
        """See `Lane.receive`."""
        frame = self._received.get()
        if frame is None:
            return None
        return [self._read_union(message) for message in frame.messages]

    def send(self, messages: list[list[Any]]) -> None:
        """See `Lane.send`.

        Raises:
            EncodeError: When a result cannot travel; nothing was sent then.
        """
        frame = _message("WorkerFrame")()
        for kind, *fields in messages:
            name, _, _, message = LAYOUT["WorkerMessage"][kind - 1]
            target = getattr(frame.messages.add(), name)
            target.SetInParent()
            self._write(message, fields, target)
        self._sent.put(frame)

    def close(self) -> None:
        """See `Lane.close`."""
        self._sent.put(None)
        self.server.stop(grace=1).wait()

    def _read_union(self, message: Any) -> list[Any]:
        for number, (name, _, _, kind) in enumerate(LAYOUT["HostMessage"], 1):
            if message.HasField(name):
                return [number, *self._read_fields(kind, getattr(message, name))]
        return [0]  # of a newer host; the worker refuses it by its number

    def _read_fields(self, kind: str, message: Any) -> list[Any]:
        return [self._read_field(message, *field) for field in LAYOUT[kind]]

    def _read_field(self, message: Any, name: str, holds: str, repeated: bool, inner: str) -> Any:
        value = getattr(message, name)
        if repeated:
            return [self._read_fields(inner, item) for item in value] if holds == "message" else list(value)
        if holds == "value":
            return self._codec.decode(value.msgpack) if message.HasField(name) else None
        if holds == "message":
            return self._read_fields(inner, value) if message.HasField(name) else None
        return value

    def _write(self, kind: str, fields: list[Any], message: Any) -> None:
        for (name, holds, repeated, inner), value in zip(LAYOUT[kind], fields, strict=True):
            if holds == "value":
                getattr(message, name).msgpack = self._codec.encode(value)
            elif holds == "message" and repeated:
                for item in value:
                    self._write(inner, item, getattr(message, name).add())
            elif holds == "message":
                if value is not None:
                    getattr(message, name).SetInParent()
                    self._write(inner, value, getattr(message, name))
            elif repeated:
                getattr(message, name).extend(_valid(item) for item in value)
            else:
                setattr(message, name, _valid(value))


def _valid(value: Any) -> Any:
    """Protobuf strings are valid Unicode: a lone surrogate of Python becomes its escape."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


_pool: descriptor_pool.DescriptorPool | None = None


def _message(name: str, package: str = "hognose.v1") -> Any:
    """The class of a message of the contract or of the health service."""
    global _pool  # noqa: PLW0603 - one private pool per process
    if _pool is None:
        _pool = descriptor_pool.DescriptorPool()
        _pool.AddSerializedFile(FILE_DESCRIPTOR)
        _pool.AddSerializedFile(_health_descriptor())
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{package}.{name}"))


def _worker_service(lane: GrpcLane) -> grpc.GenericRpcHandler:
    handler = grpc.stream_stream_rpc_method_handler(
        lane.attach,
        request_deserializer=_message("HostFrame").FromString,
        response_serializer=lambda frame: frame.SerializeToString(),
    )
    return grpc.method_handlers_generic_handler("hognose.v1.Worker", {"Attach": handler})


def _health_descriptor() -> bytes:
    """The standard health service's two messages (grpc/health/v1/health.proto)."""
    file = descriptor_pb2.FileDescriptorProto(
        name="grpc/health/v1/health.proto", package="grpc.health.v1", syntax="proto3"
    )
    field = descriptor_pb2.FieldDescriptorProto
    request = file.message_type.add(name="HealthCheckRequest")
    request.field.add(name="service", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    response = file.message_type.add(name="HealthCheckResponse")
    response.field.add(name="status", number=1, type=field.TYPE_INT32, label=field.LABEL_OPTIONAL)
    data: bytes = file.SerializeToString()
    return data


def _health_service() -> grpc.GenericRpcHandler:
    request = _message("HealthCheckRequest", "grpc.health.v1")
    response = _message("HealthCheckResponse", "grpc.health.v1")

    def check(asked: Any, context: grpc.ServicerContext) -> Any:
        if asked.service not in _SERVICES:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no service {asked.service!r} here")
        return response(status=_SERVING)

    handler = grpc.unary_unary_rpc_method_handler(
        check, request_deserializer=request.FromString, response_serializer=lambda answer: answer.SerializeToString()
    )
    return grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler})
