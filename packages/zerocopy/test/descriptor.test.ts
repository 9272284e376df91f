import type { CopyReason } from '../src/array-memory.js';
import {
  type ArrayFields,
  type CheckedArray,
  COPY_REASONS,
  checkArrayFields,
  memoryOfFields,
  writeArrayFields,
} from '../src/descriptor.js';
import { DTYPES, type DType, constructorOf, itemSizeOf } from '../src/dtype.js';
import { ZeroCopyError } from '../src/errors.js';
import { makeNDArray } from '../src/make-ndarray.js';
import { expectError } from './helpers.js';
import { Random } from './random.js';

const LENT = 960;

/** An array of 3 x 4 float64 in C order, and what is to be otherwise. */
const fields = (...changes: [index: number, value: unknown][]): unknown[] => {
  const words: unknown[] = ['float64', [3, 4], [4, 1], 0, 1, 0, 0];
  for (const [index, value] of changes) words[index] = value;
  return words;
};

const check = (words: unknown): CheckedArray => checkArrayFields(words, LENT);

describe('the words of an array', () => {
  it.each<[string, unknown[], Partial<CheckedArray>]>([
    ['in C order', fields(), { byteOffset: 0, byteLength: 96, offset: 0 }],
    ['further on', fields([3, 864]), { start: 864, byteOffset: 864, byteLength: 96 }],
    ['in Fortran order', fields([2, [1, 3]]), { byteOffset: 0, byteLength: 96, strides: [1, 3] }],
    ['backwards along both axes', fields([2, [-4, -1]], [3, 88]), { byteOffset: 0, byteLength: 96, offset: 11 }],
    ['backwards along one axis', fields([2, [-4, 1]], [3, 64]), { byteOffset: 0, byteLength: 96, offset: 8 }],
    ['with one element for all', fields([2, [0, 0]], [3, 952]), { byteOffset: 952, byteLength: 8 }],
    ['of no dimensions', fields([1, []], [2, []], [3, 16]), { byteOffset: 16, byteLength: 8, offset: 0 }],
    ['without elements', fields([1, [3, 0]], [2, [-1e15, 7]], [3, 960]), { byteOffset: 0, byteLength: 0, offset: 0 }],
    ['with an axis whose stride does not matter', fields([1, [1]], [2, [2 ** 53 - 1]]), { byteLength: 8 }],
    ['of 64 axes', fields([1, Array(64).fill(1)], [2, Array(64).fill(-5)]), { byteLength: 8 }],
    [
      'of complex numbers that lie as their parts may',
      fields([0, 'complex128'], [3, 8]),
      { byteOffset: 8, byteLength: 192 },
    ],
    ['of complex numbers', fields([0, 'complex128'], [3, 16]), { byteOffset: 16, byteLength: 192 }],
  ])('%s are taken', (_, words, expected) => {
    expect(check(words)).toMatchObject({ ...expected, deviceType: 1, deviceId: 0, isReadOnly: false });
  });

  it.each<[string, unknown, string | RegExp]>([
    ['no array', { 0: 'float64' }, '7 words'],
    ['null', null, '7 words'],
    ['too few words', fields().slice(1), '7 words'],
    ['too many words', [...fields(), 0], '7 words'],
    ['an unknown dtype', fields([0, 'float8']), 'no element type "float8"'],
    ['a dtype that is none', fields([0, ['float64']]), 'no element type of type object'],
    ['a property of every object as dtype', fields([0, 'constructor']), 'no element type "constructor"'],
    ['a shape that is none', fields([1, '34']), 'shape is not an array'],
    ['65 axes', fields([1, Array(65).fill(1)], [2, Array(65).fill(1)]), 'at most 64'],
    ['a negative extent', fields([1, [-3, 4]]), 'shape[0] is -3'],
    ['an extent beyond doubles', fields([1, [2 ** 53, 0]]), 'shape[0] is 9007199254740992'],
    ['a bigint', fields([1, [3n, 4]]), 'shape[0] is bigint'],
    ['a hole', fields([1, [, 4]]), 'shape[0] is undefined'], // eslint-disable-line no-sparse-arrays
    ['a fraction', fields([2, [4, 0.5]]), 'strides[1] is 0.5'],
    ['NaN', fields([3, NaN]), 'start is NaN'],
    ['fewer strides than axes', fields([2, [4]]), 'shape has 2 axes, and strides has 1'],
    ['a negative start', fields([3, -8]), 'start is -8'],
    ['a misaligned start', fields([3, 4]), 'start 4 is not a multiple of 8'],
    ['a misaligned start of complex numbers', fields([0, 'complex128'], [3, 12]), 'start 12 is not a multiple of 8'],
    ['one element too many', fields([3, 872]), 'takes the bytes 872 to 968, and 960 are lent'],
    ['an element before the memory', fields([2, [-4, 1]], [3, 56]), 'takes the bytes -8 to'],
    ['a stride that leaps over the memory', fields([2, [120, 1]]), 'are lent'],
    ['a start far behind', fields([3, 8e15]), 'are lent'],
    ['a start of no elements behind the memory', fields([1, [0, 1]], [3, 968]), 'start 968 lies behind'],
    [
      'a product that is no number',
      fields([1, Array(64).fill(2 ** 53 - 1)], [2, Array(64).fill(0)]),
      'too many elements',
    ],
    ['a product hidden by an empty axis', fields([1, [2 ** 40, 2 ** 40, 0]], [2, [0, 0, 0]]), 'too many elements'],
    ['strides whose sum wraps 2 ** 64', fields([1, [3, 3]], [2, [2 ** 53 - 1, 2 ** 53 - 1]]), 'are lent'],
    ['strides that cancel out', fields([1, [3, 3]], [2, [2 ** 53 - 1, -(2 ** 53 - 1)]]), 'are lent'],
    ['memory of a GPU', fields([4, 2], [5, 3]), 'lies on the CUDA device 3, whose memory cannot be shared'],
    ['memory of an unknown device', fields([4, 99]), 'lies on the unknown (99) device 0'],
    ['a device that is none', fields([4, 'cpu']), 'deviceType is string'],
    ['an unknown flag', fields([6, 2]), 'flags are 2'],
    ['an unknown reason', fields([6, 6 * 256]), 'flags are 1536'],
    ['flags beyond 16 bits', fields([6, 2 ** 32]), 'flags is 4294967296'],
  ])('are refused with %s', (_, words, message) => {
    expectError(
      () => check(words),
      'ZEROCOPY_RANGE',
      typeof message === 'string' ? new RegExp(message.replace(/[[\]().*]/g, '\\$&')) : message,
    );
  });

  it('carry flags', () => {
    expect(check(fields([6, 1]))).toMatchObject({ isReadOnly: true, copyReason: undefined });
    for (const [code, reason] of COPY_REASONS.entries()) {
      expect(check(fields([6, code * 256 + 1]))).toMatchObject({ isReadOnly: true, copyReason: reason });
      expect(check(fields([6, code * 256]))).toMatchObject({ isReadOnly: false, copyReason: reason });
    }
  });

  it('give numbers of the wire to reasons as both sides know them', () => {
    const reasons: CopyReason[] = ['inline', 'not-shared', 'unavailable', 'no-space', 'layout'];
    expect(reasons.map((reason) => COPY_REASONS.indexOf(reason))).toEqual([1, 2, 3, 4, 5]);
  });

  it('are written as they are read', () => {
    const array = {
      dtype: 'int16',
      shape: [2, 3],
      strides: [-3, 1],
      start: 6,
      isReadOnly: true,
      copyReason: 'layout',
    } as const;
    const words = writeArrayFields(array);
    expect(words).toEqual(['int16', [2, 3], [-3, 1], 6, 1, 0, 5 * 256 + 1]);
    expect(check(JSON.parse(JSON.stringify(words)))).toMatchObject(array);
    expect(writeArrayFields({ dtype: 'bool', shape: [], strides: [], start: 0 })[6]).toBe(0);
  });

  it('are not written where they would not be read', () => {
    const array = { dtype: 'complex128', shape: [1], strides: [1], start: 12 } as const;
    expectError(() => writeArrayFields(array), 'ZEROCOPY_RANGE', 'not a multiple of 8');
  });

  it('open as an array whose every element is where they say', () => {
    const buffer = new ArrayBuffer(LENT + 64);
    const numbers = new Float64Array(buffer, 64).map((_, index) => index);
    new Float64Array(buffer, 64).set(numbers);
    const checked = check(fields([2, [-5, 2]], [3, 80]));
    const array = makeNDArray({ ...checked, memory: memoryOfFields(checked, buffer, 64) });
    expect(array.toArray()).toEqual([0, 1, 2].map((i) => [0, 1, 2, 3].map((j) => 10 - 5 * i + 2 * j)));
    const sameOfBytes = makeNDArray({ ...checked, bytes: new Uint8Array(buffer, 64) });
    expect(sameOfBytes.toArray()).toEqual(array.toArray());
  });
});

