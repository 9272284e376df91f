"""What can go wrong with shared memory.

::

    ShmError
    ├── SegmentError     the memory itself: not a sealed memfd, too short, closed, refused, not to be had here
    ├── NoSpaceError     no room: the arena's limit, the machine's memory or a limit of the system is used up
    └── DescriptorError  an array's description does not fit the memory (also a ValueError)
"""


class ShmError(Exception):
    """The base of every error that this package raises."""


class SegmentError(ShmError):
    """The memory cannot be made or opened, or was closed."""


class NoSpaceError(ShmError):
    """There is no room for more: send the data as bytes, or let go of arrays that are done with."""


class DescriptorError(ShmError, ValueError):
    """The description of an array is malformed, or names memory that the segment does not have."""
