import { deepStrictEqual, notDeepStrictEqual } from 'node:assert/strict';
import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import { DTYPES, type DType, type ElementOf, type TypedArray, constructorOf, itemSizeOf } from '../src/dtype.js';
import { makeNDArray, ndarray, originOf } from '../src/make-ndarray.js';
import { type NDArray, isNDArray } from '../src/ndarray.js';
import type { Range } from '../src/slice.js';
import { expectError } from './helpers.js';
import { Random } from './random.js';

/** 0, 1, 2, ... in C order. */
const counting = (...shape: number[]): NDArray<'float64'> => {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return ndarray(
    Float64Array.from({ length: size }, (_, index) => index),
    shape,
    'float64',
  );
};

describe('an array', () => {
  it('says what it is, over the memory that was given', () => {
    const data = Float32Array.of(1, 2, 3, 4, 5, 6);
    const array = ndarray(data, [2, 3]);
    expect(array).toMatchObject({
      dtype: 'float32',
      shape: [2, 3],
      strides: [3, 1],
      ndim: 2,
      size: 6,
      itemSize: 4,
      byteLength: 24,
      offset: 0,
      isContiguous: true,
      isReadOnly: false,
      isShared: false,
      copied: false,
      copyReason: undefined,
    });
    expect(array.data).toBe(data);
    expect(array.memory).toBe(data);
    expect([array.shape, array.strides].every(Object.isFrozen)).toBe(true);
  });

  it('is recognised, and nothing else is', () => {
    expect(isNDArray(counting(2))).toBe(true);
    expect(isNDArray({ [Symbol.for('hognose/ndarray')]: true })).toBe(true);
    expect([null, 5, new Float64Array(1), { dtype: 'int8', shape: [], data: [] }].map(isNDArray)).toEqual(
      Array(4).fill(false),
    );
  });

  it('has one element without dimensions, and none with an axis of none', () => {
    expect([counting().shape, counting().size, counting().at(), counting().toArray()]).toEqual([[], 1, 0, 0]);
    const empty = counting(2, 0, 3);
    expect([empty.size, empty.byteLength, empty.strides, empty.isContiguous]).toEqual([0, 0, [3, 3, 1], true]);
    expect(empty.toArray()).toEqual([[], []]);
    expect(empty.data).toHaveLength(0);
    expect(empty.slice(1).toTypedArray()).toEqual(new Float64Array(0));
    expect(empty.transpose().reshape(0).shape).toEqual([0]);
  });

  it.each<[DType, TypedArray, ElementOf<DType>, ElementOf<DType>]>([
    ['bool', Uint8Array.of(0, 1), true, false],
    ['int8', Int8Array.of(0, -128), -128, 127],
    ['int16', Int16Array.of(0, -5), -5, 6],
    ['int32', Int32Array.of(0, 2 ** 31 - 1), 2 ** 31 - 1, -6],
    ['int64', BigInt64Array.of(0n, -(2n ** 63n)), -(2n ** 63n), 2n ** 63n - 1n],
    ['uint8', Uint8Array.of(0, 255), 255, 6],
    ['uint16', Uint16Array.of(0, 65535), 65535, 6],
    ['uint32', Uint32Array.of(0, 2 ** 32 - 1), 2 ** 32 - 1, 6],
    ['uint64', BigUint64Array.of(0n, 2n ** 64n - 1n), 2n ** 64n - 1n, 6n],
    ['float16', Uint16Array.of(0, 0x3c01), 1 + 2 ** -10, -65504],
    ['bfloat16', Uint16Array.of(0, 0x3f81), 1 + 2 ** -7, 2 ** 100],
    ['float32', Float32Array.of(0, 1.5), 1.5, -Infinity],
    ['float64', Float64Array.of(0, 5e-324), 5e-324, NaN],
    ['complex64', Float32Array.of(0, 0, 1.5, -2), { re: 1.5, im: -2 }, { re: NaN, im: -0 }],
    ['complex128', Float64Array.of(0, 0, 1.5, -2), { re: 1.5, im: -2 }, { re: 0.1, im: 1e300 }],
  ])('of %s reads and writes its elements', (dtype, data, second, other) => {
    const array = ndarray(data, { dtype });
    expect([array.shape, array.itemSize, array.byteLength]).toEqual([[2], itemSizeOf(dtype), data.byteLength]);
    expect(array.at(1)).toEqual(second);
    expect(array.at(-1)).toEqual(second);
    array.set(other, 0);
    expect(array.toArray()).toEqual([other, second]);
    expect(array.slice([null, null, -1]).toTypedArray().constructor).toBe(data.constructor);
    expect(ndarray(array.slice([null, null, -1]).toTypedArray(), [2], dtype).toArray()).toEqual([second, other]);
  });

  it('counts complex numbers, not their parts', () => {
    const array = ndarray(Float64Array.of(1, 2, 3, 4, 5, 6), [3], 'complex128').slice([null, null, -1]);
    expect([array.shape, array.strides, array.offset, array.memory.length]).toEqual([[3], [-1], 2, 6]);
    expect(array.toTypedArray()).toEqual(Float64Array.of(5, 6, 3, 4, 1, 2));
    const odd = array.slice(1).toArray();
    expect(odd).toEqual({ re: 3, im: 4 });
  });

  it('wraps and rounds as a typed array does, and takes no other type', () => {
    const bytes = ndarray(new Uint8Array(1));
    bytes.set(257, 0);
    expect(bytes.at(0)).toBe(1);
    expect(() => {
      bytes.set(1n as never, 0);
    }).toThrow(/takes a number, and this is of type bigint/);
    expect(() => {
      ndarray(new BigInt64Array(1)).set(1 as never, 0);
    }).toThrow(/takes a bigint, such as 1n, and this is of type number/);
    expect(() => {
      ndarray(new Uint8Array(1), [1], 'bool').set(1 as never, 0);
    }).toThrow(/takes true or false/);
    const complex = ndarray(Float32Array.of(1, 2), [1], 'complex64');
    expect(() => {
      complex.set({ re: 1 } as never, 0);
    }).toThrow('im of an element { re, im } takes a number');
    expect(() => {
      complex.set(null as never, 0);
    }).toThrow(TypeError);
    expect(complex.at(0)).toEqual({ re: 1, im: 2 });
    expect(() => {
      ndarray(new Uint16Array(1), [1], 'float16').set('1' as never, 0);
    }).toThrow(TypeError);
  });

  it.each([[[]], [[0]], [[0, 0, 0]], [[2, 0]], [[0, 3]], [[-3, 0]], [[0.5, 0]], [[NaN, 0]], [['0', 0]]])(
    'has no element %j in shape [2, 3]',
    (indices) => {
      const array = counting(2, 3);
      expect(() => array.at(...(indices as number[]))).toThrow(RangeError);
      expect(() => {
        array.set(1, ...(indices as number[]));
      }).toThrow(RangeError);
    },
  );

  it('that is read-only refuses to be changed, in every view', () => {
    const array = ndarray(Float64Array.of(1, 2), { isReadOnly: true });
    for (const view of [array, array.slice([1]), array.reshape(2, 1).transpose()]) {
      expect(view.isReadOnly).toBe(true);
      expect(() => {
        view.set(5, ...view.shape.map(() => 0));
      }).toThrow(/read-only/);
    }
    expect(array.toArray()).toEqual([1, 2]);
  });
});

