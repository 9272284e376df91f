import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createRuntime,
  HandleLostError,
  WorkerCrashedError,
  type PyHandle,
  type Runtime,
  type RuntimeEvent,
  type RuntimeOptions,
} from '../src/index.js';
import { fixtureOptions, LANES, rejection, temporaryDirectory, until } from './support.js';

const directory = temporaryDirectory();
let files = 0;
const newFile = (): string => join(directory, `ledger ${files++}`);
const linesOf = (file: string): readonly string[] => readFileSync(file, 'utf8').split('\n').filter(Boolean);

describe.each(LANES)('crashes under idempotent calls over %s', (transport) => {
  const start = (options: RuntimeOptions = {}, events: RuntimeEvent[] = []): Promise<Runtime> =>
    createRuntime(
      fixtureOptions({
        transport,
        size: 2,
        onEvent: (event) => events.push(event),
        ...options,
        crash: { backoffMs: 1, ...options.crash },
      }),
    );

  test.each(['segfault', 'abort', 'kill', 'exit', 'os_exit'])(
    'S51 %s: the call succeeds on another worker, and Python sees the second attempt',
    async (how) => {
      const events: RuntimeEvent[] = [];
      await using runtime = await start({}, events);
      const ledger = newFile();
      const [attempt, pid] = await runtime.call<readonly [number, number]>('crashes.die_once', [ledger, how], {
        idempotent: true,
      });
      expect(attempt).toBe(1);
      const pids = linesOf(ledger).map(Number);
      expect(pids).toHaveLength(2);
      expect(pids[1]).toBe(pid);
      expect(pids[0]).not.toBe(pid);
      expect(events).toContainEqual(expect.objectContaining({ type: 'call-retried', attempt: 2 }));
      expect(runtime.stats().pools['default']).toMatchObject({ crashes: 1, calls: { succeeded: 1, retried: 1 } });
    },
  );

  test('S51 a call that is not idempotent is started at most once', async () => {
    await using runtime = await start();
    const ledger = newFile();
    const error = await rejection<WorkerCrashedError>(runtime.call('crashes.die_once', [ledger, 'segfault']));
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect(error).toMatchObject({ attempts: 1, reason: 'signal', signal: 'SIGSEGV' });
    await runtime.call('math.sqrt', [4]);
    expect(linesOf(ledger)).toHaveLength(1);
  });

  test('S52 a call that always crashes rejects after maxRetries, with every attempt', async () => {
    await using runtime = await start({ crash: { maxRetries: 2, taintAfter: 0 } });
    const ledger = newFile();
    const error = await rejection<WorkerCrashedError>(
      runtime.call('crashes.always', [ledger, 'os_exit'], { idempotent: true }),
    );
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect(error.attempts).toBe(3);
    expect(error.history.map(({ exitCode, reason }) => [exitCode, reason])).toEqual([
      [9, 'exit'],
      [9, 'exit'],
      [9, 'exit'],
    ]);
    expect(error.message).toContain('it was attempt 3');
    expect(error.stack).toContain('retry.test.ts');
    expect(new Set(error.history.map(({ workerId }) => workerId)).size).toBe(3);
    expect(error.history.map(({ pid }) => pid)).toEqual(linesOf(ledger).map(Number));
  });

  test('S52 a target that crashes workers runs apart until it has succeeded a few times; other calls go on', async () => {
    const events: RuntimeEvent[] = [];
    await using runtime = await start({ crash: { maxRetries: 2, taintAfter: 3, clearAfter: 2 } }, events);
    const pool = runtime.pool('default');
    const ledger = newFile();
    const target = 'crashes.harmful';
    await rejection(runtime.call(target, [ledger, true], { idempotent: true }));
    expect(pool.stats().tainted).toEqual([{ target, crashes: 3, successes: 0 }]);
    await until('the pool is full again', () => pool.stats().ready === 2);
    const members = pool.stats().workers.filter(({ role }) => role === 'member');
    const crash = rejection<WorkerCrashedError>(runtime.call(target, [ledger, true]));
    const others = Array.from({ length: 50 }, (_, index) => runtime.call('probe.identity', [index]));
    expect(await Promise.all(others)).toHaveLength(50);
    expect(await crash).toBeInstanceOf(WorkerCrashedError);
    // The workers of the pool were not touched by it.
    expect(
      pool
        .stats()
        .workers.filter(({ role }) => role === 'member')
        .map(({ pid }) => pid),
    ).toEqual(members.map(({ pid }) => pid));
    expect(members.map(({ pid }) => pid)).not.toContain((await crash).history[0]?.pid);
    const [first, second] = await Promise.all([
      runtime.call<number>(target, [ledger, false]),
      runtime.call<number>(target, [ledger, false]),
    ]);
    expect(second).toBe(first);
    expect(members.map(({ pid }) => pid)).not.toContain(first);
    expect(pool.stats().tainted).toEqual([]);
    expect(members.map(({ pid }) => pid)).toContain(await runtime.call(target, [ledger, false]));
    expect(events.filter(({ type }) => type === 'target-tainted' || type === 'target-cleared')).toMatchObject([
      { type: 'target-tainted', target, crashes: 3 },
      { type: 'target-cleared', target, reason: 'succeeded' },
    ]);
    await until('the worker apart has ended', () => pool.stats().workers.length === 2);
  });

  test('a taint can be lifted, and what waits apart runs then', async () => {
    await using runtime = await start({ crash: { maxRetries: 0, taintAfter: 1 } });
    const pool = runtime.pool('default');
    const ledger = newFile();
    await rejection(runtime.call('crashes.harmful', [ledger, true]));
    expect(pool.stats().tainted).toHaveLength(1);
    const waiting = [1, 2, 3].map(() => runtime.call('crashes.harmful', [ledger, false]));
    expect(pool.clearTaint('crashes.harmful')).toEqual(['crashes.harmful']);
    expect(await Promise.all(waiting)).toHaveLength(3);
    expect(pool.stats().tainted).toEqual([]);
    expect(pool.clearTaint()).toEqual([]);
  });

  test('a crash is not blamed on coroutines that only lived on the worker', async () => {
    await using runtime = await start({ size: 1, crash: { maxRetries: 0, taintAfter: 1 } });
    const waiting = rejection<WorkerCrashedError>(runtime.call('asyncio.sleep', [60]));
    await runtime.call('math.sqrt', [4]);
    await rejection(runtime.call('os._exit', [9]));
    expect(await waiting).toBeInstanceOf(WorkerCrashedError);
    expect(runtime.stats().pools['default']?.tainted.map(({ target }) => target)).toEqual(['os._exit']);
  });

  test('a call on an object is not tried again, as the object is gone', async () => {
    await using runtime = await start();
    const bomb = await runtime.call<PyHandle>('crashes.Bomb');
    expect(await rejection(runtime.call('crashes.explode', [bomb], { idempotent: true }))).toMatchObject({
      code: 'WORKER_CRASHED',
      attempts: 1,
    });
    expect(await rejection(bomb.$str())).toBeInstanceOf(HandleLostError);
  });

  test('a stream is tried again as long as no item has arrived', async () => {
    await using runtime = await start();
    const stream = async (dieAfter: number): Promise<readonly unknown[]> => {
      const items: unknown[] = [];
      const target = runtime.module('crashes.numbers');
      const { bind } = await import('../src/index.js');
      for await (const item of bind(target, { idempotent: true })(newFile(), dieAfter)) items.push(item);
      return items;
    };
    expect(await stream(0)).toEqual([0, 1, 2]);
    expect(await rejection(stream(2))).toBeInstanceOf(WorkerCrashedError);
  });

  test('a retry that waits ends with its deadline, its signal and the runtime', async () => {
    const runtime = await start({ crash: { backoffMs: 60_000, taintAfter: 0 } });
    const events = (options: object): Promise<Error> =>
      rejection(runtime.call('crashes.always', [newFile(), 'os_exit'], { idempotent: true, ...options }));
    const stopper = new AbortController();
    const timedOut = events({ timeoutMs: 700 });
    const aborted = events({ signal: stopper.signal });
    const closed = events({});
    await until('all wait to be tried again', () => runtime.stats().pools['default']?.calls.retried === 3);
    expect(runtime.stats().queued).toBe(3);
    stopper.abort();
    expect(await aborted).toMatchObject({ code: 'CALL_CANCELLED' });
    const timeout = await timedOut;
    expect(timeout).toMatchObject({ code: 'CALL_TIMEOUT' });
    expect(timeout.message).toContain('a worker has died under it');
    await runtime.close();
    expect(await closed).toMatchObject({ code: 'WORKER_CRASHED', cause: { code: 'POOL_CLOSED' } });
    expect(runtime.stats().queued).toBe(0);
  });
});

