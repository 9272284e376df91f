import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ConfigError,
  createRuntime,
  findPython,
  PoolClosedError,
  PythonEnvironmentError,
  WorkerStartError,
  type RuntimeOptions,
} from '../src/index.js';
import {
  fixtureOptions,
  isAlive,
  LANES,
  onLinux,
  PYTHON,
  rejection,
  runNode,
  startFixtureRuntime,
  temporaryDirectory,
  until,
} from './support.js';

const directory = temporaryDirectory();

/** A program at a path that stands where an interpreter is expected. */
function program(name: string, text: string, mode = 0o755): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

/** Pids that workers have left in a file at their start. */
function pidsIn(file: string): number[] {
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').map(Number) : [];
}

describe.each(LANES)('start over %s', (transport) => {
  test('S01 resolves when one worker is ready, and ready() when all four are', async () => {
    await using runtime = await startFixtureRuntime({ size: 4, transport });
    expect(runtime.stats().workers.filter((worker) => worker.isReady).length).toBeGreaterThanOrEqual(1);
    await runtime.ready();
    const { workers } = runtime.stats();
    expect(workers.map((worker) => worker.isReady)).toEqual([true, true, true, true]);
    expect(new Set(workers.map((worker) => worker.pid)).size).toBe(4);
    expect(new Set(workers.map((worker) => worker.id)).size).toBe(4);
  });

  test('S02 rejects with the stderr of a preload that fails, at once, and leaves no process', async () => {
    const pids = join(directory, `pids-${transport}`);
    writeFileSync(
      join(directory, `broken_${transport}.py`),
      `import os\nwith open(${JSON.stringify(pids)}, "a") as f: f.write(f"{os.getpid()}\\n")\nraise RuntimeError("not today")\n`,
    );
    const started = Date.now();
    const error = await rejection<WorkerStartError>(
      createRuntime(fixtureOptions({ size: 2, transport, pythonPath: [directory], preload: [`broken_${transport}`] })),
    );
    expect(error).toBeInstanceOf(WorkerStartError);
    expect(error.code).toBe('WORKER_START');
    expect(error.exitCode).toBe(1);
    expect(error.stderrTail).toContain('RuntimeError: not today');
    expect(error.message).toContain('RuntimeError: not today');
    expect(Date.now() - started).toBeLessThan(10_000);
    expect(pidsIn(pids).length).toBeGreaterThanOrEqual(1);
    expect(pidsIn(pids).filter(isAlive)).toEqual([]);
  });

  test('names a preload module that is missing and how to install it', async () => {
    const error = await rejection<WorkerStartError>(
      createRuntime(fixtureOptions({ transport, preload: ['no_such_module_here'] })),
    );
    expect(error).toBeInstanceOf(WorkerStartError);
    expect(error.message).toContain('npx hognose add no_such_module_here');
  });

  test('gives up on a worker that is not ready in time', async () => {
    const pids = join(directory, `slow-pids-${transport}`);
    writeFileSync(
      join(directory, `slow_${transport}.py`),
      `import os, time\nwith open(${JSON.stringify(pids)}, "a") as f: f.write(f"{os.getpid()}\\n")\ntime.sleep(60)\n`,
    );
    const error = await rejection(
      createRuntime(
        fixtureOptions({ transport, pythonPath: [directory], preload: [`slow_${transport}`], startTimeoutMs: 1_500 }),
      ),
    );
    expect(error).toBeInstanceOf(WorkerStartError);
    expect(error.message).toContain('was not ready within 1500 ms');
    expect(pidsIn(pids).filter(isAlive)).toEqual([]);
  });

  test('S06 closes while workers start: no process is left', async () => {
    const runtime = await startFixtureRuntime({ size: 3, transport });
    const pids = runtime.stats().workers.map((worker) => worker.pid);
    const notReady = rejection(runtime.ready());
    const closed = runtime.close();
    expect(await rejection(runtime.call('math.sqrt', [1]))).toBeInstanceOf(PoolClosedError);
    await closed;
    const reason = await notReady;
    expect(reason).toBeInstanceOf(PoolClosedError);
    expect(pids).toHaveLength(3);
    expect(pids.filter(isAlive)).toEqual([]);
  });

  test('closes after the running call, and rejects what has not started', async () => {
    const runtime = await startFixtureRuntime({ transport });
    const mark = join(directory, `running-${transport}`);
    const go = join(directory, `go-${transport}`);
    const running = runtime.call('probe.touch_and_wait', [mark, go]);
    const queued = rejection(runtime.call('math.sqrt', [1]));
    await until('the call runs', () => existsSync(mark));
    const closed = runtime.close();
    expect(await queued).toBeInstanceOf(PoolClosedError);
    writeFileSync(go, '');
    expect(await running).toEqual(expect.any(Number));
    await closed;
    await runtime.close(); // twice is harmless
  });
});

