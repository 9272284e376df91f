import { ConfigError, HognoseError, PythonEnvironmentError } from '@hognose/runtime';

export { ConfigError, HognoseError, PythonEnvironmentError };

/** Thrown where a signal ended a command; everything was put back before it arrives here. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';

  constructor(readonly signal: NodeJS.Signals) {
    super(`stopped by ${signal}; the project is as it was before`);
  }

  /** Says that packages were put into `.venv`, or taken out of it, before the signal came. */
  leavesEnvironment(): void {
    this.message =
      `stopped by ${this.signal}; the files of the project are as they were before, and .venv is brought back to ` +
      'python/requirements.lock by the next command that needs it (`hognose generate` does it now)';
  }
}

/** The `code` of a system error, as in `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  const code: unknown = error instanceof Error || isErrorLike(error) ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** An unknown throw's text. */
export function messageOf(error: unknown): string {
  return error instanceof Error || isErrorLike(error) ? (error as { message: string }).message : String(error);
}

// Errors of another realm (tsx runs the configuration beside us) are no instances of our Error.
function isErrorLike(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string';
}

/** A failed read or write as one sentence that names the path and the way out. */
export function fileError(path: string, error: unknown): Error {
  const why: Record<string, string> = {
    EACCES: 'permission denied; make it writable for this user',
    EPERM: 'permission denied; make it writable for this user',
    EROFS: 'the file system is read-only; work on a copy that can be written',
    ENOSPC: 'no space is left on the device; make room and run this again',
    ENOTDIR: 'a file stands where a directory is needed; move it away and run this again',
    EEXIST: 'a file stands where a directory is needed; move it away and run this again',
    EISDIR: 'a directory stands where a file is needed; move it away and run this again',
  };
  const reason = why[systemCode(error) ?? ''] ?? messageOf(error);
  return new HognoseError('PROJECT', `cannot write ${path}: ${reason}`, { cause: error });
}
