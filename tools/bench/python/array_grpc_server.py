"""Arrays as streams of bytes over gRPC; each is answered by its first and last element as `<dd`."""

import struct
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import lifeline
import numpy as np
from array_edges import edges

REPLY = struct.Struct("<dd")


def receive(chunks: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
    """Fills one array from all chunks of a stream, whose metadata says how long it is."""
    size = int(dict(context.invocation_metadata())["x-bytes"])
    array = np.empty(size // 8)
    view = memoryview(array).cast("B")
    at = 0
    for chunk in chunks:
        view[at : at + len(chunk)] = chunk
        at += len(chunk)
    if at != size:
        raise ValueError(f"{at} of {size} bytes have come")
    return REPLY.pack(*edges(array))


def main() -> None:
    """Serves until stdin ends."""
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    # Bytes go as they are: a message around them would be one more copy.
    handlers = {"Send": grpc.stream_unary_rpc_method_handler(receive)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("hognose.bench.Arrays", handlers),))
    server.add_insecure_port(f"unix:{sys.argv[1]}")
    server.start()
    print("listening", flush=True)
    lifeline.watch()
    server.wait_for_termination()


main()
