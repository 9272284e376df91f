"""Shared memory between Node.js processes and Python, without copies.

Opens what ``@hognose/zerocopy`` makes in Node.js::

    from hognose_shm import Segment

    with Segment.from_fd(3) as segment:
        samples = segment.ndarray(descriptor)  # a NumPy array over the same memory
"""

from hognose_shm.errors import DescriptorError, SegmentError, ShmError
from hognose_shm.receive import receive_segment
from hognose_shm.segment import Segment

__all__ = ["DescriptorError", "Segment", "SegmentError", "ShmError", "receive_segment"]