describe('ndarray()', () => {
  it.each<[string, () => unknown, string]>([
    ['too few elements', () => ndarray(new Float64Array(6), [2, 2]), 'shape [2, 2] needs 4 elements, and there are 6'],
    ['a negative length', () => ndarray(new Float64Array(2), [-1, -2]), 'must be of integers from 0'],
    ['a fraction', () => ndarray(new Float64Array(2), [0.5, 4]), 'must be of integers from 0'],
    ['an axis too many', () => ndarray(new Float64Array(1), Array<number>(65).fill(1)), 'at most 64'],
    ['another dtype', () => ndarray(new Float64Array(2), [2], 'int8'), 'a Float64Array does not hold int8'],
    ['half a complex number', () => ndarray(new Float32Array(3), { dtype: 'complex64' }), 'must be of integers from 0'],
    ['an unknown dtype', () => ndarray(new Float64Array(2), [2], 'float8' as never), 'does not hold float8'],
    ['a DataView', () => ndarray(new DataView(new ArrayBuffer(1)) as never), 'a DataView does not hold'],
    ['an array', () => ndarray([1, 2] as never), 'an Array does not hold'.replace('an', 'a')],
    [
      'an offset beyond',
      () => ndarray(new Float64Array(6), { shape: [2, 2], offset: 3 }),
      'the elements 3 to 6 of memory that has 6',
    ],
    [
      'strides beyond',
      () => ndarray(new Float64Array(6), { shape: [2, 2], strides: [5, 1] }),
      'the elements 0 to 6 of',
    ],
    [
      'strides before',
      () => ndarray(new Float64Array(6), { shape: [2], strides: [-3], offset: 2 }),
      'the elements -1 to 2 of',
    ],
    ['a stride too few', () => ndarray(new Float64Array(6), { shape: [2, 2], strides: [1] }), 'strides has 1'],
    ['an offset that is none', () => ndarray(new Float64Array(6), { shape: [2], offset: -1 }), 'offset is -1'],
  ])('refuses %s with a TypeError', (_, make, message) => {
    expect(make).toThrow(TypeError);
    expect(make).toThrow(message);
  });

  it('takes strides and an offset', () => {
    const data = Int32Array.from({ length: 24 }, (_, index) => index);
    const array = ndarray(data, { shape: [2, 3], strides: [-12, 2], offset: 13 });
    expect(array.toArray()).toEqual([
      [13, 15, 17],
      [1, 3, 5],
    ]);
    expect([array.offset, array.memory.byteOffset, array.memory.length]).toEqual([12, 4, 17]);
    expect(ndarray(data, { shape: [3], offset: 4 }).data).toEqual(Int32Array.of(4, 5, 6));
    expect(ndarray(data, { shape: [2, 1000], strides: [1, 0] }).at(1, 999)).toBe(1);
  });

  it('leaves the shape that was given alone, and is not changed by it', () => {
    const shape = [2, 1];
    const array = ndarray(Float64Array.of(1, 2), shape);
    shape.push(7);
    expect(array.shape).toEqual([2, 1]);
  });

  it('takes typed arrays of another realm', () => {
    const foreign = runInNewContext('Float64Array.of(1, 2, 3, 4)') as Float64Array;
    const array = ndarray(foreign, [2, 2]).transpose();
    expect(array.toArray()).toEqual([
      [1, 3],
      [2, 4],
    ]);
    expect(array.toTypedArray()).toEqual(Float64Array.of(1, 3, 2, 4));
  });

  it('copies a Buffer when it is asked to, whose own slice does not', () => {
    const buffer = Buffer.from([1, 2, 3]);
    const copy = ndarray(buffer).toTypedArray();
    buffer[0] = 9;
    expect(copy).toEqual(Uint8Array.of(1, 2, 3));
  });
});

