/** What messages say of a worker's end. */
import { PythonEnvironmentError, WorkerStartError, type HognoseError } from '../errors.js';
import type { WorkerExit } from '../placement/placement.js';

/** Exit status of a worker whose interpreter lacks what it needs (EX_CONFIG). */
const ENVIRONMENT_STATUS = 78;

/** What is known of a worker that was of no use. @internal */
export interface FailedStart {
  /** Such as `worker 3`. */
  readonly worker: string;
  /** The interpreter. */
  readonly python: string;
  /** Whether it had become ready. */
  readonly wasReady: boolean;
  /** Why this side has ended it; undefined where it has ended by itself. */
  readonly problem: string | undefined;
}

/**
 * Why a worker did not start, or did not last: with the end of its stderr, and how to mend what can be seen from it.
 *
 * @internal
 */
export function startErrorOf(exit: WorkerExit, { worker, python, wasReady, problem }: FailedStart): HognoseError {
  const missing = /^hognose: (.*)$/m.exec(exit.stderrTail)?.[1];
  if (exit.code === ENVIRONMENT_STATUS && missing !== undefined)
    return new PythonEnvironmentError(`workers cannot run on ${python}: ${missing}`);
  const noModule = /^ModuleNotFoundError: No module named '([^']+)'$/m.exec(exit.stderrTail)?.[1];
  const remedy =
    noModule === undefined
      ? ''
      : `; install ${noModule} in the environment of ${python}, for example by \`npx hognose add ${noModule.split('.')[0] ?? ''}\``;
  const how = problem ?? `it ${describeEnd(exit)} before it ${wasReady ? 'had finished a call' : 'was ready'}`;
  return new WorkerStartError(
    `${worker} ${wasReady ? 'did not last' : 'did not start'}: ${how}${remedy}${quoteTail(exit.stderrTail)}`,
    { signal: exit.signal, exitCode: exit.code, stderrTail: exit.stderrTail },
  );
}

/** How a process ended: `was ended by SIGSEGV`. @internal */
export function describeEnd(exit: WorkerExit): string {
  if (exit.isOutOfMemory === true) return 'was ended by the kernel, as memory ran out,';
  if (exit.signal !== null) return `was ended by ${exit.signal}`;
  return exit.description ?? `exited with code ${exit.code ?? 'unknown'}`;
}

/** The end of what a process wrote to stderr, to stand at the end of a message. @internal */
export function quoteTail(tail: string): string {
  return tail === '' ? '; it wrote nothing to stderr' : `; its last stderr:\n${tail.replace(/^/gm, '  ')}`;
}
