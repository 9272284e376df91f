/** Writes what is derived from worker.proto; with `--check` only compares, and fails naming the first stale file. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { derive } from './derive.mjs';

const runtime = new URL('../../packages/runtime/', import.meta.url);
const read = (path) => readFileSync(new URL(path, runtime), 'utf8');

for (const [path, text] of Object.entries(derive(read('proto/hognose/v1/worker.proto')))) {
  const file = fileURLToPath(new URL(path, runtime));
  let present = '';
  try {
    present = readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  if (present === text) continue;
  if (process.argv.includes('--check')) {
    console.error(`packages/runtime/${path} is not what worker.proto says: run \`node tools/protocol/generate.mjs\`.`);
    process.exit(1);
  }
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  console.log(`wrote packages/runtime/${path}`);
}