describe('views', () => {
  const array = counting(3, 4);

  it.each<[string, Range[], unknown]>([
    ['a[0]', [0], [0, 1, 2, 3]],
    ['a[-1]', [-1], [8, 9, 10, 11]],
    ['a[:, 1]', [null, 1], [1, 5, 9]],
    ['a[1, -1]', [1, -1], 7],
    ['a[1:]', [[1]], [[4, 5, 6, 7], [8, 9, 10, 11]]], // prettier-ignore
    ['a[:2, ::2]', [[null, 2], [null, null, 2]], [[0, 2], [4, 6]]], // prettier-ignore
    ['a[::-1, 0]', [[null, null, -1], 0], [8, 4, 0]],
    ['a[0, ::-2]', [0, [null, null, -2]], [3, 1]],
    ['a[0, 2:0:-1]', [0, [2, 0, -1]], [2, 1]],
    ['a[0, -2:]', [0, [-2]], [2, 3]],
    ['a[0, -100:100]', [0, [-100, 100]], [0, 1, 2, 3]],
    ['a[0, 100:-100:-3]', [0, [100, -100, -3]], [3, 0]],
    ['a[0, 3:1]', [0, [3, 1]], []],
    ['a[0, 1:3:-1]', [0, [1, 3, -1]], []],
    ['a[5:]', [[5]], []],
    ['a[()]', [], [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]], // prettier-ignore
  ])('%s is a slice, as in Python', (_, ranges, expected) => {
    expect(array.slice(...ranges).toArray()).toEqual(expected);
  });

  it.each<[string, unknown[], new () => Error]>([
    ['an index beyond', [3], RangeError],
    ['an index before', [-4], RangeError],
    ['a fraction', [0.5], RangeError],
    ['more ranges than axes', [0, 0, 0], RangeError],
    ['a step of 0', [[null, null, 0]], RangeError],
    ['a bound that is no number', [['1']], TypeError],
    ['a bound that is a fraction', [[0.5]], TypeError],
    ['a range that was forgotten', [undefined], TypeError],
    ['a range of four', [[0, 1, 1, 1]], TypeError],
    ['a string', ['1:2'], TypeError],
  ])('are refused: %s', (_, ranges, type) => {
    expect(() => array.slice(...(ranges as Range[]))).toThrow(type);
  });

  it('share memory: a change in one is seen in all', () => {
    const base = counting(2, 3);
    const view = base.transpose().slice([1], 0);
    view.set(50, 0);
    expect(base.at(0, 1)).toBe(50);
    expect(base.data.buffer).toBe(view.memory.buffer);
    base.data[2] = 60;
    expect(view.toArray()).toEqual([50, 60]);
  });

  it('know the memory from their lowest to their highest element', () => {
    const view = array.slice([null, null, -1], [1, 3]);
    expect([view.strides, view.offset, view.memory, view.memory.byteOffset]).toEqual([
      [-4, 1],
      8,
      Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
      8,
    ]);
    expect(array.slice(1).data).toEqual(Float64Array.of(4, 5, 6, 7));
    expect(array.slice(1).offset).toBe(0);
  });

  it('of one element for all have no stride of -0 when they are turned round', () => {
    const constant = ndarray(Float64Array.of(7), { shape: [3], strides: [-0] });
    expect([constant.strides, constant.slice([null, null, -1]).strides]).toEqual([[0], [0]]);
  });

  it('that are out of C order have no data, and say what to do', () => {
    const view = array.transpose();
    expect(() => view.data).toThrow(TypeError);
    expect(() => view.data).toThrow(/shape \[4, 3\] and strides \[1, 4\].*use toTypedArray\(\)/);
    expect(view.toTypedArray()).toEqual(Float64Array.of(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11));
    expect(array.slice(null, [0, 1]).isContiguous).toBe(false);
    expect(array.slice([0, 1], [1, 3]).data).toEqual(Float64Array.of(1, 2));
  });

  it('have their axes in any order', () => {
    const cube = counting(2, 3, 4);
    expect(cube.transpose().shape).toEqual([4, 3, 2]);
    expect(cube.transpose([1, 0, 2])).toMatchObject({ shape: [3, 2, 4], strides: [4, 12, 1] });
    expect(cube.transpose([1, 2, 0]).at(2, 3, 1)).toBe(cube.at(1, 2, 3));
    for (const axes of [
      [0, 1],
      [0, 1, 1],
      [0, 1, 3],
      [0, 1, -1],
      [0, 1, 2, 0],
      [0.5, 1, 2],
    ]) {
      expect(() => cube.transpose(axes)).toThrow(RangeError);
    }
  });

  it('have another shape, where strides can say it', () => {
    expect(array.reshape(2, 6).at(1, 0)).toBe(6);
    expect(array.reshape([4, -1]).shape).toEqual([4, 3]);
    expect(counting(1).reshape().shape).toEqual([]);
    expect(array.reshape(2, 1, 3, 2).transpose([1, 3, 0, 2]).reshape(1, 2, 6).toTypedArray()).toEqual(
      array.reshape(6, 2).transpose().toTypedArray(),
    );
    expect(array.slice(null, [null, null, 2]).reshape(6).toArray()).toEqual([0, 2, 4, 6, 8, 10]);
    expect(array.slice([null, null, -1], [null, null, -1]).reshape(12).strides).toEqual([-1]);
    expect(() => array.transpose().reshape(12)).toThrow(TypeError);
    expect(() => array.transpose().reshape(12)).toThrow(/has no view of shape \[12\]: copy it first/);
    for (const shape of [[5], [-1, -1], [-1, 5], [-12, -1], [2.5, -1], ['12'], [24, 0.5], []]) {
      expect(() => array.reshape(...(shape as number[]))).toThrow(RangeError);
    }
    expect(() => counting(0).reshape(0, -1)).toThrow(RangeError);
  });

  it('agree with plain arrays of arrays, after any steps', () => {
    const random = new Random(1);
    for (let round = 0; round < 2000; round++) {
      const shape = Array.from({ length: random.integer(1, 4) }, () => random.integer(1, 5));
      let view: NDArray = counting(...shape);
      let plain: unknown = view.toArray();
      for (let step = random.integer(1, 3); step > 0 && view.ndim > 0; step--) {
        if (random.next() < 0.6) {
          const range: Range = [random.integer(-6, 6), random.integer(-6, 6), random.pick([1, 2, 3, -1, -2])];
          const ranges: Range[] = random.shuffled<Range>([range, null, 0]).slice(0, view.ndim);
          if (view.size === 0) break;
          view = view.slice(...ranges);
          plain = slicePlain(plain, ranges);
        } else if (view.ndim === 2 && view.size > 0) {
          view = view.transpose();
          plain = transposePlain(plain as unknown[][]);
        }
      }
      expect(view.toArray()).toEqual(plain);
      expect(Array.from(view.toTypedArray() as Float64Array)).toEqual([plain].flat(Infinity));
    }
  });

  it('are copied in order whatever their strides, for every size of an element', () => {
    for (const dtype of DTYPES) {
      const words = itemSizeOf(dtype) / constructorOf(dtype).BYTES_PER_ELEMENT;
      const bytes = Uint8Array.from({ length: 6 * 70 * itemSizeOf(dtype) }, (_, index) => (index * 37) % 251);
      const base = makeNDArray({ dtype, shape: [2, 3, 70], bytes });
      for (const view of [base.transpose(), base.transpose([1, 0, 2]), base.slice(null, [null, null, -1], [1])]) {
        const copy = view.toTypedArray();
        expect(copy).toHaveLength(view.size * words);
        const again = makeNDArray({ dtype, shape: view.shape, memory: copy });
        const indices = view.shape.map((extent) => extent - 1);
        expect(again.at(...indices)).toEqual(view.at(...indices));
        expect(inspect(again.toArray())).toBe(inspect(view.toArray()));
      }
    }
  });

  it('are copied bit by bit: a NaN keeps its payload', () => {
    const bits = Uint32Array.of(0x7f800001, 0xffc12345, 0x7fabcdef, 0);
    const copy = ndarray(new Float32Array(bits.buffer), [2, 2]).transpose().toTypedArray();
    expect(new Uint32Array(copy.buffer)).toEqual(Uint32Array.of(0x7f800001, 0x7fabcdef, 0xffc12345, 0));
  });
});

