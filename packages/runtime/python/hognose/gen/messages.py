"""Derived from proto/hognose/v1/worker.proto by tools/protocol. Do not edit: run `node tools/protocol/generate.mjs`."""

from __future__ import annotations

from typing import Final

CALL_TYPE_FUNCTION: Final = 1
CALL_TYPE_CLASS: Final = 2
CALL_TYPE_METHOD: Final = 3
CALL_TYPE_GET_ATTR: Final = 4
CALL_TYPE_SET_ATTR: Final = 5
CALL_TYPE_ITEM: Final = 6
CALL_TYPE_INLINE: Final = 7

RESULT_MODE_AUTO: Final = 0
RESULT_MODE_VALUE: Final = 1
RESULT_MODE_HANDLE: Final = 2

STEP_KIND_ATTRIBUTE: Final = 1
STEP_KIND_INVOKE: Final = 2
STEP_KIND_SUBSCRIPT: Final = 3

ROLE_DATA: Final = 1
ROLE_LIFELINE: Final = 2

HOST_MESSAGE_CALL: Final = 1
HOST_MESSAGE_RELEASE: Final = 2
HOST_MESSAGE_PYTHON_PATH: Final = 3
HOST_MESSAGE_GOODBYE: Final = 4

WORKER_MESSAGE_HELLO: Final = 1
WORKER_MESSAGE_READY: Final = 2
WORKER_MESSAGE_RESULT: Final = 3
WORKER_MESSAGE_RAISED: Final = 4

# (name, what it holds, whether it repeats, the message that it holds), in the order of the socket lane.
LAYOUT: Final[dict[str, tuple[tuple[str, str, bool, str], ...]]] = {
    "HostMessage": (
        ("call", "message", False, "Call"),
        ("release", "message", False, "Release"),
        ("python_path", "message", False, "PythonPath"),
        ("goodbye", "message", False, "Goodbye"),
    ),
    "WorkerMessage": (
        ("hello", "message", False, "Hello"),
        ("ready", "message", False, "Ready"),
        ("result", "message", False, "Result"),
        ("raised", "message", False, "Raised"),
    ),
    "Call": (
        ("id", "number", False, ""),
        ("payload_version", "number", False, ""),
        ("call_type", "number", False, ""),
        ("target", "string", False, ""),
        ("handle", "number", False, ""),
        ("inline", "message", False, "Inline"),
        ("args", "value", False, "Value"),
        ("kwargs", "value", False, "Value"),
        ("steps", "message", True, "Step"),
        ("result", "number", False, ""),
    ),
    "Inline": (
        ("hash", "string", False, ""),
        ("parts", "string", True, ""),
        ("file", "string", False, ""),
        ("line", "number", False, ""),
    ),
    "Step": (
        ("kind", "number", False, ""),
        ("name", "string", False, ""),
        ("args", "value", False, "Value"),
        ("kwargs", "value", False, "Value"),
    ),
    "Release": (
        ("handles", "message", True, "Released"),
    ),
    "Released": (
        ("id", "number", False, ""),
        ("received", "number", False, ""),
    ),
    "PythonPath": (
        ("directories", "string", True, ""),
    ),
    "Goodbye": (
        ("reason", "string", False, ""),
    ),
    "Hello": (
        ("protocol_version", "number", False, ""),
        ("role", "number", False, ""),
        ("worker_id", "number", False, ""),
        ("secret", "string", False, ""),
        ("pid", "number", False, ""),
        ("python_version", "string", False, ""),
    ),
    "Ready": (
        ("payload_version", "number", False, ""),
    ),
    "Result": (
        ("id", "number", False, ""),
        ("value", "value", False, "Value"),
    ),
    "Raised": (
        ("id", "number", False, ""),
        ("error", "message", False, "Error"),
    ),
    "Error": (
        ("type", "string", False, ""),
        ("module", "string", False, ""),
        ("mro", "string", True, ""),
        ("message", "string", False, ""),
        ("args", "value", False, "Value"),
        ("frames", "message", True, "StackFrame"),
        ("notes", "string", True, ""),
        ("cause", "message", False, "Error"),
        ("traceback", "string", False, ""),
    ),
    "StackFrame": (
        ("file", "string", False, ""),
        ("line", "number", False, ""),
        ("name", "string", False, ""),
        ("source", "string", False, ""),
    ),
}
