import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  bind,
  ConfigError,
  createRuntime,
  EVENT_CHANNEL,
  HandleAffinityError,
  PoolClosedError,
  py,
  WorkerStartError,
  type PyHandle,
  type Runtime,
  type RuntimeEvent,
  type RuntimeOptions,
} from '../src/index.js';
import { fixtureOptions, isAlive, rejection, until } from './support.js';

const start = (options: RuntimeOptions, events: RuntimeEvent[] = []): Promise<Runtime> =>
  createRuntime(fixtureOptions({ onEvent: (event) => events.push(event), ...options }));

const pidsOf = (runtime: Runtime, pool: string): readonly number[] =>
  (runtime.stats().pools[pool]?.workers ?? []).map(({ pid }) => pid);

describe('named pools', () => {
  test('calls go to the pool that they name, and else to the one named default', async () => {
    await using runtime = await start({
      pools: [
        { name: 'other', env: { POOL: 'other' } },
        { name: 'default', size: 2, env: { POOL: 'default' } },
      ],
    });
    await runtime.ready();
    const variable = (pool?: string): Promise<unknown> =>
      runtime.call('os.getenv', ['POOL'], pool === undefined ? {} : { pool });
    expect(await variable()).toBe('default');
    expect(await variable('other')).toBe('other');
    expect(await runtime.pool('other').call('os.getenv', ['POOL'])).toBe('other');
    expect(await runtime.pool('other').run(() => py`import os; os.environ["POOL"]`)).toBe('other');
    expect(await bind(runtime.module('os.getenv'), { pool: 'other' })('POOL')).toBe('other');
    await using session = runtime.session({ pool: 'other' });
    expect(await session.call('os.getenv', ['POOL'])).toBe('other');
    expect(await runtime.pool('default').session().call('os.getenv', ['POOL'])).toBe('default');
    const { pools, workers } = runtime.stats();
    expect(Object.keys(pools).sort()).toEqual(['default', 'other']);
    expect([pools['default']?.workers.length, pools['other']?.workers.length, workers.length]).toEqual([2, 1, 3]);
    expect(pools['other']?.calls.succeeded).toBe(5);
  });

  test('options at the top hold for each pool that does not say otherwise; env is merged', async () => {
    await using runtime = await start({
      size: 1,
      env: { A: '1', B: '1' },
      pools: [
        { name: 'a', env: { B: '2' } },
        { name: 'b', min: 1, max: 2 },
      ],
    });
    expect(await runtime.call('os.getenv', ['A'], { pool: 'a' })).toBe('1');
    expect(await runtime.call('os.getenv', ['B'], { pool: 'a' })).toBe('2');
    expect(await runtime.call('os.getenv', ['B'], { pool: 'b' })).toBe('1');
    const { pools } = runtime.stats();
    expect([pools['a']?.max, pools['b']?.min, pools['b']?.max]).toEqual([1, 1, 2]);
  });

  test('a method of an object runs in the pool of the object; an argument of another pool is refused', async () => {
    await using runtime = await start({ pools: [{ name: 'a' }, { name: 'b' }] });
    const object = await runtime.pool('b').call<PyHandle>('builtins.object');
    const [pid] = pidsOf(runtime, 'b');
    expect(await runtime.pool('a').run(() => object.$str())).toContain('object');
    expect(await runtime.call('probe.pid_with', [object])).toBe(pid);
    const error = await rejection(runtime.call('builtins.id', [object], { pool: 'a' }));
    expect(error).toBeInstanceOf(HandleAffinityError);
    expect(error.message).toContain('of the pool b: make the object there, or pass plain data');
  });

  test('a callback calls back into the pool whose call it belongs to', async () => {
    await using runtime = await start({ pools: [{ name: 'a' }, { name: 'b' }] });
    const [pid] = pidsOf(runtime, 'b');
    const inner = await runtime.pool('b').call('flows.call_back', [() => runtime.call('probe.pid')]);
    expect(inner).toBe(pid);
  });

  test('an unknown pool is a ConfigError that names those that there are', async () => {
    await using runtime = await start({ pools: [{ name: 'a' }, { name: 'b' }] });
    for (const promise of [
      runtime.call('math.sqrt', [4], { pool: 'c' }),
      runtime.get('math.pi', { pool: 'c' }),
      bind(runtime.module('math.sqrt'), { pool: 'c' })(4),
    ])
      expect(await rejection(promise)).toMatchObject({
        code: 'CONFIG',
        message: expect.stringContaining(`no pool named 'c': the pools are a, b`) as string,
      });
    expect(() => runtime.pool('c')).toThrow(ConfigError);
    expect(() => runtime.session({ pool: 'c' })).toThrow(ConfigError);
  });

  test('S04 of two pools, the healthy one serves; calls to the broken one reject at once', async () => {
    const events: RuntimeEvent[] = [];
    await using runtime = await start(
      { pools: [{ name: 'good' }, { name: 'bad', preload: ['no_such_module_anywhere'] }] },
      events,
    );
    expect(await runtime.call('math.sqrt', [16])).toBe(4);
    const started = performance.now();
    const error = await rejection(runtime.call('math.sqrt', [16], { pool: 'bad' }));
    expect(error).toBeInstanceOf(WorkerStartError);
    expect(error.message).toContain("No module named 'no_such_module_anywhere'");
    expect(performance.now() - started).toBeLessThan(1_000);
    expect(await rejection(runtime.ready())).toBeInstanceOf(WorkerStartError);
    expect(runtime.stats().pools['bad']?.state).toBe('broken');
    expect(runtime.stats().pools['good']?.state).toBe('ready');
    expect(events).toContainEqual(expect.objectContaining({ type: 'pool-broken', pool: 'bad' }));
  });

  test('when no pool gets a worker, the start rejects and leaves no process', async () => {
    const events: RuntimeEvent[] = [];
    const bad = ['no_such_module_anywhere'];
    const error = await rejection(
      start(
        {
          pools: [
            { name: 'a', preload: bad },
            { name: 'b', preload: bad },
          ],
        },
        events,
      ),
    );
    expect(error).toBeInstanceOf(WorkerStartError);
    const pids = events.flatMap((event) => ('pid' in event ? [event.pid] : [])).filter((pid) => pid > 0);
    await until('no process is left', () => !pids.some(isAlive));
  });
});

