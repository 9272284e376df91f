import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { HognoseError, PythonEnvironmentError, WorkerStartError } from '../../src/index.js';
import { local } from '../../src/placement/local.js';
import { isAlive, onLinux, rejection, temporaryDirectory, until } from '../support.js';
import { openGround, type Ground, type SpecFields } from './placed.js';

const directory = temporaryDirectory();

let ground: Ground | undefined;
afterEach(async () => {
  await ground?.close();
  ground = undefined;
});

async function open(zygote: boolean, common: SpecFields = {}): Promise<Ground> {
  return (ground = await openGround({ zygote }, common));
}

let modules = 0;
/** A preloaded module of this source; `DIRECTORY` in it is a directory for marks. */
function preloading(source: string): Required<Pick<SpecFields, 'preload' | 'pythonPath'>> & { readonly marks: string } {
  const home = join(directory, `m${++modules}`);
  mkdirSync(home);
  const marks = `DIRECTORY = ${JSON.stringify(home)}\n`;
  writeFileSync(join(home, `preloaded${modules}.py`), marks + source);
  return { preload: [`preloaded${modules}`], pythonPath: [home], marks: home };
}

const zygotePid = ({ placement }: Ground): number => Number(/^zygote (\d+)$/.exec(placement.state)?.[1]);
const kinds = ({ events }: Ground): string[] => events.map(({ type }) => type);
/** Processes of which this one or a process of its own is the parent. */
const childrenOf = (pid: number): number[] =>
  readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
  );

