import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const folder = fileURLToPath(new URL('../', import.meta.url));

it('prints what the README says that its example prints', async () => {
  const readme = await readFile(join(folder, 'README.md'), 'utf8');
  const [, source = '', expected = ''] = /```js\n(.*?)```\n\n```text\n(.*?)```/s.exec(readme) ?? [];
  const scratch = await mkdtemp(join(folder, '.test-results', 'readme-'));
  try {
    await writeFile(join(scratch, 'example.mjs'), source);
    const { stdout } = await promisify(execFile)(process.execPath, [join(scratch, 'example.mjs')], {
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    expect(stdout).toBe(expected);
  } finally {
    await rm(scratch, { recursive: true });
  }
});
