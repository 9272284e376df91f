import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  createRuntime,
  placement,
  py,
  WorkerCrashedError,
  type PyHandle,
  type Runtime,
  type RuntimeEvent,
  type RuntimeOptions,
} from '../src/index.js';
import { fixtureOptions, isAlive, onLinux, rejection, temporaryDirectory, until } from './support.js';

const MIB = 2 ** 20;
const directory = temporaryDirectory();

const start = (options: RuntimeOptions, events: RuntimeEvent[] = []): Promise<Runtime> => {
  const { size: _, ...unsized } = fixtureOptions();
  const size = options.max === undefined ? { size: 1 } : {};
  return createRuntime({ ...unsized, ...size, onEvent: (event) => events.push(event), ...options });
};

const ofType = <T extends RuntimeEvent['type']>(
  events: readonly RuntimeEvent[],
  type: T,
): readonly Extract<RuntimeEvent, { readonly type: T }>[] =>
  events.filter((event) => event.type === type) as Extract<RuntimeEvent, { readonly type: T }>[];

describe('liveness', () => {
  onLinux('S55 a worker that SIGSTOP has frozen is found, ended and replaced', async () => {
    const events: RuntimeEvent[] = [];
    await using runtime = await start({ livenessMs: 200 }, events);
    const [worker] = runtime.stats().workers;
    await runtime.call('math.sqrt', [4]);
    const mark = join(directory, 'it runs');
    const call = rejection<WorkerCrashedError>(runtime.call('flows.sleep_long', [mark]));
    await until('it runs', () => existsSync(mark));
    process.kill(worker?.pid ?? 0, 'SIGSTOP');
    const error = await call;
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect(error).toMatchObject({ reason: 'frozen', signal: 'SIGKILL' });
    expect(error.message).toContain('as a signal had stopped it for');
    expect(await runtime.call('math.sqrt', [16])).toBe(4);
    expect(isAlive(worker?.pid ?? 0)).toBe(false);
    expect(ofType(events, 'worker-ended')[0]).toMatchObject({ reason: 'frozen', workerId: worker?.id });
  });

  onLinux('S55 an idle worker that is frozen is replaced too', async () => {
    await using runtime = await start({ livenessMs: 200 });
    const [worker] = runtime.stats().workers;
    await runtime.call('math.sqrt', [4]);
    process.kill(worker?.pid ?? 0, 'SIGSTOP');
    await until('another one is ready', () =>
      runtime.stats().workers.some(({ id, isReady }) => isReady && id !== worker?.id),
    );
    expect(await runtime.call('math.sqrt', [16])).toBe(4);
  });

  test.each([
    ['2 s, forty times livenessMs', { livenessMs: 50 }, 2],
    ['15 s, three times the default of livenessMs', {}, 15],
  ])(
    'S55 a call that holds the GIL for %s is left alone',
    async (_, options, seconds) => {
      const events: RuntimeEvent[] = [];
      await using runtime = await start(options, events);
      const [worker] = runtime.stats().workers;
      await runtime.call('flows.hold_gil', [seconds]);
      expect(await runtime.call('probe.pid')).toBe(worker?.pid);
      expect(ofType(events, 'worker-ended')).toEqual([]);
    },
    40_000,
  );

  test('a worker without a call that does not answer is ended', async () => {
    const events: RuntimeEvent[] = [];
    await using runtime = await start({ livenessMs: 40 }, events);
    await runtime.call('math.sqrt', [4]);
    // Something keeps the GIL although no call runs: a thread that user code has left behind.
    await runtime.run(
      () => py`
        import threading
        threading.Timer(0.1, lambda: sum(range(10**10))).start()
      `,
    );
    await until('it was ended', () => ofType(events, 'worker-ended').length === 1, 15_000);
    expect(ofType(events, 'worker-ended')[0]).toMatchObject({ reason: 'frozen' });
    expect(await runtime.call('math.sqrt', [16])).toBe(4);
  });
});

