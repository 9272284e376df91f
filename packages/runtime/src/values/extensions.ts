/** Codes of msgpack's extension types, the same on both sides (python/hognose/codec.py) and in both lanes. @internal */
export const Extension = {
  /** A tuple: an array. */
  TUPLE: 1,
  /** An integer beyond 64 bits: two's complement, little-endian. */
  BIG_INTEGER: 2,
  /** A handle: [id, type] towards the host, [id] towards the worker. */
  HANDLE: 3,
  /** An array: [dtype, shape, bytes in C order]. */
  NDARRAY: 4,
  /** An attribute of a module by its dotted path, towards the worker. */
  REFERENCE: 5,
} as const;

/** How deep values may be nested: what msgpack's C decoder in Python accepts, with room for the frame around it. @internal */
export const MAX_DEPTH = 480;

/** How deep tuples may be nested, of which Python decodes each as a value of its own. @internal */
export const MAX_TUPLE_DEPTH = 64;

/** How deep values from Python may be nested: what its encoder keeps to, with room for the frame and for keys. @internal */
export const MAX_READ_DEPTH = 1_200;