/** Python's slicing, element by element. */
function slicePlain(plain: unknown, ranges: readonly Range[]): unknown {
  const [range, ...rest] = ranges;
  if (range === undefined) return plain;
  const items = plain as unknown[];
  if (range === null) return items.map((item) => slicePlain(item, rest));
  if (typeof range === 'number') return slicePlain(items.at(range), rest);
  const [start, stop, step] = range as [number, number, number];
  const places: number[] = [];
  const at = (bound: number): number => (bound < 0 ? bound + items.length : bound);
  if (step > 0) for (let i = Math.max(at(start), 0); i < Math.min(at(stop), items.length); i += step) places.push(i);
  else for (let i = Math.min(at(start), items.length - 1); i > Math.max(at(stop), -1); i += step) places.push(i);
  return places.map((place) => slicePlain(items[place], rest));
}

const transposePlain = (rows: unknown[][]): unknown[][] =>
  (rows[0] ?? []).map((_, column) => rows.map((row) => row[column]));

describe('S64 a released array', () => {
  it('throws a typed error wherever it would touch memory, in every view', () => {
    const array = counting(2, 3);
    const views = [array, array.slice(0), array.transpose(), array.reshape(6)];
    array.slice(1).$release();
    for (const view of views) {
      const zeros = view.shape.map(() => 0);
      const uses = [
        () => view.data,
        () => view.memory,
        () => view.at(...zeros),
        () => { view.set(1, ...zeros); },
        () => view.toTypedArray(),
        () => view.toArray(),
        () => originOf(view),
        () => view.slice([0, 1]).at(...zeros),
      ]; // prettier-ignore
      for (const use of uses) expectError(use, 'ZEROCOPY_RELEASED', /released with \$release\(\)/);
      expect(inspect(view)).toMatch(/^NDArray<float64>\([0-9 x]+\) \[ released \]$/);
    }
    expect([array.shape, array.size, array.dtype]).toEqual([[2, 3], 6, 'float64']);
  });

  it('calls its hook once, for all views', () => {
    let released = 0;
    const release = (): number => ++released;
    const array = makeNDArray({ dtype: 'int8', shape: [2], memory: Int8Array.of(1, 2), release });
    {
      using view = array.slice([1]);
      expect(view.at(0)).toBe(2);
    }
    array.$release();
    array.$release();
    expect(released).toBe(1);
  });

  it('leaves a typed array of it harmless', () => {
    const array = counting(2);
    const { data } = array;
    array.$release();
    data[0] = 5;
    expect(data[0]).toBe(5);
  });

  it('is told from memory that was sent to another thread', () => {
    const array = counting(2);
    const { memory } = array.slice([1]);
    structuredClone(memory, { transfer: [memory.buffer as ArrayBuffer] });
    expectError(() => array.at(0), 'ZEROCOPY_RELEASED', /moved away by transfer\(\) or postMessage\(\)/);
    expect(inspect(array)).toBe('NDArray<float64>(2) [ moved away ]');
  });
});

