/** Where the worker's own Python code stands. In a file of `src/` itself, so that it is right from `dist/` too. */
import { fileURLToPath } from 'node:url';

/** @internal */
export const OWN_PYTHON = fileURLToPath(new URL('../python/', import.meta.url));
