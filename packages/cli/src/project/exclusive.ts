import { linkSync, readFileSync, renameSync, rmSync, watch, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileError, HognoseError, systemCode } from '../errors.js';
import type { Progress } from '../progress.js';

/** How long a second command waits for the first: an install of large packages takes minutes. */
const PATIENCE_MS = 15 * 60_000;

/**
 * Runs `action` while no other process changes the project. The holder's pid stands in `.hognose.pid`; a file that a
 * dead process has left behind is taken over.
 *
 * @throws HognoseError when another process holds the project for a quarter of an hour.
 */
export async function exclusively<T>(
  root: string,
  progress: Progress,
  signal: AbortSignal | undefined,
  action: () => Promise<T>,
): Promise<T> {
  const file = join(root, '.hognose.pid');
  const deadline = performance.now() + PATIENCE_MS;
  let told = false;
  while (!take(file)) {
    const holder = holderOf(file);
    if (holder === undefined) continue;
    if (!isAlive(holder)) {
      removeStale(file, holder);
      continue;
    }
    if (performance.now() > deadline) {
      throw new HognoseError(
        'PROJECT',
        `process ${holder} has been changing this project for a quarter of an hour; wait for it, end it, or remove ` +
          `${file} if it is no hognose command, and run this again`,
      );
    }
    if (!told) progress.note(`waiting for process ${holder}, which is changing this project`);
    told = true;
    await changeOf(root, signal);
  }
  try {
    return await action();
  } finally {
    rmSync(file, { force: true });
  }
}

/** Makes the file with its pid inside in one step, so that nobody reads it half-written. */
function take(file: string): boolean {
  const own = `${file}.${process.pid}.new`;
  try {
    writeFileSync(own, `${process.pid}\n`);
    linkSync(own, file);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    // The file is ours alone: it is the directory that cannot be written.
    throw fileError(dirname(file), error);
  } finally {
    rmSync(own, { force: true });
  }
}

/** The pid in the file; undefined where the file has just gone, 0 where it holds none. */
function holderOf(file: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(file, 'utf8'), 10) || 0;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw fileError(file, error);
  }
}

function isAlive(pid: number): boolean {
  if (pid === 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}

/**
 * Removes the file of a dead holder. It is renamed first and read again: another waiter may have taken the project
 * over since it was read, and that one's file goes back to its place.
 */
function removeStale(file: string, holder: number): void {
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
    if (holderOf(aside) !== holder) linkSync(aside, file);
  } catch {
    // Somebody else was faster.
  }
  rmSync(aside, { force: true });
}

/** Resolves when something in the directory changes, or after a second: not every file system reports changes. */
async function changeOf(directory: string, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve) => {
    const watcher = watch(directory);
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      watcher.close();
      resolve();
    };
    const timer = setTimeout(end, 1_000);
    watcher.once('change', end).once('error', end);
    signal?.addEventListener('abort', end, { once: true });
  });
  signal?.throwIfAborted();
}
