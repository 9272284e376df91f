/**
 * What Nx puts into hashes besides files: a result of another Node.js or platform is not this one's, and with
 * `--python` neither is one of another Python.
 */
import { spawnSync } from 'node:child_process';
import { venvPython } from './lib.mjs';

console.log(process.version, process.platform, process.arch);
if (process.argv.includes('--python')) {
  const { stdout } = spawnSync(venvPython, ['-c', 'import sys; print(sys.version)'], { encoding: 'utf8' });
  console.log(stdout ?? 'no Python environment');
}
