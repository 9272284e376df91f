/** python-shell in its JSON mode. */
import { join } from 'node:path';
import { adopt, end, PYTHON, PYTHON_PATH } from './python-process.mjs';

export const pythonShell = {
  async start() {
    const { PythonShell } = await import('python-shell');
    const shell = new PythonShell(join(PYTHON_PATH, 'json_lines.py'), { mode: 'json', pythonPath: PYTHON });
    const child = adopt(shell.childProcess);
    const waiting = new Map();
    let lastId = 0;
    shell.on('message', ({ id, result }) => {
      waiting.get(id)(result);
      waiting.delete(id);
    });
    const failed = new Promise((_, reject) => {
      shell.once('error', reject);
      shell.once('pythonError', reject);
    });
    failed.catch(() => undefined);
    const call = (a, b) =>
      new Promise((resolve) => {
        const id = ++lastId;
        waiting.set(id, resolve);
        shell.send({ id, args: [a, b] });
      });
    await Promise.race([call(1, 2), failed]);
    return { pids: () => [child.pid], call, close: () => end(child) };
  },
};
