/** pythonia (JSPyBridge). It starts its process when it is imported, on the interpreter of PYTHON_BIN. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { adopt, end, PYTHON, PYTHON_PATH } from './python-process.mjs';

export const pythonia = {
  async start() {
    const { module, ...peer } = await startPythonia(join(PYTHON_PATH, 'arithmetic.py'));
    return { ...peer, call: (a, b) => module.add(a, b) };
  },
};

/** Starts pythonia with a module from a file; once in a process. */
export async function startPythonia(path) {
  // A failed start is an event that nobody can listen to yet, and would end the whole run.
  const { error } = spawnSync(PYTHON, ['--version']);
  if (error !== undefined) throw error;
  process.env.PYTHON_BIN = PYTHON;
  const { python, com } = (await import('pythonia')).default;
  const module = await python(path);
  const child = adopt(com.proc);
  return {
    module,
    pids: () => [child.pid],
    async close() {
      python.exit(); // stops the timer that would write to a process that is gone
      await end(child);
    },
  };
}
