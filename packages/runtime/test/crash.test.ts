import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  HandleLostError,
  placement,
  py,
  WorkerCrashedError,
  WorkerStartError,
  type PyHandle,
  type Runtime,
  type RuntimeOptions,
} from '../src/index.js';
import {
  isAlive,
  LANES,
  onLinux,
  rejection,
  runNode,
  startFixtureRuntime,
  temporaryDirectory,
  until,
} from './support.js';

const directory = temporaryDirectory();
const isFull = (runtime: Runtime, size: number): boolean => {
  const { workers } = runtime.stats();
  return workers.length === size && workers.every((worker) => worker.isIdle && isAlive(worker.pid));
};

describe.each(LANES)('crashes over %s', (transport) => {
  const start = (options: RuntimeOptions = {}): Promise<Runtime> => startFixtureRuntime({ transport, ...options });

  /** What ends a worker, and how its end must be told. */
  const ENDS: readonly (readonly [
    name: string,
    run: (runtime: Runtime) => Promise<unknown>,
    signal: NodeJS.Signals | null,
    exitCode: number | null,
    stderr: RegExp,
  ])[] = [
    ['SIGKILL', (runtime) => runtime.run(() => py`import os; os.kill(os.getpid(), ${9})`), 'SIGKILL', null, /^$/],
    [
      'a segfault',
      (runtime) => runtime.call('ctypes.string_at', [0]),
      'SIGSEGV',
      null,
      /Fatal Python error: Segmentation fault[^]*ctypes\/__init__\.py", line \d+ in string_at/,
    ],
    ['abort', (runtime) => runtime.call('os.abort'), 'SIGABRT', null, /Fatal Python error: Aborted/],
    ['os._exit(0)', (runtime) => runtime.call('os._exit', [0]), null, 0, /^$/],
    ['sys.exit(3)', (runtime) => runtime.call('sys.exit', [3]), null, 3, /^$/],
    ['sys.exit()', (runtime) => runtime.call('sys.exit'), null, 0, /^$/],
    ['sys.exit with a text', (runtime) => runtime.call('sys.exit', ['enough']), null, 1, /^enough$/],
    [
      'sys.exit with stdout closed',
      (runtime) => runtime.run(() => py`import sys; sys.stdout.close(); sys.exit(5)`),
      null,
      5,
      /^$/,
    ],
  ];

  test.each(ENDS)(
    'S50 %s rejects that call alone, with its signal or code and the end of stderr',
    async (_, run, signal, exitCode, stderr) => {
      await using runtime = await start({ size: 2 });
      await runtime.ready();
      const go = join(directory, `go ${transport} ${signal ?? ''}${exitCode ?? ''}`);
      const neighbour = runtime.call<number>('probe.wait_for', [go]);
      const crash = rejection<WorkerCrashedError>(run(runtime));
      const queued = Array.from({ length: 5 }, (__, index) => runtime.call('probe.identity', [index]));
      const error = await crash;
      expect(error).toBeInstanceOf(WorkerCrashedError);
      expect([error.code, error.signal, error.exitCode, error.attempts]).toEqual([
        'WORKER_CRASHED',
        signal,
        exitCode,
        1,
      ]);
      expect(error.stderrTail).toMatch(stderr);
      expect(error.message).toMatch(
        signal === null ? `exited with code ${String(exitCode)}` : `was ended by ${signal}`,
      );
      expect(error.stack).toContain('crash.test.ts');
      expect(await Promise.all(queued)).toEqual([0, 1, 2, 3, 4]);
      writeFileSync(go, '');
      expect(await neighbour).toBeGreaterThan(0);
      await until('the pool is full again', () => isFull(runtime, 2));
      expect(await runtime.call('math.sqrt', [16])).toBe(4);
    },
  );

  test('S50 the next call works at once, on one worker too', async () => {
    await using runtime = await start();
    const crash = rejection(runtime.call('os._exit', [1]));
    const next = runtime.call('math.sqrt', [16]);
    expect(await crash).toBeInstanceOf(WorkerCrashedError);
    expect(await next).toBe(4);
  });

  test('S53 many crashes in a row leave no process, no lost call and a full pool', async () => {
    await using runtime = await start({ size: 2 });
    const pids = new Set<number>();
    const outcomes = Array.from({ length: 12 }, async (_, index) => {
      const pid = await runtime.call<number>('probe.pid');
      pids.add(pid);
      return rejection<WorkerCrashedError>(runtime.call('os._exit', [index + 1]));
    });
    const errors = await Promise.all(outcomes);
    expect(errors.every((error) => error instanceof WorkerCrashedError)).toBe(true);
    expect(errors.map((error) => error.exitCode ?? 0).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 12 }, (_, index) => index + 1),
    );
    await until('the pool is full again', () => isFull(runtime, 2));
    expect(
      await Promise.all(Array.from({ length: 20 }, (_, index) => runtime.call('probe.identity', [index]))),
    ).toHaveLength(20);
    const alive = new Set(runtime.stats().workers.map((worker) => worker.pid));
    expect([...pids].filter((pid) => isAlive(pid) && !alive.has(pid))).toEqual([]);
    expect(runtime.stats().queued).toBe(0);
  });

  test('a worker that dies while idle is replaced, and its handles are lost', async () => {
    await using runtime = await start();
    const handle = await runtime.call<PyHandle>('builtins.object');
    const [worker] = runtime.stats().workers;
    process.kill(worker?.pid ?? 0, 'SIGKILL');
    await until('another worker is ready', () => isFull(runtime, 1) && runtime.stats().workers[0]?.id !== worker?.id);
    expect(await rejection(handle.$str())).toBeInstanceOf(HandleLostError);
    expect(await runtime.call('math.sqrt', [16])).toBe(4);
  });

  test('the end of stderr is that of the call, and of no call before it', async () => {
    const lines: string[] = [];
    await using runtime = await start({ onLog: (line) => lines.push(line.text) });
    await runtime.run(() => py`import sys; print("earlier", file=sys.stderr)`);
    await until('the line has arrived', () => lines.includes('earlier'));
    const error = await rejection<WorkerCrashedError>(runtime.call('sys.exit', ['later']));
    expect(error.stderrTail).toBe('later');
    expect(error.message).not.toContain('earlier');
  });

  onLinux('what a crashed worker has started does not outlive it', async () => {
    await using runtime = await start();
    const child = await runtime.run(
      () => py<number>`
        import subprocess, sys
        return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid
      `,
    );
    expect(isAlive(child)).toBe(true);
    await rejection(runtime.call('os._exit', [1]));
    await until('the grandchild is gone', () => !isAlive(child));
  });

  test('workers that cannot start any more reject waiting calls with the reason, and start again once mended', async () => {
    const broken = join(directory, `broken ${transport}`);
    writeFileSync(
      join(directory, `fragile_${transport}.py`),
      `import os\nif os.path.exists(${JSON.stringify(broken)}): raise RuntimeError("fragile")\n`,
    );
    await using runtime = await start({
      pythonPath: [directory],
      preload: [`fragile_${transport}`],
      placement: placement.local({ zygote: false }), // which would have imported it once for all
      spares: 0,
    });
    writeFileSync(broken, '');
    await rejection(runtime.call('os._exit', [1]));
    const error = await rejection<WorkerStartError>(runtime.call('math.sqrt', [16]));
    expect(error).toBeInstanceOf(WorkerStartError);
    expect(error.message).toContain('RuntimeError: fragile');
    expect(await rejection(runtime.call('math.sqrt', [16]))).toBeInstanceOf(WorkerStartError);
    rmSync(broken);
    expect(existsSync(broken)).toBe(false);
    await until('a worker is ready again', () => isFull(runtime, 1), 20_000);
    expect(await runtime.call('math.sqrt', [16])).toBe(4);
  });

  onLinux('S56 Node killed by SIGKILL leaves no worker and no grandchild', async () => {
    const script = runNode(`
      const runtime = await hognose.createRuntime({ size: 2, transport: '${transport}' });
      await runtime.ready();
      hognose.setDefaultRuntime(runtime);
      const grandchild = await hognose.py\`
        import subprocess, sys
        return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid
      \`;
      console.log([...runtime.stats().workers.map((worker) => worker.pid), grandchild].join(' '));
      await runtime.call('time.sleep', [600]);
    `);
    const pids = (await script.line()).split(' ').map(Number);
    expect(pids).toHaveLength(3);
    expect(pids.every(isAlive)).toBe(true);
    script.kill('SIGKILL');
    await script.ended;
    await until('all are gone', () => !pids.some(isAlive), 2_000);
  });
});
