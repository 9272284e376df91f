"""Echoes JSON values, each after its length as `<I`, over a Unix socket."""

import socket
import struct
import sys

import orjson

LENGTH = struct.Struct("<I")


def receive(connection: socket.socket, view: memoryview) -> bool:
    """Fills a buffer; False: the connection has ended."""
    while len(view) > 0:
        received = connection.recv_into(view)
        if received == 0:
            return False
        view = view[received:]
    return True


def main() -> None:
    """Serves one connection."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen()
    print("listening", flush=True)
    connection, _ = listener.accept()
    header = bytearray(LENGTH.size)
    buffer = bytearray(65536)
    while receive(connection, memoryview(header)):
        (length,) = LENGTH.unpack(header)
        if length > len(buffer):
            buffer = bytearray(length)
        body = memoryview(buffer)[:length]
        if not receive(connection, body):
            return
        answer = orjson.dumps(orjson.loads(body))
        connection.sendall(LENGTH.pack(len(answer)) + answer)


main()
