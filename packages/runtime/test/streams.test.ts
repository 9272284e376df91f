import { WorkerCrashedError, type PyHandle, type Runtime } from '../src/index.js';
import { LANES, rejection, startFixtureRuntime, until } from './support.js';

type Items = PyHandle & AsyncIterable<unknown>;

/** Takes so many items and leaves. */
async function take(items: AsyncIterable<unknown>, count = Infinity): Promise<unknown[]> {
  const taken: unknown[] = [];
  if (count === 0) return taken;
  for await (const item of items) {
    taken.push(item);
    if (taken.length >= count) break;
  }
  return taken;
}

describe.each(LANES)('streams over %s', (transport) => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await startFixtureRuntime({ transport });
  });
  afterAll(() => runtime.close());

  const items = (target: string, args: readonly unknown[] = []): Promise<Items> => runtime.call<Items>(target, args);

  test.each([0, 1, 5, 1000, 20_000])('%d items of a generator arrive in order', async (count) => {
    const taken = await take(await items('flows.numbers', [count]));
    expect(taken).toEqual(Array.from({ length: count }, (_, index) => index));
  });

  test('S30 itertools.count(1): five are taken, and the next loop goes on at six', async () => {
    const count = await items('itertools.count', [1]);
    expect(await take(count, 5)).toEqual([1, 2, 3, 4, 5]);
    expect(await take(count, 3)).toEqual([6, 7, 8]);
  });

  test('S30 leaving the loop runs the finally of a generator', async () => {
    await runtime.call('flows.take_events');
    expect(await take(await items('flows.noted_numbers'), 3)).toEqual([0, 1, 2]);
    expect(await runtime.call('flows.take_events')).toEqual(['closed']);
  });

  test('S30 an exception at the third item arrives after two values, with its own type', async () => {
    const stream = await items('flows.failing', [2]);
    const taken: unknown[] = [];
    const error = await rejection(
      (async () => {
        for await (const item of stream) taken.push(item);
      })(),
    );
    expect(taken).toEqual([0, 1]);
    expect(error).toMatchObject({ type: 'KeyError' });
    expect(error.message).toContain('the end');
  });

  test('S30 async generators are streams too, and are closed', async () => {
    await runtime.call('flows.take_events');
    expect(await take(await items('flows.async_numbers', [100]))).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(await take(await items('flows.async_numbers', [100]), 2)).toEqual([0, 1]);
    const closed: unknown[] = [];
    await until('both are closed', async () => {
      closed.push(...(await runtime.call<string[]>('flows.take_events')));
      return closed.length === 2;
    });
    expect(closed).toEqual(['async closed', 'async closed']);
  });

  test('lists, sets, dicts, files and anything else with __iter__ can be iterated behind a handle', async () => {
    const list = await runtime.call<Items>('builtins.list', [[1, 2, 3]], { result: 'handle' });
    expect(await take(list)).toEqual([1, 2, 3]);
    expect(await take(list, 1)).toEqual([1]);
    expect(await take(list)).toEqual([1, 2, 3]); // an iterable begins anew
    const text = await items('io.StringIO', ['one\ntwo\n']);
    expect(await take(text)).toEqual(['one\n', 'two\n']);
  });

  test('what cannot be iterated is a TypeError of Python', async () => {
    const path = await items('pathlib.Path', ['/']);
    expect(await rejection(take(path))).toMatchObject({ type: 'TypeError' });
  });

  test('calls are answered while a stream is open, also from inside of its loop', async () => {
    let sum = 0;
    for await (const item of await items('flows.numbers', [50])) {
      sum += await runtime.call<number>('operator.mul', [item, 2]);
    }
    expect(sum).toBe(2450);
  });

  test('many streams of one worker are open at once', async () => {
    const streams = await Promise.all(Array.from({ length: 20 }, () => items('flows.numbers', [200])));
    const all = await Promise.all(streams.map((stream) => take(stream)));
    expect(all.map(({ length }) => length)).toEqual(Array.from({ length: 20 }, () => 200));
  });

  test('S31 a slow consumer bounds what a producer of 10,000 chunks makes', async () => {
    const stream = await items('flows.chunks', [10_000, 10_000]);
    let taken = 0;
    let ahead = 0;
    for await (const chunk of stream) {
      expect((chunk as Uint8Array).length).toBe(10_000);
      taken += 1;
      ahead = Math.max(ahead, (await runtime.call<number>('flows.produced')) - taken);
      if (taken === 100) break;
    }
    expect(ahead).toBeGreaterThan(0);
    expect(ahead).toBeLessThan(1000);
  });

  test('the items of a stream may be handles, each iterated in turn', async () => {
    const pairs = await runtime.call<Items>('itertools.groupby', [[1, 1, 2]]);
    const keys: unknown[] = [];
    for await (const pair of pairs) keys.push((pair as readonly unknown[])[0]);
    expect(keys).toEqual([1, 2]);
  });

  test('a worker that dies ends its streams with the reason', async () => {
    const own = await startFixtureRuntime({ transport });
    const stream = await own.call<Items>('flows.noted_numbers');
    const error = await rejection(
      (async () => {
        for await (const item of stream) {
          if (item === 100) process.kill(own.stats().workers[0]?.pid ?? 0, 'SIGKILL');
        }
      })(),
    );
    expect(error).toBeInstanceOf(WorkerCrashedError);
    await own.close();
  });

  test('a stream that nobody takes items from does not delay the end of the runtime', async () => {
    const own = await startFixtureRuntime({ transport });
    const stream = await own.call<Items>('flows.noted_numbers');
    const iterator = stream[Symbol.asyncIterator]();
    expect(await iterator.next()).toEqual({ value: 0, done: false });
    const started = performance.now();
    await own.close();
    expect(performance.now() - started).toBeLessThan(4_000); // it was the whole of 5 s
  });

  test('JavaScript iterables and generators are iterables in Python', async () => {
    let isClosed = false;
    function* letters(): Generator<string> {
      try {
        yield* ['a', 'b', 'c'];
      } finally {
        isClosed = true;
      }
    }
    expect(await runtime.call('flows.consume', [letters()])).toEqual(['a', 'b', 'c']);
    isClosed = false;
    function* endless(): Generator<number> {
      try {
        for (let number = 0; ; number += 1) yield number;
      } finally {
        isClosed = true;
      }
    }
    expect(await runtime.call('flows.consume', [endless(), 3])).toEqual([0, 1, 2]);
    await until('the generator is closed', () => isClosed);
    async function* later(): AsyncGenerator<number> {
      for (const number of [1, 2, 3]) {
        await new Promise((resolve) => setImmediate(resolve));
        yield number;
      }
    }
    expect(await runtime.call('flows.consume', [later()])).toEqual([1, 2, 3]);
    expect(await runtime.call('flows.consume_async', [later()])).toEqual([1, 2, 3]);
  });
});
