/** Before a package is packed: a tarball without its build would install, and then fail at the first import. */
import { existsSync } from 'node:fs';
import { fail } from './lib.mjs';

if (!existsSync('dist'))
  fail(`${process.cwd()} is not built, and its tarball would lack dist/: run \`npm run build\` at the root first.`);
