/** Arrays both ways between a Node.js process and workers that are killed: what is left of them when all are let go. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { buildRuntime } from '../../workspace/build-runtime.mjs';
import { adopt, end, PYTHON, PYTHON_PATH } from './python-process.mjs';

const HOST = fileURLToPath(new URL('./array-soak-host.mjs', import.meta.url));
const FULL = { arrays: 10_000, kills: 50 };
const QUICK = { arrays: 500, kills: 3 };
/** Who has less time for a measurement than this wants to know only whether it runs. */
const FULL_MS = 100;

export const arraySoak = {
  async start() {
    if (process.platform !== 'linux') throw new Error('descriptors are counted in /proc, which exists only on Linux');
    await buildRuntime();
    let host;
    let leaked;
    const soak = async ({ arrays, kills }) => {
      // A process of its own: whatever else this one has mapped is no leak, and its garbage is collected when asked to.
      host = adopt(
        fork(HOST, [PYTHON, PYTHON_PATH, arrays, kills].map(String), {
          env: { ...process.env, NODE_OPTIONS: '' },
          execArgv: ['--expose-gc'],
          stdio: 'inherit',
        }),
      );
      const exited = once(host, 'exit').then(([code, signal]) => {
        throw new Error(`the soak has ended (${signal ?? `status ${code}`}) without a result; see above`);
      });
      const [result] = await Promise.race([once(host, 'message'), exited]);
      exited.catch(() => undefined);
      return result;
    };
    return {
      pids: () => [],
      /** Counts of one soak, which is the same for all rounds. */
      leaked: (ms) => (leaked ??= soak(ms < FULL_MS ? QUICK : FULL)),
      close: async () => host === undefined || end(host),
    };
  },
};
