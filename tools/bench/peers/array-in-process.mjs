/**
 * Addons that run Python inside of Node.js. They are built from source where they are installed, which not every machine
 * can, so that the workspace does not depend on them: they are measured where NODE_PATH leads to them. What crashes in
 * them ends the process, so they have one of their own here.
 */
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { adopt, end, PYTHON, PYTHON_PATH } from './python-process.mjs';

const HOST = fileURLToPath(new URL('./array-in-process-host.mjs', import.meta.url));
const SITE_PACKAGES = 'import pathlib, numpy; print(pathlib.Path(numpy.__file__).parent.parent)';

export const arrayNodeCallsPython = { start: () => startHost('node-calls-python') };
export const arrayPymport = { start: () => startHost('pymport') };

async function startHost(addon) {
  try {
    createRequire(import.meta.url).resolve(addon);
  } catch {
    throw new Error(`${addon} is not installed: build it in any folder, and name its node_modules in NODE_PATH`);
  }
  const { stdout } = await promisify(execFile)(PYTHON, ['-c', SITE_PACKAGES]);
  const child = adopt(
    fork(HOST, [addon, PYTHON_PATH, stdout.trim()], { env: { ...process.env, NODE_OPTIONS: '' }, stdio: 'inherit' }),
  );
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`${addon} has ended its process (${signal ?? `status ${code}`})`);
  });
  ended.catch(() => undefined);
  return {
    pids: () => [child.pid],
    /** Milliseconds in which an array is there: the median of so many milliseconds. */
    async sendMs(ms) {
      const answered = once(child, 'message');
      child.send(ms);
      const [{ taken, error }] = await Promise.race([answered, ended]);
      if (error !== undefined) throw new Error(error);
      return taken;
    },
    close: () => end(child),
  };
}
