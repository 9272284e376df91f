import { fileURLToPath } from 'node:url';

/**
 * The directory of the Python package `hognose_shm`, which opens segments. Put it on `PYTHONPATH` of the process that
 * you start, unless `hognose-shm` is installed there.
 *
 * @public
 */
export const pythonPath: string = fileURLToPath(new URL('../python', import.meta.url));
