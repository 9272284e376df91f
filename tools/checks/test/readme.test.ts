import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The code blocks of a language in a Markdown file. */
async function blocks(file: string, language: string): Promise<readonly string[]> {
  const text = await readFile(join(root, file), 'utf8');
  return [...text.matchAll(new RegExp('^```' + language + '\\n(.*?)^```', 'gms'))].map((match) => match[1] ?? '');
}

it('prints what the README says that its example prints', async () => {
  const [source] = await blocks('README.md', 'js');
  const [expected] = await blocks('README.md', 'text');
  // Within the workspace, so that the packages are found as a user's project finds them.
  const folder = await mkdtemp(join(root, 'node_modules', '.hognose-readme-'));
  try {
    await writeFile(join(folder, 'example.mjs'), source ?? '');
    const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'example.mjs')], {
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    expect(stdout).toBe(expected);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it('names only scripts and files that exist', async () => {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  for (const file of ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', 'docs/README.md']) {
    const text = await readFile(join(root, file), 'utf8');
    for (const [, script = ''] of text.matchAll(/npm run ([\w-]+)/g)) expect(manifest.scripts).toHaveProperty([script]);
    for (const [, path = ''] of text.matchAll(/\]\((?!http)([^)#]+)(?:#[^)]*)?\)/g)) {
      expect([path, existsSync(join(root, dirname(file), path))]).toEqual([path, true]);
    }
  }
});
