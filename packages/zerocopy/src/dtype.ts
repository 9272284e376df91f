import { types } from 'node:util';
import { ZeroCopyError } from './errors.js';

/**
 * The typed array that holds the elements of each element type. The names are NumPy's.
 *
 * JavaScript has no numbers of 16 bits before Node.js 24 and no complex ones: `float16` and `bfloat16` are held as their bits (see
 * `decodeFloat16` and its kin), complex numbers as pairs of real and imaginary part, and `bool` as bytes 0 and 1.
 *
 * @public
 */
export interface TypedArrays {
  bool: Uint8Array;
  int8: Int8Array;
  int16: Int16Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  uint16: Uint16Array;
  uint32: Uint32Array;
  uint64: BigUint64Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  float32: Float32Array;
  float64: Float64Array;
  complex64: Float32Array;
  complex128: Float64Array;
}

/**
 * The name of an element type, the same in JavaScript, NumPy and a descriptor.
 *
 * @public
 */
export type DType = keyof TypedArrays;

/** The typed array that holds the elements of a dtype. @public */
export type ArrayOf<D extends DType> = TypedArrays[D];

/** The typed arrays that hold an array's elements. @public */
export type TypedArray = TypedArrays[DType];

/** The dtype of a typed array where nothing else is said of it. @public */
export type DTypeOf<T extends TypedArray> = PlainDTypes[T[typeof Symbol.toStringTag]];

interface PlainDTypes {
  Int8Array: 'int8';
  Int16Array: 'int16';
  Int32Array: 'int32';
  BigInt64Array: 'int64';
  Uint8Array: 'uint8';
  Uint16Array: 'uint16';
  Uint32Array: 'uint32';
  BigUint64Array: 'uint64';
  Float32Array: 'float32';
  Float64Array: 'float64';
}

/** A complex number. @public */
export interface Complex {
  readonly re: number;
  readonly im: number;
}

/** What one element of a dtype is in JavaScript. @public */
export type ElementOf<D extends DType> = D extends 'bool'
  ? boolean
  : D extends 'int64' | 'uint64'
    ? bigint
    : D extends 'complex64' | 'complex128'
      ? Complex
      : number;

/** How a typed array is made over a part of a buffer, or over memory of its own. */
export type TypedArrayConstructors = {
  readonly [D in DType]: {
    readonly BYTES_PER_ELEMENT: number;
    new (length: number): TypedArrays[D];
    new (buffer: ArrayBufferLike, byteOffset: number, length: number): TypedArrays[D];
  };
};

/**
 * DLPack's `DLDataTypeCode`.
 *
 * @see https://dmlc.github.io/dlpack/latest/c_api.html
 * @internal
 */
export const DLPACK_CODES = { int: 0, uint: 1, float: 2, bfloat: 4, complex: 5, bool: 6 } as const;

interface DTypeFacts {
  /** Of one element in bytes. */
  readonly itemSize: number;
  /** How many items of the typed array one element takes. */
  readonly components: 1 | 2;
  /** DLPack's code; the bits are `itemSize * 8`, and there is one lane. */
  readonly code: (typeof DLPACK_CODES)[keyof typeof DLPACK_CODES];
}

const FACTS: { readonly [D in DType]: DTypeFacts } = {
  bool: { itemSize: 1, components: 1, code: DLPACK_CODES.bool },
  int8: { itemSize: 1, components: 1, code: DLPACK_CODES.int },
  int16: { itemSize: 2, components: 1, code: DLPACK_CODES.int },
  int32: { itemSize: 4, components: 1, code: DLPACK_CODES.int },
  int64: { itemSize: 8, components: 1, code: DLPACK_CODES.int },
  uint8: { itemSize: 1, components: 1, code: DLPACK_CODES.uint },
  uint16: { itemSize: 2, components: 1, code: DLPACK_CODES.uint },
  uint32: { itemSize: 4, components: 1, code: DLPACK_CODES.uint },
  uint64: { itemSize: 8, components: 1, code: DLPACK_CODES.uint },
  float16: { itemSize: 2, components: 1, code: DLPACK_CODES.float },
  bfloat16: { itemSize: 2, components: 1, code: DLPACK_CODES.bfloat },
  float32: { itemSize: 4, components: 1, code: DLPACK_CODES.float },
  float64: { itemSize: 8, components: 1, code: DLPACK_CODES.float },
  complex64: { itemSize: 8, components: 2, code: DLPACK_CODES.complex },
  complex128: { itemSize: 16, components: 2, code: DLPACK_CODES.complex },
};

