import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CallCancelledError,
  CallTimeoutError,
  PoolSaturatedError,
  QueueTimeoutError,
  type PyHandle,
  type Runtime,
} from '../src/index.js';
import { LANES, rejection, startFixtureRuntime, temporaryDirectory, until } from './support.js';

const directory = temporaryDirectory();
let marks = 0;
const newMark = (): string => join(directory, `mark-${++marks}`);

describe.each(LANES)('cancellation over %s', (transport) => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await startFixtureRuntime({ transport, graceMs: 10_000 });
  });
  afterAll(() => runtime.close());
  const pid = (): number => runtime.stats().workers[0]?.pid ?? 0;

  test.each(['spin', 'sleep_long', 'wait_for_lock', 'read_socket'])(
    'S41 an abort stops flows.%s in Python, and the worker goes on',
    async (name) => {
      const before = pid();
      const mark = newMark();
      const controller = new AbortController();
      const call = runtime.call(`flows.${name}`, [mark], { signal: controller.signal });
      await until('it runs', () => existsSync(mark));
      controller.abort(new Error('enough'));
      const error = await rejection(call);
      expect(error).toBeInstanceOf(CallCancelledError);
      expect(error.cause).toEqual(new Error('enough'));
      expect(await runtime.call('operator.add', [1, 2])).toBe(3);
      expect(pid()).toBe(before);
    },
  );

  test('S41 a call that is aborted while it waits never runs, on its worker or before', async () => {
    const file = join(directory, `lines-${transport}`);
    const mark = newMark();
    const gate = newMark();
    const blocked = runtime.call('probe.touch_and_wait', [mark, gate]);
    await until('the worker is busy', () => existsSync(mark));
    const controllers = Array.from({ length: 10 }, () => new AbortController());
    const calls = controllers.map(({ signal }, index) =>
      runtime.call('flows.append_line', [file, String(index)], { signal }),
    );
    const kept = runtime.call('flows.append_line', [file, 'kept']);
    for (const controller of controllers) controller.abort();
    for (const call of calls) expect(await rejection(call)).toBeInstanceOf(CallCancelledError);
    writeFileSync(gate, '');
    await blocked;
    await kept;
    expect(readFileSync(file, 'utf8')).toBe('kept\n');
  });

  test('S41 a signal that is aborted already sends nothing', async () => {
    const { framesSent } = runtime.stats().workers[0] ?? { framesSent: -1 };
    const error = await rejection(runtime.call('probe.pid', [], { signal: AbortSignal.abort() }));
    expect(error).toBeInstanceOf(CallCancelledError);
    expect(runtime.stats().workers[0]?.framesSent).toBe(framesSent);
  });

  test('S41 a coroutine is cancelled, its finally runs, and others go on', async () => {
    await runtime.call('flows.take_events');
    const controller = new AbortController();
    const other = runtime.call('flows.echo_later', ['x', 0.3]);
    const call = runtime.call('flows.sleep_for_ever', [], { signal: controller.signal });
    expect(await runtime.call('flows.echo_later', [1])).toBe(1);
    controller.abort();
    expect(await rejection(call)).toBeInstanceOf(CallCancelledError);
    await until('its finally has run', async () => (await runtime.call<string[]>('flows.take_events')).length === 1);
    expect(await other).toBe('x');
  });

  test('S41 a late cancel never hits the next call: 10,000 tries', async () => {
    const results: unknown[] = [];
    for (let round = 0; round < 100; round += 1) {
      const batch: Promise<unknown>[] = [];
      for (let index = 0; index < 50; index += 1) {
        const controller = new AbortController();
        const doomed = runtime.call('flows.count_while_allowed', [], { signal: controller.signal });
        doomed.catch(() => undefined);
        batch.push(runtime.call('operator.add', [index, 1]));
        batch.push(runtime.call('operator.add', [index, 2]));
        setImmediate(() => {
          controller.abort();
        });
        if (index % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      results.push(...(await Promise.all(batch)));
    }
    expect(results).toHaveLength(10_000);
  }, 120_000);

  test('S42 a call that times out while it runs ends on time, and its worker goes on', async () => {
    const before = pid();
    const error = await rejection(runtime.call('flows.spin', [], { timeoutMs: 100 }));
    expect(error).toBeInstanceOf(CallTimeoutError);
    expect(error.message).toContain('100 ms');
    expect(await runtime.call('operator.add', [1, 2])).toBe(3);
    expect(pid()).toBe(before);
  });

  test('S42 time spent in the queue is taken from what Python has left', async () => {
    const waiting = runtime.call('time.sleep', [0.6]);
    const rest = runtime.call<number>('flows.rest_of_deadline', [], { timeoutMs: 1000 });
    await waiting;
    // Sent ahead, it carries what was left then, and its clock runs on in Python.
    expect(await rest).toBeLessThan(0.5);
    expect(await runtime.call('flows.rest_of_deadline', [], { timeoutMs: 0 })).toBeNull();
  });

  test('a call that is out of time during an import leaves the import whole', async () => {
    const error = await rejection(runtime.call('slow_package.facts', [], { timeoutMs: 100 }));
    expect(error).toBeInstanceOf(CallTimeoutError);
    expect(await runtime.call('slow_package.facts')).toEqual(['X']);
  });

  test('a stream that is left ends, and its worker goes on', async () => {
    const stream = await runtime.call<PyHandle & AsyncIterable<unknown>>('itertools.count', [1]);
    const taken: unknown[] = [];
    for await (const item of stream) {
      taken.push(item);
      if (taken.length === 3) break;
    }
    expect(taken).toEqual([1, 2, 3]);
    expect(await runtime.call('operator.add', [1, 2])).toBe(3);
  });
});

