import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as library from '../src/index.js';
import { environment, makeDirectory, removeDirectory } from './support.js';

describe('the library', () => {
  it('exports what it promises and nothing else', () => {
    expect(Object.keys(library).sort()).toEqual(['add', 'defineConfig', 'generate', 'init', 'syncEnvironment']);
  });

  it.each([
    ['ESM', 'main.mjs', "import { defineConfig, init } from '@hognose/cli';"],
    ['CommonJS', 'main.cjs', "const { defineConfig, init } = require('@hognose/cli');"],
  ])('works from %s as it is built', (_, name, head) => {
    const root = makeDirectory();
    try {
      const body = `${head}
if (defineConfig({ docs: 'none' }).docs !== 'none') throw new Error('defineConfig');
init({ install: false }).then((result) => console.log(result.created.join()));
`;
      writeFileSync(join(root, name), body);
      const printed = execFileSync(process.execPath, [name], { cwd: root, env: environment(), encoding: 'utf8' });
      expect(printed).toBe('hognose.config.ts,package.json,.gitignore\n');
    } finally {
      removeDirectory(root);
    }
  });
});
