/** Starts an interpreter that runs a command of the worker's package. */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { delimiter } from 'node:path';
import { PythonEnvironmentError } from '../errors.js';
import { OWN_PYTHON } from '../own-python.js';
import type { WorkerExit, WorkerSpec } from './placement.js';

/**
 * Not by `-m`: that would import the worker's own first modules from the directory that Node runs in, where an
 * `argparse.py` may lie. `-c` puts an empty entry first, unless Python was told not to.
 */
const start = (command: string): string =>
  `import sys; sys.path[:1] = [entry for entry in sys.path[:1] if entry]; from hognose.__main__ import main; sys.exit(main(['${command}']))`;

/**
 * Spawns Python as the leader of a process group of its own. It does not keep this process alive.
 *
 * @param command - Of `python -m hognose`.
 * @param environment - Of the process, besides where our own Python code stands; see {@link restoredPythonPath}.
 * @param stdio - Its stdin, which carries nothing but the bootstrap, is a pipe.
 * @param bootstrap - What it reads as one JSON line.
 * @throws {@link PythonEnvironmentError} When the system refuses.
 * @internal
 */
export async function spawnPython(
  command: 'worker' | 'zygote',
  python: string,
  environment: Readonly<NodeJS.ProcessEnv>,
  stdio: StdioOptions,
  bootstrap: object,
): Promise<ChildProcess> {
  const pythonPath = environment['PYTHONPATH'];
  let child: ChildProcess;
  try {
    child = spawn(python, ['-c', start(command)], {
      stdio,
      // A process group of its own: it is ended as a whole, and Ctrl-C in a terminal is the host's to answer.
      detached: process.platform !== 'win32',
      windowsHide: true,
      env: {
        ...environment,
        PYTHONPATH: pythonPath === undefined || pythonPath === '' ? OWN_PYTHON : OWN_PYTHON + delimiter + pythonPath,
      },
    });
  } catch (cause) {
    // An environment that is too large, no memory.
    throw cannotRun(python, cause);
  }
  child.unref();
  await new Promise<void>((resolve, reject) => {
    // It stays: an error that nobody listens to ends this process.
    child.on('error', (cause) => {
      reject(cannotRun(python, cause));
    });
    child.once('spawn', resolve);
  });
  child.stdin?.on('error', () => undefined); // a process that died at once; its exit says so
  child.stdin?.end(`${JSON.stringify(bootstrap)}\n`);
  return child;
}

/** Resolves when a child has ended. @internal */
export function exitOf(child: ChildProcess): Promise<Pick<WorkerExit, 'code' | 'signal'>> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      resolve({ code, signal });
    });
  });
}

/** Sets the variable back that was changed to start the process, for `restore_environment`. @internal */
export function restoredPythonPath({ environment }: WorkerSpec): { readonly PYTHONPATH: string | null } {
  return { PYTHONPATH: environment['PYTHONPATH'] ?? null };
}

/** Sends a signal to a process and everything that it has started, as far as that has stayed in its group. @internal */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Gone already, or no longer this user's: nothing that whoever runs this timer could mend.
  }
}

function cannotRun(python: string, cause: unknown): PythonEnvironmentError {
  const problem = cause instanceof Error ? cause.message : String(cause);
  return new PythonEnvironmentError(`the interpreter ${python} cannot be run: ${problem}`, { cause });
}
