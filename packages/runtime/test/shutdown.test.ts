/** However this process ends, nothing of it is left. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createRuntime, WorkerCrashedError, type RuntimeEvent } from '../src/index.js';
import { fixtureOptions, isAlive, onLinux, rejection, runNode, temporaryDirectory, until } from './support.js';

const directory = temporaryDirectory();

/** Starts workers: one that is idle, one that holds the GIL, one with a child and one with a pool of multiprocessing. */
const SCRIPT = `
  const runtime = await hognose.createRuntime({ size: 4, pythonPath: [process.env.FIXTURES], onLog: () => undefined });
  await runtime.ready();
  const [child, pool] = await Promise.all([
    runtime.run(() => hognose.py\`
      import subprocess, sys, time
      child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
      time.sleep(0.2)
      return child.pid
    \`),
    runtime.call('flows.pool_of_processes'),
  ]);
  runtime.call('flows.hold_gil', [600]).catch(() => undefined);
  const pids = runtime.stats().workers.map(({ pid }) => pid);
  const zygote = Number(runtime.stats().pools.default.placement.match(/\\d+/)?.[0] ?? 0);
  console.log([...pids, child, ...pool, ...(zygote ? [zygote] : [])].join(' '));
`;

const ENDS: readonly (readonly [string, string, NodeJS.Signals | undefined])[] = [
  ['process.exit', 'process.exit(3);', undefined],
  ['an uncaught exception', 'setTimeout(() => { throw new Error("nobody catches this"); });', undefined],
  ['an unhandled rejection', 'void Promise.reject(new Error("nobody handles this"));', undefined],
  ['SIGINT', 'setInterval(() => undefined, 1000);', 'SIGINT'],
  ['SIGTERM', 'setInterval(() => undefined, 1000);', 'SIGTERM'],
  ['SIGKILL', 'setInterval(() => undefined, 1000);', 'SIGKILL'],
  [
    'SIGTERM that a handler answers by close',
    'process.on("SIGTERM", () => runtime.close()); setInterval(() => undefined, 1000).unref(); await new Promise((resolve) => process.on("SIGTERM", resolve));',
    'SIGTERM',
  ],
];

describe('S56 the end of this process', () => {
  for (const [how, source, signal] of ENDS)
    onLinux(`${how} leaves no worker, no zygote and no grandchild`, async () => {
      const script = runNode(SCRIPT + source);
      const pids = (await script.line()).split(' ').map(Number);
      expect(pids.length).toBeGreaterThanOrEqual(8);
      if (signal !== undefined) expect(pids.filter(isAlive)).toEqual(pids);
      if (signal !== undefined) script.kill(signal);
      await script.ended;
      await until(`all of ${pids.join(', ')} are gone`, () => !pids.some(isAlive), 5_000);
    });
});

test('close ends a call that takes too long, first by SIGTERM', async () => {
  const events: RuntimeEvent[] = [];
  const runtime = await createRuntime(fixtureOptions({ onEvent: (event) => events.push(event) }));
  const mark = join(directory, 'it runs');
  const call = rejection<WorkerCrashedError>(runtime.call('flows.swallow_cancels', [mark]));
  await until('it runs', () => existsSync(mark));
  const queued = rejection(runtime.call('math.sqrt', [4]));
  await runtime.close();
  expect(await queued).toMatchObject({ code: 'POOL_CLOSED' });
  const error = await call;
  expect(error).toMatchObject({ code: 'WORKER_CRASHED', reason: 'closed', signal: 'SIGTERM' });
  expect(error.message).toContain('as the runtime closed and the call took longer than 5000 ms to end');
  expect(events.filter(({ type }) => type === 'worker-ended')).toMatchObject([{ reason: 'closed' }]);
});
