"""Shared memory between Node.js processes and Python, without copies.

Opens what ``@hognose/zerocopy`` makes in Node.js::

    from hognose_shm import Segment

    with Segment.from_fd(3) as segment:
        samples = segment.ndarray(descriptor)  # a NumPy array over the same memory

And makes, lends and borrows memory of its own::

    from hognose_shm import Arena, Peer

    arena = Arena(max_bytes=1 << 30)
    peer = Peer(channel, arena)  # a Unix-domain socket that carries segments and nothing else
    block = arena.take(80_000)
    fields = peer.lend(block.address, block.byte_length, block)  # send them in a message of your own
"""

from hognose_shm.arena import Arena, ArenaStats, Block
from hognose_shm.dtypes import DTYPES, DType
from hognose_shm.errors import DescriptorError, NoSpaceError, SegmentError, ShmError
from hognose_shm.layout import ArrayLayout, array_fields, check_array_fields, check_descriptor, open_array
from hognose_shm.lent_fields import LentFields, check_lent_fields
from hognose_shm.mapping import Window
from hognose_shm.peer import Peer, PeerStats
from hognose_shm.receive import receive_segment
from hognose_shm.segment import Segment

__all__ = [
    "DTYPES",
    "Arena",
    "ArenaStats",
    "ArrayLayout",
    "Block",
    "DType",
    "DescriptorError",
    "LentFields",
    "NoSpaceError",
    "Peer",
    "PeerStats",
    "Segment",
    "SegmentError",
    "ShmError",
    "Window",
    "array_fields",
    "check_array_fields",
    "check_descriptor",
    "check_lent_fields",
    "open_array",
    "receive_segment",
]
