import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../../', import.meta.url));
const packages = ['zerocopy', 'runtime', 'codegen', 'helpers-python', 'cli'];
const env = { ...process.env, NODE_OPTIONS: '', npm_config_audit: 'false', npm_config_fund: 'false' };

let project: string;

beforeAll(async () => {
  project = join(await mkdtemp(join(tmpdir(), 'hognose-tarballs-')), 'ein Prüf-Projekt');
  await mkdir(project);
  const workspaces = packages.map((name) => `--workspace=@hognose/${name}`);
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', project, ...workspaces], { cwd: root, env });
  const tarballs = (await readdir(project)).map((name) => `./${name}`);
  await writeFile(join(project, 'package.json'), '{ "name": "consumer", "private": true }\n');
  await run('npm', ['install', '--prefer-offline', '--loglevel=error', ...tarballs], { cwd: project, env });
}, 300_000);

afterAll(async () => {
  await rm(join(project, '..'), { recursive: true, force: true });
});

/** What a script of the project prints. */
async function output(name: string, source: string): Promise<string> {
  await writeFile(join(project, name), source);
  const { stdout } = await run(process.execPath, [name], { cwd: project, env });
  return stdout.trim();
}

const body = `
  const runtime = await createRuntime({ size: 1 });
  console.log(await runtime.call('math.sqrt', [16]));
  await runtime.close();`;

it('calls math.sqrt from an ESM project', async () => {
  expect(await output('esm.mjs', `import { createRuntime } from '@hognose/runtime';${body}`)).toBe('4');
});

it('calls math.sqrt from a CJS project', async () => {
  const source = `const { createRuntime } = require('@hognose/runtime');\n(async () => {${body}\n})();`;
  expect(await output('cjs.cjs', source)).toBe('4');
});

it('calls math.sqrt over the gRPC lane', async () => {
  const source = `import { createRuntime } from '@hognose/runtime';${body}`.replace(
    'size: 1',
    `size: 1, transport: 'grpc'`,
  );
  expect(await output('grpc.mjs', source)).toBe('4');
});

it.each(['@hognose/zerocopy', '@hognose/runtime', '@hognose/codegen', '@hognose/helpers-python/sympy', '@hognose/cli'])(
  'loads %s as ESM and as CJS with the same exports',
  async (name) => {
    const esm = await output('exports.mjs', `console.log(Object.keys(await import('${name}')).sort().join());`);
    const cjs = await output('exports.cjs', `console.log(Object.keys(require('${name}')).sort().join());`);
    expect(esm.length).toBeGreaterThan(3);
    expect(cjs).toBe(esm);
  },
);

it('runs a helper pack and shares one runtime between ESM and CJS', async () => {
  const source = `
    import { createRequire } from 'node:module';
    import { setDefaultRuntime, createRuntime } from '@hognose/runtime';
    const require = createRequire(import.meta.url);
    const runtime = await createRuntime({ size: 1 });
    setDefaultRuntime(runtime);
    const { evaluate, parse_implicit } = require('@hognose/helpers-python/sympy');
    console.log(await evaluate(parse_implicit('2x'), { x: 21 }));
    await runtime.close();`;
  expect(await output('pack.mjs', source)).toBe('42');
});

it('has the hognose command', async () => {
  const { stdout } = await run(join(project, 'node_modules', '.bin', 'hognose'), ['--version'], { cwd: project, env });
  expect(stdout.trim()).toBe('0.1.0');
});