describe('limits', () => {
  test('S50 a call that takes more memory than it may loses its worker, and no other call does', async () => {
    const events: RuntimeEvent[] = [];
    await using runtime = await start({ size: 2, limits: { maxRssBytes: 200 * MIB } }, events);
    await runtime.ready();
    const others = Array.from({ length: 20 }, () => runtime.call('probe.sleep', [0.02]));
    const error = await rejection<WorkerCrashedError>(runtime.call('crashes.hoard', [20_000]));
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect(error).toMatchObject({ reason: 'memory-limit', attempts: 1 });
    expect(error.message).toMatch(/it had \d+ MiB of memory and may have 200 MiB \(limits.maxRssBytes\)/);
    expect(await Promise.all(others)).toHaveLength(20);
    await until('the pool is full again', () => runtime.stats().pools['default']?.ready === 2);
  });

  test('S57 a worker with much memory is replaced when its call has ended, and the pool keeps its capacity', async () => {
    const events: RuntimeEvent[] = [];
    await using runtime = await start({ limits: { recycleRssBytes: 120 * MIB } }, events);
    const first = await runtime.call<number>('crashes.keep', [200]);
    await until('another one is there', () => runtime.stats().workers.every(({ pid }) => pid !== first));
    expect(ofType(events, 'worker-retiring')).toMatchObject([{ reason: 'memory' }]);
    expect(ofType(events, 'worker-ended')).toMatchObject([{ reason: 'retired', exitCode: 0 }]);
    const order = events.map(({ type }) => type).filter((type) => type === 'worker-ready' || type === 'worker-ended');
    expect(order).toEqual(['worker-ready', 'worker-ready', 'worker-ended']); // the second stood before the first went
    expect(runtime.stats().pools['default']).toMatchObject({ recycled: 1, crashes: 0, ready: 1 });
  });

  test('S57 recycling by requests and by age loses no call and no capacity', async () => {
    const events: RuntimeEvent[] = [];
    let least = 2;
    await using runtime = await start({ size: 2, limits: { maxRequests: 100, ttlMs: 400 } }, events);
    await runtime.ready();
    const watch = setInterval(() => {
      least = Math.min(least, runtime.stats().pools['default']?.ready ?? 0);
    }, 1);
    let answered = 0;
    const caller = async (): Promise<void> => {
      while (ofType(events, 'worker-retiring').length < 12) {
        expect(await runtime.call('probe.identity', [answered])).toBeDefined();
        answered += 1;
      }
    };
    await Promise.all([caller(), caller(), caller()]);
    await until('some were old', () => ofType(events, 'worker-retiring').some(({ reason }) => reason === 'age'));
    clearInterval(watch);
    expect(new Set(ofType(events, 'worker-retiring').map(({ reason }) => reason))).toEqual(
      new Set(['age', 'requests']),
    );
    expect(least).toBeGreaterThanOrEqual(1);
    expect(runtime.stats().pools['default']).toMatchObject({ crashes: 0, calls: { failed: 0, crashed: 0 } });
    expect(ofType(events, 'worker-ended').every(({ reason }) => reason === 'retired')).toBe(true);
  });

  test('S57 the call in flight ends first, and objects that are held keep their worker', async () => {
    await using runtime = await start({ limits: { maxRequests: 2 } });
    const handle = await runtime.call<PyHandle>('builtins.object');
    const slow = runtime.call<number>('flows.rest_of_deadline').then(() => runtime.call('probe.pid_with', [handle]));
    const first = await slow;
    await until('another one takes the calls', async () => (await runtime.call('probe.pid')) !== first);
    expect(await runtime.call('probe.pid_with', [handle])).toBe(first);
    expect(runtime.stats().pools['default']?.retiring).toBe(1);
    await handle.$release();
    await until('it has ended', () => !isAlive(first as number));
  });
});