const CONSTRUCTORS: TypedArrayConstructors = {
  bool: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
  complex64: Float32Array,
  complex128: Float64Array,
};

const PLAIN: PlainDTypes & Readonly<Record<string, DType>> = {
  Int8Array: 'int8',
  Int16Array: 'int16',
  Int32Array: 'int32',
  BigInt64Array: 'int64',
  Uint8Array: 'uint8',
  Uint8ClampedArray: 'uint8',
  Uint16Array: 'uint16',
  Uint32Array: 'uint32',
  BigUint64Array: 'uint64',
  Float32Array: 'float32',
  Float64Array: 'float64',
};

/** Every element type, in the order in which the documentation lists them. @internal */
export const DTYPES: readonly DType[] = Object.freeze(Object.keys(FACTS) as DType[]);

/** Whether a value is the name of an element type. @internal */
export function isDType(value: unknown): value is DType {
  return typeof value === 'string' && Object.hasOwn(FACTS, value);
}

/**
 * The typed array constructor of an element type.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE` when there is no such element type.
 * @internal
 */
export function constructorOf<D extends DType>(dtype: D): TypedArrayConstructors[D] {
  assertDType(dtype);
  return CONSTRUCTORS[dtype];
}

/** @throws {@link ZeroCopyError} `ZEROCOPY_RANGE` when there is no such element type. @internal */
export function assertDType(dtype: unknown): asserts dtype is DType {
  if (isDType(dtype)) return;
  const shown = typeof dtype === 'string' ? JSON.stringify(dtype.slice(0, 80)) : `of type ${typeof dtype}`;
  throw new ZeroCopyError('ZEROCOPY_RANGE', `there is no element type ${shown}: use one of ${DTYPES.join(', ')}`);
}

/** The size of one element in bytes. @internal */
export const itemSizeOf = (dtype: DType): number => FACTS[dtype].itemSize;

/** How many items of the typed array one element takes: 2 for complex numbers. @internal */
export const componentsOf = (dtype: DType): 1 | 2 => FACTS[dtype].components;

/** What the place of an array in bytes must be a multiple of: the size of an item of its typed array. @internal */
export const alignmentOf = (dtype: DType): number => CONSTRUCTORS[dtype].BYTES_PER_ELEMENT;

/** DLPack's `DLDataType` of an element type. @internal */
export function dlpackType(dtype: DType): { readonly code: number; readonly bits: number; readonly lanes: 1 } {
  const { code, itemSize } = FACTS[dtype];
  return { code, bits: itemSize * 8, lanes: 1 };
}

/** The element type of DLPack's `DLDataType`; undefined for what is none of them. @internal */
export function dtypeOfDlpack(code: number, bits: number, lanes = 1): DType | undefined {
  return DTYPES.find((name) => lanes === 1 && FACTS[name].code === code && FACTS[name].itemSize * 8 === bits);
}

/**
 * The dtype of a typed array's elements where nothing else is said of them; undefined for what no dtype stands for. An array of another
 * realm is recognised too.
 *
 * @internal
 */
export function dtypeOf(data: ArrayBufferView): DType | undefined {
  return types.isTypedArray(data) ? PLAIN[data[Symbol.toStringTag]] : undefined;
}

/** Whether a typed array can hold elements of a dtype. @internal */
export function canHold(data: ArrayBufferView, dtype: DType): boolean {
  const held = dtypeOf(data);
  return held !== undefined && (held === dtype || CONSTRUCTORS[held] === (CONSTRUCTORS[dtype] as unknown));
}

/**
 * A typed array over a range of a buffer.
 *
 * @param byteLength - A multiple of the size of an element.
 * @throws RangeError When the range is misaligned or outside.
 * @internal
 */
export function typedArrayOver<D extends DType>(
  dtype: D,
  buffer: ArrayBufferLike,
  byteOffset: number,
  byteLength: number,
): ArrayOf<D> {
  const constructor = constructorOf(dtype);
  return new constructor(buffer, byteOffset, byteLength / constructor.BYTES_PER_ELEMENT);
}