describe('makeNDArray()', () => {
  it('opens memory at its first use, once', () => {
    let opened = 0;
    const memory = (): Float64Array => {
      opened++;
      return Float64Array.of(0, 1, 2, 3);
    };
    const source = { lender: 'a worker' };
    const array = makeNDArray({ dtype: 'float64', shape: [3], offset: 1, memory, source, isShared: true });
    const view = array.slice([null, null, -1]).slice([null, 2]);
    expect(inspect(view)).toBe('NDArray<float64>(2) [ not opened yet ]');
    expect([view.size, view.strides, view.offset, view.isShared]).toEqual([2, [-1], 1, true]);
    expect(originOf(view)).toEqual({ source, isOpen: false, byteOffset: 16, byteLength: 16 });
    expect(opened).toBe(0);
    expect(view.toArray()).toEqual([3, 2]);
    expect(array.data).toEqual(Float64Array.of(1, 2, 3));
    expect(opened).toBe(1);
    expect(originOf(array)).toMatchObject({ isOpen: true, byteOffset: 8, byteLength: 24 });
    expect(originOf({ [Symbol.for('hognose/ndarray')]: true } as never)).toBeUndefined();
  });

  it('does not open memory to give it back', () => {
    const done: string[] = [];
    const memory = (): Float64Array => {
      done.push('opened');
      return Float64Array.of(0);
    };
    makeNDArray({ dtype: 'float64', shape: [], memory, release: () => done.push('released') }).$release();
    expect(done).toEqual(['released']);
  });

  it('checks memory when it is opened', () => {
    const short = makeNDArray({ dtype: 'float64', shape: [3], memory: () => new Float64Array(2) });
    expectError(() => short.data, 'ZEROCOPY_RANGE', 'the elements 0 to 2 of memory that has 2');
    const wrong = makeNDArray({ dtype: 'float64', shape: [], memory: () => new Float32Array(2) as never });
    expectError(() => wrong.data, 'ZEROCOPY_RANGE', 'a Float32Array does not hold elements of float64');
  });

  it('sees bytes as elements', () => {
    const bytes = new Uint8Array(Float64Array.of(1, 2, 3, 4).buffer, 8, 23);
    const array = makeNDArray({ dtype: 'float64', shape: [2], strides: [-1], start: 8, bytes });
    expect(array.toArray()).toEqual([3, 2]);
    expectError(() => makeNDArray({ dtype: 'float64', shape: [3], bytes }), 'ZEROCOPY_RANGE', 'memory that has 2');
    expectError(
      () => makeNDArray({ dtype: 'float64', shape: [1], start: 4, bytes }),
      'ZEROCOPY_RANGE',
      'not a multiple of 8',
    );
    expectError(
      () => makeNDArray({ dtype: 'float64', shape: [1], bytes: bytes.subarray(1) }),
      'ZEROCOPY_RANGE',
      'begin at 9',
    );
  });

  it('sees complex numbers in bytes wherever their parts may lie', () => {
    const bytes = new Uint8Array(Float64Array.of(9, 1, 2, 3, 4, 5).buffer);
    const array = makeNDArray({ dtype: 'complex128', shape: [2], strides: [-1], start: 24, bytes });
    expect(array.toArray()).toEqual([
      { re: 3, im: 4 },
      { re: 1, im: 2 },
    ]);
    expect(originOf(array)).toMatchObject({ byteOffset: 8, byteLength: 32 });
    const parts = { dtype: 'complex128', shape: [3], start: 8, bytes } as const;
    expectError(() => makeNDArray(parts), 'ZEROCOPY_RANGE', 'the elements 0 to 2 of memory that has 2.5');
  });

  it.each<[string, object, string]>([
    ['no dtype', { dtype: 'x', shape: [] }, 'no element type'],
    ['no shape', { dtype: 'int8', shape: 4 }, 'shape is not an array'],
    ['no memory', { dtype: 'int8', shape: [], memory: undefined }, 'needs memory or bytes'],
    ['other memory', { dtype: 'int8', shape: [], memory: [1] }, 'a Array does not hold'],
    ['an offset', { dtype: 'int8', shape: [4], offset: 1 }, 'the elements 1 to 4 of memory that has 4'],
    ['strides', { dtype: 'int8', shape: [3, 3], strides: [2 ** 53 - 1, 1] }, 'reach further than any memory'],
  ])('refuses what does not fit: %s', (_, parts, message) => {
    expectError(() => makeNDArray({ memory: new Int8Array(4), ...parts } as never), 'ZEROCOPY_RANGE', message);
  });

  it('says why it is a copy', () => {
    const array = makeNDArray({ dtype: 'int8', shape: [1], memory: new Int8Array(1), copyReason: 'not-shared' });
    expect(array.slice(0)).toMatchObject({ copied: true, copyReason: 'not-shared' });
  });
});

