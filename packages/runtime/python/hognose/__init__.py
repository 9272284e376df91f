"""The Python side of Hognose: a worker that calls libraries on behalf of a Node.js process.

What code that runs in a worker may use:

- `current_call()` tells about the call that runs: its id, session, deadline and trace.
- `session_state()` is a dict that lives as long as the session of the current call.
- `register_codec()` lets a class of one's own travel.
- `JavaScriptError` is what a function of JavaScript throws here.
- `HognoseCancel` is raised in a call that the host has cancelled.
- `empty()`, `zeros()` and `share()` make arrays and tables that the host sees without a copy.
- `as_array()` and `as_tensor()` see one's memory as an array of NumPy, or as a tensor of PyTorch or JAX.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hognose.context import CallInfo, current_call, session_state
    from hognose.errors import HognoseCancel, JavaScriptError
    from hognose.shared import as_array, as_tensor, empty, share, zeros
    from hognose.values import register_codec

__all__ = [
    "PAYLOAD_VERSIONS",
    "PROTOCOL_VERSION",
    "CallInfo",
    "HognoseCancel",
    "JavaScriptError",
    "__version__",
    "as_array",
    "as_tensor",
    "current_call",
    "empty",
    "register_codec",
    "session_state",
    "share",
    "zeros",
]

__version__: Final = "0.1.0"

#: Version of the messages between host and worker.
PROTOCOL_VERSION: Final = 1

#: Versions of the encoding of values inside the messages that this worker knows.
PAYLOAD_VERSIONS: Final = (1,)

_HOMES: Final = {
    "CallInfo": "hognose.context",
    "HognoseCancel": "hognose.errors",
    "JavaScriptError": "hognose.errors",
    "as_array": "hognose.shared",
    "as_tensor": "hognose.shared",
    "current_call": "hognose.context",
    "empty": "hognose.shared",
    "register_codec": "hognose.values",
    "session_state": "hognose.context",
    "share": "hognose.shared",
    "zeros": "hognose.shared",
}


def __getattr__(name: str) -> Any:
    # Imported when first used: who only asks for the version does not pay for a worker.
    if name not in _HOMES:
        raise AttributeError(f"module 'hognose' has no attribute {name!r}")
    import importlib

    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value
