import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { placement, WorkerCrashedError } from '../src/index.js';
import { onLinux, rejection, runNode, startFixtureRuntime, temporaryDirectory, until } from './support.js';

const directory = temporaryDirectory();

onLinux(
  'a worker that cannot be started again for want of file descriptors harms nothing, and starts later',
  async () => {
    const script = runNode(`
    const runtime = await hognose.createRuntime({ size: 2 });
    await runtime.ready();
    await Promise.all([runtime.call('math.sqrt', [1]), runtime.call('math.sqrt', [1])]);
    const limit = (limits) => runtime.call('resource.prlimit', [process.pid, 7, limits]); // 7: RLIMIT_NOFILE
    const [soft, hard] = await limit(hognose.tuple(3, (await runtime.call('resource.getrlimit', [7]))[1]));
    const [first] = runtime.stats().workers;
    process.kill(first.pid, 'SIGKILL');
    while (runtime.stats().workers.some((worker) => worker.id === first.id)) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 150)); // a start from the timer fails too
    console.log(await runtime.call('math.sqrt', [16]));
    await limit(hognose.tuple(soft, hard));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await runtime.ready().catch(() => runtime.ready());
    console.log(runtime.stats().workers.length);
    await runtime.close();
  `);
    expect(await script.line()).toBe('4');
    expect(await script.line()).toBe('2');
    expect(await script.ended).toEqual({ code: 0, signal: null, stderr: '' });
  },
);

test('workers that die soon after they are ready are started again ever more slowly', async () => {
  const starts = join(directory, 'starts');
  const broken = join(directory, 'broken');
  writeFileSync(
    join(directory, 'short_lived.py'),
    [
      'import os, threading, time',
      `with open(${JSON.stringify(starts)}, "a") as f: f.write(f"{time.time()}\\n")`,
      `if os.path.exists(${JSON.stringify(broken)}): threading.Timer(0.05, os._exit, [7]).start()`,
    ].join('\n'),
  );
  await using runtime = await startFixtureRuntime({
    pythonPath: [directory],
    preload: ['short_lived'],
    placement: placement.local({ zygote: false }), // which would import it once for all
    spares: 0,
  });
  writeFileSync(broken, '');
  expect(await rejection(runtime.call('os._exit', [1]))).toBeInstanceOf(WorkerCrashedError);
  const times = (): number[] => readFileSync(starts, 'utf8').trim().split('\n').map(Number);
  await until('six starts', () => times().length >= 6, 50_000);
  const gaps = times()
    .slice(-4)
    .flatMap((time, index, all) => (index === 0 ? [] : [time - (all[index - 1] ?? 0)]));
  // Each pause is twice the one before; without any, all gaps would be as long as a start.
  expect(gaps.at(-1)).toBeGreaterThan(1.5 * (gaps[0] ?? 0));
});