describe.each([['spawned', false], ...(process.platform === 'linux' ? [['forked', true] as const] : [])] as const)(
  'a worker that is %s',
  (how, zygote) => {
    test('runs in a process group of its own, with the environment that was given', async () => {
      const { place } = await open(zygote, { environment: { ...process.env, PYTHONPATH: '/x', OMP_NUM_THREADS: '3' } });
      const { placed, run } = await place();
      expect(placed.how).toBe(how);
      expect(await run('import os; return [os.getpid(), os.getpgrp()]')).toEqual([placed.pid, placed.pid]);
      expect(
        await run(`
        import os
        return [os.environ.get(name) for name in ('PYTHONPATH', 'OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS')]`),
      ).toEqual(['/x', '3', '2']);
    });

    test('tells of its own end', async () => {
      const { place } = await open(zygote);
      const ends = ['import os; os._exit(7)', 'import sys; sys.exit(3)', 'import os; os.abort()'];
      const exits = await Promise.all(
        ends.map(async (source) => {
          const { placed, start } = await place();
          start(source);
          return placed.exited;
        }),
      );
      expect(exits.map(({ code, signal }) => [code, signal])).toEqual([
        [7, null],
        [3, null],
        [null, 'SIGABRT'],
      ]);
      expect(exits[2]?.stderrTail).toContain('Fatal Python error: Aborted');
      expect(exits.map(({ isOutOfMemory }) => isOutOfMemory)).toEqual([false, false, false]);
    });

    test('keeps the end of its stderr since the last mark', async () => {
      const { place } = await open(zygote);
      const { placed, run, start, lines } = await place();
      await run(`import sys; print('of before', file=sys.stderr); print('out')`);
      await until('it was read', () => lines.includes('of before') && lines.includes('out'));
      placed.markOutput();
      start(`import sys, os; print('of now', file=sys.stderr); os._exit(1)`);
      expect((await placed.exited).stderrTail).toBe('of now');
    });

    test('ends by a signal with all that it has started, whatever it does', async () => {
      const { place } = await open(zygote);
      const { placed, run, start } = await place();
      const grandchild = (await run(`import subprocess; return subprocess.Popen(['sleep', '60']).pid`)) as number;
      start('pow(7, 10 ** 9)'); // the GIL is held
      placed.kill('SIGKILL');
      expect(await placed.exited).toMatchObject({ code: null, signal: 'SIGKILL', isOutOfMemory: false });
      await until('the grandchild has ended', () => !isAlive(grandchild));
      placed.kill('SIGKILL'); // harmless
    });

    test('takes SIGTERM as Python code wants it', async () => {
      const { place } = await open(zygote);
      const { placed, run } = await place();
      await run(`
      import os, signal
      signal.signal(signal.SIGTERM, lambda *_: os._exit(9))`);
      placed.kill('SIGTERM');
      expect((await placed.exited).code).toBe(9);
    });

    onLinux('can be looked at from outside', async () => {
      const { place } = await open(zygote);
      const { placed, run } = await place();
      const before = placed.readMemory() ?? 0;
      expect(before).toBeGreaterThan(1e6);
      await run(`import sys; sys.kept = b'x' * 50_000_000`);
      expect((placed.readMemory() ?? 0) - before).toBeGreaterThan(45e6);
      expect(placed.isStopped()).toBe(false);
      process.kill(placed.pid, 'SIGSTOP');
      await until('it is stopped', () => placed.isStopped() === true);
      placed.kill('SIGKILL');
      await placed.exited;
      expect([placed.readMemory(), placed.isStopped()]).toEqual([undefined, undefined]);
    });

    test('S02 is not there when the preload fails, and the next try is a new one', async () => {
      const { preload, pythonPath, marks } = preloading(`
import os, sys
if not os.path.exists(os.path.join(DIRECTORY, 'mended')):
    print('the model is missing', file=sys.stderr)
    import no_such_package
`);
      const { place, placement, spec } = await open(zygote, { preload, pythonPath });
      if (zygote) {
        const error = await rejection<WorkerStartError>(placement.place(spec()));
        expect(error).toBeInstanceOf(WorkerStartError);
        expect(error.message).toMatch(/^worker \d+ did not start: it exited with code 1 before it was ready; install/);
        expect(error.stderrTail).toContain('the model is missing');
        expect(error.stderrTail).toContain('ModuleNotFoundError');
        expect(childrenOf(process.pid).filter(isAlive)).toEqual([]);
      } else {
        const { exited } = await placement.place(spec());
        expect((await exited).code).toBe(1);
      }
      writeFileSync(join(marks, 'mended'), '');
      expect(await (await place()).run('return 1')).toBe(1);
    });

    test('cannot be run by an interpreter that is none', async () => {
      const { placement, spec } = await open(zygote);
      const error = await rejection(placement.place(spec({ python: directory })));
      expect(error).toBeInstanceOf(PythonEnvironmentError);
      expect(error.message).toContain(`the interpreter ${directory} cannot be run`);
    });

    test('is not placed when it is not wanted any more', async () => {
      const { placement, spec } = await open(zygote);
      const error = await rejection(placement.place(spec({ signal: AbortSignal.abort() })));
      expect(error).toBeInstanceOf(HognoseError);
      const controller = new AbortController();
      const placing = placement.place(spec({ signal: controller.signal }));
      controller.abort();
      expect((await rejection(placing)).message).toContain('was not wanted any more');
      await until('no process is left', () => childrenOf(process.pid).filter(isAlive).length === 0);
    });
  },
);

onLinux('a worker that is forked after it was given up is ended', async () => {
  const g = await open(true);
  await g.place();
  // A host that never answers: the worker waits for it.
  const silent = createServer((socket) => {
    socket.on('error', () => undefined).resume();
  }).listen(join(g.listener.directory, 'silent'));
  await once(silent, 'listening');
  process.kill(zygotePid(g), 'SIGSTOP');
  const controller = new AbortController();
  const spec = g.spec({ signal: controller.signal });
  const bootstrap = { ...spec.bootstrap, address: join(g.listener.directory, 'silent') };
  const placing = g.placement.place({ ...spec, bootstrap });
  // The request is on its way when this has gone out too.
  await new Promise((resolve) => setImmediate(resolve));
  controller.abort();
  expect(await rejection(placing)).toBeInstanceOf(WorkerStartError);
  process.kill(zygotePid(g), 'SIGCONT');
  await g.place(); // requests are obeyed in turn
  await until('only the two others are left', () => childrenOf(zygotePid(g)).length === 2);
  expect(kinds(g)).toEqual(['zygote-ready']);
  silent.close();
});

