"""The Python side of Hognose: a worker that calls libraries on behalf of a Node.js process."""

from __future__ import annotations

from typing import Final

__all__ = ["PAYLOAD_VERSION", "PROTOCOL_VERSION", "__version__"]

__version__: Final = "0.1.0"

#: Version of the messages between host and worker.
PROTOCOL_VERSION: Final = 1

#: Version of the encoding of values inside the messages.
PAYLOAD_VERSION: Final = 1
