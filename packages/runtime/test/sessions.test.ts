import {
  HandleAffinityError,
  HandleLostError,
  HandleQuotaError,
  HandleReleasedError,
  PoolSaturatedError,
  SessionClosedError,
  type PyHandle,
  type Runtime,
} from '../src/index.js';
import { LANES, rejection, startFixtureRuntime, temporaryDirectory, until } from './support.js';
import { join } from 'node:path';
import { existsSync, writeFileSync } from 'node:fs';

const directory = temporaryDirectory();

interface Held extends PyHandle {
  get(): Promise<number>;
}

describe.each(LANES)('sessions over %s', (transport) => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await startFixtureRuntime({ transport, size: 2 });
    await runtime.ready();
  });
  afterAll(() => runtime.close());

  const objects = (): number => runtime.stats().workers.reduce((sum, worker) => sum + worker.handles, 0);

  test('S28 ten calls of a session on an idle pool have one pid, made together or one after another', async () => {
    await using session = runtime.session();
    const together = await Promise.all(Array.from({ length: 5 }, () => session.call<number>('probe.pid')));
    const pids = new Set(together);
    for (let count = 0; count < 5; count += 1) pids.add(await session.call<number>('probe.pid'));
    expect([...pids]).toEqual([session.pid]);
  });

  test('two sessions are spread over the workers, and Python sees which one calls', async () => {
    await using first = runtime.session();
    await using second = runtime.session();
    const facts = await Promise.all(
      [first, second].map((session) => session.call<{ session: number }>('flows.call_facts')),
    );
    expect(facts.map(({ session }) => session)).toEqual([first.id, second.id]);
    expect(first.pid).not.toBe(second.pid);
    expect(await runtime.call('flows.call_facts')).toMatchObject({ session: 0 });
  });

  test('S28 the end of a session frees all of its objects and no others', async () => {
    const before = objects();
    const session = runtime.session();
    const mine = await session.call<Held>('probe.Counter', [1]);
    await session.call('probe.Counter', [2]);
    const other = await runtime.call<Held>('probe.Counter', [3]);
    await session.close();
    expect(await rejection(mine.get())).toBeInstanceOf(HandleReleasedError);
    expect(await other.get()).toBe(3);
    await until('the objects are freed in Python', async () => {
      const metrics = await runtime.metrics();
      return metrics.reduce((sum, { handles }) => sum + handles, 0) === before + 1;
    });
    expect(await rejection(session.call('probe.pid'))).toBeInstanceOf(SessionClosedError);
    await other.$release();
  });

  test('what Python keeps for a session is its own and ends with it', async () => {
    const session = runtime.session();
    await session.call('flows.remember', ['k', 5]);
    expect(await session.call('flows.recall', ['k'])).toBe(5);
    await using other = runtime.session();
    expect(await other.call('flows.recall', ['k'])).toBeNull();
    await session.close();
  });

  test('S28 strict waits for a busy worker, fail-fast rejects at once, hint goes elsewhere', async () => {
    const gate = join(directory, `gate-${transport}`);
    const mark = join(directory, `mark-${transport}`);
    const strict = runtime.session();
    const failFast = runtime.session({ affinity: 'fail-fast' });
    const hint = runtime.session({ affinity: 'hint' });
    const sessions = { strict, failFast, hint };
    // All three on one worker: the other is kept busy while they are pinned.
    const busy = runtime.session();
    const pids = {
      busy: await busy.call<number>('probe.pid'),
      strict: await strict.call<number>('probe.pid'),
      failFast: await failFast.call<number>('probe.pid'),
      hint: await hint.call<number>('probe.pid'),
    };
    for (const [name, session] of Object.entries(sessions)) {
      const own = pids[name as keyof typeof pids];
      const holder = own === pids.busy ? busy : strict;
      const blocked = holder.call<number>('probe.touch_and_wait', [`${mark}-${name}`, `${gate}-${name}`]);
      await until('the worker is busy', () => existsSync(`${mark}-${name}`));
      if (name === 'strict') {
        const waiting = session.call<number>('probe.pid');
        writeFileSync(`${gate}-${name}`, '');
        expect(await waiting).toBe(own);
      } else if (name === 'failFast') {
        const started = performance.now();
        const error = await rejection(session.call('probe.pid'));
        expect(performance.now() - started).toBeLessThan(50); // 5 ms, ten times
        expect(error).toBeInstanceOf(PoolSaturatedError);
        expect(error.message).toContain('fail-fast');
      } else expect(await session.call<number>('probe.pid')).not.toBe(own);
      writeFileSync(`${gate}-${name}`, '');
      await blocked;
    }
    await Promise.all([strict, failFast, hint, busy].map((session) => session.close()));
  });

  test('S29 a strict session whose worker died says so, and nothing is rebound', async () => {
    const session = runtime.session();
    const pid = await session.call<number>('probe.pid');
    const handle = await session.call<Held>('probe.Counter', [1]);
    process.kill(pid, 'SIGKILL');
    await until('the worker is gone', () => !runtime.stats().workers.some((worker) => worker.pid === pid));
    const error = await rejection(session.call('probe.pid'));
    expect(error).toBeInstanceOf(HandleLostError);
    expect(error.message).toContain(`session ${session.id}`);
    expect(await rejection(handle.get())).toBeInstanceOf(HandleLostError);
    await session.close();
    await runtime.ready();
  });

  test('an object of another worker is refused, not moved', async () => {
    await using first = runtime.session();
    await using second = runtime.session();
    const object = await first.call<Held>('probe.Counter', [1]);
    await second.call('probe.pid');
    expect(first.pid).not.toBe(second.pid);
    expect(await rejection(second.call('probe.identity', [object]))).toBeInstanceOf(HandleAffinityError);
  });

  test('S27 a session holds at most maxHandles objects, and none of them is evicted', async () => {
    await using session = runtime.session({ maxHandles: 3 });
    const held = [];
    for (let count = 0; count < 3; count += 1) held.push(await session.call<Held>('probe.Counter', [count]));
    const error = await rejection(session.call('probe.Counter', [4]));
    expect(error).toBeInstanceOf(HandleQuotaError);
    expect(error.message).toContain('3');
    expect(await Promise.all(held.map((handle) => handle.get()))).toEqual([0, 1, 2]);
    await held[0]?.$release();
    expect(await (await session.call<Held>('probe.Counter', [5])).get()).toBe(5);
  });

  test('a session ends by itself after ttlMs without a call, and says so', async () => {
    const session = runtime.session({ ttlMs: 50 });
    await session.call('probe.Counter', [1]);
    const before = objects();
    await until('its object is released', () => objects() < before);
    const error = await rejection(session.call('probe.pid'));
    expect(error).toBeInstanceOf(SessionClosedError);
    expect(error.message).toContain('ttlMs');
  });

  test('wrong options of a session are refused, all of them together', () => {
    const wrong = { affinity: 'loose', ttlMs: -1, maxHandles: 0, pool: 'default', size: 1 };
    expect(() => runtime.session(wrong as never)).toThrow(
      "session: affinity: must be 'strict', 'fail-fast' or 'hint', not 'loose'; ttlMs: must be milliseconds from 0 to " +
        '2147483647, not -1; maxHandles: must be an integer from 1, not 0; ' +
        'size: unknown; the options are affinity, ttlMs, maxHandles',
    );
    expect(() => runtime.pool('default').session([] as never)).toThrow('session: options must be an object, not []');
  });

  test('S27 20,000 objects are held and none is evicted; beyond maxHandles comes a HandleQuotaError', async () => {
    await using own = await startFixtureRuntime({ transport, maxHandles: 20_000 });
    const held = await Promise.all(
      Array.from({ length: 20_000 }, (_, index) => own.call<Held>('probe.Counter', [index])),
    );
    const error = await rejection(own.call('probe.Counter', [-1]));
    expect(error).toBeInstanceOf(HandleQuotaError);
    expect(error.message).toContain('maxHandles');
    const values = await Promise.all(held.map((handle) => handle.get()));
    expect(values).toEqual(held.map((_, index) => index));
    await held[0]?.$release();
    expect(await (await own.call<Held>('probe.Counter', [7])).get()).toBe(7);
  });
});