test('S53 30 rounds of killing 2 of 8 workers under 200 calls: 8 workers at the end, every call accounted for', async () => {
  await using runtime = await createRuntime(
    fixtureOptions({ size: 8, crash: { maxRetries: 50, backoffMs: 1, taintAfter: 0 } }),
  );
  await runtime.ready();
  let ended = 0;
  for (let round = 0; round < 30; round += 1) {
    const calls = Array.from({ length: 200 }, (_, index) =>
      runtime.call('probe.identity', [index], { idempotent: index % 2 === 0 }).then(
        (value) => (value === index ? 'right' : 'wrong'),
        (error: unknown) => (error instanceof WorkerCrashedError ? 'crashed' : 'other'),
      ),
    );
    const workers = runtime.stats().workers.filter(({ isReady }) => isReady);
    for (const { pid } of [workers[round % workers.length], workers[(round + 3) % workers.length]].filter(
      (worker) => worker !== undefined,
    ))
      process.kill(pid, 'SIGKILL');
    const ends = await Promise.all(calls);
    ended += ends.length;
    expect(ends.filter((_, index) => index % 2 === 0).every((end) => end === 'right')).toBe(true);
    expect(ends.every((end) => end === 'right' || end === 'crashed')).toBe(true);
    await until('the pool is full again', () => runtime.stats().pools['default']?.ready === 8);
  }
  expect(ended).toBe(6000);
  const { calls, queued, running } = runtime.stats().pools['default'] ?? {};
  expect([calls?.submitted, queued, running]).toEqual([6000, 0, 0]);
  expect((calls?.succeeded ?? 0) + (calls?.crashed ?? 0)).toBe(6000);
}, 120_000);

