import { ConfigError, EncodeError } from '../../src/index.js';
import { EncodeContext, encodeResult, functionOf } from '../../src/values/encode.js';
import { registerCodec } from '../../src/values/registry.js';
import { Point } from './cases.js';
import { PythonPeer } from './python-peer.js';

const encode = (value: unknown): EncodeContext => {
  const context = new EncodeContext();
  encodeResult(value, context);
  return context;
};

describe('functions', () => {
  test('have one number in the process, noted each time that one occurs', () => {
    const [first, second] = [(): number => 1, (): number => 2];
    const { functions } = encode([first, second, { again: first }]);
    expect(functions.map(({ target }) => target)).toEqual([first, second, first]);
    expect(functions[0]).toBe(functions[2]);
    expect(functions[0]?.id).not.toBe(functions[1]?.id);
    expect(functionOf(first)).toBe(functions[0]);
  });

  test('S33 are called with the arguments, and with keywords as the last', () => {
    const { invoke } = functionOf((...args: unknown[]) => args);
    expect(invoke([1, 2], {})).toEqual([1, 2]);
    expect(invoke([1], { key: 2 })).toEqual([1, { key: 2 }]);
  });

  test('come back as themselves, and so do iterables and errors', async () => {
    await using peer = new PythonPeer();
    const [call, generator, error] = [(): void => undefined, (function* () {})(), new RangeError('x')];
    const back = (await peer.echo([call, generator, error])) as unknown[];
    expect([back[0] === call, back[1] === generator, back[2] === error]).toEqual([true, true, true]);
  });
});

describe('iterables', () => {
  const pull = (iterable: object, ...args: unknown[]): unknown => functionOf(iterable).invoke(args, {});
  function* upTo(end: number, closed: string[] = []): Generator<number> {
    try {
      for (let index = 0; index < end; index += 1) yield index;
    } finally {
      closed.push('closed');
    }
  }

  test('are pulled so many items at a time, and say when there are no more', () => {
    const iterable = upTo(5);
    expect(pull(iterable, 2)).toEqual([[0, 1], false]);
    expect(pull(iterable, 2)).toEqual([[2, 3], false]);
    expect(pull(iterable, 2)).toEqual([[4], true]);
    expect(pull(iterable, 2)).toEqual([[], true]);
  });

  test('are closed by a pull of none', () => {
    const closed: string[] = [];
    const iterable = upTo(5, closed);
    pull(iterable, 1);
    pull(iterable, 0);
    expect(closed).toEqual(['closed']);
    expect(pull(iterable, 1)).toEqual([[], true]);
  });

  test('start again where they can be iterated again, and may be iterated several times at once', () => {
    const again = { [Symbol.iterator]: () => upTo(3) };
    expect(pull(again, 9)).toEqual([[0, 1, 2], true]);
    expect(pull(again, 9)).toEqual([[0, 1, 2], true]);
    expect(pull(again, 1, 7)).toEqual([[0], false]);
    expect(pull(again, 2, 8)).toEqual([[0, 1], false]);
    expect(pull(again, 1, 7)).toEqual([[1], false]);
    expect(pull(again, 0, 7)).toBeNull();
    expect(pull(again, 9, 8)).toEqual([[2], true]);
  });

  test('give what came before a failure first', async () => {
    const failing = (function* () {
      yield 1;
      throw new TypeError('third');
    })();
    expect(pull(failing, 4)).toEqual([[1], false]);
    expect(() => pull(failing, 4)).toThrow('third');
    const asynchronous = (async function* () {
      await Promise.resolve();
      yield 1;
      throw new TypeError('third');
    })();
    expect(await pull(asynchronous, 4)).toEqual([[1], false]);
    await expect(pull(asynchronous, 4)).rejects.toThrow('third');
  });

  test('that are asynchronous give what is there, and do not wait for the next', async () => {
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const closed: string[] = [];
    const iterable = (async function* () {
      try {
        yield 1;
        yield 2;
        await gate;
        yield 3;
      } finally {
        closed.push('closed');
      }
    })();
    expect(await pull(iterable, 9)).toEqual([[1, 2], false]);
    release();
    expect(await pull(iterable, 9)).toEqual([[3], true]);
    expect(closed).toEqual(['closed']);
  });

  test('that are asynchronous are closed though an item never comes', async () => {
    const iterable = (async function* () {
      yield 1;
      await new Promise(() => undefined);
    })();
    expect(await pull(iterable, 2)).toEqual([[1], false]);
    expect(await pull(iterable, 0)).toBeNull();
  });
});

describe('registerCodec', () => {
  const same = (value: unknown): never => value as never;

  test('refuses a name or a class that is registered with something else', () => {
    class Other {
      readonly x = 1;
    }
    registerCodec({ name: 'test.Point', type: Point, encode: ({ x, y }) => ({ x, y }), decode: ({ x, y }: Point) => new Point(x, y) }); // prettier-ignore
    expect(() => {
      registerCodec({ name: 'test.Point', type: Other, encode: same, decode: same });
    }).toThrow(ConfigError);
    expect(() => {
      registerCodec({ name: 'test.Another', type: Point, encode: same, decode: same });
    }).toThrow('the codec test.Point is registered for Point; choose another name than test.Another');
    for (const type of [Map, Object, Date, 7, undefined]) {
      expect(() => {
        registerCodec({ name: 'test.Wrong', type: type as never, encode: same, decode: same });
      }).toThrow('a codec is for a class of your own');
    }
  });

  test('concerns instances of exactly the class', () => {
    class Derived extends Point {}
    expect(() => encode(new Derived(1, 2))).toThrow('a Derived cannot travel to Python');
  });

  test('fails the value where the codec fails, with its place and cause', () => {
    class Broken {
      readonly x = 1;
    }
    const cause = new Error('no way');
    registerCodec({
      name: 'test.Broken',
      type: Broken,
      encode() {
        throw cause;
      },
      decode: same,
    });
    const caught = ((): unknown => {
      try {
        return encode([1, { broken: new Broken() }]);
      } catch (error) {
        return error;
      }
    })();
    expect(caught).toBeInstanceOf(EncodeError);
    expect(caught).toMatchObject({
      path: 'result[1].broken',
      message: expect.stringContaining('no way') as string,
      cause,
    });
  });

  test('refuses a codec that never ends, and one that changes what is written', () => {
    class Endless {
      readonly x = 1;
    }
    registerCodec({ name: 'test.Endless', type: Endless, encode: (value) => [value], decode: same });
    expect(() => encode(new Endless())).toThrow('nested more than 64 deep');
    class Changing {
      readonly x = 1;
    }
    const map = new Map<unknown, unknown>([[1, new Changing()]]);
    registerCodec({ name: 'test.Changing', type: Changing, encode: () => map.set(2, 3).size, decode: same });
    expect(() => encode(map)).toThrow('it was changed while it was read');
  });

  test('S17 an instance of a class without one is refused', () => {
    class Plain {
      readonly x = 1;
    }
    expect(() => encode({ a: new Plain() })).toThrow('register a codec for its class with registerCodec');
  });
});
