import { inspect } from 'node:util';
import { ArrayMemory, type CopyReason } from './array-memory.js';
import { type ArrayOrigin, ArrayView } from './array-view.js';
import {
  type ArrayOf,
  type DType,
  type DTypeOf,
  type TypedArray,
  alignmentOf,
  assertDType,
  canHold,
  componentsOf,
  constructorOf,
  dtypeOf,
  isDType,
  itemSizeOf,
} from './dtype.js';
import { ZeroCopyError } from './errors.js';
import type { NDArray } from './ndarray.js';
import type { CheckedArray } from './descriptor.js';
import { checkShape, checkStrides, contiguousStrides, outOfRange, sizeOf, spanOf, wholeNumber } from './strides.js';

/** How {@link ndarray} sees the elements of a typed array. @public */
export interface NDArrayOptions<D extends DType = DType> {
  /**
   * The number of elements along each axis.
   *
   * @defaultValue one axis with all elements
   */
  shape?: readonly number[] | undefined;
  /**
   * What the typed array holds, where its type does not say: `bool` in a Uint8Array, `float16` and `bfloat16` in a Uint16Array, `complex64` in
   * a Float32Array, `complex128` in a Float64Array.
   *
   * @defaultValue by the typed array's type
   */
  dtype?: D | undefined;
  /**
   * The distance between neighbours along each axis in elements; may be negative or zero.
   *
   * @defaultValue C order
   */
  strides?: readonly number[] | undefined;
  /**
   * Which element of the typed array is `[0, ..., 0]`.
   *
   * @defaultValue 0
   */
  offset?: number | undefined;
  /**
   * Whether `set` refuses and Python gets an array that it cannot write to.
   *
   * @defaultValue false
   */
  isReadOnly?: boolean | undefined;
}

/**
 * Makes an array over a typed array, without a copy.
 *
 * @param data - The elements, in C order unless the options give strides.
 * @param shape - The number of elements along each axis; by default one axis with all elements.
 * @param dtype - What the typed array holds, where its type does not say.
 * @throws TypeError When shape, strides and offset do not fit the number of elements, or the dtype the typed array.
 * @example `ndarray(Float64Array.of(1, 2, 3, 4), [2, 2])`
 * @public
 */
export function ndarray<T extends TypedArray>(data: T, shape?: readonly number[]): NDArray<DTypeOf<T>>;
export function ndarray<D extends DType = DType>(data: TypedArray, shape?: readonly number[], dtype?: D): NDArray<D>;
export function ndarray<D extends DType = DType>(data: TypedArray, options: NDArrayOptions<D>): NDArray<D>;
export function ndarray<D extends DType = DType>(
  data: TypedArray,
  shapeOrOptions?: readonly number[] | NDArrayOptions<D>,
  dtype?: D,
): NDArray<D> {
  const options = isShape(shapeOrOptions) ? { shape: shapeOrOptions, dtype } : (shapeOrOptions ?? { dtype });
  return overTypedArray(data, options);
}

const isShape = (value: unknown): value is readonly number[] => Array.isArray(value);

function overTypedArray<D extends DType>(data: TypedArray, options: NDArrayOptions<D>): NDArray<D> {
  const dtype = options.dtype ?? (ArrayBuffer.isView(data) ? dtypeOf(data) : undefined);
  if (dtype === undefined || !isDType(dtype) || !ArrayBuffer.isView(data) || !canHold(data, dtype)) {
    throw new TypeError(
      `ndarray: a ${Object.prototype.toString.call(data).slice(8, -1)} does not hold ${options.dtype ?? 'elements of a known dtype'}`,
    );
  }
  const { strides, offset, isReadOnly = false } = options;
  const shape = options.shape ?? [data.length / componentsOf(dtype)];
  if (!isShape(shape) || !shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0)) {
    throw new TypeError(`ndarray: shape ${inspect(shape)} must be of integers from 0`);
  }
  const available = data.length / componentsOf(dtype);
  // A view may leave elements out; without strides or an offset a shape that does so is a mistake.
  if (strides === undefined && offset === undefined && sizeOf(shape) !== available) {
    throw new TypeError(
      `ndarray: shape [${shape.join(', ')}] needs ${sizeOf(shape)} elements, and there are ${available}`,
    );
  }
  try {
    return makeNDArray({ dtype: dtype as D, shape, strides, offset, memory: data as ArrayOf<D>, isReadOnly });
  } catch (cause) {
    if (!(cause instanceof ZeroCopyError)) throw cause;
    throw new TypeError(`ndarray: ${cause.message}`, { cause });
  }
}