describe('the interpreter', () => {
  const search = /The order of search is: the option python, HOGNOSE_PYTHON, .*, VIRTUAL_ENV, python3 on the PATH/;

  test.each([
    ['missing', () => join(directory, 'nowhere', 'python'), 'does not exist'],
    ['a directory', () => directory, 'is a directory'],
    ['not on the PATH', () => 'python-of-nobody', 'is not on the PATH'],
  ])('S03 that is %s is refused before any spawn', async (_, path, problem) => {
    const error = await rejection(createRuntime({ python: path() }));
    expect(error).toBeInstanceOf(PythonEnvironmentError);
    expect(error.message).toContain(path());
    expect(error.message).toContain(problem);
    expect(error.message).toMatch(search);
  });

  test('S03 that is not executable is refused before any spawn', async () => {
    const path = program('plain file', '#!/bin/sh\n', 0o644);
    const error = await rejection(createRuntime({ python: path }));
    expect(error).toBeInstanceOf(PythonEnvironmentError);
    expect(error.message).toContain(`${path}, which is not executable`);
    expect(error.message).toMatch(search);
  });

  test('is the first that is named: a wrong HOGNOSE_PYTHON is not passed over', () => {
    const before = process.env['HOGNOSE_PYTHON'];
    process.env['HOGNOSE_PYTHON'] = '/no/python/here';
    try {
      expect(() => findPython()).toThrow('HOGNOSE_PYTHON names /no/python/here, which does not exist');
      expect(findPython({ python: PYTHON })).toEqual({ path: PYTHON, source: 'the option python' });
    } finally {
      if (before === undefined) delete process.env['HOGNOSE_PYTHON'];
      else process.env['HOGNOSE_PYTHON'] = before;
    }
  });

  test("is the project's .venv where nothing else is named", () => {
    const before = process.env['HOGNOSE_PYTHON'];
    delete process.env['HOGNOSE_PYTHON'];
    try {
      const bin = join(directory, 'project', '.venv', 'bin');
      mkdirSync(bin, { recursive: true });
      expect(() => findPython({ projectRoot: join(directory, 'project') })).toThrow("the project's .venv names");
      writeFileSync(join(bin, 'python'), '#!/bin/sh\n', { mode: 0o755 });
      expect(findPython({ projectRoot: join(directory, 'project') })).toEqual({
        path: join(bin, 'python'),
        source: "the project's .venv",
      });
    } finally {
      if (before !== undefined) process.env['HOGNOSE_PYTHON'] = before;
    }
  });

  test('without gRPC is named with the command that mends it, by the names that pip knows', async () => {
    for (const [module, installed] of [
      ['grpc', 'grpcio'],
      ['google', 'protobuf'],
    ] as const) {
      // prettier-ignore
      const without = join(directory, `without ${module}`);
      mkdirSync(without, { recursive: true });
      writeFileSync(
        join(without, `${module}.py`),
        `raise ModuleNotFoundError("No module named '${module}'", name="${module}")\n`,
      );
      const error = await rejection(startFixtureRuntime({ transport: 'grpc', pythonPath: [without] }));
      expect(error).toBeInstanceOf(PythonEnvironmentError);
      expect(error.message).toContain(`the package ${installed} is missing: run \``);
      expect(error.message).toContain(`-m pip install ${installed}\``);
    }
  });

  test('without msgpack is named with the command that mends it', async () => {
    const bare = join(directory, 'bare');
    const made = spawnSync(PYTHON, ['-m', 'venv', '--without-pip', bare], { encoding: 'utf8' });
    expect(made.stderr).toBe('');
    const python = join(bare, 'bin', 'python');
    const error = await rejection(createRuntime({ size: 1, python, onLog: () => undefined }));
    expect(error).toBeInstanceOf(PythonEnvironmentError);
    expect(error.message).toContain('the package msgpack is missing');
    expect(error.message).toContain(`${python} -m pip install msgpack`);
  });

  test('that is too old says which version is needed', async () => {
    const code = [
      'import sys; sys.version_info = (3, 8, 1); sys.version = "3.8.1 (fake)"; sys.argv = ["hognose", "worker"]',
      'import hognose.__main__ as main; sys.exit(main.main())',
    ].join('\n');
    const old = program('python3.8', `#!/bin/sh\nexec '${PYTHON}' -c '${code}'\n`);
    const error = await rejection(createRuntime({ size: 1, python: old, onLog: () => undefined }));
    expect(error).toBeInstanceOf(PythonEnvironmentError);
    expect(error.message).toMatch(/Python 3\.10 or newer is needed, and .* is 3\.8\.1/);
  });

  test('that is no Python is reported with its exit and its words', async () => {
    const other = program('not python', '#!/bin/sh\necho "I am a shell" >&2\nexit 3\n');
    const error = await rejection<WorkerStartError>(createRuntime({ size: 1, python: other, onLog: () => undefined }));
    expect(error).toBeInstanceOf(WorkerStartError);
    expect(error.exitCode).toBe(3);
    expect(error.message).toContain('I am a shell');
  });

  test('that the system refuses to start at once is one too, and leaves no directory', async () => {
    const temporary = join(directory, 't');
    mkdirSync(temporary);
    const script = runNode(`
      process.env.TMPDIR = ${JSON.stringify(temporary)};
      console.log(await hognose.createRuntime({ size: 1, env: { A: 'a\\0b' } }).catch((error) => error.name + ' ' + error.message));
    `);
    expect(await script.line()).toMatch(/^PythonEnvironmentError the interpreter .* cannot be run: .*null bytes/);
    expect((await script.ended).code).toBe(0);
    expect(readdirSync(temporary)).toEqual([]);
  });

  test('that the system cannot run is a PythonEnvironmentError', async () => {
    const broken = program('no shell', '#!/no/such/shell\n');
    const error = await rejection(createRuntime({ size: 1, python: broken, onLog: () => undefined }));
    expect(error).toBeInstanceOf(PythonEnvironmentError);
    expect(error.message).toContain(broken);
  });
});