describe('drain, resize and close', () => {
  test('drain refuses new calls, lets those that wait and run end, and resolves then', async () => {
    await using runtime = await start({});
    const slow = runtime.call('time.sleep', [0.3]);
    const waiting = runtime.call('math.sqrt', [16]);
    let isDrained = false;
    const drained = runtime.drain().then(() => (isDrained = true));
    const error = await rejection(runtime.call('math.sqrt', [4]));
    expect(error).toBeInstanceOf(PoolClosedError);
    expect(error.message).toContain('is being drained');
    expect(isDrained).toBe(false);
    expect(await slow).toBe(null);
    expect(await waiting).toBe(4);
    await drained;
    expect(runtime.stats().pools['default']?.state).toBe('draining');
    await runtime.drain();
  });

  test('drain does not refuse what a call that runs needs to end', async () => {
    await using runtime = await start({});
    let drained: Promise<void> | undefined;
    const call = runtime.call('flows.call_back', [
      () => {
        drained = runtime.drain();
        return runtime.call('math.sqrt', [16]);
      },
    ]);
    expect(await call).toBe(4);
    expect(drained).toBeDefined();
    await drained;
  });

  test('resize adds workers and takes them away when nothing of them is held', async () => {
    const events: RuntimeEvent[] = [];
    await using runtime = await start({ size: 1 }, events);
    const pool = runtime.pool('default');
    await pool.resize(3);
    expect(pool.stats()).toMatchObject({ min: 3, max: 3, ready: 3 });
    const sessions = [0, 1, 2].map(() => pool.session());
    const held = await Promise.all(sessions.map((session) => session.call<PyHandle>('builtins.object')));
    await pool.resize(1);
    expect(pool.stats()).toMatchObject({ ready: 1, retiring: 2 });
    // Those that retire still answer for what is held of them.
    for (const handle of held) expect(await handle.$str()).toContain('object');
    expect(pool.stats().workers).toHaveLength(3);
    await Promise.all(sessions.map((session) => session.close()));
    await until('those that are not needed have ended', () => pool.stats().workers.length === 1);
    expect(await runtime.call('math.sqrt', [16])).toBe(4);
    expect(events.filter(({ type }) => type === 'worker-retiring')).toHaveLength(2);
    expect(pool.stats().crashes).toBe(0);
    for (const size of [0, 1.5, { min: 3, max: 2 }, Number.NaN])
      expect(await rejection(pool.resize(size))).toBeInstanceOf(ConfigError);
  });

  test('S45 stats agree with what was injected', async () => {
    await using runtime = await start({ size: 1, queue: { max: 2 }, crash: { backoffMs: 1 } });
    const pool = runtime.pool('default');
    await Promise.all([1, 2].map((value) => runtime.call('probe.identity', [value])));
    await runtime.call('math.sqrt', [4]);
    await rejection(runtime.call('math.sqrt', [-1]));
    await rejection(runtime.call('time.sleep', [5], { timeoutMs: 50 }));
    await rejection(runtime.call('time.sleep', [5], { signal: AbortSignal.timeout(50) }));
    await rejection(runtime.call('os._exit', [1]));
    await rejection(runtime.call('os._exit', [1], { idempotent: true }));
    await until('a worker stands again', () => pool.stats().ready === 1);
    const slow = runtime.call('time.sleep', [0.3]);
    const queued = [1, 2, 3].map((value) => runtime.call('probe.identity', [value]));
    expect(await rejection(queued[2] as Promise<unknown>)).toMatchObject({ code: 'POOL_SATURATED' });
    expect(pool.stats()).toMatchObject({ queued: 2, running: 1 });
    await slow;
    await Promise.all(queued.slice(0, 2));
    expect(pool.stats()).toMatchObject({
      queued: 0,
      running: 0,
      ready: 1,
      crashes: 4,
      started: 5,
      startFailures: 0,
      recycled: 0,
      calls: {
        submitted: 12,
        succeeded: 6,
        failed: 1,
        timedOut: 1,
        cancelled: 1,
        crashed: 2,
        saturated: 1,
        queueTimedOut: 0,
        retried: 2,
      },
    });
  });

  test('every change of state is an event, on the channel too', async () => {
    const published: unknown[] = [];
    const listen = (event: unknown): void => void published.push(event);
    subscribe(EVENT_CHANNEL, listen);
    const events: RuntimeEvent[] = [];
    try {
      const runtime = await start({}, events);
      await rejection(runtime.call('os._exit', [3]));
      await until('a worker stands again', () => runtime.stats().pools['default']?.ready === 1);
      await runtime.close();
    } finally {
      unsubscribe(EVENT_CHANNEL, listen);
    }
    const types = events.map(({ type }) => type).filter((type) => !type.startsWith('zygote'));
    expect(types).toEqual([
      'worker-starting',
      'worker-ready',
      'worker-ended',
      'worker-starting',
      'worker-ready',
      'worker-ended',
      'pool-closed',
    ]);
    const ends = events.filter((event) => event.type === 'worker-ended');
    expect(ends[0]).toMatchObject({ pool: 'default', reason: 'exit', exitCode: 3, signal: null, calls: 1 });
    expect(ends[1]).toMatchObject({ reason: 'retired', exitCode: 0 });
    expect(published).toEqual(events);
  });

  test('whoever watches cannot stop the pool from mending itself', async () => {
    const warned: unknown[] = [];
    const emitWarning = process.emitWarning.bind(process);
    process.emitWarning = (warning) => void warned.push(warning);
    try {
      await using runtime = await start({
        onEvent: () => {
          throw new Error('my own mistake');
        },
      });
      await rejection(runtime.call('os._exit', [3]));
      expect(await runtime.call('math.sqrt', [16])).toBe(4);
      expect(warned).toContain('onEvent has thrown at worker-ended: Error: my own mistake');
    } finally {
      process.emitWarning = emitWarning;
    }
  });
});

