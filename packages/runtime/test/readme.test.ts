import { readFileSync } from 'node:fs';
import * as hognose from '../src/index.js';
import { runNode } from './support.js';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const blocks = (language: string): string[] =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map((match) => match[1] ?? '');

const PRELUDE = `
  const { py, kw, tuple } = hognose;
  const runtime = await hognose.createRuntime({ size: 1 });
  hognose.setDefaultRuntime(runtime);
`;

/** What a block says that it prints: the comment behind each console.log, or on the line below it. */
const promised = (block: string): string[] =>
  [...block.matchAll(/^(?:console\.log\(.*\);|\);)(?: |\n)\/\/ (.*)$/gm)].map((match) => match[1] ?? '');

test('the example prints what the README says', async () => {
  const [example = ''] = blocks('js');
  const script = runNode(example.replace(/^import (\{.*\}) from '@hognose\/runtime';$/m, 'const $1 = hognose;'));
  const { code } = await script.ended;
  expect(`${script.lines.join('\n')}\n`).toBe(blocks('console')[0]);
  expect(code).toBe(0);
});

test.each(blocks('js').slice(1))('each further block prints what its comments say: %#', async (block) => {
  const script = runNode(`${PRELUDE}{\n${block}\n}\nawait runtime.close();`);
  const { stderr, code } = await script.ended;
  expect([code, stderr]).toEqual([0, '']);
  expect(promised(block).length).toBe(block.match(/console\.log/g)?.length);
  expect(script.lines).toEqual(promised(block));
});

test('every error class stands in the table with its code', () => {
  const classes = Object.keys(hognose).filter((name) => name.endsWith('Error'));
  for (const name of classes) expect(readme).toContain(`\`${name}\``);
});

test('every option stands in the text', async () => {
  const error = await hognose.createRuntime({ nothing: 1 } as never).catch((reason: unknown) => reason as Error);
  const names = /the options are (.*)$/.exec((error as Error).message)?.[1]?.split(', ') ?? [];
  expect(names.length).toBeGreaterThan(5);
  for (const name of names) expect(readme).toContain(`\`${name}\``);
});