/** The bytes of each corner of an array, with integers of any size: what a peer that lies could make overflow. */
function cornersAreInside({ dtype, shape, strides, start }: CheckedArray, lent: number): boolean {
  if (shape.includes(0)) return true;
  const size = BigInt(itemSizeOf(dtype));
  let lowest = BigInt(start);
  let highest = BigInt(start);
  for (const [axis, extent] of shape.entries()) {
    const reach = BigInt(extent - 1) * BigInt(strides[axis] ?? 0) * size;
    if (reach < 0n) lowest += reach;
    else highest += reach;
  }
  return lowest >= 0n && highest + size <= BigInt(lent) && start % constructorOf(dtype).BYTES_PER_ELEMENT === 0;
}

/** Numbers that break arithmetic, and those near the edges of the memory. */
const EDGES = [0, 1, 2, -1, 7, 8, 16, 119, 120, 952, 960, 961, 2 ** 31, 2 ** 32, 2 ** 52, 2 ** 53 - 1, 2 ** 53, -(2 ** 53 - 1), 1e300, NaN, Infinity, -0, 0.5]; // prettier-ignore
const STRANGE = [null, undefined, '', '8', true, {}, [], [[]], 5n, () => 0, Symbol('start'), new Date(0), new Map()];

function strange(random: Random): unknown {
  return random.next() < 0.5 ? random.pick(EDGES) : random.pick<unknown>(STRANGE);
}

