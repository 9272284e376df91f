/** A Node.js process with a runtime of three workers, which is killed: how long what it has started lives on. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildRuntime } from '../../workspace/build-runtime.mjs';
import { adopt, PYTHON, PYTHON_PATH } from './python-process.mjs';

const HOST = fileURLToPath(new URL('./orphans-host.mjs', import.meta.url));
/** After which what still lives is ended from here, and the measurement has failed. */
const LIMIT_MS = 10_000;
/** Three workers, the worker's child; a zygote beside them where there is one. */
const LEAST_PROCESSES = 4;

export const orphans = {
  async start() {
    if (process.platform !== 'linux') throw new Error('descendants are found in /proc, which exists only on Linux');
    await buildRuntime();
    return { pids: () => [], orphanMs, close: async () => undefined };
  },
};

/** Milliseconds from the SIGKILL of the host until the last of its descendants is gone. */
async function orphanMs() {
  const host = adopt(
    spawn(process.execPath, [HOST, PYTHON, PYTHON_PATH], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_OPTIONS: '' },
    }),
  );
  const exited = once(host, 'exit');
  await Promise.race([
    once(host.stdout, 'data'),
    exited.then(([code, signal]) => {
      throw new Error(`the host has ended (${signal ?? `status ${code}`}) before its workers were busy`);
    }),
  ]);
  const living = descendants(host.pid);
  if (living.length < LEAST_PROCESSES) throw new Error(`the host has only ${living.length} descendants`);
  const start = performance.now();
  host.kill('SIGKILL');
  for (;;) {
    const left = living.filter(isAlive);
    const elapsed = performance.now() - start;
    if (left.length === 0) {
      await exited;
      return elapsed;
    }
    if (elapsed > LIMIT_MS) {
      for (const { pid } of left) process.kill(pid, 'SIGKILL');
      throw new Error(`${left.length} processes lived on for ${LIMIT_MS} ms: ${left.map(({ pid }) => pid).join()}`);
    }
    await sleep(1);
  }
}

/** What `/proc` says of a process: its parent, state and start, which tells it from a later one of its number. */
function statOf(pid) {
  let text;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name stands in parentheses, and may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { pid, state: fields[0], parent: Number(fields[1]), startedAt: fields[19] };
}

function descendants(root) {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => statOf(Number(name)))
    .filter((stat) => stat !== undefined && stat.state !== 'Z');
  const found = [];
  const family = [root];
  for (const pid of family) {
    const children = all.filter(({ parent }) => parent === pid);
    found.push(...children);
    family.push(...children.map((child) => child.pid));
  }
  return found;
}

/** A zombie is gone: it has no memory, and waits only to be read. */
function isAlive({ pid, startedAt }) {
  const stat = statOf(pid);
  return stat !== undefined && stat.startedAt === startedAt && stat.state !== 'Z' && stat.state !== 'X';
}
