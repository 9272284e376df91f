import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const workspace = fileURLToPath(new URL('../../workspace/', import.meta.url));

/** Runs Node.js as the first command of a clone does. */
function node(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: workspace,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  });
  return { status, output: (stdout + stderr).trim() };
}

it('refuses a Node.js that is too old in one sentence', () => {
  const script = `Object.defineProperty(process.versions, 'node', { value: '20.18.3' }); require('./check-node.cjs');`;
  expect(node(['-e', script])).toEqual({
    status: 1,
    output: 'Hognose needs Node.js 20.19.0 or newer, and this is 20.18.3: install a newer one and run this again.',
  });
  expect(node(['check-node.cjs'])).toEqual({ status: 0, output: '' });
});

it.each(['quickstart.mjs', 'test.mjs', 'prepare.mjs'])(
  'refuses a missing Python in one sentence, before anything is installed: %s',
  (script) => {
    const result = node([script], { HOGNOSE_PYTHON: '/nowhere/python3' });
    expect(result.status).toBe(1);
    expect(result.output).toMatch(
      /^Hognose needs Python 3\.10 or newer, and found \/nowhere\/python3 \(not found\): install one, .*HOGNOSE_PYTHON.*\.$/,
    );
  },
);

it('refuses a Python that is too old in one sentence', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hognose-old-'));
  try {
    const python = join(folder, 'python3');
    writeFileSync(python, '#!/bin/sh\necho 3.9.18\n');
    chmodSync(python, 0o755);
    const result = node(['quickstart.mjs'], { HOGNOSE_PYTHON: python });
    expect(result).toEqual({ status: 1, output: expect.stringContaining(`found ${python} (3.9.18)`) as unknown });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
