import type { Progress } from '../progress.js';

/**
 * What every command takes.
 *
 * @public
 */
export interface CommandOptions {
  /**
   * The project's directory, or one inside it.
   *
   * @defaultValue `process.cwd()`
   */
  cwd?: string | undefined;
  /** The interpreter that a new `.venv` is made from, as a path or a command; else the runtime's order of search. */
  python?: string | undefined;
  /**
   * Installs into a `.venv` that Hognose did not make; what is in it stays.
   *
   * @defaultValue `false`
   */
  force?: boolean | undefined;
  /** Ends the command early: the project is put back to what it was, and the signal's reason is thrown. */
  signal?: AbortSignal | undefined;
  /**
   * Hears what the command is doing.
   *
   * @defaultValue nobody
   */
  progress?: Progress | undefined;
}
