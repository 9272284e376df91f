import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generate } from '../src/index.js';
import { errorsOf } from './support/compiler.js';
import { Project, python } from './support/project.js';
import { outputOf } from './support/run.js';

const readme = fileURLToPath(new URL('../README.md', import.meta.url));
const BLOCK = /```\w+ title=(\S+)\n(.*?)```\n/gs;

async function readBlocks(): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(readme, 'utf8');
  return new Map([...text.matchAll(BLOCK)].map(([, title, body]) => [title ?? '', body ?? '']));
}

/** Compares a block of the README with the truth; `UPDATE_GOLDEN=1` writes it. */
async function expectBlock(title: string, truth: string): Promise<void> {
  if (process.env['UPDATE_GOLDEN'] === '1') {
    const text = await readFile(readme, 'utf8');
    const update = (whole: string, name: string) =>
      name === title ? whole.replace(/\n[^]*```\n$/, () => `\n${truth}\`\`\`\n`) : whole;
    await writeFile(readme, text.replace(BLOCK, update));
  }
  expect((await readBlocks()).get(title)).toBe(truth);
}

it('shows the declarations that its Python module gives, and an example that compiles against them', async () => {
  await using project = await Project.create();
  const blocks = await readBlocks();
  await project.write('python/pricing.py', blocks.get('python/pricing.py') ?? '');
  const generated = await generate({ python, pythonPath: [join(project.root, 'python')], modules: ['pricing'] });
  const declarations = generated.files.get('pricing.d.ts') ?? '';
  await expectBlock('python/generated/pricing.d.ts', declarations.replace(/\(Python 3\.\d+\)/, '(Python 3.11)'));

  await project.writeGenerated(generated);
  await project.write('package.json', blocks.get('package.json') ?? '');
  await project.write('example.ts', blocks.get('example.ts') ?? '');
  expect(errorsOf(project, ['example.ts', 'python/generated/pricing.d.ts'])).toEqual([]);
});

it('shows programs that run with the built packages, and what they print', async () => {
  await using project = await Project.create({ link: ['codegen', 'runtime'] });
  const blocks = await readBlocks();
  for (const file of ['python/pricing.py', 'generate.mjs', 'package.json'])
    await project.write(file, blocks.get(file) ?? '');
  await project.write('hognose.runtime.json', JSON.stringify({ version: 1, python, pythonPath: ['python'], size: 1 }));
  // It holds no types of its own, so that Node can run it as it is.
  await project.write('example.mjs', blocks.get('example.ts') ?? '');
  await expectBlock('generate.mjs-output', await outputOf(project, 'generate.mjs'));
  await expectBlock('example.ts-output', await outputOf(project, 'example.mjs'));
});
