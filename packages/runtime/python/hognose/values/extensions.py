"""Codes of msgpack's extension types, the same on both sides (src/values/extensions.ts) and in both lanes.

| code | type | payload |
|---|---|---|
| 1 | tuple | an array |
| 2 | integer beyond 64 bits | two's complement, little-endian |
| 3 | handle, to the host | [id, type, [names of its bases], repr or nil, session id (may be left out: 0)] |
| 3 | handle, to the worker | [id] |
| 4 | ndarray | [dtype, shape, bytes in C order, code of why it was copied (may be left out)] |
| 5 | reference, to the worker | dotted path of a module's attribute |
| 6, 7 | set, frozenset | an array |
| 8 | datetime | [year, month, day, hour, minute, second, us, fold, offset in us or nil, zone or nil, name or nil] |
| 9 | date | [year, month, day] |
| 10 | time | [hour, minute, second, us, fold, offset in us or nil, name or nil] |
| 11 | timedelta | [days, seconds, microseconds] |
| 12 | decimal | its text |
| 13 | fraction | [numerator, denominator] |
| 14 | uuid | 16 bytes |
| 15 | complex | [real, imaginary] |
| 16 | function | to the worker [id, name], to the host [id] |
| 17, 18 | list of integers, of floats | int64, float64, little-endian |
| 19 | list of dicts with the same keys | [[keys], column, column...] |
| 20 | value of a codec | [name, plain value] |
| 21 | iterable, to the worker | [function id, whether it is asynchronous] |
| 22 | result of an earlier call, to the worker | [call id] |
| 23 | error of JavaScript | [id, name, message, stack] |
| 24 | in shared memory | [lease, via, segment, its bytes, offset, bytes, kind, fields of an array or nil] |
| 25 | table of Arrow | [kind, IPC stream, code of why it was copied (may be left out)] |

What a piece of shared memory holds, its kind: 0 bytes, 1 an array with the fields [dtype, shape, strides, start, device
type, device id, flags], 2 an IPC stream of Arrow that is a table, 3 one that is a record batch.
"""

from __future__ import annotations

from typing import Final

EXT_TUPLE: Final = 1
EXT_BIG_INTEGER: Final = 2
EXT_HANDLE: Final = 3
EXT_NDARRAY: Final = 4
EXT_REFERENCE: Final = 5
EXT_SET: Final = 6
EXT_FROZENSET: Final = 7
EXT_DATETIME: Final = 8
EXT_DATE: Final = 9
EXT_TIME: Final = 10
EXT_TIMEDELTA: Final = 11
EXT_DECIMAL: Final = 12
EXT_FRACTION: Final = 13
EXT_UUID: Final = 14
EXT_COMPLEX: Final = 15
EXT_FUNCTION: Final = 16
EXT_INTEGERS: Final = 17
EXT_FLOATS: Final = 18
EXT_RECORDS: Final = 19
EXT_CODEC: Final = 20
EXT_ITERABLE: Final = 21
EXT_SOURCE: Final = 22
EXT_HOST_ERROR: Final = 23
EXT_SHARED: Final = 24
EXT_ARROW: Final = 25

KIND_BYTES: Final = 0
KIND_ARRAY: Final = 1
KIND_TABLE: Final = 2
KIND_BATCH: Final = 3

#: Smaller values travel inside of the message: that costs less than to share them.
INLINE_BYTES: Final = 1 << 16

#: How deep extensions may be nested: each level is a value of its own to msgpack, whose C decoder takes 40 KB of stack.
MAX_EXTENSION_DEPTH: Final = 64