/** Words that are right more often than not, and may lie just outside. */
function likelyFields(random: Random): unknown[] {
  const dtype = random.pick(DTYPES);
  const shape = Array.from({ length: random.integer(0, 4) }, () => random.integer(0, 5));
  const strides = shape.map(() => random.integer(-12, 12));
  const start =
    random.integer(0, LENT / constructorOf(dtype).BYTES_PER_ELEMENT) * constructorOf(dtype).BYTES_PER_ELEMENT;
  return [dtype, shape, strides, start, 1, 0, random.pick([0, 1, 256, 257, 1281])];
}

function mutate(random: Random, words: unknown[]): unknown {
  const index = random.integer(0, words.length);
  const word = words[index];
  if (index === words.length) return random.next() < 0.1 ? strange(random) : words;
  if (Array.isArray(word) && word.length > 0 && random.next() < 0.7) {
    word[random.integer(0, word.length - 1)] = random.next() < 0.5 ? random.pick(EDGES) : strange(random);
    if (random.next() < 0.1) word.push(random.pick(EDGES));
  } else words[index] = index === 0 && random.next() < 0.5 ? random.pick<DType>(DTYPES) : strange(random);
  return words;
}

describe('the decoder, given 100,000 random descriptions', () => {
  const accepted: { checked: CheckedArray; lent: number }[] = [];
  const refused: unknown[] = [];

  beforeAll(() => {
    const random = new Random(20_240_605);
    for (let round = 0; round < 100_000; round++) {
      let words: unknown = likelyFields(random);
      for (let change = random.integer(0, 2); change > 0 && Array.isArray(words); change--)
        words = mutate(random, words);
      const lent = random.pick([LENT, LENT, LENT, 0, 1, 100, 2 ** 40]);
      try {
        accepted.push({ checked: checkArrayFields(words, lent), lent });
      } catch (error) {
        refused.push(error);
      }
    }
  });

  it('takes and refuses many of them', () => {
    expect(accepted.length).toBeGreaterThan(10_000);
    expect(refused.length).toBeGreaterThan(10_000);
  });

  it('throws nothing but ZEROCOPY_RANGE', () => {
    expect(refused.filter((error) => !(error instanceof ZeroCopyError && error.code === 'ZEROCOPY_RANGE'))).toEqual([]);
  });

  it('takes none with an element outside of the memory or misaligned', () => {
    expect(accepted.filter(({ checked, lent }) => !cornersAreInside(checked, lent))).toEqual([]);
  });

  it('gives a window that holds exactly the elements', () => {
    const wrong = accepted.filter(({ checked, lent }) => {
      const { byteOffset, byteLength, offset, start, dtype } = checked;
      const isPlaced = byteLength === 0 || byteOffset + offset * itemSizeOf(dtype) === start;
      return byteOffset < 0 || byteOffset + byteLength > lent || !isPlaced;
    });
    expect(wrong).toEqual([]);
  });

  it('makes arrays of them that can be read and written to at every corner', () => {
    const buffer = new ArrayBuffer(LENT);
    for (const { checked } of accepted.filter(({ lent }) => lent === LENT).slice(0, 5_000)) {
      const array = makeNDArray({ ...checked, isReadOnly: false, memory: memoryOfFields(checked, buffer) });
      if (array.size === 0 || array.size > LENT * 10) continue;
      const last = array.shape.map(() => -1);
      const first = array.shape.map(() => 0);
      array.set(array.at(...last), ...first);
      expect(array.toTypedArray().byteLength).toBe(array.byteLength);
    }
  });
});

it('a description of this process is what its own decoder takes', () => {
  const random = new Random(7);
  const right = Array.from({ length: 1000 }, () => likelyFields(random) as unknown as ArrayFields);
  const valid = right.filter((words) => {
    try {
      check(words);
      return true;
    } catch {
      return false;
    }
  });
  expect(valid.length).toBeGreaterThan(100);
  for (const words of valid) expect(writeArrayFields(check(words))).toEqual(words);
});