describe('how many workers there are', () => {
  test('a pool grows while calls wait, and shrinks when it is idle', async () => {
    const events: RuntimeEvent[] = [];
    await using runtime = await start({ min: 1, max: 3, idleMs: 300 }, events);
    const pool = runtime.pool('default');
    expect(pool.stats()).toMatchObject({ min: 1, max: 3, ready: 1, starting: 0 });
    const pids = await Promise.all(
      Array.from({ length: 12 }, () =>
        runtime.run(
          () => py<number>`
      import os, time
      time.sleep(0.2)
      return os.getpid()
    `,
        ),
      ),
    );
    expect(new Set(pids).size).toBe(3);
    await until('it has shrunk', () => pool.stats().workers.length === 1);
    expect(ofType(events, 'worker-retiring').map(({ reason }) => reason)).toEqual(['idle', 'idle']);
    expect(pool.stats()).toMatchObject({ ready: 1, crashes: 0 });
  });

  test('a pool that is quick enough does not grow because many calls come at once', async () => {
    // A machine that stands still for 50 ms makes calls wait for long, and then growing is right: one quiet try in five will do.
    const sizes: number[] = [];
    do {
      await using runtime = await start({ min: 1, max: 4 });
      for (let burst = 0; burst < 5; burst += 1)
        await Promise.all(Array.from({ length: 50 }, (_, index) => runtime.call('probe.identity', [index])));
      sizes.push(runtime.stats().workers.length);
    } while (!sizes.includes(1) && sizes.length < 5);
    expect(sizes).toContain(1);
  });

  test('a spare takes the place of a worker that has died at once', async () => {
    const events: RuntimeEvent[] = [];
    await using runtime = await start({ spares: 1, placement: placement.local({ zygote: false }) }, events);
    const pool = runtime.pool('default');
    await until('the spare is ready', () => pool.stats().workers.filter(({ isReady }) => isReady).length === 2);
    const spare = pool.stats().workers.find(({ role }) => role === 'spare');
    const crash = rejection(runtime.call('os._exit', [1]));
    expect(await runtime.call('probe.pid')).toBe(spare?.pid);
    expect(await crash).toBeInstanceOf(WorkerCrashedError);
    await until('there is another spare', () =>
      pool.stats().workers.some(({ role, isReady }) => role === 'spare' && isReady),
    );
    expect(pool.stats()).toMatchObject({ ready: 1, spares: 1 });
  });

  test('S07 100 workers start at once: each is another process, at most eight start at a time', async () => {
    const events: RuntimeEvent[] = [];
    let starting = 0;
    let most = 0;
    await using runtime = await createRuntime(
      fixtureOptions({
        size: 100,
        onEvent: (event) => {
          events.push(event);
          if (event.type === 'worker-starting') most = Math.max(most, (starting += 1));
          if (event.type === 'worker-ready' || event.type === 'worker-start-failed') starting -= 1;
        },
      }),
    );
    await runtime.ready();
    const { workers } = runtime.stats();
    expect(new Set(workers.map(({ pid }) => pid)).size).toBe(100);
    expect(ofType(events, 'worker-ready')).toHaveLength(100);
    expect(ofType(events, 'worker-start-failed')).toEqual([]);
    expect(most).toBeLessThanOrEqual(8);
    const pids = await Promise.all(
      Array.from({ length: 100 }, () =>
        runtime.run(
          () => py<number>`
      import os, time
      time.sleep(0.5)
      return os.getpid()
    `,
        ),
      ),
    );
    expect(new Set(pids).size).toBe(100); // an idle one is used before any gets a second call
  }, 120_000);
});

describe('the start', () => {
  test('S54 a crash loop at the start is slowed down, told, and leaves this process idle', async () => {
    const events: RuntimeEvent[] = [];
    await using runtime = await start(
      {
        pools: [{ name: 'good' }, { name: 'bad', preload: ['dies_at_import'], startTimeoutMs: 10_000 }],
      },
      events,
    );
    await until('it was tried again', () => ofType(events, 'worker-start-failed').length >= 3, 20_000);
    const before = process.cpuUsage();
    const failed = ofType(events, 'worker-start-failed');
    expect(failed.slice(0, 3).map(({ failures, retryInMs }) => [failures, retryInMs])).toEqual([
      [1, 100],
      [2, 200],
      [3, 400],
    ]);
    const error = await rejection(runtime.call('math.sqrt', [4], { pool: 'bad' }));
    expect(error.message).toContain('this module cannot be imported');
    await until('the next try', () => ofType(events, 'worker-start-failed').length >= 4, 20_000);
    const { user, system } = process.cpuUsage(before);
    expect(user + system).toBeLessThan(2_000_000);
    expect(await runtime.call('math.sqrt', [16])).toBe(4);
  });
});
