/** One Python process: its start, what it writes, and its end. */
import { spawn, type ChildProcess } from 'node:child_process';
import { delimiter } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { ResolvedOptions } from '../options.js';
import { OWN_PYTHON } from '../own-python.js';
import { threadLimits } from './thread-limits.js';

/** Python writes up to a hundred frames at a segfault, the innermost first. */
const STDERR_TAIL_LINES = 120;
const STDERR_TAIL_BYTES = 16_384;
/**
 * Starts a worker. Not by `-m`: that would import the worker's own first modules from the directory that Node runs in,
 * where an `argparse.py` may lie. `-c` puts an empty entry first, unless Python was told not to.
 */
const START =
  "import sys; sys.path[:1] = [entry for entry in sys.path[:1] if entry]; from hognose.__main__ import main; sys.exit(main(['worker']))";
/** How long a worker polls for its next call before it sleeps. */
const SPIN_US = 50;
/** How long the last output of a dead process is waited for: a grandchild may hold the pipe open. */
const LAST_OUTPUT_MS = 100;

/** What a worker is told on its stdin; see `Bootstrap` in hognose/worker.py. @internal */
export interface Bootstrap {
  readonly workerId: number;
  readonly address: string;
  readonly secret: string;
  readonly grpcAddress: string | null;
  readonly pythonPath: readonly string[];
  readonly statusPage: string;
}

/** How a process ended. @internal */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderrTail: string;
  /** Why it never ran; undefined where it did. */
  readonly spawnError?: Error;
}

/** @internal */
export class WorkerProcess {
  readonly pid: number;
  /** Resolves once, when the process has ended and its last output was read. */
  readonly exited: Promise<Exit>;
  /** Undefined where the system has refused to start it at all. */
  readonly #child: ChildProcess | undefined;
  readonly #tail: string[] = [];
  #hasExited = false;
  /** How many lines of the tail are of an earlier call. */
  #earlierLines = 0;

  constructor(options: ResolvedOptions, bootstrap: Bootstrap) {
    const environment: NodeJS.ProcessEnv = { ...threadLimits(options.size), ...process.env, ...options.env };
    const pythonPath = environment['PYTHONPATH'];
    let child: ChildProcess;
    try {
      child = spawn(options.python, ['-c', START], {
        stdio: ['pipe', 'pipe', 'pipe'],
        // A process group of its own: it is ended as a whole, and Ctrl-C in a terminal is the host's to answer.
        detached: process.platform !== 'win32',
        windowsHide: true,
        env: {
          ...environment,
          PYTHONPATH: pythonPath === undefined || pythonPath === '' ? OWN_PYTHON : OWN_PYTHON + delimiter + pythonPath,
        },
      });
    } catch (error) {
      // An environment that is too large, no memory: an end like any other, as this may run in a timer.
      const spawnError = error instanceof Error ? error : new Error(String(error));
      this.pid = 0;
      this.#hasExited = true;
      this.exited = Promise.resolve({ code: null, signal: null, stderrTail: '', spawnError });
      return;
    }
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.exited = this.#watch(child, options, bootstrap.workerId);
    child.stdin?.on('error', () => undefined); // a process that died at once; its exit says so
    child.stdin?.end(
      `${JSON.stringify({
        worker_id: bootstrap.workerId,
        address: bootstrap.address,
        secret: bootstrap.secret,
        grpc_address: bootstrap.grpcAddress,
        preload: options.preload,
        python_path: bootstrap.pythonPath,
        has_control: true,
        status_page: bootstrap.statusPage,
        threads: options.threads,
        spin_us: options.spin ? SPIN_US : 0,
        log_level: options.logLevel ?? null,
        restore_environment: { PYTHONPATH: pythonPath ?? null },
      })}\n`,
    );
    child.unref();
  }

  /** The end of what the process wrote to stderr since the last mark. */
  get stderrTail(): string {
    return this.#tail.slice(this.#earlierLines).join('\n').slice(-STDERR_TAIL_BYTES);
  }

  /** What was written so far is of an earlier call, and not of the one that starts. */
  markStderr(): void {
    this.#earlierLines = this.#tail.length;
  }

  /** Sends a signal to the process and everything that it started. */
  kill(signal: NodeJS.Signals): void {
    if (this.#hasExited || this.pid === 0) return;
    try {
      if (process.platform === 'win32') this.#child?.kill(signal);
      else process.kill(-this.pid, signal);
    } catch {
      // Gone already, or no longer this user's: nothing that whoever runs this timer could mend.
    }
  }

  async #watch(child: ChildProcess, options: ResolvedOptions, workerId: number): Promise<Exit> {
    // First of all: an error that nobody listens to ends this process.
    const end = new Promise<Omit<Exit, 'stderrTail'>>((resolve) => {
      child.on('error', (spawnError) => {
        resolve({ code: null, signal: null, spawnError });
      });
      child.once('exit', (code, signal) => {
        resolve({ code, signal });
      });
    });
    const outputs = (['stdout', 'stderr'] as const).map((stream) => {
      // Without file descriptors to spare there are no streams at all, whatever the type says.
      const readable = child[stream] as Readable | null | undefined;
      return readable == null ? Promise.resolve() : this.#forward(readable, stream, options, workerId);
    });
    const ended = await end;
    this.#hasExited = true;
    // What was started by the worker does not outlive it.
    if (this.pid !== 0 && process.platform !== 'win32') {
      try {
        process.kill(-this.pid, 'SIGKILL');
      } catch {
        // nobody is left
      }
    }
    let timer: NodeJS.Timeout | undefined;
    const timedOut = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LAST_OUTPUT_MS);
    });
    await Promise.race([Promise.all(outputs), timedOut]);
    clearTimeout(timer);
    return { ...ended, stderrTail: this.stderrTail };
  }

  /** Hands every line on; resolves at the stream's end. */
  #forward(readable: Readable, stream: 'stdout' | 'stderr', options: ResolvedOptions, workerId: number): Promise<void> {
    (readable as { unref?: () => void }).unref?.();
    const lines = createInterface({ input: readable, crlfDelay: Infinity });
    lines.on('line', (text) => {
      if (stream === 'stderr') {
        this.#tail.push(text);
        if (this.#tail.length > STDERR_TAIL_LINES) {
          this.#tail.shift();
          if (this.#earlierLines > 0) this.#earlierLines -= 1;
        }
      }
      options.onLog({ workerId, pid: this.pid, source: stream, text });
    });
    return new Promise((resolve) => {
      lines.once('close', resolve);
    });
  }
}