/** What {@link makeNDArray} makes an array of: {@link CheckedArray} and memory fit. @internal */
export interface NDArrayParts<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  /** In elements; by default C order. */
  readonly strides?: readonly number[] | undefined;
  /** The memory, or what opens it at its first use. It may be larger than the array. */
  readonly memory?: ArrayOf<D> | (() => ArrayOf<D>) | undefined;
  /** Which element of `memory` is `[0, ..., 0]`; by default 0. */
  readonly offset?: number | undefined;
  /** The memory as bytes, instead of `memory`. */
  readonly bytes?: Uint8Array | (() => Uint8Array) | undefined;
  /** Where element `[0, ..., 0]` begins in `bytes`; by default 0. */
  readonly start?: number | undefined;
  readonly isReadOnly?: boolean | undefined;
  readonly isShared?: boolean | undefined;
  readonly copyReason?: CopyReason | undefined;
  /** Called once, when the array or any view of it is released. */
  readonly release?: (() => void) | undefined;
  /** Who lends the memory: {@link originOf} gives it back. */
  readonly source?: unknown;
}

/**
 * Makes an array over memory of any origin.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE` when the parts do not fit each other, or an element would lie outside the memory. Memory that is
 * not open yet is checked when it is.
 * @internal
 */
export function makeNDArray<D extends DType>(parts: NDArrayParts<D>): NDArray<D> {
  assertDType(parts.dtype);
  const shape = checkShape(parts.shape);
  const strides = parts.strides === undefined ? contiguousStrides(shape) : checkStrides(parts.strides, shape);
  const { before, length } = spanOf(shape, strides);
  if (before + length > Number.MAX_SAFE_INTEGER) {
    throw outOfRange(`strides [${strides.join(', ')}] reach further than any memory`);
  }
  const { memory, start, from } = memoryOf(parts);
  const { isReadOnly = false, isShared = false, copyReason, release, source } = parts;
  const facts = { isReadOnly, isShared, copyReason };
  const held = new ArrayMemory(parts.dtype, memory, { lowest: start - before, length }, facts, {
    release,
    source,
    from,
  });
  return new ArrayView(parts.dtype, held, { shape, strides, start });
}

/** What {@link ndarrayOf} adds to an array that was checked: its memory, from the lowest element on, and whose it is. @internal */
export type LentParts = Pick<NDArrayParts, 'release' | 'source'> & { readonly memory: () => TypedArray };

/**
 * Makes an array in lent memory of a description that `checkArrayFields` has checked, which is not checked again.
 *
 * @internal
 */
export function ndarrayOf(array: CheckedArray, { memory, release, source }: LentParts): NDArray {
  const { dtype, shape, strides, offset, byteLength, isReadOnly, copyReason } = array;
  const extent = { lowest: 0, length: byteLength / itemSizeOf(dtype) };
  const facts = { isReadOnly, isShared: true, copyReason };
  const held = new ArrayMemory(dtype, memory, extent, facts, { release, source, from: 0 });
  return new ArrayView(dtype, held, { shape, strides, start: offset });
}

interface Items {
  readonly memory: TypedArray | (() => TypedArray);
  /** Which element of it is `[0, ..., 0]`. */
  readonly start: number;
  /** Where it begins, in bytes from the start of what was given. */
  readonly from: number;
}

function memoryOf({ dtype, memory, offset, bytes, start: begin }: NDArrayParts): Items {
  if (bytes === undefined) {
    if (memory === undefined) throw outOfRange('an array needs memory or bytes');
    return { memory, start: wholeNumber('offset', offset ?? 0), from: 0 };
  }
  const start = wholeNumber('start', begin ?? 0);
  // A complex number may begin where its second part would be if the first one began with the bytes.
  const from = start % itemSizeOf(dtype);
  if (from % alignmentOf(dtype) !== 0) {
    throw outOfRange(`start ${start} is not a multiple of ${alignmentOf(dtype)}, as ${dtype} needs`);
  }
  return {
    memory: typeof bytes === 'function' ? () => itemsOf(dtype, bytes(), from) : itemsOf(dtype, bytes, from),
    start: Math.floor(start / itemSizeOf(dtype)),
    from,
  };
}

/** As many items as there are whole ones in bytes. */
function itemsOf(dtype: DType, bytes: Uint8Array, from: number): TypedArray {
  const constructor = constructorOf(dtype);
  const size = constructor.BYTES_PER_ELEMENT;
  if (bytes.byteOffset % size !== 0) {
    throw outOfRange(
      `bytes that begin at ${bytes.byteOffset} of their buffer hold no ${dtype}: it must be a multiple of ${size}`,
    );
  }
  const length = Math.floor(Math.max(bytes.byteLength - from, 0) / size);
  return new constructor(bytes.buffer, length === 0 ? 0 : bytes.byteOffset + from, length);
}

/**
 * Where an array's memory comes from; undefined for an array of another copy of this package.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_RELEASED` after `$release()`.
 * @internal
 */
export function originOf(array: NDArray): ArrayOrigin | undefined {
  return array instanceof ArrayView ? array.origin : undefined;
}
