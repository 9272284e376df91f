"""Arrays in frames of a ZeroMQ pair; each is answered by its first and last element as `<dd`."""

import struct
import sys

import lifeline
import zmq
from array_edges import edges_of_bytes

REPLY = struct.Struct("<dd")

lifeline.watch()
pair = zmq.Context().socket(zmq.PAIR)
pair.bind(f"ipc://{sys.argv[1]}")
print("listening", flush=True)
while True:
    # The frame's own memory, not a copy of it.
    frame = pair.recv(copy=False)
    pair.send(REPLY.pack(*edges_of_bytes(frame.buffer)))
    del frame
