/** pythonia (JSPyBridge). It starts its process when it is imported, on the interpreter of PYTHON_BIN. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { adopt, end, PYTHON, PYTHON_PATH } from './python-process.mjs';

export const pythonia = {
  async start() {
    // A failed start is an event that nobody can listen to yet, and would end the whole run.
    const { error } = spawnSync(PYTHON, ['--version']);
    if (error !== undefined) throw error;
    process.env.PYTHON_BIN = PYTHON;
    const { python, com } = (await import('pythonia')).default;
    const module = await python(join(PYTHON_PATH, 'arithmetic.py'));
    const child = adopt(com.proc);
    return {
      pids: () => [child.pid],
      call: (a, b) => module.add(a, b),
      async close() {
        python.exit(); // stops the timer that would write to a process that is gone
        await end(child);
      },
    };
  },
};
