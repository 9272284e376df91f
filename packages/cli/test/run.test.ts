import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
  mkdirSync(join(root, 'src'), { recursive: true });
  writeFileSync(join(root, 'src', name), text);
  return `src/${name}`;
};
/** No environment is needed where another interpreter is named. */
const env = { HOGNOSE_PYTHON: process.execPath };

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

  it("says when workers will not run on the project's own Python", async () => {
    const file = script('env.mjs', 'console.log(process.env.HOGNOSE_PYTHON);\n');
    const { stdout, stderr } = await hognose(root, ['run', file], env);
    expect(stdout).toBe(`${process.execPath}\n`);
    expect(stderr).toContain("not on the project's .venv");
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
