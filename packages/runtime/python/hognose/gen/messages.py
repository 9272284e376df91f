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
CALL_TYPE_HELPER: Final = 8
CALL_TYPE_HAND_OVER: Final = 9

RESULT_MODE_AUTO: Final = 0
RESULT_MODE_VALUE: Final = 1
RESULT_MODE_HANDLE: Final = 2
RESULT_MODE_NONE: Final = 3

STEP_KIND_ATTRIBUTE: Final = 1
STEP_KIND_INVOKE: Final = 2
STEP_KIND_SUBSCRIPT: Final = 3

CANCEL_REASON_ABORT: Final = 0
CANCEL_REASON_DEADLINE: Final = 1

ROLE_DATA: Final = 1
ROLE_LIFELINE: Final = 2
ROLE_CONTROL: Final = 3
ROLE_SEGMENTS: Final = 4

LOG_SOURCE_LOGGING: Final = 0
LOG_SOURCE_WARNINGS: Final = 1

HOST_MESSAGE_CALL: Final = 1
HOST_MESSAGE_RELEASE: Final = 2
HOST_MESSAGE_PYTHON_PATH: Final = 3
HOST_MESSAGE_GOODBYE: Final = 4
HOST_MESSAGE_CANCEL: Final = 5
HOST_MESSAGE_RECALL: Final = 6
HOST_MESSAGE_ATTEND: Final = 7
HOST_MESSAGE_STREAM_CREDIT: Final = 8
HOST_MESSAGE_CALLBACK_RESULT: Final = 9
HOST_MESSAGE_CALLBACK_RAISED: Final = 10
HOST_MESSAGE_SESSION_OPEN: Final = 11
HOST_MESSAGE_SESSION_CLOSE: Final = 12
HOST_MESSAGE_MEASURE: Final = 13
HOST_MESSAGE_DRAIN: Final = 14
HOST_MESSAGE_LEASE_RETURN: Final = 15
HOST_MESSAGE_CHUNK: Final = 16
HOST_MESSAGE_SEGMENTS_CLOSED: Final = 17
HOST_MESSAGE_TRIM: Final = 18

WORKER_MESSAGE_HELLO: Final = 1
WORKER_MESSAGE_READY: Final = 2
WORKER_MESSAGE_RESULT: Final = 3
WORKER_MESSAGE_RAISED: Final = 4
WORKER_MESSAGE_AWAITING: Final = 5
WORKER_MESSAGE_RECALLED: Final = 6
WORKER_MESSAGE_STREAM_ITEMS: Final = 7
WORKER_MESSAGE_STREAM_END: Final = 8
WORKER_MESSAGE_CALLBACK: Final = 9
WORKER_MESSAGE_RELEASE_FUNCTIONS: Final = 10
WORKER_MESSAGE_LOG: Final = 11
WORKER_MESSAGE_METRICS: Final = 12
WORKER_MESSAGE_GOODBYE: Final = 13
WORKER_MESSAGE_LEASE_RETURN: Final = 14
WORKER_MESSAGE_CHUNK: Final = 15
WORKER_MESSAGE_SEGMENTS_CLOSED: Final = 16

# A whole message of each kind with every field at its default: what the end of a shorter one stands for.
HOST_DEFAULTS: Final[dict[int, list[object]]] = {
    1: [1, 0, 0, 0, "", None, 0, None, 0, (), 0, None, 0, 0, False, "", 0, 0, 0, 0],
    2: [2, ()],
    3: [3, ()],
    4: [4, ""],
    5: [5, 0, 0],
    6: [6, ()],
    7: [7],
    8: [8, 0, 0],
    9: [9, 0, None],
    10: [10, 0, None],
    11: [11, 0],
    12: [12, 0],
    13: [13],
    14: [14],
    15: [15, ()],
    16: [16, 0, 0, b"", 0],
    17: [17, ()],
    18: [18, 0],
}

