import { type Complex, type DType, type ElementOf, type TypedArray } from './dtype.js';
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from './half-precision.js';

/** One element of an array in JavaScript. */
export type Element = ElementOf<DType>;

/** How the elements of a dtype are read and written. `index` counts elements, of complex numbers too. */
export interface ElementAccess {
  get(memory: TypedArray, index: number): Element;
  /** @throws TypeError When the value is of another type; a number that is too large wraps as in any typed array. */
  set(memory: TypedArray, index: number, value: unknown): void;
}

type Numbers = Float64Array;
type Bigints = BigInt64Array;

function numberOf(value: unknown, taker = 'an element'): number {
  if (typeof value === 'number') return value;
  throw new TypeError(`${taker} takes a number, and this is ${described(value)}`);
}

function described(value: unknown): string {
  return value === null ? 'null' : `of type ${typeof value}`;
}

/** Held as they are. The casts of memory name one typed array of those that behave alike. */
const plain: ElementAccess = {
  get: (memory, index) => (memory as Numbers)[index] ?? NaN,
  set: (memory, index, value) => {
    (memory as Numbers)[index] = numberOf(value);
  },
};

const big: ElementAccess = {
  get: (memory, index) => (memory as Bigints)[index] ?? 0n,
  set: (memory, index, value) => {
    if (typeof value !== 'bigint') {
      throw new TypeError(`an element of 64 bits takes a bigint, such as 1n, and this is ${described(value)}`);
    }
    (memory as Bigints)[index] = value;
  },
};

const bool: ElementAccess = {
  get: (memory, index) => (memory as Numbers)[index] !== 0,
  set: (memory, index, value) => {
    if (typeof value !== 'boolean') {
      throw new TypeError(`an element of bool takes true or false, and this is ${described(value)}`);
    }
    (memory as Numbers)[index] = value ? 1 : 0;
  },
};

const complex: ElementAccess = {
  get: (memory, index) => {
    const [re = NaN, im = NaN] = (memory as Numbers).subarray(2 * index, 2 * index + 2);
    return { re, im };
  },
  set: (memory, index, value) => {
    const { re, im } = (typeof value === 'object' && value !== null ? value : {}) as Partial<Complex>;
    (memory as Numbers).set(
      [numberOf(re, 're of an element { re, im }'), numberOf(im, 'im of an element { re, im }')],
      2 * index,
    );
  },
};

const half = (decode: (bits: number) => number, encode: (value: number) => number): ElementAccess => ({
  get: (memory, index) => decode((memory as Numbers)[index] ?? NaN),
  set: (memory, index, value) => {
    (memory as Numbers)[index] = encode(numberOf(value));
  },
});

/** How the elements of each dtype are read and written. */
export const ELEMENTS: { readonly [D in DType]: ElementAccess } = {
  bool,
  int8: plain,
  int16: plain,
  int32: plain,
  int64: big,
  uint8: plain,
  uint16: plain,
  uint32: plain,
  uint64: big,
  float16: half(decodeFloat16, encodeFloat16),
  bfloat16: half(decodeBfloat16, encodeBfloat16),
  float32: plain,
  float64: plain,
  complex64: complex,
  complex128: complex,
};
