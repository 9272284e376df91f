import { join } from 'node:path';
import { inspect } from 'node:util';
import { createContext, runInContext } from 'node:vm';
import {
  EncodeError,
  float,
  isNDArray,
  isTuple,
  kw,
  ndarray,
  py,
  tuple,
  type DType,
  type NDArray,
  type PyHandle,
  type Runtime,
  type TypedArray,
} from '../src/index.js';
import { PyDate } from '../src/values/date.js';
import { PyDateTime } from '../src/values/datetime.js';
import { PyComplex, PyDecimal, PyFraction } from '../src/values/numbers.js';
import { registerCodec } from '../src/values/registry.js';
import { PyTime } from '../src/values/time.js';
import { PyTimeDelta } from '../src/values/timedelta.js';
import { PyUuid } from '../src/values/uuid.js';
import { Point } from './values/cases.js';
import { FIXTURES, LANES, PYTHON_FIXTURES, rejection, startFixtureRuntime } from './support.js';

describe.each(LANES)('values over %s', (transport) => {
  let runtime: Runtime;

  beforeAll(async () => {
    runtime = await startFixtureRuntime({ transport });
  });
  afterAll(async () => {
    await runtime.close();
  });

  const identity = <T>(value: T): Promise<T> => runtime.call<T>('probe.identity', [value]);
  const typeIn = (value: unknown): Promise<string> => runtime.call('probe.name_of_type', [value]);
  const reprIn = (value: unknown): Promise<string> => runtime.call('probe.describe', [value]);
  const evaluate = <R>(source: string): Promise<R> => runtime.call<R>('builtins.eval', [source]);
  const problem = async (...args: readonly unknown[]): Promise<EncodeError> => {
    const error = await rejection<EncodeError>(runtime.call('probe.identity', args));
    expect(error).toBeInstanceOf(EncodeError);
    expect(error.code).toBe('ENCODE');
    return error;
  };

  describe('scalars', () => {
    test.each([
      [null, 'NoneType', 'None'],
      [true, 'bool', 'True'],
      [false, 'bool', 'False'],
      [-0, 'float', '-0.0'],
      [NaN, 'float', 'nan'],
      [Infinity, 'float', 'inf'],
      [-Infinity, 'float', '-inf'],
      [5e-324, 'float', '5e-324'],
      [2 ** 53 - 1, 'int', '9007199254740991'],
      [-(2 ** 53 - 1), 'int', '-9007199254740991'],
      [2n ** 53n + 1n, 'int', '9007199254740993'],
      [2n ** 63n - 1n, 'int', '9223372036854775807'],
      [-(2n ** 63n), 'int', '-9223372036854775808'],
      [2n ** 64n - 1n, 'int', '18446744073709551615'],
      [2n ** 64n, 'int', '18446744073709551616'],
      [-(2n ** 63n) - 1n, 'int', '-9223372036854775809'],
      [2n ** 70n, 'int', '1180591620717411303424'],
      [-(2n ** 70n), 'int', '-1180591620717411303424'],
      [-(2n ** 71n) + 1n, 'int', '-2361183241434822606847'],
      [2n ** 4000n, 'int', String(2n ** 4000n)],
    ])('S12 %p is the %s %s, both ways', async (value, type, repr) => {
      expect(await typeIn(value)).toBe(type);
      expect(await reprIn(value)).toBe(repr);
      expect(await identity<unknown>(value)).toBe(value);
    });

    test.each([
      0,
      1,
      127,
      128,
      255,
      256,
      65535,
      65536,
      2 ** 32 - 1,
      2 ** 32,
      -1,
      -32,
      -33,
      -128,
      -129,
      -32769,
      -(2 ** 31) - 1,
    ])('S12 the integer %p keeps its value in every width', async (value) => {
      expect(await reprIn(value)).toBe(String(value));
      expect(await identity(value)).toBe(value);
    });

    test.each([
      [3, 'int'],
      [3.5, 'float'],
      [-0, 'float'],
      [1e300, 'float'],
      [1e21, 'float'],
      [2 ** 53, 'float'],
      [float(3), 'float'],
      [py.float(3), 'float'],
      [py.int(3), 'int'],
      [3n, 'int'],
    ])('S13 %p arrives as %s', async (value, type) => {
      expect(await typeIn(value)).toBe(type);
    });

    test('S13 3.0 from Python arrives as 3, and a small int beyond 2**53 as a bigint', async () => {
      expect(await evaluate('3.0')).toBe(3);
      expect(await evaluate('2**53 + 1')).toBe(2n ** 53n + 1n);
      expect(await evaluate('2**53 - 1')).toBe(2 ** 53 - 1);
      expect(() => py.int(3.5)).toThrow(RangeError);
    });

    test.each([
      'hé😀',
      '',
      '\0',
      'a'.repeat(31),
      'ü'.repeat(300),
      '\ud800',
      'a\udfffb',
      '\udc00\ud83d\ude00',
      '\ufffd',
      '\ufffd\ud800',
      '\ufeffbom',
    ])('S16 the string %j comes back', async (value) => {
      expect(await typeIn(value)).toBe('str');
      expect(await identity(value)).toBe(value);
      expect(await runtime.call('builtins.len', [value])).toBe(Array.from(value).length);
    });

    test('S16 a string of 24 MB, and one of as many letters beyond ASCII', async () => {
      const value = 'hognose '.repeat(3_000_000);
      expect((await identity(value)) === value).toBe(true);
      const wide = '€'.repeat(8_000_000);
      expect((await identity(wide)) === wide).toBe(true);
    });
  });

  describe('bytes', () => {
    test('S14 of every value and of none are a Uint8Array again', async () => {
      const all = Uint8Array.from({ length: 256 }, (_, index) => index);
      for (const value of [new Uint8Array(0), all, new Uint8Array(70_000).fill(7)]) {
        expect(await typeIn(value)).toBe('bytes');
        const back = await identity(value);
        expect(Object.getPrototypeOf(back)).toBe(Uint8Array.prototype);
        expect(back).toEqual(value);
      }
      expect(await identity(Buffer.from('héllo'))).toEqual(new Uint8Array(Buffer.from('héllo')));
      expect(await identity(all.subarray(10, 20))).toEqual(all.slice(10, 20));
    });

    test('are what bytearray and memoryview become; a memoryview of numbers is an array', async () => {
      expect(await evaluate('bytearray(b"ab")')).toEqual(Uint8Array.of(97, 98));
      expect(await evaluate('memoryview(b"abcd")[::2]')).toEqual(Uint8Array.of(97, 99));
      expect(await evaluate('memoryview(__import__("array").array("d", [1.5, 2.5]))')).toMatchObject({
        dtype: 'float64',
        shape: [2],
        data: Float64Array.of(1.5, 2.5),
      });
    });
  });

  describe('containers', () => {
    test('S14 tuples are frozen arrays that are tuples again', async () => {
      const value = tuple(1, tuple(), [tuple('a')]);
      expect(await typeIn(value)).toBe('tuple');
      expect(await reprIn(value)).toBe("(1, (), [('a',)])");
      const back = await identity(value);
      expect(back).toEqual([1, [], [['a']]]);
      expect([isTuple(back), Object.isFrozen(back), isTuple(back[1]), isTuple(back[2]), isTuple(back[2][0])]).toEqual([
        true,
        true,
        true,
        false,
        true,
      ]);
      expect(await reprIn(back)).toBe("(1, (), [('a',)])");
      expect(await reprIn(tuple(1))).toBe('(1,)');
      expect(await reprIn([tuple()])).toBe('[()]');
    });

    test('S14 Maps are dicts of any hashable keys, and a dict with a key that is no string is a Map', async () => {
      const map = new Map<unknown, unknown>([
        [1, 'a'],
        ['1', 'b'],
        [null, 'c'],
        [true, 'd'],
        [tuple(1, 'x'), 'e'],
        [2.5, 'f'],
        [2n ** 70n, 'g'],
      ]);
      map.delete(true);
      expect(await runtime.call('probe.key_types', [map])).toEqual(['int', 'str', 'NoneType', 'tuple', 'float', 'int']);
      const back = await identity(map);
      expect([...back]).toEqual([...map]);
      expect(await identity(new Map([[true, 1]]))).toEqual(new Map([[true, 1]]));
      expect(await evaluate("{1: 'a', '1': 'b'}")).toEqual(new Map<unknown, string>([[1, 'a'], ['1', 'b']])); // prettier-ignore
      expect(await identity(new Map([['a', 1]]))).toEqual({ a: 1 });
    });

    test('S16 plain objects keep awkward keys', async () => {
      const value = JSON.parse(
        '{"__type__": 1, "id": 2, "session_id": 3, "then": 4, "": 5, "a b": 6, "constructor": 7, "toString": 8, "ü😀": 9}',
      ) as Record<string, number>;
      expect(await typeIn(value)).toBe('dict');
      expect(await identity(value)).toEqual(value);
      expect(await reprIn(Object.create(null))).toBe('{}');
    });

    test('S16 __proto__ is a key like any other, and changes no prototype', async () => {
      const value = JSON.parse('{"a": 1, "__proto__": {"polluted": true}, "b": 2}') as Record<string, unknown>;
      const back = await identity(value);
      expect(Object.keys(back)).toEqual(['a', '__proto__', 'b']);
      expect(Object.getPrototypeOf(back)).toBeNull();
      expect(back['__proto__']).toEqual({ polluted: true });
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
      expect(await reprIn(back)).toBe("{'a': 1, '__proto__': {'polluted': True}, 'b': 2}");
    });

    test('a dict whose `then` would be called by a promise arrives as a Map', async () => {
      const value = await runtime.call<Map<string, unknown>>('builtins.eval', ["{'a': 1, 'then': print}"]);
      expect([...value.keys()]).toEqual(['a', 'then']);
      expect(await evaluate("{'then': 1}")).toEqual({ then: 1 });
    });

    test('lists of every length keep it', async () => {
      for (const length of [0, 1, 15, 16, 65_535, 65_536]) {
        const value = Array.from({ length }, (_, index) => (index % 3 === 0 ? 'x' : index));
        expect(await identity(value)).toEqual(value);
      }
      const object = Object.fromEntries(Array.from({ length: 70_000 }, (_, index) => [`k${index}`, index]));
      expect(await identity(object)).toEqual(object);
    });

    test('values of another realm are plain all the same', async () => {
      const foreign = runInContext(
        '({ list: [1, 2], map: new Map([[1, { a: null }]]), bytes: new Uint8Array([1]), floats: new Float64Array([1.5]) })',
        createContext(),
      ) as Record<string, unknown>;
      expect(await runtime.call('probe.names_of_types', [foreign])).toEqual(['list', 'dict', 'bytes', 'ndarray']);
      expect(ndarray(foreign['floats'] as TypedArray, [1, 1]).dtype).toBe('float64');
    });

    test('a subclass of a container or of a scalar stays in Python', async () => {
      for (const source of ['__import__("collections").Counter("aab")', '__import__("collections").OrderedDict(a=1)']) {
        expect(typeof (await evaluate<PyHandle>(source))).toBe('function');
      }
      const flag = await evaluate<PyHandle>('__import__("re").I');
      expect(flag.$type).toBe('re.RegexFlag');
    });
  });

  describe('what cannot travel', () => {
    class Point {
      x = 1;
    }

    test.each<[string, unknown, string, string | RegExp]>([
      ['undefined in an array', [1, undefined], 'args[0][1]', 'undefined has no counterpart in Python'],
      ['undefined in an object', { a: { b: undefined } }, 'args[0].a.b', 'use null for None'],
      ['a hole in an array', { rows: [, 1] }, 'args[0].rows[0]', 'undefined'], // eslint-disable-line no-sparse-arrays
      ['a symbol', [[Symbol('s')]], 'args[0][0][0]', 'a symbol cannot travel'],
      ['a class instance', { 'a b': [new Point()] }, 'args[0]["a b"][0]', 'a Point cannot travel to Python'],
      ['a class', { Point }, 'args[0].Point', 'a class of JavaScript cannot travel to Python: send a function'],
      ['an invalid Date', [new Date(NaN)], 'args[0][0]', 'an invalid Date cannot travel'],
      ['a Date before the year 1', new Date(-1e14), 'args[0]', 'the years 1 to 9999'],
      ['a boxed number', [Object(1)], 'args[0][0]', 'a Number cannot travel'],
      ['a RegExp', /x/, 'args[0]', 'a RegExp cannot travel'],
      ['a promise', [Promise.resolve(1)], 'args[0][0]', 'a promise cannot travel to Python: await it first'],
      ['a DataView', new DataView(new ArrayBuffer(2)), 'args[0]', 'a DataView cannot travel'],
      ['an ArrayBuffer', new ArrayBuffer(2), 'args[0]', 'an ArrayBuffer cannot travel'],
      ['a WeakMap', new WeakMap(), 'args[0]', 'a WeakMap cannot travel'],
      ['keywords that do not stand last', [kw({ a: 1 })], 'args[0][0]', 'keyword arguments stand last'],
      ['a key that equals another', new Map<unknown, number>([[1, 1], [true, 2]]), 'args[0].get(true)', 'a key of a dict is in it twice for Python'], // prettier-ignore
      ['an object as a key', new Map([[{ a: 1 }, 1]]), 'args[0].get({ a: 1 })', 'must be hashable'],
      ['a bare object as a key', new Map([[Object.create(null), 1]]), /^args\[0\]\.get\(/, 'must be hashable'],
      ['an array as a key', new Map([[[1], 1]]), 'args[0].get([ 1 ])', 'must be hashable'],
      ['an array in a Set', [new Set([1, [2]])], 'args[0][0][1]', 'an element of a set must be hashable'],
      ['an array in a tuple as a key', new Map([[tuple([1]), 2]]), /^args\[0\]\.get\(/, 'must be hashable'],
      ['a typed array in a Set', new Set([new Float64Array(1)]), 'args[0][0]', 'must be hashable'],
      ['elements that are equal', new Set<unknown>([1, true]), 'args[0][1]', 'an element of a set is in it twice'],
      ['equal tuples', new Set([tuple(1, 'a'), tuple(1n, 'a')]), 'args[0][1]', 'an element of a set is in it twice'],
    ] as unknown as [string, unknown, string, string][])(
      'S17 %s is refused with its path',
      async (_, value, path, message) => {
        const error = await problem(value);
        if (typeof path === 'string') expect(error.path).toBe(path);
        else expect(error.path).toMatch(path);
        expect(error.message).toMatch(message);
      },
    );

    test('S17 the path names the argument and every step to it', async () => {
      const error = await problem(0, { rows: [1, 2, 3, Symbol('x')] });
      expect(error.path).toBe('args[1].rows[3]');
      expect(error.message.startsWith('args[1].rows[3]: ')).toBe(true);
      const byKeyword = await rejection<EncodeError>(
        runtime.call('probe.arguments', [], { kwargs: { data: [tuple(1, Symbol('x'))] } }),
      );
      expect(byKeyword.path).toBe('kwargs.data[0][1]');
    });

    test('S17 a failed encoding harms no later one', async () => {
      await problem(['x'.repeat(10_000), Symbol('x')]);
      expect(await identity([1])).toEqual([1]);
    });

    test('S18 a cyclic argument is refused', async () => {
      const cycle: unknown[] = [];
      cycle.push({ again: cycle });
      const error = await problem(cycle);
      expect(error.message).toContain('or contains itself');
      expect(error.path.length).toBeLessThan(8_000);
      const map = new Map<string, unknown>();
      map.set('map', map);
      expect((await problem(map)).message).toContain('or contains itself');
    });

    test('S14 a key that Python cannot hash fails that call alone', async () => {
      const before = await runtime.call('probe.pid');
      const unhashable = await runtime.call<PyHandle>('array.array', ['b', [1]]);
      for (const [value, message] of [
        [new Map([[unhashable, 2]]), "a key of a dict must be hashable: unhashable type: 'array.array'"],
        [new Set([unhashable]), "unhashable type: 'array.array'"],
      ] as const) {
        expect((await rejection(runtime.call('probe.identity', [[value]]))).message).toContain(message);
      }
      expect(await runtime.call('probe.pid')).toBe(before);
    });
  });

  describe('depth', () => {
    const nested = (depth: number): unknown[] => {
      let value: unknown[] = [];
      for (let index = 0; index < depth; index += 1) value = [value];
      return value;
    };

    test('up to the limit travels to Python; beyond it is an EncodeError', async () => {
      expect(await runtime.call('probe.depth_of', [nested(479)])).toBe(479);
      expect((await problem(nested(600))).message).toContain('nested more than 480 deep');
    });

    test('up to the limit travels from Python; beyond it is a handle', async () => {
      for (const within of [480, 500]) {
        let value = await runtime.call<unknown[]>('probe.nested_list', [within]);
        let depth = 0;
        for (; value.length > 0; depth += 1) value = value[0] as unknown[];
        expect(depth).toBe(within);
      }
      // Where exactly the limit is depends on the version of msgpack.
      for (const near of [510, 511, 512, 1_022, 1_023, 1_024, 1_025]) {
        expect(['object', 'function']).toContain(typeof (await runtime.call('probe.nested_list', [near])));
      }
      for (const beyond of [1_026, 2_000, 100_000]) {
        expect(typeof (await runtime.call('probe.nested_list', [beyond]))).toBe('function');
      }
    });

    test('of tuples is bounded too, on both sides, and harms no worker', async () => {
      const before = await runtime.call('probe.pid');
      const nestedTuple = (depth: number): unknown => {
        let value: unknown = tuple();
        for (let index = 0; index < depth; index += 1) value = tuple(value);
        return value;
      };
      expect(await runtime.call('probe.depth_of', [nestedTuple(63)])).toBe(63);
      expect((await problem(nestedTuple(64))).message).toContain('nested more than 64 deep');
      expect(isTuple(await runtime.call('probe.nested_tuple', [63]))).toBe(true);
      expect(typeof (await runtime.call('probe.nested_tuple', [64]))).toBe('function');
      expect(typeof (await runtime.call('probe.nested_tuple', [5_000]))).toBe('function');
      expect(typeof (await runtime.call('probe.nested_with_tuple', [1_000]))).toBe('function');
      expect(typeof (await runtime.call('probe.nested_with_tuple', [300]))).toBe('object');
      expect(await runtime.call('probe.depth_of', [[nestedTuple(63), nestedTuple(63)]])).toBe(64);
      expect(await runtime.call('probe.pid')).toBe(before);
    });
  });

  describe('what stays in Python', () => {
    test('S18 only the leaves that cannot travel become handles', async () => {
      const [row] = await runtime.call<[{ name: string; pattern: PyHandle }]>('builtins.eval', [
        "[{'name': 'n', 'pattern': __import__('re').compile('x')}]",
      ]);
      expect(row.name).toBe('n');
      expect(row.pattern.$type).toBe('re.Pattern');
    });

    test('S18 the same object twice is the same handle', async () => {
      const [first, second, third] = await evaluate<PyHandle[]>('[(o := object()), o, object()]');
      expect(first).toBe(second);
      expect(first).not.toBe(third);
      expect(await identity(first)).toBe(first);
    });

    test('S18 a list that contains itself is a handle, also through a tuple', async () => {
      const list = await runtime.call<PyHandle>('probe.self_containing');
      expect(list.$type).toBe('builtins.list');
      expect(await runtime.call('builtins.len', [list])).toBe(2);
      expect((await runtime.call<PyHandle>('probe.through_a_tuple')).$type).toBe('builtins.list');
    });
  });

  describe('arrays', () => {
    const CASES: readonly (readonly [DType, TypedArray])[] = [
      ['bool', Uint8Array.of(0, 1, 1, 0, 1, 0)],
      ['int8', Int8Array.of(-128, -1, 0, 1, 2, 127)],
      ['int16', Int16Array.of(-32768, -1, 0, 1, 2, 32767)],
      ['int32', Int32Array.of(-2147483648, -1, 0, 1, 2, 2147483647)],
      ['int64', BigInt64Array.of(-(2n ** 63n), -1n, 0n, 1n, 2n, 2n ** 63n - 1n)],
      ['uint8', Uint8Array.of(0, 1, 2, 3, 254, 255)],
      ['uint16', Uint16Array.of(0, 1, 2, 3, 65534, 65535)],
      ['uint32', Uint32Array.of(0, 1, 2, 3, 4294967294, 4294967295)],
      ['uint64', BigUint64Array.of(0n, 1n, 2n, 3n, 2n ** 64n - 2n, 2n ** 64n - 1n)],
      ['float32', Float32Array.of(NaN, -0, Infinity, 1.5, 3.4028234663852886e38, 1e-45)],
      ['float64', Float64Array.of(NaN, -0, -Infinity, 1.5, Number.MAX_VALUE, 5e-324)],
    ];

    test.each(CASES)('of %s keep dtype, shape and every element', async (dtype, data) => {
      const array = ndarray(data, [2, 3], dtype);
      const facts = await runtime.call<Record<string, unknown>>('probe.array_facts', [array]);
      expect(facts).toMatchObject({ type: 'ndarray', dtype, shape: [2, 3], writeable: true });
      const back = await identity<unknown>(array);
      expect(isNDArray(back)).toBe(true);
      const { dtype: name, shape, data: elements, size } = back as NDArray;
      expect([name, shape, size]).toEqual([dtype, [2, 3], 6]);
      expect(Buffer.from(elements.buffer, elements.byteOffset, elements.byteLength)).toEqual(
        Buffer.from(data.buffer, data.byteOffset, data.byteLength),
      );
      expect(Object.prototype.toString.call(elements)).toBe(Object.prototype.toString.call(data));
    });

    test.each(CASES.filter(([dtype]) => dtype !== 'bool' && dtype !== 'uint8'))(
      'of %s may be a plain typed array',
      async (dtype, data) => {
        expect(await runtime.call('probe.array_facts', [data.subarray(1, 4)])).toMatchObject({ dtype, shape: [3] });
      },
    );

    test('a Uint8ClampedArray is an array of uint8, as a Uint8Array is bytes', async () => {
      expect(await runtime.call('probe.array_facts', [Uint8ClampedArray.of(1, 2)])).toMatchObject({ dtype: 'uint8' });
      expect(await runtime.call('probe.array_facts', [ndarray(Uint8Array.of(1, 2))])).toMatchObject({ dtype: 'uint8' });
    });

    test.each([[[0]], [[0, 3]], [[3, 0, 2]], [[]], [[1]], [[1, 1, 1, 1]], [[2, 3, 4]]])(
      'of shape %j keep it',
      async (shape) => {
        const size = shape.reduce((product, length) => product * length, 1);
        const back = await identity(ndarray(new Float64Array(size).fill(2.5), shape));
        expect([back.shape, back.size, back.data]).toEqual([shape, size, new Float64Array(size).fill(2.5)]);
      },
    );

    test('of NumPy arrive in C order, whatever their strides, order and byte order', async () => {
      const array = (expression: string): Promise<NDArray> =>
        runtime.call<NDArray>('builtins.eval', [`(np := __import__('numpy'), ${expression})[1]`]);
      expect((await array('np.arange(6).reshape(2, 3).T')).data).toEqual(BigInt64Array.of(0n, 3n, 1n, 4n, 2n, 5n));
      expect((await array('np.asfortranarray(np.arange(4.0).reshape(2, 2))')).data).toEqual(
        Float64Array.of(0, 1, 2, 3),
      );
      expect((await array('np.arange(6.0)[::-2]')).data).toEqual(Float64Array.of(5, 3, 1));
      expect(await array("np.arange(3, dtype='>i4')")).toMatchObject({ dtype: 'int32', data: Int32Array.of(0, 1, 2) });
      expect((await array('np.broadcast_to(np.float64(2), (2, 2))')).data).toEqual(Float64Array.of(2, 2, 2, 2));
      expect(await array('np.array(5.5)')).toMatchObject({ shape: [], data: Float64Array.of(5.5) });
    });

    test.each(['longdouble', 'object', 'U3', 'S3', 'datetime64[ns]', 'timedelta64[s]', 'i4,f8'])(
      'of dtype %s stay in Python',
      async (dtype) => {
        const handle = await runtime.call<PyHandle>('numpy.zeros', [2], { kwargs: { dtype } });
        expect(handle.$type).toBe('numpy.ndarray');
        expect(await handle.$len()).toBe(2);
      },
    );

    test('of subclasses stay in Python', async () => {
      expect((await runtime.call<PyHandle>('numpy.ma.zeros', [2])).$type).toMatch(/MaskedArray$/);
    });

    test('S19 scalars of NumPy are numbers, booleans and bigints', async () => {
      const scalar = (source: string): Promise<unknown> => evaluate(`__import__('numpy').${source}`);
      expect(await scalar('int64(7)')).toBe(7);
      expect(await scalar('int64(2**62)')).toBe(2n ** 62n);
      expect(await scalar('uint64(2**64 - 1)')).toBe(2n ** 64n - 1n);
      expect(await scalar('int8(-1)')).toBe(-1);
      expect(await scalar('float32(0.5)')).toBe(0.5);
      expect(await scalar('float16(0.5)')).toBe(0.5);
      expect(await scalar('float64("nan")')).toBeNaN();
      expect(await scalar('bool_(True)')).toBe(true);
      expect(await scalar('complex128(1 + 2j)')).toEqual(new PyComplex(1, 2));
      expect(typeof (await scalar('longdouble(1)'))).toBe('function');
      expect(typeof (await scalar('str_("x")'))).toBe('function');
      expect(await evaluate("[__import__('numpy').float64(1.5), {'k': __import__('numpy').int32(2)}]")).toEqual([
        1.5,
        { k: 2 },
      ]);
    });

    test('are writeable copies in Python: a change there is not seen here', async () => {
      const data = Float64Array.of(1, 2, 3);
      const changed = await runtime.call<NDArray>('probe.set_first', [data, 9]);
      expect(changed.data).toEqual(Float64Array.of(9, 2, 3));
      expect(data).toEqual(Float64Array.of(1, 2, 3));
    });

    test('stand inside of other values', async () => {
      const back = await identity({ list: [Float64Array.of(1.5)], pair: tuple(Int8Array.of(1), 'x') });
      expect(back.list[0]).toMatchObject({ dtype: 'float64', data: Float64Array.of(1.5) });
      expect(back.pair[0]).toMatchObject({ dtype: 'int8', data: Int8Array.of(1) });
    });

    test('of 16 MB keep every byte', async () => {
      const data = Float64Array.from({ length: 2_000_000 }, (_, index) => index / 7);
      const back = await identity<unknown>(data);
      expect(Buffer.compare(Buffer.from((back as NDArray).data.buffer), Buffer.from(data.buffer))).toBe(0);
    });
  });

  describe('values with a class of their own', () => {
    test('S14 Sets are sets, and frozensets Sets', async () => {
      const value = new Set<unknown>([1, 'a', tuple(1, 'x'), new Set([2])]);
      expect(await typeIn(value)).toBe('set');
      expect(await identity(value)).toEqual(value);
      expect(await evaluate('frozenset({1})')).toEqual(new Set([1]));
      expect(await runtime.call('builtins.len', [new Set()])).toBe(0);
    });

    test('S15 dates, times and numbers keep all that they are', async () => {
      for (const [value, type] of [
        [PyDateTime.parse('2024-01-02T03:04:05.000006'), 'datetime'],
        [PyDateTime.parse('2024-01-02T03:04:05.000006-01:30'), 'datetime'],
        [new PyDate(2024, 2, 29), 'date'],
        [PyTime.parse('23:59:59.999999+02:00'), 'time'],
        [PyTimeDelta.from({ days: -1, microseconds: 1 }), 'timedelta'],
        [PyDecimal.from('1.10'), 'Decimal'],
        [new PyFraction(1, 3), 'Fraction'],
        [new PyComplex(-0, Infinity), 'complex'],
        [PyUuid.from('12345678-1234-5678-1234-567812345678'), 'UUID'],
      ] as const) {
        expect(await typeIn(value)).toBe(type);
        expect(await runtime.call('builtins.str', [value])).toBe(value.toString());
        expect(await identity<unknown>(value)).toStrictEqual(value);
      }
      const now = new Date();
      expect(await reprIn(now)).toContain('tzinfo=datetime.timezone.utc');
      expect((await identity<unknown>(now)) as PyDateTime).toBeInstanceOf(PyDateTime);
      expect(((await identity<unknown>(now)) as PyDateTime).toDate()).toEqual(now);
    });

    test('S19 a dataclass, a namedtuple and an enum member keep their class, and have a plain form', async () => {
      const item = await runtime.call<PyHandle>('values_probe.make_item');
      expect(item.$type).toBe('values_probe.Item');
      expect(await item.$value()).toEqual({ name: 'x', pair: [1, new Set([1])] });
      const refused = await runtime.call<PyHandle>('builtins.eval', ["__import__('re').compile('x')"]);
      expect((await rejection(refused.$value())).message).toContain('a re.Pattern cannot travel as plain data');
    });

    test('a class with a codec on both sides travels, alone and among others', async () => {
      const point = new Point(1, 2.5);
      expect(await runtime.call('values_probe.is_point', [point])).toEqual([1, 2.5]);
      const back = await identity({ list: [point] });
      expect(back.list[0]).toBeInstanceOf(Point);
      expect(back).toEqual({ list: [point] });
    });

    test('a codec that one side does not know fails that one call', async () => {
      class Nowhere {
        readonly x = 1;
      }
      registerCodec({ name: `test.Nowhere.${transport}`, type: Nowhere, encode: () => 1, decode: () => new Nowhere() });
      const slow = runtime.call('probe.sleep', [0.05]);
      expect((await rejection(runtime.call('values_probe.make_unknown'))).message).toMatch(/codec 'test.Unknown' is not registered here/); // prettier-ignore
      expect((await rejection(identity([new Nowhere()]))).message).toMatch(/codec 'test.Nowhere.\w+' is not registered in this worker/); // prettier-ignore
      await slow;
      expect(await identity(1)).toBe(1);
    });
  });

  test('a call takes its arguments as they are when it is made', async () => {
    const list = [1, 2];
    const data = Float64Array.of(1, 2);
    const object: { list: number[]; data: Float64Array; late?: boolean } = { list, data };
    const waiting = runtime.call('time.sleep', [0.05]);
    const answer = runtime.call<{ list: number[]; data: NDArray }>('probe.identity', [object]);
    list.push(3);
    data[0] = 9;
    object.late = true;
    await waiting;
    const seen = await answer;
    expect(Object.keys(seen)).toEqual(['list', 'data']);
    expect(seen.list).toEqual([1, 2]);
    expect(seen.data.data).toEqual(Float64Array.of(1, 2));
  });
});

describe('ndarray()', () => {
  test("refuses a shape that does not fit, and a dtype that is not the data's", () => {
    expect(() => ndarray(new Float64Array(6), [2, 2])).toThrow('shape [2, 2] needs 4 elements, and there are 6');
    expect(() => ndarray(new Float64Array(2), [-1, -2])).toThrow('must be of integers from 0');
    expect(() => ndarray(new Float64Array(2), [0.5, 4])).toThrow('must be of integers from 0');
    expect(() => ndarray(new Float64Array(2), [2], 'int8')).toThrow('does not hold int8');
    expect(() => ndarray(new DataView(new ArrayBuffer(1)) as never)).toThrow('DataView');
    expect(() => ndarray([1, 2] as never)).toThrow(TypeError);
  });

  test('copies nothing, and freezes its shape', () => {
    const data = Float64Array.of(1, 2);
    const shape = [2, 1];
    const array = ndarray(data, shape);
    shape.push(7);
    expect(array.data).toBe(data);
    expect(array.shape).toEqual([2, 1]);
    expect(Object.isFrozen(array.shape)).toBe(true);
    expect(inspect(array)).toBe('NDArray<float64>(2 x 1) [ 1, 2 ]');
  });
});

describe('without NumPy', () => {
  test('arrays are memoryviews in Python, and come back as arrays', async () => {
    await using runtime = await startFixtureRuntime({ pythonPath: [join(FIXTURES, 'without-numpy'), PYTHON_FIXTURES] });
    const array = ndarray(Float64Array.of(1, 2, 3, 4), [2, 2]);
    expect(await runtime.call('probe.name_of_type', [array])).toBe('memoryview');
    expect(await runtime.call('builtins.len', [array])).toBe(2);
    expect(await runtime.call('probe.identity', [array])).toMatchObject({
      dtype: 'float64',
      shape: [2, 2],
      data: array.data,
    });
    expect(await runtime.call('probe.identity', [new Int16Array(0)])).toMatchObject({ dtype: 'int16', shape: [0] });
  });
});
