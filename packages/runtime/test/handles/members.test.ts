import { inspect } from 'node:util';
import { bind } from '../../src/bind.js';
import { ConfigError, kw, py, pyModule, PythonError, setDefaultRuntime, tuple, type Runtime } from '../../src/index.js';
import type { Pending, PyHandle } from '../../src/handles/types.js';
import { LANES, rejection, startFixtureRuntime } from '../support.js';
import { watch } from './watch.js';

const collections = pyModule('collections', 'none:');
const OrderedDict = collections.callable('OrderedDict') as (...args: readonly unknown[]) => Pending<PyHandle>;
const Fraction = pyModule('fractions', 'none:').callable('Fraction') as () => Pending<PyHandle>;
const iter = pyModule('builtins', 'none:').callable('iter') as (value: unknown) => Pending<PyHandle>;

describe.each(LANES)('members over %s', (transport) => {
  let runtime: Runtime;

  beforeAll(async () => {
    runtime = await startFixtureRuntime({ transport });
    setDefaultRuntime(runtime);
  });
  afterAll(async () => {
    setDefaultRuntime(undefined);
    await runtime.close();
  });

  /** Frames that the worker got while something ran. */
  const framesOf = async (action: () => Promise<unknown>): Promise<number> => {
    const sent = (): number => runtime.stats().workers[0]?.framesSent ?? 0;
    const before = sent();
    await action();
    return sent() - before;
  };
  /** A number that is no plain data, so that it stays in Python. */
  const number = (value: number): Promise<PyHandle> => py<PyHandle>`
    class Number(int): pass
    return Number(${value})
  `;

  describe('operators', () => {
    const binary: readonly (readonly [keyof PyHandle, number, unknown])[] = [
      ['$add', 3, 10],
      ['$sub', 3, 4],
      ['$mul', 3, 21],
      ['$div', 2, 3.5],
      ['$floordiv', 2, 3],
      ['$mod', 4, 3],
      ['$pow', 2, 49],
      ['$and', 3, 3],
      ['$or', 8, 15],
      ['$xor', 1, 6],
      ['$lshift', 1, 14],
      ['$rshift', 1, 3],
      ['$eq', 7, true],
      ['$ne', 7, false],
      ['$lt', 8, true],
      ['$le', 7, true],
      ['$gt', 8, false],
      ['$ge', 8, false],
    ];

    test.each(binary)('%s with %p is %p', async (name, other, expected) => {
      const seven = await number(7);
      expect(await (seven[name] as (other: unknown) => Promise<unknown>)(other)).toBe(expected);
      expect(await (seven[name] as (other: unknown) => Promise<unknown>)(await number(other))).toBe(expected);
    });

    test('of one operand, of containers and of matrices', async () => {
      const seven = await number(7);
      expect(await Promise.all([seven.$neg(), seven.$pos(), seven.$abs(), seven.$invert()])).toEqual([-7, 7, 7, -8]);
      expect([await seven.$bool(), await (await number(0)).$bool()]).toEqual([true, false]);
      const record = await OrderedDict(kw({ a: 1 }));
      expect([await record.$contains('a'), await record.$contains('b')]).toEqual([true, false]);
      const matrix = await py<PyHandle>`
        class Matrix:
            def __matmul__(self, other): return ["matmul", other]
        return Matrix()
      `;
      expect(await matrix.$matmul(3)).toEqual(['matmul', 3]);
    });

    test('reflected ones of the other operand count', async () => {
      const left = await py<PyHandle>`return object()`;
      const right = await py<PyHandle>`
        class Right:
            def __radd__(self, other): return "reflected"
        return Right()
      `;
      expect(await left.$add(right)).toBe('reflected');
      expect((await rejection<PythonError>(right.$add(left))).type).toBe('TypeError');
    });

    test('are parts of a chain: one message', async () => {
      const seven = await number(7);
      let result: unknown;
      const frames = await framesOf(async () => {
        result = await seven
          .$add<PyHandle>(1)
          .$mul<PyHandle>(await Promise.resolve(2))
          .$sub(seven.$neg());
      });
      expect([result, frames]).toEqual([23, 1]);
    });
  });

  test('items are set and removed', async () => {
    const record = await OrderedDict(kw({ a: 1 }));
    await record.$setItem('b', tuple(2));
    await record.$setItem('c', number(3));
    await record.$delItem('a');
    expect(await record.$str()).toMatch(/'b'.*\(2,\).*'c'.*3/);
    expect(await record.$len()).toBe(2);
    expect((await rejection<PythonError>(record.$delItem('a'))).type).toBe('KeyError');
    const pending = OrderedDict();
    await pending.$setItem('x', 1);
    const kept = OrderedDict().$keep();
    await kept.$setItem('x', 1);
    await kept.$set('mark', 5);
    expect([await kept.$item('x'), await kept.$get('mark')]).toEqual([1, 5]);
  });

  test('$type, $mro and $is tell the classes without a call', async () => {
    const record = await OrderedDict();
    const frames = await framesOf(async () => {
      expect(record.$type).toBe('collections.OrderedDict');
      expect(record.$mro).toEqual(['collections.OrderedDict', 'builtins.dict']);
      expect(['OrderedDict', 'collections.OrderedDict', 'dict', 'builtins.dict', 'list', 'edDict'].map((name) => record.$is(name)))
        .toEqual([true, true, true, true, false, false]); // prettier-ignore
      await Promise.resolve();
    });
    expect(frames).toBe(0);
    expect(inspect(await Fraction())).toMatch(/Fraction/);
    for (const name of ['$type', '$mro', '$is', '$release']) {
      const pending = OrderedDict() as unknown as Readonly<Record<string, unknown>>;
      expect(() => pending[name]).toThrow(`has no ${name} yet: await it first`);
    }
  });

  test('$value is the plain form', async () => {
    const record = await OrderedDict(kw({ a: 1 }));
    expect(await record.$value()).toEqual({ a: 1 });
    expect(await OrderedDict(kw({ a: 2 })).$value()).toEqual({ a: 2 });
    expect(await (await number(3)).$value()).toBe(3);
    const error = await rejection<PythonError>((await py<PyHandle>`return object()`).$value());
    expect(error).toBeInstanceOf(PythonError);
    expect(error.message).toContain('object');
  });

  describe('iteration', () => {
    test('S30 an iterator goes on where the consumer stood', async () => {
      const count = await runtime.call<PyHandle>('itertools.count', [1]);
      const taken: unknown[][] = [];
      for (let round = 0; round < 3; round += 1) {
        const items: unknown[] = [];
        for await (const item of count) {
          items.push(item);
          if (items.length === 5) break;
        }
        taken.push(items);
      }
      expect(taken).toEqual([
        [1, 2, 3, 4, 5],
        [6, 7, 8, 9, 10],
        [11, 12, 13, 14, 15],
      ]);
    });

    test('S30 what was prefetched is taken first, also where that is left early too', async () => {
      const count = await runtime.call<PyHandle>('itertools.count', [1]);
      const take = async (most: number): Promise<unknown> => {
        let last: unknown;
        let taken = 0;
        for await (const item of count.$iter({ prefetch: 8 })) {
          last = item;
          taken += 1;
          if (taken === most) break;
        }
        return last;
      };
      expect([await take(1), await take(1), await take(2), await take(1), await take(20)]).toEqual([1, 2, 4, 5, 25]);
    });

    test('S30 leaving early runs the finally of a generator, and an exception comes behind the values', async () => {
      const state = await py<PyHandle>`
        import types
        state = types.SimpleNamespace(left=False)
        def numbers():
            try:
                for n in range(1000000):
                    yield n
            finally:
                state.left = True
        def failing():
            yield 1
            yield 2
            raise LookupError("third")
        state.numbers = numbers
        state.failing = failing
        return state
      `;
      for await (const item of state.$get<PyHandle>('numbers').$call<PyHandle>()) if (item === 3) break;
      expect(await state.$get('left')).toBe(true);
      const seen: unknown[] = [];
      const error = await rejection<PythonError>(
        (async () => {
          for await (const item of state.$get<PyHandle>('failing').$call<PyHandle>()) seen.push(item);
        })(),
      );
      expect([seen, error.type]).toEqual([[1, 2], 'LookupError']);
    });

    test('a chain that is iterated is one message, and leaves no handle', async () => {
      const before = runtime.stats().workers[0]?.handles ?? 0;
      const items: unknown[] = [];
      const request = watch(runtime);
      for await (const item of OrderedDict(kw({ a: 1, b: 2 }))
        .$get<PyHandle>('items')
        .$call<PyHandle>())
        items.push(item);
      expect(items).toEqual([
        ['a', 1],
        ['b', 2],
      ]);
      expect(request.map(({ target, steps }) => [target, steps.length])).toEqual([['collections.OrderedDict', 2]]);
      expect(runtime.stats().workers[0]?.handles).toBeLessThanOrEqual(before);
    });

    test('what is iterated may be used by others, have results for arguments, or be plain data', async () => {
      const collect = async (items: AsyncIterable<unknown>): Promise<unknown[]> => {
        const all: unknown[] = [];
        for await (const item of items) all.push(item);
        return all;
      };
      const list = runtime.module('builtins')['list'] as unknown as (value: unknown) => Pending<PyHandle>;
      const shared = OrderedDict(kw({ a: 1 }));
      expect(await Promise.all([collect(shared), collect(shared), shared.$len()])).toEqual([['a'], ['a'], 1]);
      expect(await collect(shared)).toEqual(['a']);
      expect(await collect(iter(list(tuple(1, 2))))).toEqual([1, 2]);
      const plain = list(tuple(3, 4));
      expect(await plain).toEqual([3, 4]);
      expect(await collect(plain)).toEqual([3, 4]);
      expect(await collect(iter(Promise.resolve([5])))).toEqual([5]);
      const error = await rejection<PythonError>(
        collect(runtime.call('builtins.object') as unknown as PyHandle).catch(() =>
          collect(py`return 5` as unknown as PyHandle),
        ),
      );
      expect(error).toBeInstanceOf(Error);
    });

    test('what is no iterable, a wrong prefetch and an iterated result say so', async () => {
      const object = await runtime.call<PyHandle>('builtins.object');
      expect((await rejection<PythonError>(object.$iter().next())).type).toBe('TypeError');
      expect(() => object.$iter({ prefetch: 0 })).toThrow('prefetch must be an integer from 1, not 0');
      const pending = OrderedDict(kw({ a: 1 }));
      const items = pending.$iter();
      expect(await items.next()).toEqual({ value: 'a', done: false });
      expect((await rejection(pending)).message).toContain('has moved into the iteration over it');
      expect(await items.next()).toEqual({ value: undefined, done: true });
      const late = OrderedDict(kw({ a: 1 }));
      const unused = late.$iter();
      await new Promise((resolve) => setImmediate(resolve));
      expect(await unused.next()).toEqual({ value: 'a', done: false });
      await unused.return?.();
      expect(await unused.next()).toEqual({ value: undefined, done: true });
    });
  });

  describe('context managers', () => {
    /** A context manager that notes what happens to it. */
    const manager = (suppresses: boolean, isAsync = false): Promise<PyHandle> => py<PyHandle>`
      import sys
      class Manager:
          def __init__(self):
              self.log = []
          def enter(self):
              self.log.append("enter")
              return {"log": 1}
          def exit(self, kind, value, traceback):
              self.log.append([
                  kind and kind.__name__, value and str(value), isinstance(value, BaseException),
                  traceback is not None, sys.exc_info()[1] is value, kind and [base.__name__ for base in kind.__mro__][:2],
              ])
              return ${suppresses}
      class Sync(Manager):
          __enter__ = Manager.enter
          __exit__ = Manager.exit
      class Async(Manager):
          async def __aenter__(self): return self.enter()
          async def __aexit__(self, *args): return self.exit(*args)
      return Async() if ${isAsync} else Sync()
    `;
    const log = (handle: PyHandle): Promise<unknown> => handle.$get('log');

    test.each([false, true])('S32 $with leaves on success (async: %p)', async (isAsync) => {
      const handle = await manager(false, isAsync);
      expect(await handle.$with((value) => [value, 'result'])).toEqual([{ log: 1 }, 'result']);
      expect(await log(handle)).toEqual(['enter', [null, null, false, false, true, null]]);
    });

    test.each([false, true])(
      'S32 $with gives __exit__ a real exception, and throws it on (async: %p)',
      async (isAsync) => {
        const handle = await manager(false, isAsync);
        const error = new RangeError('from here');
        expect(
          await rejection(
            handle.$with(() => {
              throw error;
            }),
          ),
        ).toBe(error);
        expect(await log(handle)).toEqual([
          'enter',
          ['JavaScriptError', 'RangeError: from here', true, true, true, ['JavaScriptError', 'Exception']],
        ]);
      },
    );

    test('S32 a suppressing one suppresses, whatever was thrown', async () => {
      const handle = await manager(true);
      expect(await handle.$with(() => Promise.reject<string>(new Error('gone')))).toBeUndefined();
      const nothing = await handle.$with((): unknown => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- anything can be thrown
        throw undefined;
      });
      expect(nothing).toBeUndefined();
      expect(await handle.$with(() => 'fine')).toBe('fine');
    });

    test('S32 an exception of Python arrives as what it is', async () => {
      const suppress = runtime.module('contextlib')['suppress'] as unknown as (type: unknown) => Pending<PyHandle>;
      const LookupError = pyModule('builtins', 'none:').callable('LookupError');
      const missing = (): Promise<unknown> => OrderedDict().$item('missing');
      expect(await suppress(LookupError).$with(missing)).toBeUndefined();
      const other = await rejection<PythonError>(suppress(LookupError).$with(() => runtime.call('math.sqrt', [-1])));
      expect(other.type).toBe('ValueError');
    });

    test('S32 what __exit__ raises comes instead', async () => {
      const handle = await py<PyHandle>`
        class Manager:
            def __enter__(self): return self
            def __exit__(self, kind, value, traceback): raise RuntimeError("on the way out")
        return Manager()
      `;
      const error = await rejection<PythonError>(handle.$with(() => Promise.reject(new Error('inside'))));
      expect([error.type, error.message]).toEqual(['RuntimeError', 'RuntimeError: on the way out']);
      expect((await rejection<PythonError>(handle.$with(() => 1))).type).toBe('RuntimeError');
    });

    test('S32 `await using` enters and leaves, also on a throw', async () => {
      const handle = await manager(false);
      {
        await using scope = await handle.$enter();
        expect(scope.value).toEqual({ log: 1 });
        expect(await log(handle)).toEqual(['enter']);
      }
      await rejection(
        (async () => {
          await using scope = await handle.$enter();
          throw new Error(String(scope.value));
        })(),
      );
      expect(await log(handle)).toHaveLength(4);
    });

    test('S32 an expression is entered in the message that makes it, and what is no context manager says so', async () => {
      const io = runtime.module('io')['StringIO'] as unknown as (text: string) => Pending<PyHandle>;
      let text: unknown;
      const frames = await framesOf(async () => {
        await io('text').$with((file: PyHandle) => {
          text = file;
        });
      });
      expect(frames).toBe(2); // entered, left
      expect(await rejection<PythonError>((text as PyHandle).$get<PyHandle>('read').$call())).toMatchObject({
        type: 'ValueError',
      });
      const error = await rejection<PythonError>(OrderedDict().$with(() => 1));
      expect(error.message).toContain('a OrderedDict is no context manager: it has no __enter__ and __exit__');
    });

    test('S32 the context is left although the signal that is bound to it was aborted within', async () => {
      const handle = await manager(false);
      const controller = new AbortController();
      const bound = bind(handle, { signal: controller.signal });
      await bound.$with(() => {
        controller.abort();
        return null;
      });
      expect(await log(handle)).toHaveLength(2);
    });
  });

  describe('modules', () => {
    test('runtime.module reads and calls in one message, and awaiting an attribute reads it', async () => {
      const math = runtime.module('math');
      expect(await math['pi']).toBe(Math.PI);
      let value: unknown;
      const datetime = runtime.module('datetime') as unknown as {
        datetime: { fromisoformat(text: string): { date(): { isoformat(): Promise<string> } } };
      };
      const frames = await framesOf(async () => {
        value = await datetime.datetime.fromisoformat('2026-01-02T03:04').date().isoformat();
      });
      expect([value, frames]).toEqual(['2026-01-02', 1]);
      expect(inspect(math)).toBe('[Python math]');
      expect(await Promise.resolve(math)).toBe(math);
      expect((await rejection<PythonError>(math['nothing'] as unknown as Promise<unknown>)).type).toBe(
        'AttributeError',
      );
    });
  });

  describe('bind', () => {
    const bound = { timeoutMs: 4_321, idempotent: true } as const;

    test('a namespace, a wrapper, a module and a handle take the options, with their type and nothing changed', async () => {
      const seen = watch(runtime);
      const namespace = { OrderedDict, iter, VERSION: 7, nested: { plain: true } };
      const quick = bind(namespace, bound);
      expect([Object.keys(quick), 'iter' in quick, quick.VERSION, quick.nested]).toEqual([
        ['OrderedDict', 'iter', 'VERSION', 'nested'],
        true,
        7,
        { plain: true },
      ]);
      expect(quick.OrderedDict).toBe(quick.OrderedDict);
      const record = await quick
        .OrderedDict(kw({ a: 1 }))
        .$get<PyHandle>('copy')
        .$call<PyHandle>();
      await bind(OrderedDict, bound)();
      await bind(runtime.module('math'), bound)['sqrt']?.(4);
      const handle = bind(record, bound);
      await handle.$len();
      await handle.$get('keys');
      expect(seen.map(({ context }) => [context.timeoutMs, context.idempotent])).toEqual(
        new Array(5).fill([bound.timeoutMs, bound.idempotent]),
      );
      seen.length = 0;
      await OrderedDict().$len();
      await record.$len();
      expect(seen.map(({ context }) => context.timeoutMs)).toEqual([undefined, undefined, undefined]);
      expect(await runtime.call('builtins.id', [handle])).toBe(await runtime.call('builtins.id', [record]));
    });

    test('binds again over what was bound, in a session too', async () => {
      await using session = runtime.session();
      const seen = watch(runtime);
      const twice = bind(bind({ OrderedDict }, { session, timeoutMs: 1_000 }), { timeoutMs: 2_000 });
      await twice.OrderedDict();
      expect(seen.map(({ context }) => [context.session?.id, context.timeoutMs])).toEqual([[session.id, 2_000]]);
    });

    test('a signal cancels the calls', async () => {
      const sleep = pyModule('time', 'none:').callable('sleep') as (seconds: number) => Promise<unknown>;
      const error = await rejection(bind(sleep, { signal: AbortSignal.timeout(50) })(30));
      expect(error.name).toBe('CallCancelledError');
    });

    test.each<[string, () => unknown, RegExp]>([
      ['a number', () => bind(5 as unknown as object, bound), /takes a module of wrappers.*not 5/s],
      ['unknown options', () => bind({}, { colour: 1 } as object), /colour is unknown; the options are session/],
      ['wrong ones', () => bind({}, { timeoutMs: -1, trace: 'x' }), /timeoutMs must be.*; trace must be/],
      ['a session that is none', () => bind({}, { session: {} as never }), /session must be a session/],
      ['options that are none', () => bind({}, null as never), /options must be an object, not null/],
    ])('refuses %s', (_, action, message) => {
      expect(action).toThrow(ConfigError);
      expect(action).toThrow(message);
    });

    test('refuses a result on its way, which has what its chain began with', async () => {
      const pending = OrderedDict();
      expect(() => bind(pending, bound)).toThrow(/result on its way has what its chain began with/);
      await pending;
    });

    test('a bound module is read-only', () => {
      const quick = bind({ OrderedDict }, bound);
      expect(() => Object.assign(quick, { OrderedDict: 1 })).toThrow('a bound module cannot be changed');
    });
  });
});
