import { ZeroCopyError } from './errors.js';

/**
 * The typed array of each element type. The names are NumPy's.
 *
 * @public
 */
export interface TypedArrays {
  int8: Int8Array;
  uint8: Uint8Array;
  int16: Int16Array;
  uint16: Uint16Array;
  int32: Int32Array;
  uint32: Uint32Array;
  int64: BigInt64Array;
  uint64: BigUint64Array;
  float32: Float32Array;
  float64: Float64Array;
}

/**
 * The name of an element type, the same in JavaScript, NumPy and a descriptor.
 *
 * @public
 */
export type DType = keyof TypedArrays;

/** How a typed array is made over a part of a buffer. */
export type TypedArrayConstructors = {
  readonly [D in DType]: {
    readonly BYTES_PER_ELEMENT: number;
    new (buffer: ArrayBuffer, byteOffset: number, length: number): TypedArrays[D];
  };
};

const constructors: TypedArrayConstructors = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
};

/**
 * The typed array constructor of an element type.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE` when there is no such element type.
 */
export function constructorOf<D extends DType>(dtype: D): TypedArrayConstructors[D] {
  if (!Object.hasOwn(constructors, dtype)) {
    throw new ZeroCopyError(
      'ZEROCOPY_RANGE',
      `there is no element type ${JSON.stringify(dtype)}: use one of ${Object.keys(constructors).join(', ')}`,
    );
  }
  return constructors[dtype];
}