describe('what an attack on retries has found', () => {
  const start = (options: RuntimeOptions): Promise<Runtime> => createRuntime(fixtureOptions(options));

  test('a burst of calls of a bad target ends few workers of the pool', async () => {
    const members = new Set<number>();
    const note = (): void => {
      for (const { role, pid } of runtime.stats().workers) if (role === 'member') members.add(pid);
    };
    await using runtime = await start({
      size: 2,
      crash: { maxRetries: 0, taintAfter: 2, clearAfter: 1 },
      onEvent: ({ type }) => {
        if (type === 'worker-ended') note();
      },
    });
    await runtime.ready();
    const ledger = newFile();
    const bad = Array.from({ length: 12 }, () => rejection(runtime.call('crashes.harmful', [ledger, true])));
    await Promise.all(bad);
    note();
    // Two made it tainted, two more may have run already; all others ran on the worker apart.
    expect(linesOf(ledger).filter((pid) => members.has(Number(pid))).length).toBeLessThanOrEqual(5);
    expect(linesOf(ledger)).toHaveLength(12);
    expect(runtime.stats().pools['default']?.tainted).toMatchObject([{ target: 'crashes.harmful', crashes: 12 }]);
  });

  test('one death under several calls of a target is blamed on it once', async () => {
    await using runtime = await start({ size: 1, threads: 4, crash: { maxRetries: 0, taintAfter: 2 } });
    const go = newFile();
    const running = [1, 2, 3].map(() => rejection(runtime.call('flows.touch_and_wait', [newFile(), go])));
    await until('they run', () => runtime.stats().workers[0]?.calls === 3);
    await rejection(runtime.call('os._exit', [1]));
    await Promise.all(running);
    expect(runtime.stats().pools['default']?.tainted).toEqual([]);
  });

  test('a stream that is open on the worker apart blocks neither its objects nor tainted targets', async () => {
    await using runtime = await start({ size: 1, crash: { maxRetries: 0, taintAfter: 1, clearAfter: 50 } });
    await rejection(runtime.call('crashes.any', ['die']));
    const iterator = (runtime.module('crashes.any')('stream') as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toBe(0);
    const counter = await runtime.call<PyHandle & { add(amount: number): Promise<number> }>('crashes.any', ['object']);
    const sums = await Promise.all([1, 2, 3, 4].map((amount) => counter.add(amount)));
    expect(sums.at(-1)).toBe(10);
    await iterator.return?.();
  });

  test('a call that had started is told so when the runtime closes during its back-off, with its history', async () => {
    const runtime = await start({ size: 1, crash: { backoffMs: 60_000 } });
    const call = rejection<WorkerCrashedError>(
      runtime.call('crashes.always', [newFile(), 'os_exit'], { idempotent: true }),
    );
    await until('it waits', () => runtime.stats().pools['default']?.calls.retried === 1);
    await runtime.close();
    const error = await call;
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect(error).toMatchObject({ attempts: 1, exitCode: 9, cause: { code: 'POOL_CLOSED' } });
    expect(error.message).toContain('a worker has died under it, and it is not tried again');
  });

  test('an abort within the event of a retry prevents the retry', async () => {
    const stopper = new AbortController();
    await using runtime = await start({
      size: 1,
      crash: { backoffMs: 1 },
      onEvent: (event) => {
        if (event.type === 'call-retried') stopper.abort();
      },
    });
    const ledger = newFile();
    const call = runtime.call('crashes.always', [ledger, 'os_exit'], { idempotent: true, signal: stopper.signal });
    expect(await rejection(call)).toMatchObject({ code: 'CALL_CANCELLED', message: 'crashes.always was cancelled' });
    await runtime.call('math.sqrt', [4]);
    await runtime.drain();
    expect(linesOf(ledger)).toHaveLength(1);
  });
});
