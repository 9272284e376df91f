import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';

/** How a program ended, with what it printed. */
export interface Outcome {
  /** The exit status; undefined where the program could not start or a signal ended it. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** The system's reason why the program could not start: `ENOENT`, `EACCES`. */
  readonly startError: string | undefined;
}

/** How a program is run. */
export interface RunOptions {
  readonly cwd?: string;
  readonly signal?: AbortSignal | undefined;
  /** Environment variables on top of this process's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Text for its standard input, which is otherwise closed: nothing that we run may wait for an answer. */
  readonly input?: string;
  /** Hears each line that it prints. */
  readonly onLine?: (line: string) => void;
}

/** What is printed is read: colours would stand in the way, also where the user asks for them everywhere. */
const PLAIN_OUTPUT = { NO_COLOR: '1', FORCE_COLOR: undefined, CLICOLOR_FORCE: undefined };

/**
 * Runs a program to its end; its failure is an outcome and no exception.
 *
 * @throws The signal's reason once it fires, after the program has ended.
 */
export async function runProgram(file: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { onLine, signal } = options;
  signal?.throwIfAborted();
  const listen = function* (line: unknown): Generator {
    onLine?.(String(line).trim());
    yield line;
  };
  const result = await execa(file, args, {
    reject: false,
    env: { ...PLAIN_OUTPUT, ...options.env },
    stdout: listen,
    stderr: listen,
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(signal === undefined ? {} : { cancelSignal: signal, forceKillAfterDelay: 5_000 }),
  });
  signal?.throwIfAborted();
  const started = result.exitCode !== undefined || result.signal !== undefined;
  return {
    exitCode: result.exitCode,
    stdout: text(result.stdout),
    stderr: text(result.stderr),
    startError: started ? undefined : (result.code ?? 'UNKNOWN'),
  };
}

/** Gives a folder for temporary files, and removes it with all that is in it afterwards. */
export async function withTemporaryFolder<T>(action: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'hognose-'));
  try {
    return await action(folder);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Environment variables by which a program makes its temporary files in a folder of ours. */
export function temporaryFilesIn(folder: string): Readonly<Record<string, string>> {
  return { TMPDIR: folder, TEMP: folder, TMP: folder };
}

function text(output: unknown): string {
  return Array.isArray(output) ? output.join('\n') : typeof output === 'string' ? output : '';
}