describe('options', () => {
  test('S05 are checked together: one ConfigError names every field', async () => {
    const wrong = {
      size: 0,
      transport: 'pigeon',
      pythonPath: 'here',
      preload: [1],
      env: { A: 1 },
      timeoutMs: -1,
      startTimeoutMs: 0,
      onLog: 'loud',
      colour: 'green',
    } as unknown as RuntimeOptions;
    const error = await rejection(createRuntime(wrong));
    expect(error).toBeInstanceOf(ConfigError);
    for (const name of Object.keys(wrong)) expect(error.message).toContain(`${name}: `);
    expect(error.message).toContain('colour: unknown; the options are size, min');
  });

  test.each([['x'], [null], [[]]])('S05 that are no object are refused: %p', async (options) => {
    const error = await rejection(createRuntime(options as never));
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toContain('createRuntime: options must be an object, not ');
  });

  test.each([{ size: 1.5 }, { size: 1025 }, { size: NaN }, { timeoutMs: Infinity }, { python: '' }])(
    'S05 refuses %p',
    async (options) => {
      expect(await rejection(createRuntime(options))).toBeInstanceOf(ConfigError);
    },
  );

  test('an option that is undefined counts as left out', async () => {
    await using runtime = await createRuntime({
      size: 1,
      python: PYTHON,
      preload: undefined,
    } as unknown as RuntimeOptions);
    expect(await runtime.call('math.sqrt', [4])).toBe(2);
  });

  test('the environment of the workers has the variables of the option, and PYTHONPATH as it was', async () => {
    const before = process.env['PYTHONPATH'];
    process.env['PYTHONPATH'] = directory;
    writeFileSync(join(directory, 'on_the_pythonpath.py'), 'answer = 42\n');
    try {
      await using runtime = await startFixtureRuntime({ env: { HOGNOSE_TEST: 'ÿes' } });
      const [, environment] = await runtime.call<[string[], Record<string, string>]>('probe.environment');
      expect(environment['HOGNOSE_TEST']).toBe('ÿes');
      expect(environment['PYTHONPATH']).toBe(directory);
      expect(await runtime.get('on_the_pythonpath.answer')).toBe(42);
    } finally {
      if (before === undefined) delete process.env['PYTHONPATH'];
      else process.env['PYTHONPATH'] = before;
    }
  });

  test('a module in the working directory does not shadow a library, unless PYTHONPATH names the directory', async () => {
    const folder = join(directory, 'shadow');
    mkdirSync(folder);
    writeFileSync(join(folder, 'colorsys.py'), 'raise RuntimeError("shadowed")\n');
    const script = `
      const runtime = await hognose.createRuntime({ size: 1, onLog() {} });
      console.log(await runtime.get('colorsys.ONE_THIRD').catch((error) => error.message));
    `;
    expect(await runNode(script, [], folder).line()).toMatch(/^0\.333/);
    expect(await runNode(`process.env.PYTHONPATH = process.cwd();${script}`, [], folder).line()).toContain('shadowed');
  });
});

