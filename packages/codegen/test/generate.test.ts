import { chmod, cp, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PythonEnvironmentError } from '@hognose/runtime';
import { CodegenError, generate } from '../src/index.js';
import { introspect } from '../src/introspect.js';
import { Project, fixtures, python, specimenModules } from './support/project.js';

const golden = fileURLToPath(new URL('fixtures/generated', import.meta.url));
/** What differs between minor versions of Python and says nothing about the generator. */
const withoutVersion = (text: string) => text.replace(/\(Python 3\.\d+\)/, '(Python 3.x)');

/** Compares with the committed text; `UPDATE_GOLDEN=1` writes it. */
async function expectGolden(file: string, text: string): Promise<void> {
  const path = join(golden, file);
  if (process.env['UPDATE_GOLDEN'] === '1') {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  expect(text).toBe(await readFile(path, 'utf8'));
}

const failureOf = async (promise: Promise<unknown>): Promise<Error> => {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not fail');
};

const fromFixtures = (...modules: string[]) => generate({ python, pythonPath: [fixtures], modules });

describe('generate', () => {
  it('describes and wraps the specimen as the golden files say', async () => {
    const generated = await fromFixtures(...specimenModules);
    for (const [file, text] of generated.files) await expectGolden(`short/${file}`, withoutVersion(text));
    const ir = await introspect({ python, pythonPath: [fixtures], modules: specimenModules });
    await expectGolden('ir.json', `${JSON.stringify({ ...ir, python: '3.x' }, undefined, 1)}\n`);
  });

  it('keeps all of a docstring, or nothing of it, when asked to', async () => {
    for (const docs of ['full', 'none'] as const) {
      const generated = await generate({ python, pythonPath: [fixtures], modules: ['specimen'], docs });
      await expectGolden(`${docs}/specimen.d.ts`, withoutVersion(generated.files.get('specimen.d.ts') ?? ''));
    }
  });

  it('S77 gives the same bytes on a second run, under three hash seeds, in two directories and another locale', async () => {
    await using one = await Project.create();
    await using other = await Project.create();
    const modules = [...specimenModules, 'specimen.surroundings', 'json', 'statistics'];
    const run = async (cwd: string, env: Record<string, string>, pythonPath = fixtures): Promise<string> => {
      const before = { cwd: process.cwd(), env: { ...process.env } };
      Object.assign(process.env, env);
      process.chdir(cwd);
      try {
        const { files, report, packages } = await generate({ python, pythonPath: [pythonPath], modules });
        return JSON.stringify({ files: [...files], report, packages });
      } finally {
        process.chdir(before.cwd);
        for (const name of Object.keys(env)) Reflect.deleteProperty(process.env, name);
        Object.assign(process.env, before.env);
      }
    };
    const copy = join(other.root, 'copy of the sources');
    await cp(fixtures, copy, { recursive: true });
    const first = await run(one.root, { PYTHONHASHSEED: '1' });
    expect(await run('/', { PYTHONHASHSEED: '3' }, copy)).toBe(first);
    expect(first.length).toBeGreaterThan(20_000);
    expect(await run(one.root, { PYTHONHASHSEED: '1' })).toBe(first);
    expect(await run(other.root, { PYTHONHASHSEED: '2', LANG: 'de_DE.UTF-8', LC_ALL: 'de_DE.UTF-8' })).toBe(first);
    expect(await run('/', { PYTHONHASHSEED: 'random', TZ: 'Asia/Tokyo', COLUMNS: '40', PYTHONOPTIMIZE: '2' })).toBe(
      first,
    );
    expect(first).not.toMatch(/0x[0-9a-f]{6,}/);
    expect(first).not.toContain(fixtures);
    expect(first).not.toContain(tmpdir() + sep);
    expect(first).toMatch(/told[^]*(?:green|blue)/);
    expect(first).not.toContain(dirname(one.root));
  });

  it('is not disturbed by what a library prints when it is imported', async () => {
    const { report, files } = await fromFixtures('specimen.lazy');
    expect(files.get('specimen/lazy.js')).toContain("$m.callable('late', 0)");
    expect(report.modules[0]?.skipped).toContainEqual({
      name: 'breaks',
      reason: 'RuntimeError: cannot be made here: <object object>',
    });
  });

  it('names the distributions of the modules, and none for the standard library', async () => {
    const { packages, python: version } = await generate({ python, modules: ['math', 'msgpack', 'json', 'msgpack'] });
    expect(version).toMatch(/^3\.\d+$/);
    expect(packages).toEqual([
      {
        name: 'msgpack',
        version: expect.stringMatching(/^\d+\.\d+/) as unknown,
        record: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
      },
    ]);
  });

  it('counts callables, signatures and where types came from', async () => {
    const { report } = await generate({ python, modules: ['math'] });
    expect(report.callables).toBeGreaterThan(50);
    expect(report.withSignature).toBeLessThan(report.callables);
    expect(report.slots.none).toBeGreaterThan(report.slots.runtime);
    expect(report.modules).toEqual([{ ...report, modules: undefined, module: 'math', skipped: [] }]);
  });
});

describe('a failing generate', () => {
  it('names a module that is not installed, the interpreter, and how to add it', async () => {
    const error = await failureOf(generate({ python, modules: ['math', 'no_such_package.part'] }));
    expect(error).toBeInstanceOf(CodegenError);
    expect(error).toMatchObject({ code: 'CODEGEN' });
    expect(error.message).toContain(`no_such_package.part cannot be imported by ${python}`);
    expect(error.message).toContain("ModuleNotFoundError: No module named 'no_such_package'");
    expect(error.message).toContain('`hognose add no_such_package`');
  });

  it('names every module that cannot be imported, each with its own reason', async () => {
    const { message } = await failureOf(fromFixtures('specimen.needy', 'specimen.raising', 'specimen.absent'));
    expect(message).toContain('`hognose add a_package_that_nobody_has`');
    expect(message).toContain('ValueError: the licence file is missing');
    expect(message).toContain('-c "import specimen.raising"');
    expect(message).toMatch(/specimen\.absent cannot.*Is the name right/);
  });

  it('says which module ended the interpreter, how, and what stderr held', async () => {
    const { message } = await failureOf(fromFixtures('json', 'specimen.crashing'));
    expect(message).toMatch(/was killed by SIGABRT while it was at the module specimen\.crashing/);
    expect(message).toContain('about to go');
  });

  it('ends an introspection that takes too long', async () => {
    await using project = await Project.create();
    await project.write('slow/endless.py', 'while True:\n    pass\n');
    const pythonPath = [join(project.root, 'slow')];
    const { message } = await failureOf(introspect({ python, pythonPath, modules: ['endless'], timeoutMs: 1500 }));
    expect(message).toMatch(/took longer than 1\.5 s while it was at the module endless/);
  });

  it('ends when its signal fires, with the reason of the signal', async () => {
    await using project = await Project.create();
    const started = join(project.root, 'started');
    const body = `open(${JSON.stringify(started)}, "w").close()\nwhile True:\n    pass\n`;
    await project.write('slow/endless.py', body);
    const controller = new AbortController();
    const reason = new Error('enough');
    const pythonPath = [join(project.root, 'slow')];
    const ending = failureOf(generate({ python, pythonPath, modules: ['endless'], signal: controller.signal }));
    while (!(await readdir(project.root)).includes('started')) await new Promise(setImmediate);
    controller.abort(reason);
    expect(await ending).toBe(reason);
    expect(await failureOf(generate({ python, modules: ['math'], signal: controller.signal }))).toBe(reason);
  });

  it('refuses what is no module name', async () => {
    const { message } = await failureOf(generate({ python, modules: ['numpy', 'scikit-learn', '../x'] }));
    expect(message).toContain('"scikit-learn", "../x"');
  });

  it('says that there is no such interpreter, or that it is too old', async () => {
    await using project = await Project.create();
    const missing = await failureOf(generate({ python: join(project.root, 'python'), modules: ['math'] }));
    expect(missing).toBeInstanceOf(PythonEnvironmentError);
    expect(missing.message).toContain(join(project.root, 'python'));

    // The real interpreter, made to believe that it is an old one.
    const site = 'import sys\nsys.version_info = (3, 8, 1)\n';
    await project.write('site/sitecustomize.py', site);
    const old = await project.write(
      'old',
      `#!/bin/sh\nexport PYTHONPATH="$(dirname "$0")/site:$PYTHONPATH"\nexec "${python}" "$@"\n`,
    );
    await chmod(old, 0o755);
    const error = await failureOf(generate({ python: old, modules: ['math'] }));
    expect(error).toBeInstanceOf(PythonEnvironmentError);
    expect(error.message).toContain('is Python 3.8.1');

    const other = await project.write('other', '#!/bin/sh\necho "I am no snake" >&2\nexit 2\n');
    await chmod(other, 0o755);
    const foreign = await failureOf(generate({ python: other, modules: ['math'] }));
    expect(foreign).toBeInstanceOf(PythonEnvironmentError);
    expect(foreign.message).toMatch(/exited with code 2 before it imported anything\. Is it Python.*\nI am no snake/);
  });
});
