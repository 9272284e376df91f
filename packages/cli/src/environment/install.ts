import { PythonEnvironmentError } from '../errors.js';
import { runProgram, temporaryFilesIn, withTemporaryFolder } from '../process.js';
import type { Progress } from '../progress.js';
import { venvPython, type Project } from '../project/project.js';
import { explainInstallation, lastError, progressOf } from './pip-output.js';
import type { RequirementsLock } from './requirements-lock.js';
import { count } from './resolve.js';
import { removePutAside, strangers } from './site-packages.js';
import { findUv } from './uv.js';
import { ensurePip } from './virtual-environment.js';

/** What an installation does besides adding what is missing. */
export interface InstallScope {
  /** Packages that the lock does not name are removed. */
  readonly isManaged: boolean;
  /** Files of installed packages are gone: all are installed anew. */
  readonly isDamaged: boolean;
}

/**
 * Installs exactly what the lock file names, every artifact checked against its hashes.
 *
 * @param scope What may and must be done besides.
 * @throws PythonEnvironmentError that says what could not be installed and why.
 */
export async function installLock(
  project: Project,
  lock: RequirementsLock,
  { isManaged, isDamaged }: InstallScope,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<void> {
  const python = venvPython(project.venv);
  const uv = await findUv(signal);
  progress.step(`Installing ${count(lock.packages.length)} with ${uv === undefined ? 'pip' : 'uv'}`);
  const onLine = (line: string): void => {
    const told = progressOf(line);
    if (told !== undefined) progress.detail(told);
  };
  let uvFailure: string | undefined;
  if (uv !== undefined) {
    const args = ['pip', ...(isManaged ? ['sync'] : ['install', '-r']), project.requirementsLock];
    args.push('--require-hashes', '--python', python, '--no-python-downloads');
    if (isDamaged) args.push('--reinstall');
    const outcome = await runProgram(uv, args, { cwd: project.root, signal, onLine });
    if (outcome.exitCode === 0) return;
    uvFailure = lastError(outcome.stderr);
    progress.detail('uv could not install them; trying pip');
  }
  await ensurePip(project.venv, progress, signal);
  if (isManaged) removePutAside(project.venv);
  await withTemporaryFolder(async (folder) => {
    // An interrupted pip leaves its temporary files: they stand in a folder that goes with the command.
    const run = (args: readonly string[]): ReturnType<typeof runProgram> =>
      runProgram(python, ['-I', '-m', 'pip', ...args], {
        cwd: project.root,
        env: temporaryFilesIn(folder),
        signal,
        onLine,
      });
    const args = ['install', '--no-input', '--disable-pip-version-check', '--progress-bar', 'off', '--no-deps'];
    if (isDamaged) args.push('--force-reinstall');
    const installed = await run([...args, '--require-hashes', '-r', project.requirementsLock]);
    if (installed.exitCode !== 0) {
      throw new PythonEnvironmentError(explainInstallation(`${installed.stdout}\n${installed.stderr}`, lock.platform));
    }
    const extra = isManaged ? strangers(project.venv, lock) : [];
    if (extra.length === 0) return;
    const removed = await run(['uninstall', '--yes', '--no-input', '--disable-pip-version-check', ...extra]);
    if (removed.exitCode === 0) return;
    throw new PythonEnvironmentError(
      `${extra.join(', ')} could not be removed from .venv (${lastError(`${removed.stdout}\n${removed.stderr}`)}): ` +
        'remove .venv and run this again',
    );
  });
  if (uvFailure !== undefined) progress.note(`uv could not install the packages (${uvFailure}), and pip could`);
}
