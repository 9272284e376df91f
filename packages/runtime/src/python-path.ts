/** Directories of Python code that JavaScript packages bring along. */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { globalState } from './global-state.js';

/**
 * Makes the Python code in a directory importable in every worker, those that run already included.
 *
 * For packages that carry Python: call it where the package is imported.
 *
 * @param directory - A path or a `file:` URL, such as `new URL('../python/', import.meta.url)`.
 * @public
 */
export function addPythonPath(directory: URL | string): void {
  const path = resolve(
    directory instanceof URL || directory.startsWith('file:') ? fileURLToPath(directory) : directory,
  );
  const { pythonPath } = globalState();
  if (!pythonPath.includes(path)) pythonPath.push(path);
}
