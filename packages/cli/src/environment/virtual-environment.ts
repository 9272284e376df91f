import { accessSync, constants, existsSync, mkdirSync, rmSync } from 'node:fs';
import { fileError, PythonEnvironmentError } from '../errors.js';
import { runProgram } from '../process.js';
import type { Progress } from '../progress.js';
import { venvPython } from '../project/project.js';
import type { Interpreter } from './interpreter.js';
import { formatVersion } from './python-version.js';
import { readStamp, writeStamp } from './stamp.js';
import { findUv } from './uv.js';

/**
 * What stands at `.venv`: nothing, an environment of ours that runs or does not (`broken`), one of somebody else that
 * we were allowed to install into (`adopted`), or one that we were not (`foreign`).
 */
export type VenvState = 'absent' | 'broken' | 'ours' | 'adopted' | 'foreign';

/** Looks at `.venv` without running anything. */
export function stateOfVenv(venv: string): VenvState {
  if (!existsSync(venv)) return 'absent';
  const stamp = readStamp(venv);
  if (stamp === undefined) return 'foreign';
  if (!stamp.isManaged) return 'adopted';
  try {
    accessSync(venvPython(venv), constants.X_OK);
    return 'ours';
  } catch {
    // Its interpreter was removed or moved: a link that leads nowhere.
    return 'broken';
  }
}

/**
 * Makes an empty environment at `venv`, with uv when it is found. The stamp is written first, so that one that was
 * begun and never finished is known to be ours.
 *
 * @throws PythonEnvironmentError when neither uv nor the interpreter can make one.
 */
export async function createVenv(
  venv: string,
  interpreter: Interpreter,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<void> {
  const version = formatVersion(interpreter.version);
  progress.step(`Making a Python ${version} environment in .venv`);
  try {
    rmSync(venv, { recursive: true, force: true });
    mkdirSync(venv, { recursive: true });
  } catch (error) {
    throw fileError(venv, error);
  }
  writeStamp(venv, { isManaged: true, lock: null, python: version, entries: [] });
  const uv = await findUv(signal);
  if (uv !== undefined) {
    const args = ['venv', '--quiet', '--allow-existing', '--no-python-downloads', '--python', interpreter.path, venv];
    const made = await runProgram(uv, args, { signal });
    if (made.exitCode === 0) return;
  }
  const made = await runProgram(interpreter.path, ['-m', 'venv', venv], { signal });
  if (made.exitCode === 0) return;
  const said = `${made.stdout}\n${made.stderr}`;
  if (/ensurepip|No module named '?venv/u.test(said)) {
    throw new PythonEnvironmentError(
      `${interpreter.path} cannot make virtual environments: its venv or ensurepip module is missing. Install it (on ` +
        `Debian and Ubuntu: apt install python3-venv), or install uv, and run this again`,
    );
  }
  throw new PythonEnvironmentError(
    `${interpreter.path} could not make an environment in ${venv}: ${said.trim().split('\n').at(-1) ?? ''}`,
  );
}

/**
 * Makes sure that the environment has a pip that can report what it resolves (22.2 or newer).
 *
 * @throws PythonEnvironmentError when it cannot be had.
 */
export async function ensurePip(venv: string, progress: Progress, signal: AbortSignal | undefined): Promise<void> {
  const python = venvPython(venv);
  if ((await pipVersion(python, signal)) >= REPORTING_PIP) return;
  progress.detail('Making pip ready');
  await runProgram(python, ['-I', '-m', 'ensurepip', '--upgrade'], { signal });
  if ((await pipVersion(python, signal)) >= REPORTING_PIP) return;
  await runProgram(python, ['-I', '-m', 'pip', 'install', '--no-input', '--upgrade', 'pip'], { signal });
  if ((await pipVersion(python, signal)) >= REPORTING_PIP) return;
  throw new PythonEnvironmentError(
    `${venv} has no pip from 22.2 on, and it could not be installed: is the package index reachable? ` +
      'Otherwise install uv, which needs no pip',
  );
}

/** pip 22.2, the first with `--report`. */
const REPORTING_PIP = 2202;

/** An environment's version of pip, as 2302 for 23.2; 0 where it has none. */
async function pipVersion(python: string, signal: AbortSignal | undefined): Promise<number> {
  const outcome = await runProgram(python, ['-I', '-m', 'pip', '--version'], { signal });
  const [, major, minor] = /^pip (\d+)\.(\d+)/u.exec(outcome.stdout) ?? [];
  return outcome.exitCode === 0 && major !== undefined ? Number(major) * 100 + Number(minor) : 0;
}
