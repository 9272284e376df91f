import { defineConfig } from 'tsup';
import { library } from '../../tools/workspace/tsup-preset.mjs';

export default defineConfig(library({ entry: ['src/index.ts', 'src/internal.ts'] }));
