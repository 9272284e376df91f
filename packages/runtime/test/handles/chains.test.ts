import { inspect } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { CallRequest } from '../../src/call-request.js';
import { ChainConsumedError, EncodeError, HandleAffinityError, HandleReleasedError } from '../../src/errors.js';
import { CallType, ResultMode } from '../../src/gen/messages.js';
import { callLinked, makeModule } from '../../src/handles/chain.js';
import { EncodeContext, encodeArguments } from '../../src/values/encode.js';
import { EXECUTOR, runWith } from '../../src/context.js';
import { kw, tuple, type Runtime } from '../../src/index.js';
import { until } from '../support.js';
import { FakeWorker, Thing, textOf } from './fake-worker.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Anything in the fake worker. */
type Any = ((...args: readonly unknown[]) => Any) & Promise<unknown> & { readonly [Name in Names]: Any };
type Names =
  | ('a' | 'b' | 'c' | 'd' | 'e' | 'f' | 'g' | 'h' | 'i' | 'j' | 'x' | 'y' | 'z' | 'plain' | 'fail' | 'get' | 'add')
  | ('some' | 'path' | '$add' | '$mul' | '$item' | '$keep' | '$release');

const runtimeOf = (worker: FakeWorker): Runtime => ({ [EXECUTOR]: worker }) as unknown as Runtime;
const moduleOf = (worker: FakeWorker): Any => makeModule('m', { runtime: runtimeOf(worker) }) as Any;
const caught = async (promise: PromiseLike<unknown>): Promise<unknown> => {
  try {
    return await promise;
  } catch (error) {
    return error;
  }
};
/** Until what was written before has been sent and answered. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('chains', () => {
  /** What a test goes on to hold. */
  let last: unknown;
  let worker: FakeWorker;
  let m: Any;

  beforeEach(() => {
    worker = new FakeWorker();
    m = moduleOf(worker);
  });
  afterEach(async () => {
    await turn();
    expect([...worker.kept]).toEqual([]);
  });

  /** How many calls were sent at once, for each time that any were. */
  const sizes = (): number[] => worker.groups.map(({ length }) => length);

  describe('what is moved', () => {
    test('S20 a chain of ten steps is one call, and its intermediates get no handle', async () => {
      const result = await m
        .a(1)
        .b(2)
        .c.d.$item('k')
        .e.f(kw({ x: 1 }))
        .g()
        .h()
        .i()
        .j();
      expect(textOf(result)).toBe('m.a(1).b(2).c.d[k].e.f(x=1).g().h().i().j()');
      expect(sizes()).toEqual([1]);
      expect(worker.held).toBe(1);
    });

    test('a result that is an argument once is sent with its consumer, and stays in Python', async () => {
      expect(textOf(await m.f(m.g(1), 2))).toBe('m.f(m.g(1), 2)');
      expect(sizes()).toEqual([2]);
      const [first, second] = worker.requests;
      expect(first).toMatchObject({ target: 'm.g', result: ResultMode.NONE, uses: 1 });
      expect(second).toMatchObject({ target: 'm.f', result: ResultMode.AUTO, uses: 0 });
      expect(worker.held).toBe(1);
    });

    test.each<[string, (node: Any) => Any, string]>([
      ['a list', (node) => m.f([1, [node]]), 'm.f([1, [m.g()]])'],
      ['an object', (node) => m.f({ a: node }), 'm.f(a=m.g())'],
      ['keywords', (node) => m.f(kw({ a: node })), 'm.f(a=m.g())'],
      ['an index', (node) => m.h().$item(node), 'm.h()[m.g()]'],
      ['a later step of a chain', (node) => m.h(1).i(node).j(), 'm.h(1).i(m.g()).j()'],
      ['an attribute of it', (node) => m.f(node.x), 'm.f(m.g().x)'],
      ['a chain that goes on from it', (node) => m.f(node.x(2)), 'm.f(m.g().x(2))'],
      ['an argument of an argument', (node) => m.f(m.h(node)), 'm.f(m.h(m.g()))'],
      ['an operand', (node) => node.$add(1), 'operator.add(m.g(), 1)'],
      ['the right operand', (node) => m.h().$mul(node), 'operator.mul(m.h(), m.g())'],
    ])('a result inside of %s', async (_, use, expected) => {
      const result = await use(m.g());
      expect(textOf(result)).toBe(expected);
      expect(worker.groups).toHaveLength(1);
      expect(worker.held).toBe(1);
    });

    test('a result that is twice an argument of one call is evaluated once', async () => {
      const node = m.g();
      expect(textOf(await m.f(node, [node]))).toBe('m.f(m.g(), [m.g()])');
      expect(worker.requests.filter(({ target }) => target === 'm.g')).toHaveLength(1);
      expect([worker.groups.length, worker.held]).toEqual([1, 1]);
    });

    test('a result whose chain takes it as an argument too is evaluated once', async () => {
      const node = m.g();
      expect(textOf(await node.x(node))).toBe('m.g().x(m.g())');
      expect(worker.requests.filter(({ target }) => target === 'm.g')).toHaveLength(1);
      expect(worker.held).toBe(1);
    });

    test('S20 using it in a later tick is a ChainConsumedError that says what helps', async () => {
      const moved = m.g();
      const [end, argument] = [moved.x(), m.h()];
      await m.f(argument);
      await end;
      for (const use of [() => moved, () => moved.y(), () => m.f([moved]), () => moved.z, () => argument]) {
        const error = await caught(use());
        expect(error).toBeInstanceOf(ChainConsumedError);
        expect((error as Error).message).toMatch(/await it first, or `\$keep\(\)` it/);
      }
    });

    test('a deep chain and deep arguments need no deep stack', async () => {
      let chain = m.g();
      for (let depth = 0; depth < 20_000; depth += 1) chain = chain.x();
      let nested = m.g();
      for (let depth = 0; depth < 5_000; depth += 1) nested = m.f(nested);
      await Promise.all([chain, nested]);
      expect(worker.groups.map(({ length }) => length)).toEqual([1, 5_001]);
    });
  });

  describe('what is kept', () => {
    test('S20 a result with two consumers in a tick is evaluated once, and has a handle', async () => {
      const node = m.g();
      const results = await Promise.all([node.x(), node.y, m.f(node), m.h([node])]);
      expect(results.map(textOf)).toEqual(['m.g().x()', 'm.g().y', 'm.f(m.g())', 'm.h([m.g()])']);
      expect(worker.groups).toHaveLength(1);
      expect(worker.requests.filter(({ target }) => target === 'm.g')).toHaveLength(1);
      expect(textOf(await node)).toBe('m.g()');
      expect(textOf(await node.z())).toBe('m.g().z()');
    });

    test('S20 one that is awaited in the tick can be gone on from, then and later', async () => {
      const node = m.g();
      const end = node.x();
      const [handle, first] = await Promise.all([node, end]);
      expect([textOf(handle), textOf(first)]).toEqual(['m.g()', 'm.g().x()']);
      expect(sizes()).toEqual([2]);
      expect(textOf(await node.y())).toBe('m.g().y()');
      expect(await node).toBe(handle);
      expect(textOf(await m.f(node))).toBe('m.f(m.g())');
    });

    test('S20 `$keep()` does the same without waiting', async () => {
      const node = m.g().$keep();
      void node.x();
      await turn();
      expect(textOf(await node.y())).toBe('m.g().y()');
      const attribute = m.g().z.$keep();
      void attribute.x();
      await turn();
      expect(textOf(await attribute)).toBe('m.g().z');
    });

    test('`await` at the top of a turn counts, although Promise calls `then` only in a microtask', async () => {
      await turn();
      const results = new Promise((resolve) => {
        setTimeout(() => {
          const node = m.g();
          const end = node.x();
          void (async () => {
            resolve([await node, await end]);
          })();
        }, 0);
      });
      expect(((await results) as unknown[]).map(textOf)).toEqual(['m.g()', 'm.g().x()']);
    });

    test('a result that has arrived is an argument as a handle, or as plain data', async () => {
      const [handle, plain] = [m.g(), m.plain()];
      await Promise.all([handle, plain]);
      const before = worker.groups.length;
      expect(textOf(await m.f(handle, [plain], plain))).toBe('m.f(m.g(), [42], 42)');
      expect(worker.groups.length - before).toBe(1);
      const given = worker.requests.filter(({ callType }) => callType === CallType.HAND_OVER);
      expect(given.map(({ result, uses }) => [result, uses])).toEqual(new Array(3).fill([ResultMode.NONE, 1]));
    });

    test('a result that is under way is awaited by the call that uses it', async () => {
      let open = (): void => undefined;
      worker.gate = new Promise((resolve) => (open = resolve));
      const node = m.g();
      await turn();
      const [used, gone] = [m.f(node), node.x()];
      await turn();
      expect(sizes()).toEqual([1]);
      open();
      expect([await used, await gone].map(textOf)).toEqual(['m.f(m.g())', 'm.g().x()']);
    });

    test('going on from plain data that has arrived is an error that names it', async () => {
      const node = m.plain();
      expect(await node).toBe(42);
      const error = await caught(node.x());
      expect(error).toBeInstanceOf(ChainConsumedError);
      expect((error as Error).message).toContain('m.plain has arrived as plain data');
    });

    test('a loop that goes on from its last result keeps none of the earlier ones', async () => {
      const first = await (async () => {
        let node = m.g();
        const reference = new WeakRef(node);
        for (let round = 0; round < 3; round += 1) {
          await node;
          node = node.x();
        }
        expect(textOf(await node)).toBe('m.g().x().x().x()');
        last = node;
        return reference;
      })();
      await until('the first is collected', () => {
        collectGarbage();
        return first.deref() === undefined;
      });
      expect(inspect(last).length).toBeLessThan(300);
    });
  });

  describe('when it is sent', () => {
    test('what nobody awaits is sent at the end of the tick, in the order in which it was made', async () => {
      const handle = worker.handle(new Thing('h')) as Any;
      const got = handle.get();
      void handle.add(5);
      void m.f(got);
      expect(worker.groups).toEqual([]);
      await turn();
      expect(worker.requests.map(({ target }) => target)).toEqual(['get', 'add', 'm.f']);
      expect(sizes()).toEqual([3]);
    });

    test('calls that have nothing to do with each other are sent apart', async () => {
      await Promise.all([m.f(), m.g(), m.h(m.i())]);
      expect(sizes()).toEqual([1, 1, 2]);
    });

    test('a release is behind the calls that were made before it', async () => {
      const handle = worker.handle(new Thing('h')) as Any;
      const before = handle.get();
      const done = handle.$release();
      expect(worker.released).toEqual([]);
      expect(await caught(handle.get())).toBeInstanceOf(HandleReleasedError);
      await done;
      expect(worker.released).toHaveLength(1);
      expect(textOf(await before)).toBe('h.get()');
    });

    test('arguments that are promises are awaited, and those beside them are taken at once', async () => {
      const list = [1];
      const result = m.f(list, Promise.resolve(2), m.g(), kw({ a: Promise.resolve(3) }));
      list.push(9);
      expect(textOf(await result)).toBe('m.f([1], 2, m.g(), a=3)');
      expect(sizes()).toEqual([2]);
    });

    test('a result inside of what a promise brings is used as any other', async () => {
      const node = m.g();
      const result = m.f(Promise.resolve([node, m.h()]));
      expect(textOf(await result)).toBe('m.f([m.g(), m.h()])');
    });

    test('a call that was made elsewhere goes with the results that its arguments refer to', async () => {
      const node = m.g();
      const encoding = new EncodeContext();
      const args = encodeArguments([[node], 2], encoding);
      const request = { target: 'm.f', args, kwargs: null, context: { timeoutMs: 9 }, result: ResultMode.HANDLE };
      expect(textOf(await callLinked(worker, request as unknown as CallRequest, encoding))).toBe('m.f([m.g()], 2)');
      expect(worker.requests.map(({ result }) => result)).toEqual([ResultMode.NONE, ResultMode.HANDLE]);
      expect(worker.requests[1]?.context.timeoutMs).toBe(9);
    });

    test('a handle that is released while its call waits for a promise is a HandleReleasedError', async () => {
      const [handle, other] = [worker.handle(new Thing('h')) as Any, worker.handle(new Thing('o')) as Any];
      let resolve: (value: number) => void = () => undefined;
      const late = new Promise<number>((done) => (resolve = done));
      const calls = [handle.get(late), m.f(other, late)].map(caught);
      await handle.$release();
      await other.$release();
      resolve(1);
      for (const error of await Promise.all(calls)) expect(error).toBeInstanceOf(HandleReleasedError);
      expect(worker.requests).toEqual([]);
    });

    test('a call has the context that it was made in, also where it waits', async () => {
      const signal = new AbortController().signal;
      const calls = runWith({ timeoutMs: 7, signal }, () => [m.f(), m.g(m.h()), m.i(Promise.resolve(1))]);
      await Promise.all(calls);
      expect(new Set(worker.requests.map(({ context }) => context.timeoutMs))).toEqual(new Set([undefined]));
      // A module says where its calls run: then nothing else is taken from around the call.
      const handle = worker.handle(new Thing('h')) as Any;
      await runWith({ timeoutMs: 7, signal }, () => handle.x(Promise.resolve(1)));
      expect(worker.requests.at(-1)?.context).toMatchObject({ timeoutMs: 7, signal });
    });
  });

  describe('other workers', () => {
    let other: FakeWorker;
    beforeEach(() => {
      other = new FakeWorker();
    });
    afterEach(() => {
      expect([...other.kept]).toEqual([]);
    });

    test('a result of another runtime is awaited, and handed over where it is plain data', async () => {
      const there = moduleOf(other);
      expect(textOf(await m.f([there.plain()], m.g()))).toBe('m.f([42], m.g())');
      expect(other.groups.map(({ length }) => length)).toEqual([1]);
      expect(sizes()).toEqual([3]); // m.g, what is handed over, m.f
      const error = await caught(m.f(there.g()));
      expect(error).toBeInstanceOf(HandleAffinityError);
    });

    test('results of objects on two workers', async () => {
      const [here, there] = [worker.handle(new Thing('h')) as Any, other.handle(new Thing('t')) as Any];
      expect(textOf(await here.x(there.plain()))).toBe('h.x(42)');
      expect(textOf(await here.$add(there.plain()))).toBe('operator.add(h, 42)');
      expect(textOf(await m.f(there.plain(), here))).toBe('m.f(42, h)');
      const errors = [here.x(there.y()), m.f(here, there.y()), here.x(there)].map(caught);
      for (const error of await Promise.all(errors)) expect(error).toBeInstanceOf(HandleAffinityError);
    });

    test('a result that goes to both sides is evaluated once', async () => {
      const there = moduleOf(other);
      const node = m.plain();
      expect((await Promise.all([m.f(node), there.f(node), node, there.g(node)])).map(textOf)).toEqual([
        'm.f(42)',
        'm.f(42)',
        '42',
        'm.g(42)',
      ]);
      expect(worker.requests.filter(({ target }) => target === 'm.plain')).toHaveLength(1);
    });

    test('what else such a call refers to waits with it', async () => {
      const there = moduleOf(other);
      const result = m.f(m.g(m.h()), there.plain());
      await turn();
      expect(textOf(await result)).toBe('m.f(m.g(m.h()), 42)');
      expect(sizes()).toEqual([4]);
    });

    test('where it fails, nothing else of the call runs', async () => {
      const there = moduleOf(other);
      const error = await caught(m.f(m.g(), there.x.fail()));
      expect((error as Error).message).toBe('raised by m.x.fail');
      expect(worker.requests).toEqual([]);
    });
  });

  describe('failures', () => {
    // Jest fails a test that leaves a rejection unhandled.
    test('S20 a failure that is caught at the end of a chain is one failure, however it came about', async () => {
      const node = m.x.fail();
      const failing = [
        node.y(),
        node.z(),
        m.f(node),
        m.f(m.x.fail(), m.x.fail()),
        m.x.fail().y().z(),
        m.x.fail().$add(m.x.fail()),
        m.f(Symbol('s')).x().y(),
        m.x.fail().f(Symbol('s')),
        m.f(Promise.reject(new Error('raised by m.x.fail')), Promise.reject(new Error('raised by m.x.fail'))),
      ];
      const errors = await Promise.all(failing.map(caught));
      expect(errors.map((error) => error instanceof EncodeError || (error as Error).message)).toEqual([
        ...new Array<string>(6).fill('raised by m.x.fail'),
        true,
        true,
        'raised by m.x.fail',
      ]);
      await turn();
    });

    test('a chain that goes on with what cannot travel is not evaluated', async () => {
      expect(await caught(m.f().g(Symbol('s')))).toBeInstanceOf(EncodeError);
      expect(worker.requests).toEqual([]);
    });

    test('arguments of a call that cannot be made are evaluated as if it were not there', async () => {
      const [argument, attribute] = [m.g(), m.h()];
      expect(await caught(m.f(argument, attribute.x, Symbol('s')))).toBeInstanceOf(EncodeError);
      await turn();
      expect(worker.requests.map(({ target, result }) => [target, result])).toEqual([
        ['m.g', ResultMode.AUTO],
        ['m.h', ResultMode.AUTO],
      ]);
      expect(textOf(await argument)).toBe('m.g()');
    });

    test('an executor that throws rejects the calls', async () => {
      worker.execute = worker.executeAll = () => {
        throw new Error('not today');
      };
      const errors = await Promise.all([m.f(), m.f(m.g())].map(caught));
      expect(errors.map((error) => (error as Error).message)).toEqual(['not today', 'not today']);
    });
  });

  describe('looking', () => {
    test('S20 console.log, JSON.stringify and toEqual of what is on its way send nothing and move nothing', async () => {
      const node = m.g();
      const attribute = m.h().x;
      for (const value of [node, attribute, m, m.f]) {
        inspect(value, { depth: 5, showHidden: true, getters: true });
        JSON.stringify({ value, list: [value] });
        expect(value).toEqual(value);
        expect({ value }).not.toEqual({ value: { a: 1 } });
        expect([Object.entries(value), '$call' in value, 'x' in value]).toEqual([[], true, false]);
      }
      await turn();
      expect(worker.requests.map(({ target, result }) => [target, result])).toEqual([
        ['m.g', ResultMode.AUTO],
        ['m.h', ResultMode.AUTO],
      ]);
      expect([inspect(node), inspect(attribute), inspect(m), inspect(m.f)]).toEqual([
        'Pending<m.g(…)>',
        'Pending<m.h(…).x>',
        '[Python m]',
        'Pending<m.f>',
      ]);
    });

    test('a tuple, a reference and a handle are arguments as they are', async () => {
      const handle = worker.handle(new Thing('h'));
      expect(textOf(await m.f([handle, m.some.path]))).toBe('m.f([h, m.some.path])');
      expect(worker.requests).toHaveLength(1);
      expect(() => tuple(1)).not.toThrow();
    });
  });
});
