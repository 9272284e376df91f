/** Writes the wrappers of the packs; with `--check` only compares, and fails naming the first difference. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compareGenerated, generate, writeGenerated } from '@hognose/codegen';
import { findPython } from '@hognose/runtime';

const here = fileURLToPath(new URL('.', import.meta.url));
const outDir = join(here, 'src', 'gen');
const projectRoot = fileURLToPath(new URL('../../', import.meta.url));
const generated = await generate({
  python: findPython({ projectRoot }).path,
  pythonPath: [join(here, 'python')],
  modules: ['hognose_packs.sympy'],
});
if (process.argv.includes('--check')) {
  const [difference] = await compareGenerated(generated, outDir);
  if (difference !== undefined) {
    console.error(
      `packages/helpers-python/src/gen is stale (${JSON.stringify(difference)}): run \`node generate.mjs\` there.`,
    );
    process.exit(1);
  }
} else console.log(await writeGenerated(generated, outDir));
