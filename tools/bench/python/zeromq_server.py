"""The structs of the raw server over a ZeroMQ pair."""

import struct
import sys

import lifeline
import zmq
from arithmetic import add

REQUEST = struct.Struct("<Iii")
REPLY = struct.Struct("<Ii")

lifeline.watch()
pair = zmq.Context().socket(zmq.PAIR)
pair.bind(f"ipc://{sys.argv[1]}")
print("listening", flush=True)
while True:
    id_, a, b = REQUEST.unpack(pair.recv())
    pair.send(REPLY.pack(id_, add(a, b)))