describe('a poisoned working directory', () => {
  test.each(['argparse.py', 'msgpack.py', 'hognose/__init__.py', 'socket.py'])(
    'does not harm a worker: %s in it is not imported',
    async (name) => {
      const folder = join(directory, `poisoned by ${name.replace('/', ' ')}`);
      mkdirSync(join(folder, 'hognose'), { recursive: true });
      if (!name.startsWith('hognose')) rmSync(join(folder, 'hognose'), { recursive: true });
      writeFileSync(join(folder, name), 'raise RuntimeError("poisoned")\n');
      const script = runNode(
        `const runtime = await hognose.createRuntime({ size: 1, onLog() {} });
         console.log(await runtime.call('math.sqrt', [16]), (await runtime.get('sys.path')).includes(process.cwd()));`,
        [],
        folder,
      );
      expect(await script.line()).toBe('4 false');
    },
  );
});

describe('the directory of the sockets', () => {
  const temporary = join(directory, 's');
  const inTemporary = (source: string): string => `process.env.TMPDIR = ${JSON.stringify(temporary)};\n${source}`;

  test.each(['SIGKILL', 'SIGTERM'] as const)('that %s has left is removed by the next start', async (signal) => {
    mkdirSync(temporary, { recursive: true });
    const killed = runNode(
      inTemporary(`
        const runtime = await hognose.createRuntime({ size: 1 });
        console.log('ready');
        await runtime.call('time.sleep', [600]);
      `),
    );
    await killed.line();
    const [left = ''] = readdirSync(temporary);
    expect(left).toMatch(new RegExp(`^hognose-${killed.pid}-`));
    const other = runNode(
      inTemporary(`
        const runtime = await hognose.createRuntime({ size: 1 });
        const limit = setTimeout(() => process.exit(1), 20_000);
        const told = new Promise((resolve) => process.once('SIGUSR2', resolve));
        console.log('ready');
        await told;
        clearTimeout(limit);
        await runtime.close();
      `),
    );
    await other.line();
    expect(readdirSync(temporary)).toContain(left); // its process runs
    other.kill('SIGUSR2');
    killed.kill(signal);
    await killed.ended;
    const next = runNode(
      inTemporary(`
        const runtime = await hognose.createRuntime({ size: 1 });
        await runtime.call('math.sqrt', [16]);
        await runtime.close();
      `),
    );
    expect(await next.ended).toMatchObject({ code: 0, stderr: '' });
    expect(readdirSync(temporary)).not.toContain(left);
    await other.ended;
  });

  test('cannot be made without a directory for temporary files, which is said', async () => {
    const script = runNode(`
      process.env.TMPDIR = '/no/such/directory';
      console.log(await hognose.createRuntime({ size: 1 }).catch((error) => error instanceof hognose.HognoseError && error.message));
    `);
    expect(await script.line()).toMatch(/^no socket can be made in \/no\/such\/directory, .*ENOENT.*TMPDIR/);
  });

  test('and the workers are cared for by one listener, however many runtimes there are', async () => {
    await using first = await startFixtureRuntime();
    const listeners = process.listenerCount('exit');
    await using second = await startFixtureRuntime();
    expect(process.listenerCount('exit')).toBe(listeners);
    expect([first, second]).toHaveLength(2);
  });
});

