/** Python processes of the peers: their start, and that none of them outlives the run. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { venvPython } from '../../workspace/lib.mjs';

/** The interpreter of every peer. */
export const PYTHON = process.env.HOGNOSE_PYTHON ?? venvPython;

/** What the peers' Python code is imported from. */
export const PYTHON_PATH = fileURLToPath(new URL('../python/', import.meta.url));

/** How much of what a process writes to stderr is kept. */
const STDERR_TAIL_CHARACTERS = 2_000;

/** @type {Set<import('node:child_process').ChildProcess>} */
const alive = new Set();
let directory;

/** Ends, by their ids, all processes that still run, and removes the sockets. */
export function closeLeftovers() {
  for (const child of alive) child.kill('SIGKILL');
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  directory = undefined;
}
process.on('exit', closeLeftovers);

/** Has a process that someone else has started ended with the run. */
export function adopt(child) {
  alive.add(child);
  child.once('exit', () => alive.delete(child));
  return child;
}

/** Path of a socket in a directory of this run. */
export function socketPath(name) {
  directory ??= mkdtempSync(join(tmpdir(), 'hognose-bench-'));
  return join(directory, name);
}

/** Starts a script of `python/`; its stdin is a pipe, whose end tells it to end. */
export function startScript(script, args = []) {
  const child = adopt(spawn(PYTHON, [join(PYTHON_PATH, script), ...args], { stdio: ['pipe', 'pipe', 'pipe'] }));
  child.stdin.on('error', () => undefined); // its exit says more
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr = (stderr + text).slice(-STDERR_TAIL_CHARACTERS)));
  const ended = new Promise((_, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const lastLine = stderr.trimEnd().split('\n').at(-1);
      reject(new Error(`${script} ended (${signal ?? `status ${code}`}): ${lastLine || 'it wrote nothing to stderr'}`));
    });
  });
  ended.catch(() => undefined);
  return { child, ended };
}

/** As {@link startScript}, and waits until it writes its first line: it listens then. */
export async function startServer(script, args) {
  const server = startScript(script, args);
  await Promise.race([once(server.child.stdout, 'data'), server.ended]);
  return server.child;
}

/** Ends a process, and resolves when it has ended. */
export async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
