import { resolve } from 'node:path';
import { findPython } from '@hognose/runtime';
import { messageOf, PythonEnvironmentError } from '../errors.js';
import { runProgram } from '../process.js';
import { venvPython, type Project } from '../project/project.js';
import {
  formatVersion,
  isAtLeast,
  isInRange,
  OLDEST_PYTHON,
  parsePythonVersion,
  type PythonVersion,
} from './python-version.js';

/** An interpreter that environments can be made from. */
export interface Interpreter {
  /** The interpreter itself: where it belongs to a virtual environment, the one that this was made from. */
  readonly path: string;
  readonly version: PythonVersion;
}

// Old enough for Python 2, which prints its version and is then refused by it.
const PROBE =
  'import sys; print("%d.%d.%d" % sys.version_info[:3]); print(getattr(sys, "_base_executable", "") or sys.executable)';

/**
 * The interpreter that the project's environment is made from, in the runtime's order: `python`, `HOGNOSE_PYTHON`,
 * `VIRTUAL_ENV`, `python3`. The project's own `.venv` is what is to be made, and is no candidate.
 *
 * @param python The path or command that the user asked for.
 * @param range The versions of Python that the configuration allows.
 * @throws PythonEnvironmentError when there is none, or it is too old.
 */
export async function chooseInterpreter(
  project: Project,
  python: string | undefined,
  range: string,
  signal?: AbortSignal,
): Promise<Interpreter> {
  const found = search(project, python);
  const interpreter = await inspectInterpreter(found.path, signal);
  checkVersion(found.path, interpreter.version, range);
  return interpreter;
}

function search(project: Project, python: string | undefined): { readonly path: string } {
  const [asked, source] = python === undefined ? besidesVenv(project.venv) : [python, '--python'];
  try {
    return findPython({ python: asked, projectRoot: project.root });
  } catch (error) {
    // The runtime's message is about its own option and its own order; the user knows neither here.
    const [what = ''] = messageOf(error).replace('the option python', source).split(' The order of search');
    throw new PythonEnvironmentError(
      `${what} A .venv is made from the first of --python, HOGNOSE_PYTHON, VIRTUAL_ENV and ${ON_PATH} on the PATH.`,
      { cause: error },
    );
  }
}

/** What the search finds where the project's `.venv` is left out, which is about to be made, and what named it. */
function besidesVenv(venv: string): [python: string, source: string] {
  const { HOGNOSE_PYTHON: named, VIRTUAL_ENV: active } = process.env;
  if (named) return [named, 'HOGNOSE_PYTHON'];
  if (active && resolve(active) !== resolve(venv)) return [venvPython(active), 'VIRTUAL_ENV'];
  return [ON_PATH, 'the PATH'];
}

const ON_PATH = process.platform === 'win32' ? 'python' : 'python3';

/**
 * Asks an interpreter who it is.
 *
 * @throws PythonEnvironmentError when it does not run or does not answer as Python does.
 */
export async function inspectInterpreter(path: string, signal?: AbortSignal): Promise<Interpreter> {
  const outcome = await runProgram(path, ['-c', PROBE], { signal });
  const [first = '', base = ''] = outcome.stdout.trim().split(/\r?\n/u);
  const version = outcome.exitCode === 0 ? parsePythonVersion(first) : undefined;
  if (version === undefined) {
    const said =
      outcome.startError ?? (outcome.stderr.trim().split('\n').at(-1) || `exit status ${outcome.exitCode ?? 'none'}`);
    throw new PythonEnvironmentError(
      `${path} does not run as a Python interpreter (${said}): name another with --python or in HOGNOSE_PYTHON`,
    );
  }
  return { path: base || path, version };
}

function checkVersion(path: string, version: PythonVersion, range: string): void {
  const is = `${path} is Python ${formatVersion(version)}`;
  const mend = 'install one, or name it with --python or in HOGNOSE_PYTHON, and run this again';
  if (!isAtLeast(version, OLDEST_PYTHON)) {
    throw new PythonEnvironmentError(`Hognose needs Python 3.10 or newer, and ${is}: ${mend}`);
  }
  if (!isInRange(version, range)) {
    throw new PythonEnvironmentError(`hognose.config.ts asks for Python ${range} (python.version), and ${is}: ${mend}`);
  }
}
