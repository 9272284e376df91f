/** Values of Python that JavaScript has no type of its own for. Recognised by brands, never by `instanceof`. */
import { inspect } from 'node:util';

const TUPLE = Symbol.for('hognose/tuple');
const FLOAT = Symbol.for('hognose/float');
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

export {
  dtypeOf,
  isNDArray,
  ndarray,
  type ArrayOf,
  type Complex,
  type CopyReason,
  type DType,
  type ElementOf,
  type NDArray,
  type NDArrayOptions,
  type Nested,
  type Range,
  type TypedArray,
} from '@hognose/zerocopy';
