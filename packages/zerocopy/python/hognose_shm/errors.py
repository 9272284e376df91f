"""What can go wrong with shared memory.

::

    ShmError
    ├── SegmentError     the memory itself: not a sealed memfd, too short, closed, refused
    └── DescriptorError  an array's description does not fit the memory (also a ValueError)
"""


class ShmError(Exception):
    """The base of every error that this package raises."""


class SegmentError(ShmError):
    """The memory cannot be opened or was closed."""


class DescriptorError(ShmError, ValueError):
    """The description of an array is malformed, or names memory that the segment does not have."""
