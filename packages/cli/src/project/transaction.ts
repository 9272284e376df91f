import { existsSync, readFileSync, readdirSync, rmSync, rmdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { sha256 } from '../environment/requirements-lock.js';
import { readStamp } from '../environment/stamp.js';
import { InterruptedError } from '../errors.js';
import { writeFileAtomically } from './atomic-write.js';
import type { Project } from './project.js';

/**
 * Runs `action`; when it fails, by an error or by Ctrl-C, every file that a command may write is put back to what it
 * was before, and an environment that was begun and never finished is removed. One that was there keeps what was
 * installed: its stamp is of another lock then, by which the next command brings it back.
 */
export async function transaction<T>(
  project: Project,
  signal: AbortSignal | undefined,
  action: () => Promise<T>,
): Promise<T> {
  const before = filesOf(project);
  const directories = [project.generated, dirname(project.generated)].filter((path) => !existsSync(path));
  const hadVenv = existsSync(project.venv);
  try {
    return await action();
  } catch (error) {
    for (const path of filesOf(project).keys()) {
      if (!before.has(path)) rmSync(path, { force: true });
    }
    for (const [path, content] of before) writeFileAtomically(path, content);
    removeEmpty(project.generated);
    for (const path of directories) removeIfEmpty(path);
    // A complete environment is kept: it is a cache, and making it again may take minutes.
    if (!hadVenv && readStamp(project.venv)?.lock == null) rmSync(project.venv, { recursive: true, force: true });
    const reason: unknown = signal?.reason;
    if (reason instanceof InterruptedError && isBehind(project)) reason.leavesEnvironment();
    throw error;
  }
}

/** Whether there is an environment that is not, or not known to be, what the lock names. */
function isBehind({ venv, requirementsLock }: Project): boolean {
  const stamp = readStamp(venv);
  if (stamp === undefined) return false;
  return !existsSync(requirementsLock) || stamp.lock !== sha256(readFileSync(requirementsLock));
}

/** Every file of the project that a command may write, with its content. */
function filesOf(project: Project): Map<string, Buffer> {
  const single = [
    project.configFile,
    project.packageJson,
    project.gitignore,
    project.requirementsLock,
    project.runtimeFile,
    project.lockFile,
  ].filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
  const generated = existsSync(project.generated)
    ? readdirSync(project.generated, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
    : [];
  return new Map([...single, ...generated].map((path) => [path, readFileSync(path)]));
}

/** Removes the empty directories below `path`, deepest first. */
function removeEmpty(path: string): void {
  if (!existsSync(path)) return;
  const below = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isDirectory());
  const paths = below.map((entry) => join(entry.parentPath, entry.name)).sort((a, b) => b.length - a.length);
  for (const directory of paths) removeIfEmpty(directory);
}

function removeIfEmpty(path: string): void {
  if (existsSync(path) && readdirSync(path).length === 0) rmdirSync(path);
}
