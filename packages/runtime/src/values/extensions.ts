/** Codes of msgpack's extension types, the same on both sides (python/hognose/values/extensions.py) and in both lanes. @internal */
export const Extension = {
  /** A tuple: an array. */
  TUPLE: 1,
  /** An integer beyond 64 bits: two's complement, little-endian. */
  BIG_INTEGER: 2,
  /** A handle: [id, type, [names of its bases], repr or nil, session id] towards the host, [id] towards the worker. */
  HANDLE: 3,
  /** An array of numbers: [dtype, shape, bytes in C order, code of why it was copied (may be left out)]. */
  NDARRAY: 4,
  /** An attribute of a module by its dotted path, towards the worker. */
  REFERENCE: 5,
  /** A set: an array. */
  SET: 6,
  /** A frozenset: an array. */
  FROZENSET: 7,
  /** [year, month, day, hour, minute, second, us, fold, offset in us or nil, zone or nil, name or nil]. */
  DATETIME: 8,
  /** [year, month, day]. */
  DATE: 9,
  /** [hour, minute, second, us, fold, offset in us or nil, name or nil]. */
  TIME: 10,
  /** [days, seconds, microseconds]. */
  TIMEDELTA: 11,
  /** A decimal number: its text. */
  DECIMAL: 12,
  /** [numerator, denominator]. */
  FRACTION: 13,
  /** A UUID: 16 bytes. */
  UUID: 14,
  /** [real, imaginary]. */
  COMPLEX: 15,
  /** A function of JavaScript: [id, name] towards the worker, [id] towards the host. */
  FUNCTION: 16,
  /** A list of integers: int64, little-endian. */
  INTEGERS: 17,
  /** A list of floats: float64, little-endian. */
  FLOATS: 18,
  /** A list of dicts with the same keys: [[keys], column, column...]. */
  RECORDS: 19,
  /** A value of a registered codec: [name, plain value]. */
  CODEC: 20,
  /** An iterable of JavaScript, towards the worker: [function id, whether it is asynchronous]. */
  ITERABLE: 21,
  /** The result of an earlier call, towards the worker: [call id]. */
  SOURCE: 22,
  /** An error of JavaScript: [id, name, message, stack]. */
  HOST_ERROR: 23,
  /** What lies in shared memory: [lease, via, segment, its bytes, offset, bytes, {@link SharedKind}, fields of an array or nil]. */
  SHARED: 24,
  /** A table of Arrow: [{@link SharedKind}, IPC stream, code of why it was copied (may be left out)]. */
  ARROW: 25,
} as const;

/** What a piece of shared memory holds. @internal */
export const SharedKind = {
  /** `bytes` of Python. */
  BYTES: 0,
  /** An array: its fields are [dtype, shape, strides, start, device type, device id, flags]. */
  ARRAY: 1,
  /** An IPC stream of Arrow that is a table. */
  TABLE: 2,
  /** An IPC stream of Arrow that is one record batch. */
  BATCH: 3,
} as const;

/** Smaller values travel inside of the message: that costs less than to share them. @internal */
export const INLINE_BYTES = 1 << 16;

/** Extensions in which values of any kind may stand. @internal */
export const HOLDING: ReadonlySet<number> = new Set([
  Extension.TUPLE,
  Extension.SET,
  Extension.FROZENSET,
  Extension.RECORDS,
  Extension.CODEC,
]);

/** How deep values may be nested: what msgpack's C decoder in Python accepts, with room for the frame around it. @internal */
export const MAX_DEPTH = 480;

/** How deep tuples, sets and the like may be nested, of which Python decodes each as a value of its own. @internal */
export const MAX_EXTENSION_DEPTH = 64;

/** How deep values from Python may be nested: what its encoder keeps to, with room for the frame and for keys. @internal */
export const MAX_READ_DEPTH = 1_200;

/** A shorter list is not packed: it would gain nothing. @internal */
export const MIN_PACKED_LENGTH = 8;