describe.each(LANES)('calls that do not stop, over %s', (transport) => {
  test.each([
    ['a call that swallows every exception', 'flows.swallow_cancels', []],
    ['S42 a C call that holds the GIL', 'flows.hold_gil', [60]],
  ])('%s ends on time for its caller, and its worker is replaced', async (_, target, args) => {
    await using runtime = await startFixtureRuntime({ transport, graceMs: 200 });
    const before = runtime.stats().workers[0]?.pid;
    const mark = newMark();
    const controller = new AbortController();
    const call = runtime.call(target, [...args, mark], { signal: controller.signal });
    await until('it runs', () => existsSync(mark));
    controller.abort();
    expect(await rejection(call)).toBeInstanceOf(CallCancelledError);
    expect(await runtime.call('operator.add', [1, 2])).toBe(3);
    await until('the worker is replaced', () => runtime.stats().workers.every(({ pid }) => pid !== before));
  });
});

describe.each(LANES)('the queue over %s', (transport) => {
  test('S40 with one worker the second of two slow calls waits its turn', async () => {
    await using runtime = await startFixtureRuntime({ transport });
    const order: number[] = [];
    const calls = [1, 2].map((number) => runtime.call('time.sleep', [0.1]).then(() => order.push(number)));
    await Promise.all(calls);
    expect(order).toEqual([1, 2]);
  });

  test('S40 a full queue is a PoolSaturatedError at once', async () => {
    await using runtime = await startFixtureRuntime({ transport, queue: { max: 2 } });
    const gate = newMark();
    const blocked = runtime.call('probe.wait_for', [gate]);
    const waiting = [runtime.call('probe.pid'), runtime.call('probe.pid')];
    const error = await rejection(runtime.call('probe.pid'));
    expect(error).toBeInstanceOf(PoolSaturatedError);
    expect(error.message).toContain('queue.max');
    writeFileSync(gate, '');
    await Promise.all([blocked, ...waiting]);
    expect(await runtime.call('operator.add', [1, 2])).toBe(3);
  });

  test('S40 a call that waits too long rejects once, and never runs', async () => {
    await using runtime = await startFixtureRuntime({ transport, queue: { timeoutMs: 50 } });
    const file = join(directory, `queue-${transport}`);
    const gate = newMark();
    const blocked = runtime.call('probe.wait_for', [gate]);
    const calls = ['a', 'b', 'c'].map((text) => runtime.call('flows.append_line', [file, text]));
    for (const call of calls) {
      const error = await rejection(call);
      expect(error).toBeInstanceOf(QueueTimeoutError);
      expect(error.message).toContain('will not run');
    }
    writeFileSync(gate, '');
    await blocked;
    await runtime.call('flows.append_line', [file, 'last']);
    expect(readFileSync(file, 'utf8')).toBe('last\n');
  });

  test('S43 twenty calls on eight workers take hardly more than their share, and idle workers come first', async () => {
    await using runtime = await startFixtureRuntime({ transport, size: 8 });
    await runtime.ready();
    const pids = await Promise.all(Array.from({ length: 8 }, () => runtime.call<number>('probe.sleep', [0.3])));
    expect(new Set(pids).size).toBe(8);
    const started = performance.now();
    await Promise.all(Array.from({ length: 20 }, () => runtime.call('probe.sleep', [0.5])));
    expect(performance.now() - started).toBeLessThan(1.5 * 3 * 500);
  });

  test('S44 a worker with four threads runs four calls at once, and a fifth waits', async () => {
    await using runtime = await startFixtureRuntime({ transport, threads: 4 });
    const started = performance.now();
    const ends: number[] = [];
    const calls = Array.from({ length: 5 }, () =>
      runtime.call('time.sleep', [1]).then(() => ends.push(performance.now() - started)),
    );
    await Promise.all(calls);
    expect(ends[3]).toBeLessThan(2000);
    expect(ends[4]).toBeGreaterThan(1900);
  });

  test('S21 64 calls in flight travel in far fewer frames', async () => {
    await using runtime = await startFixtureRuntime({ transport });
    for (let count = 0; count < 200; count += 1) await runtime.call('operator.add', [1, 2]); // it knows how short they are
    const before = runtime.stats().workers[0];
    await Promise.all(Array.from({ length: 64 }, (_, index) => runtime.call('operator.add', [index, 1])));
    const after = runtime.stats().workers[0];
    expect((after?.framesSent ?? 0) - (before?.framesSent ?? 0)).toBeLessThan(16);
    expect((after?.framesReceived ?? 0) - (before?.framesReceived ?? 0)).toBeLessThan(32);
  });

  test('S21 one long call does not delay a thousand short ones on another worker', async () => {
    await using runtime = await startFixtureRuntime({ transport, size: 2 });
    await runtime.ready();
    const order: string[] = [];
    const long = runtime.call('time.sleep', [3]).then(() => order.push('long'));
    await Promise.all(Array.from({ length: 1000 }, (_, index) => runtime.call('operator.add', [index, 1])));
    order.push('short');
    await long;
    expect(order).toEqual(['short', 'long']);
  });
});
