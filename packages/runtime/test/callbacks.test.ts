import { AsyncLocalStorage } from 'node:async_hooks';
import { PythonError, type PyHandle, type Runtime } from '../src/index.js';
import { LANES, rejection, startFixtureRuntime, until } from './support.js';

describe.each(LANES)('callbacks over %s', (transport) => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await startFixtureRuntime({ transport });
  });
  afterAll(() => runtime.close());

  test('S33 list(map(cb, [1, 2, 3])), sorted(key=cb) and keyword arguments', async () => {
    const map = await runtime.call<PyHandle>('builtins.map', [(x: number) => x * 2, [1, 2, 3]]);
    expect(await runtime.call('builtins.list', [map])).toEqual([2, 4, 6]);
    expect(
      await runtime.call('builtins.sorted', [['ccc', 'a', 'bb']], { kwargs: { key: (s: string) => s.length } }),
    ).toEqual(['a', 'bb', 'ccc']);
    const seen: unknown[] = [];
    await runtime.call('flows.call_back', [(...args: unknown[]) => seen.push(...args), 1], { kwargs: { flag: true } });
    expect(seen).toEqual([1, { flag: true }]);
  });

  test('S33 an asynchronous callback is waited for', async () => {
    const later = async (x: number): Promise<number> => {
      await new Promise((resolve) => setImmediate(resolve));
      return x + 1;
    };
    expect(await runtime.call('flows.call_back', [later, 1])).toBe(2);
  });

  test('S33 a callback within a callback, and a call from a callback, on the one worker that waits', async () => {
    const inner = (x: number): number => x + 1;
    const outer = async (x: number): Promise<unknown> => runtime.call('flows.call_back', [inner, x * 10]);
    expect(await runtime.call('flows.call_back', [outer, 2])).toBe(21);
    const deep = async (depth: number): Promise<number> =>
      depth === 0 ? 0 : 1 + (await runtime.call<number>('flows.call_back', [deep, depth - 1]));
    expect(await runtime.call('flows.call_back', [deep, 8])).toBe(8);
  });

  test('S33 what a callback throws is an exception that except catches, and comes back as the same object', async () => {
    class OwnError extends RangeError {
      readonly detail = { why: 'tested' };
    }
    const thrown = new OwnError('not today');
    thrown.name = 'OwnError';
    const fail = (): never => {
      throw thrown;
    };
    expect(await runtime.call('flows.catch', [fail])).toEqual(['JavaScriptError', 'OwnError: not today', true]);
    expect(await rejection(runtime.call('flows.call_back', [fail]))).toBe(thrown);
    const rejected = (): Promise<never> => Promise.reject(thrown);
    expect(await rejection(runtime.call('flows.call_back', [rejected]))).toBe(thrown);
    const wrapped = await rejection<PythonError>(runtime.call('flows.wrap', [fail]));
    expect(wrapped).toMatchObject({ type: 'ValueError', message: 'ValueError: wrapped' });
    expect(wrapped.cause).toBe(thrown);
  });

  test('a value that is thrown and is no error comes back as itself', async () => {
    const fail = (): never => {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- anybody may
      throw 'just a text';
    };
    expect(await rejection(runtime.call('flows.call_back', [fail]))).toBe('just a text');
    expect(await runtime.call('flows.catch', [fail])).toEqual(['JavaScriptError', 'Error: just a text', true]);
  });

  test('a callback that returns what cannot travel is an error in Python, not a hang', async () => {
    expect(await runtime.call('flows.catch', [() => Symbol('x')])).toEqual([
      'JavaScriptError',
      expect.stringContaining('symbol'),
      true,
    ]);
    expect(await runtime.call('flows.call_back', [() => undefined])).toBeNull();
  });

  test('a callback may return an object of Python, and gets one', async () => {
    const path = await runtime.call<PyHandle>('pathlib.PurePosixPath', ['/x']);
    expect(await runtime.call('builtins.str', [await runtime.call('flows.call_back', [() => path])])).toBe('/x');
    const types: string[] = [];
    await runtime.call('flows.call_back', [(handle: PyHandle) => types.push(handle.$type), path]);
    expect(types).toEqual(['pathlib.PurePosixPath']);
  });

  test('the same function is the same object in Python, and comes back as itself', async () => {
    const own = (): number => 1;
    expect(await runtime.call('operator.is_', [own, own])).toBe(true);
    expect(await runtime.call('flows.hand_back', [own])).toEqual([own, own]);
  });

  test('a function that Python keeps can be called later, and is given up when Python drops it', async () => {
    const functions = async (): Promise<number> => (await runtime.metrics())[0]?.functions ?? -1;
    await runtime.call('gc.collect');
    const before = await functions();
    await runtime.call('flows.keep', [(x: number) => x * 3]);
    expect(await runtime.call('flows.call_kept', [5])).toBe(15);
    expect(await functions()).toBe(before + 1);
    await runtime.call('flows.drop_kept');
    await until('Python does not hold it any more', async () => (await functions()) <= before);
  });

  test('S34 callbacks from ThreadPoolExecutor.map inside a call make progress', async () => {
    const values = Array.from({ length: 40 }, (_, index) => index);
    const twice = (x: number): number => x * 2;
    expect(await runtime.call('flows.mapped_in_threads', [twice, values])).toEqual(values.map(twice));
    const later = async (x: number): Promise<number> => {
      await new Promise((resolve) => setImmediate(resolve));
      return x + 1;
    };
    expect(await runtime.call('flows.mapped_in_threads', [later, values])).toEqual(values.map((x) => x + 1));
  });

  test('S34 a coroutine beside a long synchronous call makes progress', async () => {
    const order: string[] = [];
    const long = runtime.call('time.sleep', [5]).then(() => order.push('call'));
    const short = runtime.call('flows.echo_later', ['x']).then((value) => order.push(`coroutine ${String(value)}`));
    await short;
    expect(order).toEqual(['coroutine x']);
    await long;
    expect(order).toEqual(['coroutine x', 'call']);
  });

  test('a coroutine awaits a callback, and other coroutines go on meanwhile', async () => {
    let release: (value: number) => void = () => undefined;
    const gate = new Promise<number>((resolve) => (release = resolve));
    const waiting = runtime.call('flows.await_callback', [() => gate, 1]);
    expect(await runtime.call('flows.echo_later', [7])).toBe(7);
    release(42);
    expect(await waiting).toBe(42);
  });

  test('a hundred coroutines of one worker wait at the same time', async () => {
    const started = performance.now();
    const all = await Promise.all(Array.from({ length: 100 }, (_, i) => runtime.call('flows.echo_later', [i, 0.2])));
    expect(all).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(performance.now() - started).toBeLessThan(10_000); // one after another: 20 s
  });

  test('a callback runs in the async context of its caller', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const look = (): void => {
      seen.push(storage.getStore());
    };
    await Promise.all(['a', 'b'].map((name) => storage.run(name, () => runtime.call('flows.call_back', [look]))));
    expect(seen.sort()).toEqual(['a', 'b']);
  });

  test('a thrown value that cannot be looked at is told to Python, and comes back', async () => {
    const hostile = new Error('x');
    Object.defineProperty(hostile, 'stack', {
      get() {
        throw new Error('not even this');
      },
    });
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const thrown of [hostile, proxy]) {
      const fail = (): never => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- anybody may
        throw thrown;
      };
      const later = async (): Promise<never> => {
        await Promise.resolve();
        return fail();
      };
      for (const callback of [fail, later]) {
        let error: unknown;
        try {
          await runtime.call('flows.call_back', [callback]);
        } catch (reason) {
          error = reason; // no promise could resolve to it: it would be asked for its then
        }
        expect(error === thrown).toBe(true);
      }
    }
    expect(await runtime.call('operator.add', [1, 2])).toBe(3);
  });

  test('a pending result inside of what a callback returns is an EncodeError, and nothing else', async () => {
    const counter = (): unknown => ({ inner: [runtime.module('collections.Counter')('a')] });
    const [name, text] = await runtime.call<string[]>('flows.catch', [counter]);
    expect(name).toBe('JavaScriptError');
    expect(text).toContain('await it first');
  });

  test('a nested call that is out of time ends alone, and not the call whose callback has made it', async () => {
    const impatient = async (): Promise<string> => {
      const error = await rejection(runtime.call('time.sleep', [5], { timeoutMs: 30 }));
      return error.name;
    };
    for (let round = 0; round < 5; round += 1)
      expect(await runtime.call('flows.call_back', [impatient])).toBe('CallTimeoutError');
  });

  test('a session can be closed from a callback of its own', async () => {
    const session = runtime.session();
    const close = async (): Promise<number> => {
      await session.close();
      return 5;
    };
    expect(await session.call('flows.call_back', [close])).toBe(5);
    expect(await rejection(session.call('probe.pid'))).toMatchObject({ code: 'SESSION_CLOSED' });
  });
});
