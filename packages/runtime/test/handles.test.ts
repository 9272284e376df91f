import { setFlagsFromString } from 'node:v8';
import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import {
  ChainConsumedError,
  EncodeError,
  float,
  HandleAffinityError,
  HandleLostError,
  HandleReleasedError,
  kw,
  py,
  pyModule,
  PythonError,
  RESERVED_MEMBERS,
  setDefaultRuntime,
  tuple,
  type Pending,
  type PyClass,
  type PyHandle,
  WorkerCrashedError,
  type Runtime,
} from '../src/index.js';
import { watch } from './handles/watch.js';
import { LANES, rejection, runNode, startFixtureRuntime, until } from './support.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What a generated wrapper would say of `probe.Counter`. */
interface Counter extends PyHandle<'probe.Counter'> {
  add(...args: readonly unknown[]): Pending<Counter>;
  get(): Pending<number>;
  fail(): Pending<number>;
  then_(): Pending<string>;
  catch_(): Pending<string>;
  readonly value: Pending<number>;
  readonly history: Pending<number[]>;
}
type CounterClass = PyClass<Counter> &
  ((...args: readonly unknown[]) => Pending<Counter>) & {
    starting_at(start: number): Pending<Counter>;
    readonly step: Pending<number>;
    $set(name: string, value: unknown): Promise<void>;
  };

const probe = pyModule('probe', import.meta.url);
const Counter = probe.callable('Counter') as CounterClass;
const callable = <T>(name: string, keywordsFrom?: number): ((...args: readonly unknown[]) => Pending<T>) =>
  probe.callable(name, keywordsFrom) as (...args: readonly unknown[]) => Pending<T>;
const identity = callable<unknown>('identity');
const same = callable<boolean>('same');
const shared = probe.constant('shared') as Promise<Counter>;

/** Attributes as they are read, without awaiting any. */
const attributesOf = (value: Counter): Readonly<Record<'value' | 'add' | 'other', unknown>> => {
  const {
    value: attribute,
    add,
    $get,
  } = value as unknown as Record<'value' | 'add', unknown> & {
    readonly $get: (name: string) => unknown;
  };
  return { value: attribute, add, other: $get('x') };
};

