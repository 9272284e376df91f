import { rmSync } from 'node:fs';
import { defineConfig } from 'tsup';
import { library } from '../../tools/workspace/tsup-preset.mjs';

// Two builds into one folder: neither may clean it under the other.
rmSync(new URL('dist', import.meta.url), { recursive: true, force: true });

export default defineConfig([
  // The library's entry is all that a CommonJS project loads; `api.js` beside it is imported when a command is called.
  library({ clean: false, external: [/\/api\.js$/] }),
  // The commands use packages that are ESM only.
  library({
    entry: ['src/cli.ts', 'src/api.ts'],
    format: ['esm'],
    clean: false,
    dts: false,
    shims: false,
    splitting: true,
  }),
  // What a script of `hognose run` loads first, also where no ES module may be loaded before it.
  library({ entry: ['src/run-watch.ts'], format: ['cjs'], clean: false, dts: false, shims: false }),
]);
