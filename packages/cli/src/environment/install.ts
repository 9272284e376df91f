import { PythonEnvironmentError } from '../errors.js';
import { runProgram } from '../process.js';
import type { Progress } from '../progress.js';
import { venvPython, type Project } from '../project/project.js';
import { explainInstallation, lastError, progressOf } from './pip-output.js';
import type { RequirementsLock } from './requirements-lock.js';
import { count } from './resolve.js';
import { findUv } from './uv.js';
import { ensurePip } from './virtual-environment.js';

/**
 * Installs exactly what the lock file names, every artifact checked against its hashes.
 *
 * @param isManaged Whether packages that the lock does not name may be removed.
 * @throws PythonEnvironmentError that says what could not be installed and why.
 */
export async function installLock(
  project: Project,
  lock: RequirementsLock,
  isManaged: boolean,
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
    const outcome = await runProgram(uv, args, { cwd: project.root, signal, onLine });
    if (outcome.exitCode === 0) return;
    uvFailure = lastError(outcome.stderr);
    progress.detail('uv could not install them; trying pip');
  }
  await ensurePip(project.venv, progress, signal);
  const args = ['-I', '-m', 'pip', 'install', '--no-input', '--disable-pip-version-check', '--progress-bar', 'off'];
  args.push('--no-deps', '--require-hashes', '-r', project.requirementsLock);
  const outcome = await runProgram(python, args, { cwd: project.root, signal, onLine });
  if (outcome.exitCode !== 0) {
    throw new PythonEnvironmentError(explainInstallation(`${outcome.stdout}\n${outcome.stderr}`, lock.platform));
  }
  if (uvFailure !== undefined) progress.note(`uv could not install the packages (${uvFailure}), and pip could`);
}