describe('arrays in tests and logs', () => {
  it('print dtype, shape and their first elements', () => {
    expect(inspect(counting(2, 1))).toBe('NDArray<float64>(2 x 1) [ 0, 1 ]');
    expect(inspect(counting(3, 3).transpose())).toBe('NDArray<float64>(3 x 3) [ 0, 3, 6, 1, 4, 7, … ]');
    expect(inspect(ndarray(BigInt64Array.of(5n)))).toBe('NDArray<int64>(1) [ 5 ]');
    expect(inspect(ndarray(Float64Array.of(1, -2, 0, 3), [2], 'complex128'))).toBe(
      'NDArray<complex128>(2) [ 1-2i, 0+3i ]',
    );
    expect(inspect(ndarray(Uint16Array.of(0x3c00), [], 'float16'))).toBe('NDArray<float16>() [ 1 ]');
    expect(inspect(counting(0))).toBe('NDArray<float64>(0) [  ]');
  });

  it('are equal when dtype, shape and elements are, and no others', () => {
    const pairs: [NDArray, NDArray, boolean][] = [
      [counting(2, 3), counting(2, 3), true],
      [counting(2, 3), counting(3, 2), false],
      [counting(2), ndarray(Float64Array.of(0, 2)), false],
      [ndarray(new Int8Array(2)), ndarray(new Uint8Array(2)), false],
      [counting(3).slice([1]), ndarray(Float64Array.of(1, 2)), true],
      [counting(2, 3).transpose(), counting(2, 3).transpose(), true],
      [counting(4, 3).slice([1, 3]).transpose(), counting(4, 3).slice([2, 4]).transpose(), false],
    ];
    for (const [one, other, isEqual] of pairs) {
      if (isEqual) {
        expect(one).toEqual(other);
        deepStrictEqual(one, other);
      } else {
        expect(one).not.toEqual(other);
        notDeepStrictEqual(one, other);
      }
    }
  });
});
