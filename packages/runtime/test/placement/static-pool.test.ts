/** Pools whose workers run elsewhere: here on the loopback, under `python -m hognose serve`. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  CallTimeoutError,
  createRuntime,
  HandleLostError,
  placement,
  WorkerCrashedError,
  WorkerStartError,
  type PyHandle,
  type Runtime,
  type RuntimeOptions,
  type StaticOptions,
} from '../../src/index.js';
import { isAlive, onLinux, rejection, runNode, temporaryDirectory, until } from '../support.js';
import { closedAddress, secretFile, serveWorker, TOKEN, type Serving } from './serving.js';

const directory = temporaryDirectory();
const tokenFile = secretFile(directory, 'token', `${TOKEN}\n`);

const opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function serve(...options: string[]): Promise<Serving> {
  const serving = await serveWorker('--token-file', tokenFile, ...options);
  opened.push(() => serving.stop());
  return serving;
}

async function attachTo(
  addresses: readonly string[],
  options: RuntimeOptions = {},
  how: StaticOptions = {},
): Promise<Runtime> {
  const runtime = await createRuntime({
    size: addresses.length,
    placement: placement.static(addresses, { token: TOKEN, ...how }),
    ...options,
  });
  opened.push(() => runtime.close());
  return runtime;
}

test('calls, handles, streams, callbacks and large values work as they do here', async () => {
  const { address } = await serve();
  const runtime = await attachTo([address]);
  expect(await runtime.call('math.sqrt', [16])).toBe(4);
  const counter = await runtime.call<PyHandle>('collections.Counter', [['a', 'b', 'a']]);
  expect(await runtime.call('builtins.len', [counter])).toBe(2);
  const items: unknown[] = [];
  for await (const item of await runtime.call<PyHandle & AsyncIterable<unknown>>('flows.numbers', [500]))
    items.push(item);
  expect(items).toHaveLength(500);
  expect(await runtime.call('functools.reduce', [(a: number, b: number) => a + b, [1, 2, 3]])).toBe(6);
  const large = Buffer.alloc(3 << 20, 7);
  expect(await runtime.call('builtins.len', [large])).toBe(large.length);
  const { pools } = runtime.stats();
  expect(pools['default']).toMatchObject({
    state: 'ready',
    placement: expect.stringMatching(/1 of 1 addresses/) as string,
  });
});

test('a call that is cancelled ends there, and the worker serves the next', async () => {
  const { address } = await serve();
  const runtime = await attachTo([address]);
  const pid = await runtime.call('probe.pid');
  const error = await rejection(runtime.call('time.sleep', [100], { timeoutMs: 100 }));
  expect(error).toBeInstanceOf(CallTimeoutError);
  expect(await runtime.call('probe.pid')).toBe(pid);
});

onLinux(
  'S55 a call that holds the GIL past its deadline is ended with its process, and the address serves again',
  async () => {
    const { address, stderr } = await serve();
    const runtime = await attachTo([address], { graceMs: 200 });
    const pid = await runtime.call<number>('probe.pid');
    expect(await rejection(runtime.call('served.hold_gil', [100], { timeoutMs: 300 }))).toBeInstanceOf(
      CallTimeoutError,
    );
    await until('another process serves', async () => (await runtime.call('probe.pid')) !== pid, 20_000);
    expect(isAlive(pid)).toBe(false);
    expect(stderr()).toContain('did not notice that its host has gone');
  },
);

test('S50 a worker killed under a call: that call alone is rejected, and the pool is full again', async () => {
  const servings = [await serve(), await serve()];
  const runtime = await attachTo(servings.map(({ address }) => address));
  await runtime.ready();
  const counter = await runtime.call<PyHandle>('collections.Counter', [[1]]);
  const pid = await runtime.call<number>('probe.pid_with', [counter]);
  const mark = join(directory, 'killed');
  const killed = rejection<WorkerCrashedError>(runtime.call('served.sleep_with', [counter, mark, 100]));
  await until('the call has begun', () => existsSync(mark));
  const other = runtime.call<number>('probe.sleep', [0.3]);
  process.kill(pid, 'SIGKILL');
  const error = await killed;
  expect(error).toBeInstanceOf(WorkerCrashedError);
  expect(error.message).toMatch(new RegExp(`\\(pid ${pid}\\) lost its connection .*while it ran served.sleep_with`));
  expect(await other).not.toBe(pid);
  expect(await rejection(runtime.call('builtins.len', [counter]))).toBeInstanceOf(HandleLostError);
  await until('the pool is full again', () => runtime.stats().pools['default']?.ready === 2);
  expect(runtime.stats().pools['default']?.startFailures).toBe(0);
  expect(await runtime.call('math.sqrt', [16])).toBe(4);
});

test('S51 an idempotent call whose worker dies succeeds on another', async () => {
  const servings = [await serve(), await serve()];
  const runtime = await attachTo(servings.map(({ address }) => address));
  await runtime.ready();
  const mark = join(directory, 'once');
  const result = await runtime.call('served.die_once', [mark], { idempotent: true });
  expect(result).toBe('survived');
});

test('where nobody listens, or the token is wrong, starting fails at once and says why', async () => {
  const address = await closedAddress();
  const nobody = await rejection<WorkerStartError>(attachTo([address]));
  expect(nobody).toBeInstanceOf(WorkerStartError);
  expect(nobody.message).toMatch(new RegExp(`did not start: nobody listens at ${address}`));
  const serving = await serve();
  const stranger = await rejection<WorkerStartError>(attachTo([serving.address], {}, { token: 'another-token' }));
  expect(stranger).toBeInstanceOf(WorkerStartError);
  expect(stranger.message).toMatch(/does not accept the token/);
  expect(stranger.message).not.toContain('another-token');
  const runtime = await attachTo([serving.address]);
  expect(await runtime.call('math.sqrt', [16])).toBe(4);
});

test('a dead address does not stand in the way of a live one', async () => {
  const { address } = await serve();
  const failures: string[] = [];
  const lost: number[] = [];
  const runtime = await attachTo([await closedAddress(), address], {
    onEvent: (event) => {
      if (event.type === 'worker-start-failed') failures.push(event.error.message);
      if (event.type === 'worker-ended' && event.reason === 'connection') lost.push(event.pid);
    },
  });
  const pid = await runtime.call<number>('probe.pid');
  await until('the dead one was tried again', () => failures.length >= 2);
  process.kill(pid, 'SIGKILL');
  await until('its end is noticed', () => lost.includes(pid));
  await until('the live one serves again', () => runtime.stats().pools['default']?.ready === 1);
  expect(await runtime.call('math.sqrt', [16])).toBe(4);
  expect(failures.every((message) => message.includes('nobody listens'))).toBe(true);
});

test('what one runtime has left is not there for the next, and a second one at once is refused', async () => {
  const { address } = await serve();
  const runtime = await attachTo([address]);
  expect([await runtime.call('served.keep', [1]), await runtime.call('served.keep', [2])]).toEqual([1, 2]);
  const second = await rejection<WorkerStartError>(attachTo([address]));
  expect(second.message).toMatch(/is in use by another pool of this process/);
  const elsewhere = runNode(attachScript(address));
  expect(await elsewhere.line()).toMatch(/refused WorkerStartError .* already serves a host/);
  await runtime.close();
  const later = runNode(attachScript(address));
  expect(await later.line()).toBe('kept 1');
  later.kill('SIGKILL');
  await later.ended;
  const next = await attachTo([address], {}, { waitMs: 20_000 });
  expect(await next.call('served.keep', [1])).toBe(1);
});

test('a worker that is not there yet is waited for', async () => {
  const address = await closedAddress();
  const attached = attachTo([address], {}, { waitMs: 20_000 });
  await serve('--listen', address);
  expect(await (await attached).call('math.sqrt', [16])).toBe(4);
});

/** A Node process of its own that attaches, and stays until it is killed. */
const attachScript = (address: string): string => `
  const { createRuntime, placement } = hognose;
  const options = { token: ${JSON.stringify(TOKEN)}, waitMs: 20_000 };
  try {
    const runtime = await createRuntime({ size: 1, placement: placement.static([${JSON.stringify(address)}], options) });
    console.log('kept', await runtime.call('served.keep', [1]));
  } catch (error) {
    console.log('refused', error.name, error.message);
  }
`;
