/** Values of Python that JavaScript has no type of its own for. Recognised by brands, never by `instanceof`. */
import { inspect } from 'node:util';

const TUPLE = Symbol.for('hognose/tuple');
const FLOAT = Symbol.for('hognose/float');
const NDARRAY = Symbol.for('hognose/ndarray');
const KEYWORDS = Symbol.for('hognose/keywords');

const OBJECT: unknown = Object.prototype;

/** Whatever can travel to Python; the encoder checks it and names the path of what cannot. @public */
export type PyArg = string | number | bigint | boolean | object | null;

/** An integer of Python: a number where it is safe, else a bigint. @public */
export type PyInt = number | bigint;

/** A tuple of Python: a frozen array that travels back as a tuple. @public */
export type PyTuple<T extends readonly unknown[] = readonly unknown[]> = T & { readonly [TUPLE]?: true };

/**
 * Makes a tuple.
 *
 * @example `await np.zeros(tuple(2, 3))`
 * @public
 */
export function tuple<const T extends readonly unknown[]>(...items: T): PyTuple<T> {
  return toTuple([...items]) as unknown as PyTuple<T>;
}

/** Marks an array as a tuple and freezes it, in place. @internal */
export function toTuple(items: unknown[]): PyTuple {
  Object.defineProperty(items, TUPLE, { value: true });
  return Object.freeze(items);
}

/** Whether a value is a {@link PyTuple}. @public */
export function isTuple(value: unknown): value is PyTuple {
  return Array.isArray(value) && TUPLE in value;
}

/** A number that arrives in Python as a `float` whatever its value. @public */
export interface PyFloat {
  readonly value: number;
  readonly [FLOAT]: true;
}

/** Sends a number as a `float`: `float(3)` is 3.0 in Python, where a plain 3 is an `int`. @public */
export function float(value: number): PyFloat {
  return { value, [FLOAT]: true };
}

/** Whether a value is a {@link PyFloat}. @internal */
export function isFloat(value: object): value is PyFloat {
  return FLOAT in value;
}

/** Keyword arguments. @public */
export interface Kw<K extends object = Readonly<Record<string, unknown>>> {
  readonly [KEYWORDS]: K;
}

/**
 * Marks an object as Python's keyword arguments; it stands last.
 *
 * @throws TypeError When the keywords are no plain object.
 * @example `await np.sum(a, kw({ axis: 0 }))`
 * @public
 */
export function kw<K extends object = Readonly<Record<string, unknown>>>(keywords: NoInfer<K>): Kw<K> {
  if (!isPlain(keywords)) throw new TypeError(`kw: keywords must be a plain object, not ${inspect(keywords)}`);
  return { [KEYWORDS]: keywords };
}

/** Whether a value is an object whose prototype is null or has none itself: one that a literal makes, in any realm. @internal */
export function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === OBJECT || prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** The keywords of a {@link Kw}, or undefined for anything else. @internal */
export function keywordsOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && KEYWORDS in value ? (value as Kw)[KEYWORDS] : undefined;
}

/** The typed arrays that hold an array's elements. @public */
export type TypedArray =
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

/** The typed array of each dtype; `bool` is one byte per element, 0 or 1. @internal */
export const DTYPES = {
  bool: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

/** Names of the dtypes that travel as arrays. @public */
export type DType = keyof typeof DTYPES;

/** The typed array that holds the elements of a dtype. @public */
export type ArrayOf<D extends DType> = InstanceType<(typeof DTYPES)[D]>;

const isDType = (name: string): name is DType => Object.hasOwn(DTYPES, name);

/**
 * An array of numbers: a NumPy array as it arrives in JavaScript, or one on its way to Python.
 *
 * @public
 */
export interface NDArray<D extends DType = DType> {
  readonly dtype: D;
  /** Length of each dimension; empty for an array of no dimensions. */
  readonly shape: readonly number[];
  /** The elements in C order; owned by whoever holds this array. */
  readonly data: ArrayOf<D>;
  /** Number of elements. */
  readonly size: number;
  readonly [NDARRAY]: true;
}

/**
 * Makes an array over a typed array, without a copy.
 *
 * @param data - The elements in C order.
 * @param shape - Length of each dimension; by default one dimension.
 * @param dtype - Only needed to say `bool` of a Uint8Array of 0 and 1.
 * @throws TypeError When the shape does not fit the number of elements, or the dtype the typed array.
 * @public
 */
export function ndarray<D extends DType = DType>(data: TypedArray, shape?: readonly number[], dtype?: D): NDArray<D> {
  const name = dtype ?? dtypeOf(data);
  const held = name === 'bool' ? 'uint8' : name;
  if (name === undefined || !isDType(name) || dtypeOf(data) !== held) {
    throw new TypeError(
      `ndarray: a ${Object.prototype.toString.call(data).slice(8, -1)} does not hold ${dtype ?? 'elements of a known dtype'}`,
    );
  }
  const dimensions = shape ?? [data.length];
  if (!dimensions.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw new TypeError(`ndarray: shape [${dimensions.join(', ')}] must be of integers from 0`);
  }
  const size = dimensions.reduce((product, length) => product * length, 1);
  if (size !== data.length) {
    throw new TypeError(
      `ndarray: shape [${dimensions.join(', ')}] needs ${size} elements, and there are ${data.length}`,
    );
  }
  return new ArrayValue(name, dimensions, data) as unknown as NDArray<D>;
}

/** Whether a value is an {@link NDArray}. @public */
export function isNDArray(value: unknown): value is NDArray {
  return typeof value === 'object' && value !== null && NDARRAY in value;
}

/** The dtype of a typed array's elements; undefined for what no dtype stands for. @internal */
export function dtypeOf(data: ArrayBufferView): DType | undefined {
  const tag = Object.prototype.toString.call(data).slice(8, -1);
  return TYPED_ARRAY_DTYPES[tag];
}

const TYPED_ARRAY_DTYPES: Readonly<Record<string, DType>> = {
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

class ArrayValue {
  readonly [NDARRAY] = true;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;

  constructor(dtype: DType, shape: readonly number[], data: TypedArray) {
    this.dtype = dtype;
    this.shape = Object.freeze([...shape]);
    this.data = data;
  }

  get size(): number {
    return this.data.length;
  }

  [inspect.custom](): string {
    const shown = Array.from(this.data.subarray(0, 6), String).join(', ');
    return `NDArray<${this.dtype}>(${this.shape.join(' x ')}) [ ${shown}${this.size > 6 ? ', …' : ''} ]`;
  }
}