describe.each(LANES)('handles over %s', (transport) => {
  let runtime: Runtime;
  let calls: readonly unknown[];

  beforeAll(async () => {
    runtime = await startFixtureRuntime({ transport });
    setDefaultRuntime(runtime);
    calls = watch(runtime);
  });
  afterAll(async () => {
    setDefaultRuntime(undefined);
    await runtime.close();
  });

  /** How many calls an action makes. */
  const callsOf = async (action: () => unknown): Promise<number> => {
    const before = calls.length;
    await action();
    await new Promise((resolve) => setImmediate(resolve));
    return calls.length - before;
  };
  /** How many counters are alive once the garbage of earlier tests is gone. */
  const settledCounters = async (): Promise<number> => {
    const counts: number[] = [];
    while (counts.length < 3 || new Set(counts.slice(-3)).size > 1) {
      collectGarbage();
      await new Promise((resolve) => setTimeout(resolve, 10));
      counts.push(await runtime.call('probe.live_counters'));
    }
    return counts.at(-1) ?? 0;
  };
  const make = (start = 0): Promise<Counter> => runtime.call<Counter>('probe.Counter', [start]);

  describe('members', () => {
    test('S25 methods, attributes, $str and passing back work', async () => {
      interface Path extends PyHandle {
        joinpath(part: string): Pending<Path>;
        readonly name: Pending<string>;
        readonly parent: Pending<Path>;
      }
      const path = await runtime.call<Path>('pathlib.PurePosixPath', ['/x']);
      const child = await path.joinpath('ÿ.txt');
      expect(await child.$str()).toBe('/x/ÿ.txt');
      expect(await child.name).toBe('ÿ.txt');
      expect(await child.parent.$get('name')).toBe('x');
      expect(path.$type).toMatch(/PurePosixPath$/);
      expect(await path.$repr()).toBe("PurePosixPath('/x')");
    });

    test('S25 a handle travels back alone, in a list, a tuple, an object and as a key', async () => {
      const handle = await make(5);
      expect(await identity(handle)).toBe(handle);
      expect(await runtime.call('probe.names_of_types', [[handle, tuple(handle)]])).toEqual(['Counter', 'tuple']);
      expect(await identity([{ deep: tuple(handle, 1) }])).toEqual([{ deep: [handle, 1] }]);
      const map = (await identity(new Map([[handle, 'as a key']]))) as Map<unknown, string>;
      expect([...map.keys()][0]).toBe(handle);
      const set = (await identity(new Set([handle, 1]))) as Set<unknown>;
      expect([set.has(handle), set.size]).toEqual([true, 2]);
      expect(await runtime.call('probe.arguments', [], { kwargs: { handle } })).toEqual([[], { handle }]);
    });

    test('S18 containers keep their shape, and only what cannot travel is a handle', async () => {
      const rows = await py<{ name: string; pattern: PyHandle }[]>`
        import re
        return [{"name": "digits", "pattern": re.compile(r"[0-9]+")}]
      `;
      expect(rows).toEqual([{ name: 'digits', pattern: rows[0]?.pattern }]);
      expect(rows[0]?.pattern.$type).toBe('re.Pattern');
      const [left, right, inside] = await py<[PyHandle, PyHandle, { deep: PyHandle }]>`
        twice = object()
        return [twice, twice, {"deep": twice}]
      `;
      expect([left, inside.deep]).toEqual([right, right]);
      expect(left).toBe(right);
      const endless = await runtime.call<PyHandle>('probe.self_containing');
      expect(endless.$type).toBe('builtins.list');
      expect(await endless.$len()).toBe(2);
      const { numbers } = await py<{ numbers: PyHandle }>`return {"numbers": (n * n for n in range(4))}`;
      const items: unknown[] = [];
      for await (const item of numbers) items.push(item);
      expect(items).toEqual([0, 1, 4, 9]);
    });

    test('keyword arguments, items, length and calls', async () => {
      const counter = await make();
      expect(await counter.add(2, kw({ times: 3 })).get()).toBe(6);
      expect(await counter.$item('k')).toBe('item k');
      expect(await counter.$item(tuple(1, 2))).toBe('item (1, 2)');
      expect(await counter.$len()).toBe(1);
      expect(await counter.$call(1, kw({ a: 2 }))).toEqual([[1], { a: 2 }]);
      expect(await (counter as unknown as (value: number) => Promise<unknown>)(7)).toEqual([[7], {}]);
      expect(await counter.$str()).toBe('Counter at 6');
      expect(await counter.history).toEqual([2]);
    });

    test('$get and $set reach attributes of any name', async () => {
      const counter = await make(1);
      await counter.$set('value', 10);
      expect(await counter.value).toBe(10);
      await counter.$set('constructor', tuple(1));
      expect(await counter.$get('constructor')).toEqual([1]);
      await counter.$set('other', make(3));
      expect(await counter.$get<Counter>('other').get()).toBe(3);
      await Counter.$set('step', 2);
      expect(await Counter.step).toBe(2);
      expect(await counter.add(1).get()).toBe(12);
      await Counter.$set('step', 1);
      expect(() => {
        (counter as unknown as { value: number }).value = 3;
      }).toThrow("is set by $set('value', value)");
      expect((await rejection<EncodeError>(counter.$set('value', Symbol('x')))).path).toBe('args[0]');
      async function whoSets(): Promise<void> {
        await (await runtime.call<PyHandle>('builtins.object')).$set('value', 1);
      }
      expect((await rejection<PythonError>(whoSets())).stack).toMatch(/AttributeError[^]*handles\.test\.ts/);
      const moved = Counter(1);
      await moved.add(1);
      expect(await rejection(moved.$set('value', 1))).toBeInstanceOf(ChainConsumedError);
    });

    test('then_ and catch_ are the methods that a promise forbids', async () => {
      const counter = await make();
      expect((counter as unknown as { then?: unknown }).then).toBeUndefined();
      expect(await counter.then_()).toBe('then of Python');
      expect(await counter.catch_()).toBe('catch of Python');
    });

    test('an exception of a method shows the caller and Python', async () => {
      const counter = await make();
      async function whoCalls(): Promise<unknown> {
        return await counter.add(1).fail();
      }
      const error = await rejection<PythonError>(whoCalls());
      expect(error).toBeInstanceOf(PythonError);
      expect(error.type).toBe('ProbeError');
      expect(error.stack).toMatch(/whoCalls[^]*Python Traceback/);
      expect(error.frames.at(-1)?.name).toBe('fail');
      expect((await rejection<PythonError>(counter.$get('nothing'))).type).toBe('AttributeError');
    });
  });

  describe('lifetime', () => {
    test('S26 use after release is a HandleReleasedError, and release twice is harmless', async () => {
      const baseline = await settledCounters();
      const counter = await make();
      expect(await runtime.call('probe.live_counters')).toBe(baseline + 1);
      await counter.$release();
      await counter.$release();
      expect(await runtime.call('probe.live_counters')).toBe(baseline);
      for (const use of [
        () => counter.get(),
        () => counter.value,
        () => counter.$str(),
        () => counter.$len(),
        () => counter.$set('value', 1),
        () => identity([counter]),
        () => runtime.call('probe.identity', [counter]),
      ]) {
        const error = await rejection(use());
        expect(error).toBeInstanceOf(HandleReleasedError);
        expect(error.message).toContain('probe.Counter');
      }
    });

    test('S26 await using releases', async () => {
      const baseline = await settledCounters();
      {
        await using counter = await make();
        expect(await counter.get()).toBe(0);
      }
      expect(await runtime.call('probe.live_counters')).toBe(baseline);
    });

    test('S26 an object that was sent again while its release was on the way is kept', async () => {
      const first = await runtime.get<Counter>('probe.shared');
      const again = runtime.get<Counter>('probe.shared');
      await first.$release();
      expect(await (await again).get()).toBe(100);
      const fresh = await runtime.get<Counter>('probe.shared');
      expect(await fresh.get()).toBe(100);
    });

    test('S26 collected handles bring the count of objects in Python back to its baseline', async () => {
      const baseline = await settledCounters();
      await (async () => {
        const handles = await Promise.all(Array.from({ length: 200 }, () => make()));
        expect(await runtime.call('probe.live_counters')).toBe(baseline + 200);
        expect(await Promise.all(handles.map((handle) => handle.get()))).toEqual(new Array(200).fill(0));
      })();
      await until('the objects are freed', async () => {
        collectGarbage();
        return (await runtime.call<number>('probe.live_counters')) <= baseline;
      });
    });

    test('an object lives as long as a call that refers to it, though its handle is collected meanwhile', async () => {
      const script = runNode(
        `
        const runtime = await hognose.createRuntime({ size: 1, transport: '${transport}', pythonPath: [process.env.FIXTURES] });
        hognose.setDefaultRuntime(runtime);
        let made = [];
        for (let count = 0; count < 4; count += 1) made.push(await runtime.call('probe.Counter'));
        const busy = runtime.call('time.sleep', [0.3]);
        const late = (() => {
          const [argument, chain, inline, length] = made;
          const calls = [
            runtime.call('probe.name_of_type', [argument]),
            chain.add(4).get(),
            hognose.py\`return type(\${inline}).__name__\`,
            length.$len(),
          ];
          return calls.map((call) => call.then((value) => value, (error) => error.message));
        })();
        made = undefined;
        for (let round = 0; round < 20; round += 1) {
          await new Promise((resolve) => setTimeout(resolve, 5));
          gc();
        }
        console.log(JSON.stringify(await Promise.all(late)));
        await runtime.close();
        `,
        ['--expose-gc'],
      );
      expect(JSON.parse(await script.line())).toEqual(['Counter', 4, 'Counter', 0]);
    });

    test('an object in an answer that became a handle as a whole is not kept', async () => {
      const baseline = await settledCounters();
      const list = await runtime.call<PyHandle>('probe.through_a_tuple');
      await list.$release();
      expect(await runtime.call('probe.live_counters')).toBe(baseline);
    });
  });

  describe('workers', () => {
    test('S29 handles of a dead worker are lost, and say so', async () => {
      await using other = await startFixtureRuntime({ transport, size: 2 });
      const handle = await other.call<Counter>('probe.Counter');
      const globals = handle.$get<PyHandle>('add').$get<PyHandle>('__func__').$get<PyHandle>('__globals__');
      const crash = await rejection<WorkerCrashedError>(globals.$item<PyHandle>('os').$get<PyHandle>('_exit').$call(7));
      expect(crash).toBeInstanceOf(WorkerCrashedError);
      expect(crash.exitCode).toBe(7);
      const error = await rejection(handle.get());
      expect(error).toBeInstanceOf(HandleLostError);
      expect(error.message).toContain('whose process has ended');
      expect(await rejection(other.call('probe.identity', [[handle]]))).toBeInstanceOf(HandleLostError);
      expect(await rejection(handle.$str())).toBeInstanceOf(HandleLostError);
      await handle.$release(); // harmless
      expect(await other.call('math.sqrt', [16])).toBe(4);
    });

    test('S29 calls that wait for their worker are lost with it', async () => {
      await using other = await startFixtureRuntime({ transport });
      const handle = await other.call<Counter>('probe.Counter');
      const death = rejection(other.call('os._exit', [1]));
      const waiting = rejection(handle.get());
      await death;
      expect(await waiting).toBeInstanceOf(HandleLostError);
    });

    test('objects of two workers in one call are a HandleAffinityError', async () => {
      await using other = await startFixtureRuntime({ transport, size: 2 });
      await other.ready();
      const [left, right] = await Promise.all([
        other.call<Counter>('probe.Counter'),
        other.call<Counter>('probe.Counter'),
      ]);
      for (const attempt of [
        other.call('probe.same', [left, right]),
        other.run(() => same(left, right)),
        left.add(right),
        other.call('probe.identity', [[left]], { kwargs: { right } }),
      ]) {
        const error = await rejection(attempt);
        expect(error).toBeInstanceOf(HandleAffinityError);
        expect(error.message).toMatch(/worker \d+ .*worker \d+|workers \d+ and \d+/);
      }
      expect(await left.get()).toBe(0);
    });

    test('an object of another runtime is a HandleAffinityError, and its own calls go to its worker', async () => {
      await using other = await startFixtureRuntime({ transport });
      const foreign = await other.call<Counter>('probe.Counter', [3]);
      const error = await rejection(runtime.call('probe.identity', [foreign]));
      expect(error).toBeInstanceOf(HandleAffinityError);
      expect(error.message).toContain('belongs to another runtime');
      expect(await foreign.get()).toBe(3);
    });
  });

  describe('chains', () => {
    test('S20 a chain of ten steps is one call, and leaves nothing behind', async () => {
      const baseline = await settledCounters();
      let value: number | undefined;
      const count = await callsOf(async () => {
        value = await Counter(1).add(1).add(1).add(1).add(1).add(1).add(1).add(1).add(1).get();
      });
      expect([value, count]).toEqual([9, 1]);
      expect(await runtime.call('probe.live_counters')).toBe(baseline);
    });

    test('S20 attributes, items and calls mix in one chain', async () => {
      const counter = await make();
      const count = await callsOf(async () => {
        expect(await counter.add(1).$get<PyHandle>('history').$item(0)).toBe(1);
        expect(await counter.$get<PyHandle>('get').$get<PyHandle>('__self__').$get('value')).toBe(1);
        expect(await Counter.starting_at(5).add(kw({ amount: 2 })).value).toBe(7);
      });
      expect(count).toBe(3);
    });

    test('S20 a result that has moved into a chain is consumed; awaiting or keeping it prevents that', async () => {
      const moved = Counter(1);
      expect(await moved.add(1).get()).toBe(2);
      const error = await rejection(moved);
      expect(error).toBeInstanceOf(ChainConsumedError);
      expect(error.message).toContain('await it first, or `$keep()` it, to use it twice');
      expect(await rejection(moved.add(2))).toBeInstanceOf(ChainConsumedError);
      expect(await rejection(identity([moved]))).toBeInstanceOf(ChainConsumedError);
      const awaited = Counter(1);
      const handle = await awaited;
      expect(await awaited).toBe(handle);
      expect([await handle.add(1).get(), await handle.add(1).get(), await awaited.add(1).get()]).toEqual([2, 3, 4]);
      const kept = Counter(1).$keep();
      expect(await kept.add(1).get()).toBe(2);
      expect(await kept.add(1).get()).toBe(3);
    });

    test('S20 a chain of ten steps is one frame each way', async () => {
      const frames = (): readonly number[] => {
        const { framesSent = 0, framesReceived = 0 } = runtime.stats().workers[0] ?? {};
        return [framesSent, framesReceived];
      };
      collectGarbage();
      await runtime.call('probe.live_counters');
      await new Promise((resolve) => setTimeout(resolve, 20)); // releases of earlier tests
      const [sent = 0, received = 0] = frames();
      const value = await Counter(1).add(1).add(1).add(1).add(1).add(1).add(1).add(1).add(1).get();
      expect([value, ...frames()]).toEqual([9, sent + 1, received + 1]);
    });

    test('S20 awaiting a pending twice evaluates it once', async () => {
      const counter = await make();
      const count = await callsOf(async () => {
        const pending = counter.add(1).get();
        expect([await pending, await pending, ...(await Promise.all([pending, pending]))]).toEqual([1, 1, 1, 1]);
      });
      expect(count).toBe(1);
      expect(await counter.get()).toBe(1);
      const attribute = counter.value;
      expect(await callsOf(async () => [await attribute, await attribute])).toBe(1);
    });

    test('a call is sent at the end of the tick although nobody awaits it', async () => {
      const counter = await make();
      void counter.add(5);
      await new Promise((resolve) => setImmediate(resolve));
      expect(await counter.get()).toBe(5);
    });

    test('going on from plain data is an error that names it', async () => {
      const pending = callable<PyHandle>('pid')();
      await pending;
      const error = await rejection(pending.$get<PyHandle>('real').$get('bit_length'));
      expect(error).toBeInstanceOf(ChainConsumedError);
      expect(error.message).toContain('plain data');
      expect(await callable<PyHandle>('pid')().$get('real')).toBe(await runtime.call('probe.pid'));
    });

    test('a pending is an argument like its result', async () => {
      const counter = Counter(1);
      const [left, right] = [await counter, identity(counter)];
      expect(await same(left, right)).toBe(true);
      expect(await callable<unknown>('arguments')(Counter(2).get(), kw({ value: Counter(3).get() }))).toEqual([
        [2],
        { value: 3 },
      ]);
      expect(await identity([Counter(1).get(), { deep: Counter(2).add(1).value }])).toEqual([1, { deep: 3 }]);
    });

    test('S20 results that are arguments leave no handle behind, whatever they are', async () => {
      const baseline = await settledCounters();
      const results = await Promise.all([
        same(Counter(1), Counter(1)),
        callable<string[]>('names_of_types')([Counter(1), Counter(2).add(1)]),
        callable<unknown>('describe')(new Map([['a', Counter(3).get()]])),
      ]);
      expect(results).toEqual([false, ['Counter', 'Counter'], "{'a': 3}"]);
      expect(await runtime.call('probe.live_counters')).toBe(baseline);
    });

    test('S20 a result with several uses is evaluated once, and each of them sees the same object', async () => {
      const counter = Counter(1);
      const [same1, length, added, handle] = await Promise.all([
        same(counter, counter),
        counter.$len(),
        counter.add(4).get(),
        counter,
      ]);
      expect([same1, length, added, await handle.get()]).toEqual([true, 0, 5, 5]);
      expect(await same(counter, handle)).toBe(true);
    });

    test('S20 a failing producer fails its consumers with the same PythonError', async () => {
      const failing = Counter(1).fail();
      const errors = await Promise.all(
        [identity(failing), identity([failing]), failing].map((promise) => rejection<PythonError>(promise)),
      );
      expect(errors.map(({ type, frames }) => [type, frames.at(-1)?.name])).toEqual(
        new Array(3).fill(['ProbeError', 'fail']),
      );
    });

    test('$str, $repr and $len of a pending are part of its chain; $type must wait', async () => {
      const counter = Counter(7);
      expect(await counter.$str()).toBe('Counter at 7');
      expect(await Counter(7).$len()).toBe(0);
      expect(await Counter(7).add(1).$repr()).toMatch(/^<probe\.Counter object/);
      const pending = Counter(1) as unknown as PyHandle;
      expect(() => pending.$type).toThrow('has no $type yet: await it first');
    });

    test('`new` says that classes are called without it', () => {
      const Class = Counter as unknown as new (start: number) => unknown;
      expect(() => new Class(1)).toThrow('probe.Counter: classes of Python are called without `new`');
    });

    test('only names that JavaScript itself reads are kept from Python', async () => {
      const made = await runtime.call<PyHandle>('types.SimpleNamespace', [], {
        kwargs: { tagName: 1, nodeType: 2, valueOf: 3, constructor: 4 },
      });
      const names = made as unknown as Record<string, unknown>;
      expect(await Promise.all(['tagName', 'nodeType', 'valueOf'].map((name) => names[name]))).toEqual([1, 2, 3]);
      expect(names['constructor']).toBeUndefined();
      expect(await made.$get('constructor')).toBe(4);
      expect(made).toEqual(made);
      expect(RESERVED_MEMBERS.every((name) => ['undefined', 'function'].includes(typeof names[name]))).toBe(true);
    });

    test('arguments beside a promise are taken when the call is made too', async () => {
      const list = [1];
      const record = { a: 1 };
      const pending = callable<unknown>('arguments')(
        list,
        Counter(2).get(),
        [list],
        kw({ record, wait: Counter(3).get() }),
      );
      list.push(2);
      record.a = 2;
      expect(await pending).toEqual([[[1], 2, [[1]]], { record: { a: 1 }, wait: 3 }]);
      const error = await rejection<EncodeError>(identity(Promise.reject(new Error('seen')), [Symbol('x')]));
      expect([error.code, error.path]).toEqual(['ENCODE', 'args[1][0]']);
    });

    test('arguments are taken when the call is made', async () => {
      const list = [1];
      const pending = identity(list);
      list.push(2);
      expect(await pending).toEqual([1]);
    });
  });

  describe('what looks at a handle sends nothing', () => {
    const looks: readonly (readonly [string, (value: object) => unknown])[] = [
      ['util.inspect', (value) => inspect(value, { depth: 5, showHidden: true, getters: true })],
      ['console.log', (value) => { inspect([value, { value }]); }], // prettier-ignore
      ['JSON.stringify', (value) => JSON.stringify({ value, list: [value] })],
      ['String()', (value) => ''.concat(value as unknown as string)],
      ['a template', (value) => `of ${value as unknown as string}`],
      ['Object.keys', (value) => [Object.keys(value), Object.entries(value), { ...value }]],
      ['in', (value) => ['$type' in value, 'x' in value]],
      ['toEqual', (value) => { expect(value).toEqual(value); }], // prettier-ignore
      ['not.toEqual', (value) => { expect({ value }).not.toEqual({ value: { a: 1 } }); }], // prettier-ignore
      ['toHaveProperty', (value) => { expect({ value }).toHaveProperty('value'); }], // prettier-ignore
      ['structure', (value) => [Array.isArray(value), value instanceof Date, Object.prototype.toString.call(value)]],
      ['reading attributes', (value) => Object.values(attributesOf(value as Counter))],
    ];

    test.each(looks)('S20 %s of a handle, a wrapper and an attribute', async (_, look) => {
      const counter = await make();
      expect(await callsOf(() => look(counter))).toBe(0);
      expect(await callsOf(() => look(Counter))).toBe(0);
      expect(await callsOf(() => look(attributesOf(counter).add as object))).toBe(0);
    });

    test('S20 Promise.resolve and await of a handle are the handle', async () => {
      const counter = await make();
      const count = await callsOf(async () => {
        expect(await Promise.resolve(counter)).toBe(counter);
        expect(await (counter as unknown as Promise<Counter>)).toBe(counter);
        expect(await Promise.all([counter as unknown as Promise<Counter>])).toEqual([counter]);
      });
      expect(count).toBe(0);
    });

    test('S20 a pending that is looked at is still sent once', async () => {
      const counter = await make();
      const count = await callsOf(() => {
        const pending = counter.add(1);
        for (const [, look] of looks.slice(0, 6)) look(pending);
      });
      expect(count).toBe(1);
    });

    test('they show what they stand for', async () => {
      const counter = await make();
      expect(inspect(counter)).toMatch(/^PyHandle<probe\.Counter> <probe\.Counter object at 0x[\da-f]+>$/);
      expect(inspect(await runtime.call('pathlib.PurePosixPath', ['/x']))).toBe(
        "PyHandle<pathlib.PurePosixPath> PurePosixPath('/x')",
      );
      expect(inspect({ Counter })).toBe('{ Counter: [Python probe.Counter] }');
      expect(''.concat(attributesOf(counter).value as string)).toBe('Pending<<probe.Counter>.value>');
      expect(JSON.stringify([counter])).toMatch(/^\["PyHandle<probe\.Counter> <probe[^"]*>"\]$/);
    });
  });

  describe('wrappers', () => {
    test('functions, classes, static methods and constants work through the default runtime', async () => {
      expect(await callable<number>('pid')()).toBe(await runtime.call('probe.pid'));
      expect(await Counter(4).get()).toBe(4);
      expect(await Counter.starting_at(9).get()).toBe(9);
      expect(await (probe.constant('CONSTANT') as Promise<number>)).toBe(42);
      expect(await (await shared).get()).toBe(100);
      expect(Counter.$name).toBe('probe.Counter');
    });

    test('a constant is read anew by each await, and can be gone on from', async () => {
      const constant = probe.constant('CONSTANT') as Promise<number>;
      expect(await constant).toBe(42);
      await runtime.call('builtins.setattr', [
        await runtime.call('importlib.import_module', ['probe']),
        'CONSTANT',
        43,
      ]);
      expect(await constant).toBe(43);
      await runtime.call('builtins.setattr', [
        await runtime.call('importlib.import_module', ['probe']),
        'CONSTANT',
        42,
      ]);
      expect(await (shared as unknown as Counter).get()).toBe(100);
    });

    test('keywordsFrom takes a plain trailing object from that position on, and no other value', async () => {
      const from = (count?: number): ((...args: readonly unknown[]) => Promise<unknown>) =>
        callable('arguments', count);
      expect(await from(1)('a', { b: 1 })).toEqual([['a'], { b: 1 }]);
      expect(await from(1)({ b: 1 })).toEqual([[{ b: 1 }], {}]);
      expect(await from(0)({ b: 1 })).toEqual([[], { b: 1 }]);
      expect(await from()({ b: 1 })).toEqual([[{ b: 1 }], {}]);
      expect(await from()(kw({ b: 1 }))).toEqual([[], { b: 1 }]);
      expect(await from(0)({ a: 1 }, kw({ b: 1 }))).toEqual([[{ a: 1 }], { b: 1 }]);
      expect(await from(0)(new Map([['a', 1]]))).toEqual([[{ a: 1 }], {}]);
      expect(await from(0)([1])).toEqual([[[1]], {}]);
      expect(await from(0)(null)).toEqual([[null], {}]);
      expect(await from(0)(float(3))).toEqual([[3], {}]);
      const counter = await make();
      expect(await from(0)(counter)).toEqual([[counter], {}]);
      expect(
        await (Counter as unknown as { add: (...args: unknown[]) => Promise<unknown> }).add(
          await make(),
          kw({ amount: 2 }),
        ),
      ).toBeDefined();
    });

    test('a wrapper is an argument: the object that it names', async () => {
      const numpy = pyModule('numpy', import.meta.url);
      const [zeros, float32] = [numpy.callable('zeros'), numpy.callable('float32')] as [
        (...args: readonly unknown[]) => Promise<{ dtype: string }>,
        object,
      ];
      expect((await zeros(2, kw({ dtype: float32 }))).dtype).toBe('float32');
      expect(await runtime.call('probe.dtype_of_zeros', [float32])).toBe('float32');
      expect(await runtime.call('probe.names_of_types', [[Counter, { a: Counter }]])).toEqual(['type', 'dict']);
      const missing = probe.callable('nothing_here');
      const error = await rejection<PythonError>(runtime.call('probe.identity', [missing]));
      expect(error.message).toContain("module 'probe' has no attribute 'nothing_here'");
      expect(await identity(1)).toBe(1);
    });
  });
});

describe('rejections', () => {
  const prelude = `
    const runtime = await hognose.createRuntime({ size: 1, pythonPath: [process.env.FIXTURES] });
    hognose.setDefaultRuntime(runtime);
    const probe = hognose.pyModule('probe', 'none:');
    const [Counter, raise, identity] = ['Counter', 'raise_value', 'identity'].map((name) => probe.callable(name));
    const unhandled = [];
    process.on('unhandledRejection', (error) => unhandled.push(error.message));
    const settle = async () => { await runtime.call('probe.pid'); await new Promise((done) => setTimeout(done, 20)); };
  `;

  test.each([
    ['a failing call that is caught', 'await raise(1).catch(() => {});', []],
    ['a failing chain that is caught at its end', 'await Counter().fail().real.bit_length().catch(() => {});', []],
    ['a failing call that nobody awaits', 'raise(1);', ['ValueError: 1']],
    [
      'a failing chain that nobody awaits',
      'Counter().fail().bit_length().real.bit_length();',
      ['ProbeError: from a method'],
    ],
    ['an argument that cannot travel, caught', 'await identity(Symbol()).catch(() => {});', []],
    [
      'an argument that cannot travel, not awaited',
      'identity(Symbol());',
      ['args[0]: a symbol cannot travel to Python'],
    ],
    ['a chain behind such an argument, caught', 'await identity(Symbol()).foo.bar().catch(() => {});', []],
    [
      'two failing arguments in one chain, caught',
      "await Counter().add(Promise.reject(new Error('a'))).add(Promise.reject(new Error('b'))).catch(() => {});",
      [],
    ],
    ['an attribute of a failing call, never awaited', 'const p = raise(1); p.foo; await p.catch(() => {});', []],
    ['a consumed pending that nobody awaits', 'const p = Counter(1); await p.get(); p.foo;', []],
    ['try and await', 'try { await Counter().fail() } catch {}', []],
  ])('S20 %s', async (_, source, expected) => {
    const script = runNode(
      `${prelude}${source}\nawait settle(); console.log(JSON.stringify(unhandled)); await runtime.close();`,
    );
    expect(JSON.parse(await script.line())).toEqual(expected);
    await script.ended;
  });
});