describe('what an attack on pools has found', () => {
  test('resize that is overtaken by another one resolves, and so does ready()', async () => {
    await using runtime = await start({ size: 1 });
    const pool = runtime.pool('default');
    await Promise.all([pool.resize(3), pool.ready(), pool.resize(1)]);
    expect(pool.stats()).toMatchObject({ min: 1, max: 1 });
  });

  test('a listener that resizes at each start does not multiply workers', async () => {
    const made: Runtime[] = [];
    const starts: number[] = [];
    await using runtime = await createRuntime(
      fixtureOptions({
        onEvent: (event) => {
          if (event.type !== 'worker-starting') return;
          starts.push(event.workerId);
          void made[0]?.pool('default').resize(3);
        },
      }),
    );
    made.push(runtime);
    await runtime.pool('default').resize(2);
    await until('three are ready', () => runtime.stats().pools['default']?.ready === 3);
    expect(starts).toHaveLength(3);
  });

  test('a placement that cannot be made leaves no other pool behind', async () => {
    const events: RuntimeEvent[] = [];
    const broken = (): never => {
      throw new Error('no placement');
    };
    const error = await rejection(start({ pools: [{ name: 'a' }, { name: 'b', placement: broken }] }, events));
    expect(error.message).toBe('no placement');
    expect(events.filter(({ type }) => type === 'pool-closed')).toHaveLength(1);
  });

  test('a session whose pool has no worker at the moment waits for one, its calls in order', async () => {
    await using runtime = await start({ size: 1, crash: { maxRetries: 0 } });
    await runtime.call('math.sqrt', [4]);
    const crash = rejection(runtime.call('os._exit', [1]));
    await crash;
    const session = runtime.session();
    const calls = [1, 2, 3].map((value) => session.call('flows.remember', ['order', value]));
    await Promise.all(calls);
    expect(await session.call('flows.recall', ['order'])).toBe(3);
    await session.close();
  });

  test('stats count calls whose callers have gone for nothing', async () => {
    await using runtime = await start({ size: 1 });
    const running = rejection(runtime.call('time.sleep', [0.5], { timeoutMs: 20 }));
    const waiting = rejection(runtime.call('time.sleep', [0.5], { timeoutMs: 20 }));
    await Promise.all([running, waiting]);
    const { queued, running: count } = runtime.stats().pools['default'] ?? {};
    expect([queued, count]).toEqual([0, 0]);
  });

  test('a call that waits behind another and times out does not take the other one along', async () => {
    await using runtime = await start({ size: 1, graceMs: 100 });
    const events: string[] = [];
    const long = runtime.call('flows.hold_gil', [1.5]).then(() => events.push('ended'));
    await rejection(runtime.call('math.sqrt', [4], { timeoutMs: 50 }));
    await long;
    expect(events).toEqual(['ended']);
    expect(runtime.stats().pools['default']?.crashes).toBe(0);
  });
});