describe('without a zygote', () => {
  test('a start is slow, and the state says why', () => {
    const placement = local({ zygote: false })(() => undefined);
    expect([placement.name, placement.isSlow, placement.state]).toEqual([
      'local',
      true,
      expect.stringMatching(/^cold: /) as string,
    ]);
  });
});

describe('the zygote', () => {
  onLinux('is one for all workers, and its start is told', async () => {
    const g = await open(true, { preload: ['numpy'] });
    const workers = await Promise.all(Array.from({ length: 20 }, () => g.place()));
    const pids = await Promise.all(
      workers.map(({ run }) => run(`import os, sys; return [os.getppid(), 'numpy' in sys.modules]`)),
    );
    expect(new Set(pids.map((pid) => JSON.stringify(pid)))).toEqual(new Set([`[${zygotePid(g)},true]`]));
    expect(g.events).toEqual([{ type: 'zygote-ready', pid: zygotePid(g), startMs: expect.any(Number) as number }]);
    expect(g.placement.isSlow).toBe(false);
  });

  onLinux('leaves no file in the directory, no zombie and no descriptor', async () => {
    const g = await open(true);
    await g.place();
    const before = readdirSync(`/proc/${zygotePid(g)}/fd`).length;
    const workers = await Promise.all(Array.from({ length: 20 }, () => g.place()));
    for (const { placed } of workers) placed.kill('SIGKILL');
    await Promise.all(workers.map(({ placed }) => placed.exited));
    await until('it has reaped them', () => childrenOf(zygotePid(g)).length === 1);
    expect(readdirSync(`/proc/${zygotePid(g)}/fd`)).toHaveLength(before);
    expect(readdirSync(g.listener.directory).filter((name) => /^[oe]/.test(name))).toEqual([]);
  });

  onLinux('prints what is printed while it preloads, before it has finished', async () => {
    const { preload, pythonPath } = preloading(`print('loading weights')`);
    const g = await open(true, { preload, pythonPath });
    await g.place();
    expect(g.lines).toContain('loading weights');
  });

  onLinux('is not used where threads run after the preload', async () => {
    const { preload, pythonPath } = preloading(
      `import threading\nthreading.Thread(target=threading.Event().wait, name='feeder', daemon=False).start()`,
    );
    const g = await open(true, { preload, pythonPath });
    const { placed } = await g.place();
    expect(placed.how).toBe('spawned');
    expect(g.events).toEqual([{ type: 'zygote-refused', reason: 'threads were running after the preload: feeder' }]);
    expect(g.placement.isSlow).toBe(true);
    expect(g.placement.state).toBe('cold: threads were running after the preload: feeder');
    expect((await g.place()).placed.how).toBe('spawned');
    expect(g.events).toHaveLength(1);
    await until('the zygote has ended', () => childrenOf(process.pid).filter(isAlive).length === 2);
  });

  onLinux('is ended where its preload hangs until nobody waits any more', async () => {
    const { preload, pythonPath, marks } = preloading(`
import os, sys, time
print('downloading', file=sys.stderr)
open(os.path.join(DIRECTORY, 'begun'), 'w').close()
while not os.path.exists(os.path.join(DIRECTORY, 'end')): time.sleep(0.01)`);
    const g = await open(true, { preload, pythonPath });
    const controller = new AbortController();
    const placing = g.placement.place(g.spec({ signal: controller.signal }));
    await until('it preloads', () => existsSync(join(marks, 'begun')));
    controller.abort('it took too long');
    const error = await rejection<WorkerStartError>(placing);
    expect(error).toBeInstanceOf(WorkerStartError);
    expect(error.message).toContain('did not start: it took too long; its last stderr:\n  downloading');
    expect(childrenOf(process.pid).filter(isAlive)).toEqual([]);
    writeFileSync(join(marks, 'end'), '');
    expect((await g.place()).placed.how).toBe('forked');
  });

  onLinux('S56 is replaced at once when it is killed, and its workers live on', async () => {
    const g = await open(true);
    const { placed, run, start } = await g.place();
    const second = await g.place();
    const first = zygotePid(g);
    // It has to have lasted: one that ends at once is not started again and again.
    const readyAt = performance.now();
    await until('it is old enough', () => performance.now() - readyAt > 1_000);
    process.kill(first, 'SIGKILL');
    await until('another one is ready', () => kinds(g).length === 3);
    expect(g.events.slice(1)).toEqual([
      { type: 'zygote-ended', pid: first, reason: 'it was ended by SIGKILL' },
      { type: 'zygote-ready', pid: zygotePid(g), startMs: expect.any(Number) as number },
    ]);
    expect(await run('return 1')).toBe(1);
    const grandchild = (await run(`import subprocess; return subprocess.Popen(['sleep', '60']).pid`)) as number;
    start('import os; os._exit(3)');
    expect(await placed.exited).toMatchObject({
      code: null,
      signal: null,
      description: expect.stringContaining('ended') as string,
    });
    await until('the grandchild has ended', () => !isAlive(grandchild));
    second.placed.kill('SIGKILL');
    expect(await second.placed.exited).toMatchObject({ code: null, signal: 'SIGKILL' });
    expect(await (await g.place()).run('import os; return os.getppid()')).toBe(zygotePid(g));
  });

  onLinux('is replaced by the next worker when it has not lasted', async () => {
    const g = await open(true);
    await g.place();
    process.kill(zygotePid(g), 'SIGKILL');
    await until('its end is told', () => kinds(g).includes('zygote-ended'));
    expect(g.placement.state).toBe('no zygote');
    expect((await g.place()).placed.how).toBe('forked');
    expect(kinds(g)).toEqual(['zygote-ready', 'zygote-ended', 'zygote-ready']);
  });

  onLinux('is replaced where it does not answer, and the worker comes from the next', async () => {
    const g = await open(true);
    await g.place();
    const first = zygotePid(g);
    process.kill(first, 'SIGSTOP');
    const { run } = await g.place();
    expect(await run('import os; return os.getppid()')).toBe(zygotePid(g));
    expect(g.events[1]).toEqual({
      type: 'zygote-ended',
      pid: first,
      reason: 'it had not forked a worker after 5000 ms',
    });
    expect(isAlive(first)).toBe(false);
  });

  onLinux('that does not tell of an end is replaced, and the end is noticed', async () => {
    const g = await open(true);
    const { placed, start } = await g.place();
    const first = zygotePid(g);
    process.kill(first, 'SIGSTOP');
    start('import os; os._exit(3)');
    expect(await placed.exited).toMatchObject({ code: null, signal: null });
    expect(g.events.at(-1)).toMatchObject({ type: 'zygote-ended', pid: first });
  });

  onLinux('ends with the placement', async () => {
    const g = await open(true);
    const { placed } = await g.place();
    const pid = zygotePid(g);
    placed.kill('SIGKILL');
    await placed.exited;
    await g.placement.close();
    expect(isAlive(pid)).toBe(false);
    expect(await rejection(g.placement.place(g.spec()))).toBeInstanceOf(WorkerStartError);
    const other = await openGround({ zygote: true });
    const worker = await other.place();
    const killed = zygotePid(other);
    other.placement.kill();
    await until('it is gone', () => !isAlive(killed));
    expect(await worker.run('return 1')).toBe(1);
    await other.close();
  });
});
