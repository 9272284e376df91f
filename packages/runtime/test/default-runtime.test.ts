import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  addPythonPath,
  ConfigError,
  getRuntime,
  py,
  PythonEnvironmentError,
  pyModule,
  setDefaultRuntime,
  type Runtime,
} from '../src/index.js';
import {
  PYTHON,
  PYTHON_FIXTURES,
  rejection,
  runNode,
  startFixtureRuntime,
  temporaryDirectory,
  until,
} from './support.js';

const directory = temporaryDirectory();

interface Project {
  readonly root: string;
  /** Where its generated wrappers would stand. */
  readonly url: string;
}

/** A project with a runtime file. */
function project(name: string, file: unknown): Project {
  const root = join(directory, name);
  mkdirSync(join(root, 'python', 'generated', 'deep'), { recursive: true });
  mkdirSync(join(root, 'python', 'own'), { recursive: true });
  writeFileSync(join(root, 'python', 'own', `own_${name}.py`), `def where():\n    return ${JSON.stringify(name)}\n`);
  writeFileSync(join(root, 'hognose.runtime.json'), typeof file === 'string' ? file : JSON.stringify(file));
  return { root, url: pathToFileURL(join(root, 'python', 'generated', 'deep', 'module.js')).href };
}

/** Runs source in a process of its own, so that its default runtime is fresh; prints what it returns. */
async function inProcess(source: string, cwd: string = directory, keepPython = false): Promise<unknown> {
  const script = runNode(
    `
    ${keepPython ? '' : 'delete process.env.HOGNOSE_PYTHON;'}
    const caught = (promise) => promise.then((value) => value, (error) => [error.name, error.message]);
    const result = await (async () => { ${source} })();
    console.log(JSON.stringify(result));
    await (await hognose.getRuntime().catch(() => undefined))?.close();
    `,
    [],
    cwd,
  );
  return JSON.parse(await script.line());
}

describe('hognose.runtime.json', () => {
  test('is found upwards from the generated module, and its paths are relative to it', async () => {
    const { root, url } = project('found', {
      version: 1,
      python: PYTHON,
      pythonPath: ['python/own'],
      size: 1,
      preload: ['json'],
      env: { HOGNOSE_TEST: 'from the file' },
      transport: 'socket',
      timeoutMs: 30_000,
    });
    const result = await inProcess(`
      const where = hognose.pyModule('own_found', ${JSON.stringify(url)}).callable('where');
      const environment = hognose.pyModule('os', ${JSON.stringify(url)}).callable('getenv');
      const values = [await where(), await environment('HOGNOSE_TEST')];
      const runtime = await hognose.getRuntime();
      return [...values, runtime.stats().workers.length];
    `);
    expect(result).toEqual(['found', 'from the file', 1]);
    expect(root).toContain(' ');
  });

  test('is found upwards from the working directory where no wrapper is loaded', async () => {
    const { root } = project('cwd', { version: 1, python: PYTHON, pythonPath: ['python/own'], size: 1 });
    const source = 'return await hognose.py`import own_cwd; return own_cwd.where()`';
    expect(await inProcess(source, join(root, 'python', 'generated'))).toBe('cwd');
  });

  test('gives way to HOGNOSE_PYTHON', async () => {
    const { url } = project('elsewhere', { version: 1, python: 'no/such/python', size: 1 });
    const source = `return await caught(Promise.resolve(hognose.pyModule('math', ${JSON.stringify(url)}).callable('sqrt')(16)))`;
    expect(await inProcess(source, directory, true)).toBe(4);
    const [name, message] = (await inProcess(source)) as [string, string];
    expect(name).toBe('PythonEnvironmentError');
    expect(message).toContain(join('elsewhere', 'no', 'such', 'python'));
  });

  test.each([
    ['no JSON', '{ "version": 1,', 'cannot be read'],
    ['null', 'null', 'is of version undefined'],
    ['a list', '[]', 'is of version undefined'],
    ['a newer version', { version: 2 }, 'is of version 2 and this runtime reads version 1'],
    [
      'wrong fields',
      { version: 1, python: 7, pythonPath: 'x', size: 0, colour: 1 },
      /(?=.*python: must)(?=.*pythonPath: must)(?=.*size: must)(?=.*colour: unknown)/,
    ],
  ])('that is %s is a ConfigError that names the file', async (name, file, problem) => {
    const { root, url } = project(`bad ${name}`, file);
    const source = `
      const sqrt = hognose.pyModule('math', ${JSON.stringify(url)}).callable('sqrt');
      return [await caught(sqrt(16)), await caught(hognose.getRuntime()), await caught(hognose.py\`return 1\`)];
    `;
    const errors = (await inProcess(source)) as [string, string][];
    for (const [type, message] of errors) {
      expect(type).toBe('ConfigError');
      expect(message).toContain(join(root, 'hognose.runtime.json'));
      expect(message).toMatch(problem);
    }
  });

  test('a start that failed is tried again by the next call', async () => {
    const { root, url } = project('mended', '{');
    const mended = JSON.stringify({ version: 1, python: PYTHON, size: 1 });
    const source = `
      const { writeFileSync } = await import('node:fs');
      const sqrt = hognose.pyModule('math', ${JSON.stringify(url)}).callable('sqrt');
      const first = await caught(sqrt(16));
      writeFileSync(${JSON.stringify(join(root, 'hognose.runtime.json'))}, JSON.stringify({ version: 1, python: 'missing' }));
      const second = await caught(sqrt(16));
      writeFileSync(${JSON.stringify(join(root, 'hognose.runtime.json'))}, ${JSON.stringify(mended)});
      return [first[0], second[0], second[1], await sqrt(16)];
    `;
    expect(await inProcess(source)).toEqual([
      'ConfigError',
      'PythonEnvironmentError',
      expect.stringMatching(/hognose\.runtime\.json names the interpreter .*missing, .*npx hognose generate/),
      4,
    ]);
  });

  test('many first calls at once start one runtime', async () => {
    const { url } = project('once', { version: 1, python: PYTHON, size: 1 });
    const result = (await inProcess(`
      const getpid = hognose.pyModule('os', ${JSON.stringify(url)}).callable('getpid');
      return await Promise.all([getpid(), hognose.py\`import os; return os.getpid()\`, getpid(), hognose.getRuntime().then((runtime) => runtime.call('os.getpid'))]);
    `)) as number[];
    expect(new Set(result).size).toBe(1);
  });
});

