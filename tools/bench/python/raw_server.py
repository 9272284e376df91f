"""Fixed structs over a Unix socket: `<Iii` (id, a, b) is answered by `<Ii` (id, sum)."""

import socket
import struct
import sys

from arithmetic import add

REQUEST = struct.Struct("<Iii")
REPLY = struct.Struct("<Ii")


def main() -> None:
    """Serves one connection."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen()
    print("listening", flush=True)
    connection, _ = listener.accept()
    # One kept buffer: recv(262144) would map and unmap memory for every call, which costs as much as the call.
    buffer = bytearray(65536)
    view = memoryview(buffer)
    filled = 0
    while received := connection.recv_into(view[filled:]):
        filled += received
        complete = filled - filled % REQUEST.size
        replies = [REPLY.pack(id_, add(a, b)) for id_, a, b in REQUEST.iter_unpack(view[:complete])]
        connection.sendall(b"".join(replies))
        buffer[: filled - complete] = buffer[complete:filled]
        filled -= complete


main()
