/**
 * Compares docs/values.md with the cases of the tests; `--write` brings it up to date:
 *
 *     npx tsx test/values/write-docs.ts --write
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { PAGE, pageWithTables } from './docs.js';

const wanted = pageWithTables();
if (process.argv.includes('--write')) writeFileSync(PAGE, wanted);
else if (readFileSync(PAGE, 'utf8') !== wanted) {
  console.error(
    'docs/values.md is not what the cases say: run `npx tsx test/values/write-docs.ts --write` in packages/runtime.',
  );
  process.exitCode = 1;
}
