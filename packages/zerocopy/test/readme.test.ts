import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { describeOnLinux } from './helpers.js';

const packageFile = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** Every fenced block of the README. */
const blocks = Array.from(
  readFileSync(packageFile('README.md'), 'utf8').matchAll(/^```(\w*)\n(.*?)^```$/gms),
  ([, language = '', text = '']) => ({ language, text }),
);

const textsOf = (...languages: readonly string[]): string[] =>
  blocks.filter(({ language }) => languages.includes(language)).map(({ text }) => text);

describe('the README', () => {
  it('shows the files in examples/, each of them once', () => {
    const files = readdirSync(packageFile('examples')).map((name) =>
      readFileSync(packageFile(`examples/${name}`), 'utf8'),
    );
    expect(files.length).toBeGreaterThan(3);
    expect(textsOf('js', 'python').sort()).toEqual(files.sort());
  });

  it('has no other code but the command that installs it', () => {
    expect(textsOf('sh')).toEqual(['npm install @hognose/zerocopy\n']);
    expect(new Set(blocks.map(({ language }) => language))).toEqual(new Set(['js', 'python', 'console', 'sh']));
  });
});

describeOnLinux('what the README says is printed', () => {
  it.each(textsOf('console').map((text) => [/^\$ node (\S+)\n/.exec(text)?.[1] ?? '', text] as const))(
    'by %s is',
    async (name, text) => {
      const env = { ...process.env, NODE_OPTIONS: '' };
      const { stdout } = await promisify(execFile)(process.execPath, [packageFile(`examples/${name}`)], { env });
      expect(`$ node ${name}\n${stdout}`).toBe(text);
    },
  );
});
