"""Protobuf classes of the contract and of the health service.

Descriptors are loaded into a private pool at run time. No gencode means no version check: any protobuf from 4.22 on
serves, and nothing clashes with what the user's libraries have registered.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from hognose.gen.descriptor import FILE_DESCRIPTOR

__all__ = ["message_class"]


def message_class(name: str, package: str = "hognose.v1") -> Any:
    """The class of a message; for modules to ask at import, as protobuf makes no class in several threads at once."""
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{package}.{name}"))


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


_pool = descriptor_pool.DescriptorPool()
_pool.AddSerializedFile(FILE_DESCRIPTOR)
_pool.AddSerializedFile(_health_descriptor())
