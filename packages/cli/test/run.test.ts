import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { hognose, makeDirectory, removeDirectory, start, succeed } from './support.js';

let root = '';
beforeAll(async () => {
  root = makeDirectory();
  await succeed(root, ['init', '--no-install']);
});
afterAll(() => {
  removeDirectory(root);
});

const script = (name: string, text: string): string => {
  mkdirSync(dirname(join(root, 'src', name)), { recursive: true });
  writeFileSync(join(root, 'src', name), text);
  return `src/${name}`;
};
/** No environment is needed where another interpreter is named. */
const env = { HOGNOSE_RUN_PYTHON: process.execPath };

describe('hognose run', () => {
  it('gives a TypeScript file its arguments, options among them, and its exit status', async () => {
    const file = script(
      'args.ts',
      'enum Level { Low = 4 }\nconst status: number = Level.Low;\nconsole.log(JSON.stringify(process.argv.slice(2)));\nprocess.exitCode = status;\n',
    );
    const { status, stdout } = await hognose(root, ['run', file, '--check', 'a b', '-x'], env);
    expect({ status, stdout }).toEqual({ status: 4, stdout: '["--check","a b","-x"]\n' });
  });

  it('shows the lines of the TypeScript file in a stack', async () => {
    const file = script(
      'throws.ts',
      'interface A {\n  b: number;\n}\n\nexport const a: A = { b: 1 };\nthrow new Error(`b is ${a.b}`);\n',
    );
    const { status, stderr } = await hognose(root, ['run', file], env);
    expect(status).toBe(1);
    expect(stderr).toContain('throws.ts:6:');
  });

  it('runs a file in the manner that its package says', async () => {
    const file = script('plain.cjs', 'console.log(require.main === module);\n');
    expect((await hognose(root, ['run', file], env)).stdout).toBe('true\n');
  });

  it("gives the script the project's own Python, and another only where it is told to", async () => {
    const file = script('env.mjs', 'console.log(process.env.HOGNOSE_PYTHON);\n');
    const base = { HOGNOSE_PYTHON: '/base/python' };
    expect(await hognose(root, ['run', file], base)).toMatchObject({ stdout: '/base/python\n', stderr: '' });
    const python = join(root, '.venv', 'bin', 'python');
    mkdirSync(join(python, '..'), { recursive: true });
    writeFileSync(python, '');
    try {
      expect(await hognose(root, ['run', file], base)).toMatchObject({ stdout: `${python}\n`, stderr: '' });
      expect((await hognose(root, ['run', file], { ...base, ...env })).stdout).toBe(`${process.execPath}\n`);
    } finally {
      rmSync(join(root, '.venv'), { recursive: true });
    }
  });

  it('runs CommonJS in TypeScript, which may load ES modules', async () => {
    script('esm.js', 'export const one = 1;\n');
    const file = script(
      'common.cts',
      "import { one } from './esm.js';\nconst two: number = one + 1;\nconsole.log(two);\n",
    );
    expect(await hognose(root, ['run', file], env)).toMatchObject({ status: 0, stdout: '2\n', stderr: '' });
  });

  it('explains top-level await in a file that is CommonJS, in one message', async () => {
    const file = script('common/waits.ts', 'console.log(await Promise.resolve(1));\n');
    script('common/package.json', '{ "type": "commonjs" }');
    const { status, stdout, stderr } = await hognose(root, ['run', file], env);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^hognose: src\/common\/waits\.ts:1:12: top-level await .* name the file \S+waits\.mts\n$/u);
  });

  it.each([
    ['needs.ts', 'math', 'hognose add math'],
    ['needs.cts', 'sklearn/svm', 'hognose add <package> --modules sklearn.svm'],
  ])('says which wrapper is missing for %s', async (name, wrapper, command) => {
    const file = script(name, `import * as py from '#py/${wrapper}';\nconsole.log(py);\n`);
    const { status, stderr } = await hognose(root, ['run', file], env);
    expect(status).toBe(1);
    expect(stderr.split('\n').at(-2)).toBe(`hognose: #py/${wrapper} has no wrapper yet: run \`${command}\``);
  });

  it.each(['lives.mts', 'lives.cts'])('takes %s with it when it is killed', async (name) => {
    const file = script(name, 'setInterval(() => undefined, 1000);\nconsole.log(process.pid);\n');
    const { child, ended } = start(root, ['run', file], env);
    const [pid] = (await once(child.stdout, 'data')) as [string];
    child.kill('SIGKILL');
    // The script holds the command's output as well: that ends when both are gone.
    expect(await ended).toMatchObject({ status: null, stdout: pid });
  });

  it('passes a signal on, and ends as the script does', async () => {
    const file = script(
      'waits.ts',
      "process.once('SIGTERM', () => {\n  console.log('asked to end');\n  process.exit(7);\n});\nsetInterval(() => undefined, 1000);\nconsole.log('ready');\n",
    );
    const { child, ended } = start(root, ['run', file], env);
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ status: 7, stdout: 'ready\nasked to end\n' });
  });

  it('counts a script that a signal ended as shells do', async () => {
    const file = script('dies.ts', "process.kill(process.pid, 'SIGKILL');\nsetInterval(() => undefined, 1000);\n");
    expect((await hognose(root, ['run', file], env)).status).toBe(128 + 9);
  });
});