describe('which runtime', () => {
  let first: Runtime;
  let second: Runtime;
  let fallback: Runtime;
  const name = (): Promise<unknown> => py`import os; return os.environ["NAME"]`;
  const getenv = pyModule('os', 'none:').callable('getenv') as (name: string) => Promise<string>;
  const cwd = pyModule('os', 'none:').constant('environ') as PromiseLike<{ $item(key: string): Promise<string> }>;

  beforeAll(async () => {
    [first, second, fallback] = await Promise.all([
      startFixtureRuntime({ env: { NAME: 'first' } }),
      startFixtureRuntime({ env: { NAME: 'second' } }),
      startFixtureRuntime({ env: { NAME: 'fallback' } }),
    ]);
    setDefaultRuntime(fallback);
  });
  afterAll(async () => {
    setDefaultRuntime(undefined);
    await Promise.all([first, second, fallback].map((runtime) => runtime.close()));
  });

  test('is the innermost runtime.run, also behind an await, else the default one', async () => {
    expect(await name()).toBe('fallback');
    const seen = await first.run(async () => {
      const outside = await name();
      await new Promise((resolve) => setTimeout(resolve, 1));
      const inside = await second.run(async () => {
        await Promise.resolve();
        return [await name(), await getenv('NAME'), await (await cwd).$item('NAME')];
      });
      return [outside, inside, await getenv('NAME'), await (await cwd).$item('NAME'), await getRuntime()];
    });
    expect(seen).toEqual(['first', ['second', 'second', 'second'], 'first', 'first', first]);
    expect(await name()).toBe('fallback');
  });

  test('run passes on what the action returns and throws', async () => {
    expect(first.run(() => 5)).toBe(5);
    const failing = (): never => {
      throw new RangeError('mine');
    };
    expect(() => first.run(failing)).toThrow(RangeError);
    expect(await Promise.all([first.run(name), second.run(name)])).toEqual(['first', 'second']);
  });

  test('a closed default runtime is the default no longer', async () => {
    const closing = await startFixtureRuntime();
    setDefaultRuntime(closing);
    expect(await getRuntime()).toBe(closing);
    await closing.close();
    setDefaultRuntime(fallback);
    expect(await name()).toBe('fallback');
  });

  test('what is no runtime is refused at its first use', async () => {
    setDefaultRuntime({} as Runtime);
    expect(await rejection(name())).toBeInstanceOf(ConfigError);
    setDefaultRuntime(fallback);
  });
});

describe('addPythonPath', () => {
  test('reaches workers that run already, and those that start later', async () => {
    const folder = join(directory, 'pack python');
    mkdirSync(folder);
    writeFileSync(join(folder, 'pack_module.py'), 'answer = 42\n');
    await using runtime = await startFixtureRuntime();
    expect((await rejection(runtime.get('pack_module.answer'))).message).toContain('ModuleNotFoundError');
    addPythonPath(pathToFileURL(`${folder}/`));
    expect(await runtime.get('pack_module.answer')).toBe(42);
    addPythonPath(folder);
    await rejection(runtime.call('os._exit', [1]));
    expect(await runtime.get('pack_module.answer')).toBe(42);
    await until('the pool is full', () => runtime.stats().workers.length === 1);
    const path = await runtime.call<string[]>('builtins.list', [await runtime.get('sys.path')]);
    expect(path.filter((entry) => entry.includes('pack python'))).toHaveLength(1);
    expect(path.indexOf(PYTHON_FIXTURES)).toBeGreaterThanOrEqual(0);
  });

  test('a working directory without an interpreter anywhere is a PythonEnvironmentError', async () => {
    const empty = join(directory, 'empty');
    mkdirSync(empty);
    const source = `process.env.PATH = ${JSON.stringify(empty)}; delete process.env.VIRTUAL_ENV; return await caught(hognose.createRuntime())`;
    const [type, message] = (await inProcess(source, empty)) as [string, string];
    expect(type).toBe(PythonEnvironmentError.name);
    expect(message).toContain('python3, which is not on the PATH');
    rmSync(empty, { recursive: true });
  });
});
