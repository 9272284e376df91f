import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import { boundaries } from '../../workspace/boundaries.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** What the boundary lint says of an import that stands in a package. */
async function lint(from: string, imported: string): Promise<readonly string[]> {
  const eslint = new ESLint({ cwd: root, overrideConfigFile: true, overrideConfig: boundaries });
  const [result] = await eslint.lintText(`import * as imported from '${imported}';\nexport { imported };\n`, {
    filePath: join(root, 'packages', from, 'src', 'boundary-probe.ts'),
  });
  return (result?.messages ?? []).map(({ message }) => message);
}

it('refuses an upward import that closes a cycle', async () => {
  const [message, ...others] = await lint('runtime', '@hognose/codegen');
  expect(message).toMatch(/Circular dependency/);
  expect(others).toEqual([]);
});

it('refuses an upward import without a cycle', async () => {
  const [message, ...others] = await lint('helpers-python', '@hognose/cli');
  expect(message).toMatch(/"layer:2" .*(cannot|can only) depend/);
  expect(others).toEqual([]);
});

it('accepts a downward import', async () => {
  expect(await lint('cli', '@hognose/runtime')).toEqual([]);
  expect(await lint('codegen', '@hognose/runtime')).toEqual([]);
});