describe('the end of a script', () => {
  test('S06 comes by itself after the last call, without close()', async () => {
    const script = runNode(`
      const runtime = await hognose.createRuntime({ size: 2 });
      await runtime.ready();
      console.log(runtime.stats().workers.map((worker) => worker.pid).join(' '));
      console.log(await runtime.call('math.sqrt', [16]));
    `);
    const pids = (await script.line()).split(' ').map(Number);
    expect(await script.line()).toBe('4');
    expect(await script.ended).toEqual({ code: 0, signal: null, stderr: '' });
    await until('the workers are gone', () => !pids.some(isAlive));
  });

  test('waits for calls that are still under way', async () => {
    const script = runNode(`
      const runtime = await hognose.createRuntime({ size: 1 });
      runtime.call('time.sleep', [0.3]).then(() => console.log('slept'));
    `);
    expect(await script.ended).toMatchObject({ code: 0, stderr: '' });
    expect(script.lines).toEqual(['slept']);
  });

  onLinux('S56 leaves no worker behind a SIGKILL, not even one that holds the GIL', async () => {
    const script = runNode(`
      const runtime = await hognose.createRuntime({ size: 2, pythonPath: [process.env.FIXTURES] });
      await runtime.ready();
      console.log(runtime.stats().workers.map((worker) => worker.pid).join(' '));
      runtime.call('re.match', ['(a+)+$', 'a'.repeat(64) + 'b']).catch(() => {});
      setTimeout(() => console.log('busy'), 200);
    `);
    const pids = (await script.line()).split(' ').map(Number);
    expect(pids.every(isAlive)).toBe(true);
    await script.line();
    script.kill('SIGKILL');
    await script.ended;
    await until('the workers are gone', () => !pids.some(isAlive), 2_000);
  });

  test('a worker that is started by hand says who starts it', () => {
    const result = spawnSync(PYTHON, ['-m', 'hognose', 'worker'], {
      env: { ...process.env, PYTHONPATH: join(import.meta.dirname, '..', 'python') },
      input: '',
      encoding: 'utf8',
    });
    expect(result.status).toBe(64);
    expect(result.stderr).toContain('a worker is started by a host');
    const version = execFileSync(PYTHON, ['-m', 'hognose', '--version'], {
      env: { ...process.env, PYTHONPATH: join(import.meta.dirname, '..', 'python') },
      encoding: 'utf8',
    });
    expect(version).toMatch(/^hognose \d/);
  });
});
