import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { contents, hognose, makeDirectory, removeDirectory } from './support.js';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const blocks = (language: string): string[] =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gmu'))].map((match) => match[1] ?? '');

/** Commands of a console block, each with what it prints. */
const commands = (block: string): { args: string[]; printed: string }[] =>
  block
    .split(/^\$ npx hognose /mu)
    .slice(1)
    .map((part) => {
      const [line = '', ...printed] = part.split('\n');
      return {
        args: [...line.matchAll(/"([^"]*)"|(\S+)/gu)].map((match) => match[1] ?? match[2] ?? ''),
        printed: printed.join('\n'),
      };
    });

/** Versions, counts and what is left out change with the packages; the rest of what is said does not. */
const shape = (text: string): string =>
  text
    .replace(/( types known) .*$/gmu, '$1')
    .replace(/\d+(\.\d+)*/gu, '#')
    .trim();

describe('README.md', () => {
  let root = '';
  beforeAll(() => {
    root = makeDirectory();
  });
  afterAll(() => {
    removeDirectory(root);
  });

  const session = blocks('console').flatMap(commands);

  it('shows every command', () => {
    expect(new Set(session.map(({ args }) => args[0]))).toEqual(new Set(['init', 'add', 'run', 'generate']));
  });

  it.each(session)('tells the truth about hognose $args', async ({ args, printed }) => {
    const hello = blocks('ts').find((block) => block.startsWith('// hello.ts'));
    writeFileSync(join(root, 'hello.ts'), hello ?? '');
    const before = contents(root);
    const { status, stdout, stderr } = await hognose(root, args);
    const failure = /^hognose: .*$/mu.exec(stderr)?.[0];
    expect(shape(failure ?? stdout)).toBe(shape(printed));
    expect(status).toBe(failure === undefined ? 0 : 1);
    if (failure !== undefined) expect(contents(root)).toEqual(before);
    if (args[0] === 'run' && status === 0) expect(stdout.trim()).toBe(printed.trim());
  });

  it('has a configuration that is accepted', async () => {
    const example = blocks('ts').find((block) => block.includes('export default defineConfig')) ?? '';
    const other = makeDirectory();
    try {
      writeFileSync(join(other, 'hognose.config.ts'), example);
      const { status, stderr } = await hognose(other, ['init', '--no-install']);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    } finally {
      removeDirectory(other);
    }
  });
});
