/** `npm run quickstart`: from a fresh clone to handwritten digits read by scikit-learn, with progress on every long step. */
import { join } from 'node:path';
import { root, runOrFail } from './lib.mjs';
import { prepareToRun } from './prepare.mjs';

const example = join(root, 'examples', 'quickstart');
const hognose = (...args) =>
  runOrFail(process.execPath, [join(root, 'packages', 'cli', 'dist', 'cli.js'), ...args], { cwd: example });

await prepareToRun();
console.log('\n> Preparing the Python environment and the wrappers of examples/quickstart');
await hognose('generate');
console.log('\n> Running examples/quickstart/src/main.ts\n');
await hognose('run', 'src/main.ts');
