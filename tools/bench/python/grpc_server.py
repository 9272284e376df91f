"""Serves peers/add.proto as grpcio's documentation shows it: a thread pool, and for the stream a generator."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import lifeline
from arithmetic import add
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass


def build_messages() -> tuple[Any, Any]:
    """Builds the messages of add.proto, without protoc and the version that its output would be bound to."""
    file = FileDescriptorProto(name="add.proto", package="hognose.bench", syntax="proto3")
    for name, fields in {"AddRequest": ["a", "b"], "AddReply": ["sum"]}.items():
        message = file.message_type.add(name=name)
        for number, field in enumerate(fields, start=1):
            message.field.add(
                name=field,
                number=number,
                type=FieldDescriptorProto.TYPE_INT64,
                label=FieldDescriptorProto.LABEL_OPTIONAL,
            )
    pool = DescriptorPool()
    pool.Add(file)
    request, reply = (pool.FindMessageTypeByName(f"hognose.bench.{name}") for name in ("AddRequest", "AddReply"))
    return GetMessageClass(request), GetMessageClass(reply)


AddRequest, AddReply = build_messages()


def serve_add(request: Any, context: grpc.ServicerContext) -> Any:
    """Answers a unary call."""
    return AddReply(sum=add(request.a, request.b))


def serve_add_stream(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
    """Answers each message of a stream by one."""
    for request in requests:
        yield AddReply(sum=add(request.a, request.b))


def main() -> None:
    """Serves until stdin ends."""
    codec = {"request_deserializer": AddRequest.FromString, "response_serializer": AddReply.SerializeToString}
    handlers = {
        "Add": grpc.unary_unary_rpc_method_handler(serve_add, **codec),
        "AddStream": grpc.stream_stream_rpc_method_handler(serve_add_stream, **codec),
    }
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("hognose.bench.Calculator", handlers),))
    server.add_insecure_port(f"unix:{sys.argv[1]}")
    server.start()
    print("listening", flush=True)
    lifeline.watch()
    server.wait_for_termination()


main()
