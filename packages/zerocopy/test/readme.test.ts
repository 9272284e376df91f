import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { describeOnLinux } from './helpers.js';

const packageFile = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
const readme = readFileSync(packageFile('README.md'), 'utf8');

/** The first fenced block of a language. */
const block = (language: string): string | undefined =>
  new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(readme)?.[1];

describe('the example in the README', () => {
  it.each([
    ['js', 'share-array.mjs'],
    ['python', 'double.py'],
  ])('is, in %s, the file examples/%s', (language, file) => {
    expect(block(language)).toBe(readFileSync(packageFile(`examples/${file}`), 'utf8'));
  });
});

describeOnLinux('the example in the README', () => {
  it('prints what the README says', async () => {
    const env = { ...process.env, NODE_OPTIONS: '' };
    const { stdout } = await promisify(execFile)(process.execPath, [packageFile('examples/share-array.mjs')], { env });
    expect(`$ node share-array.mjs\n${stdout}`).toBe(block('console'));
  });
});