# (name, what it holds, whether it repeats, the message that it holds), in the order of the socket lane.
LAYOUT: Final[dict[str, tuple[tuple[str, str, bool, str], ...]]] = {
    "HostMessage": (
        ("call", "message", False, "Call"),
        ("release", "message", False, "Release"),
        ("python_path", "message", False, "PythonPath"),
        ("goodbye", "message", False, "Goodbye"),
        ("cancel", "message", False, "Cancel"),
        ("recall", "message", False, "Recall"),
        ("attend", "message", False, "Attend"),
        ("stream_credit", "message", False, "StreamCredit"),
        ("callback_result", "message", False, "CallbackResult"),
        ("callback_raised", "message", False, "CallbackRaised"),
        ("session_open", "message", False, "SessionOpen"),
        ("session_close", "message", False, "SessionClose"),
        ("measure", "message", False, "Measure"),
        ("drain", "message", False, "Drain"),
        ("lease_return", "message", False, "LeaseReturn"),
        ("chunk", "message", False, "Chunk"),
        ("segments_closed", "message", False, "SegmentsClosed"),
        ("trim", "message", False, "Trim"),
    ),
    "WorkerMessage": (
        ("hello", "message", False, "Hello"),
        ("ready", "message", False, "Ready"),
        ("result", "message", False, "Result"),
        ("raised", "message", False, "Raised"),
        ("awaiting", "message", False, "Awaiting"),
        ("recalled", "message", False, "Recalled"),
        ("stream_items", "message", False, "StreamItems"),
        ("stream_end", "message", False, "StreamEnd"),
        ("callback", "message", False, "Callback"),
        ("release_functions", "message", False, "ReleaseFunctions"),
        ("log", "message", False, "Log"),
        ("metrics", "message", False, "Metrics"),
        ("goodbye", "message", False, "Goodbye"),
        ("lease_return", "message", False, "LeaseReturn"),
        ("chunk", "message", False, "Chunk"),
        ("segments_closed", "message", False, "SegmentsClosed"),
    ),
    "Call": (
        ("id", "number", False, ""),
        ("payload_version", "number", False, ""),
        ("call_type", "number", False, ""),
        ("target", "string", False, ""),
        ("args", "value", False, "Value"),
        ("deadline_ms", "number", False, ""),
        ("kwargs", "value", False, "Value"),
        ("handle", "number", False, ""),
        ("steps", "message", True, "Step"),
        ("result", "number", False, ""),
        ("inline", "message", False, "Inline"),
        ("parent_call", "number", False, ""),
        ("session_id", "number", False, ""),
        ("idempotent", "bool", False, ""),
        ("trace", "string", False, ""),
        ("credit", "number", False, ""),
        ("source_call", "number", False, ""),
        ("uses", "number", False, ""),
        ("attempt", "number", False, ""),
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
    "Cancel": (
        ("id", "number", False, ""),
        ("reason", "number", False, ""),
    ),
    "Recall": (
        ("ids", "number", True, ""),
    ),
    "Attend": (
    ),
    "StreamCredit": (
        ("id", "number", False, ""),
        ("count", "number", False, ""),
    ),
    "CallbackResult": (
        ("id", "number", False, ""),
        ("value", "value", False, "Value"),
    ),
    "CallbackRaised": (
        ("id", "number", False, ""),
        ("error", "message", False, "HostError"),
    ),
    "HostError": (
        ("id", "number", False, ""),
        ("name", "string", False, ""),
        ("message", "string", False, ""),
        ("stack", "string", False, ""),
    ),
    "SessionOpen": (
        ("id", "number", False, ""),
    ),
    "SessionClose": (
        ("id", "number", False, ""),
    ),
    "Measure": (
    ),
    "Drain": (
    ),
    "LeaseReturn": (
        ("ids", "number", True, ""),
    ),
    "SegmentsClosed": (
        ("segments", "number", True, ""),
    ),
    "Trim": (
        ("idle_ms", "number", False, ""),
    ),
    "Chunk": (
        ("id", "number", False, ""),
        ("total_bytes", "number", False, ""),
        ("data", "bytes", False, ""),
        ("call", "number", False, ""),
    ),
    "Hello": (
        ("protocol_version", "number", False, ""),
        ("role", "number", False, ""),
        ("worker_id", "number", False, ""),
        ("secret", "string", False, ""),
        ("pid", "number", False, ""),
        ("python_version", "string", False, ""),
        ("payload_versions", "number", True, ""),
        ("version", "string", False, ""),
    ),
    "Ready": (
        ("capabilities", "string", True, ""),
        ("source_hash", "string", False, ""),
    ),
    "Result": (
        ("id", "number", False, ""),
        ("value", "value", False, "Value"),
    ),
    "Raised": (
        ("id", "number", False, ""),
        ("error", "message", False, "Error"),
    ),
    "Awaiting": (
        ("id", "number", False, ""),
    ),
    "Recalled": (
        ("ids", "number", True, ""),
    ),
    "StreamItems": (
        ("id", "number", False, ""),
        ("items", "value", False, "Value"),
    ),
    "StreamEnd": (
        ("id", "number", False, ""),
        ("error", "message", False, "Error"),
        ("is_resumable", "bool", False, ""),
    ),
    "Callback": (
        ("id", "number", False, ""),
        ("function", "number", False, ""),
        ("args", "value", False, "Value"),
        ("kwargs", "value", False, "Value"),
        ("call", "number", False, ""),
    ),
    "ReleaseFunctions": (
        ("functions", "message", True, "Released"),
    ),
    "Log": (
        ("source", "number", False, ""),
        ("level", "number", False, ""),
        ("logger", "string", False, ""),
        ("text", "string", False, ""),
        ("file", "string", False, ""),
        ("line", "number", False, ""),
        ("call", "number", False, ""),
        ("time_ms", "number", False, ""),
    ),
    "Metrics": (
        ("rss_bytes", "number", False, ""),
        ("cpu_ms", "number", False, ""),
        ("handles", "number", False, ""),
        ("functions", "number", False, ""),
        ("running", "number", False, ""),
        ("waiting", "number", False, ""),
        ("streams", "number", False, ""),
        ("answered", "number", False, ""),
        ("shared_bytes", "number", False, ""),
        ("shared_used_bytes", "number", False, ""),
        ("lent", "number", False, ""),
        ("borrowed", "number", False, ""),
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
        ("exceptions", "message", True, "Error"),
        ("host_error", "number", False, ""),
    ),
    "StackFrame": (
        ("file", "string", False, ""),
        ("line", "number", False, ""),
        ("name", "string", False, ""),
        ("source", "string", False, ""),
    ),
}
