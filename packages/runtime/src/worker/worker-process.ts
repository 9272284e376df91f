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
/** How long the last output of a dead process is waited for: a grandchild may hold the pipe open. */
const LAST_OUTPUT_MS = 100;

/** What a worker is told on its stdin; see `Bootstrap` in hognose/worker.py. @internal */
export interface Bootstrap {
  readonly workerId: number;
  readonly address: string;
  readonly secret: string;
  readonly grpcAddress: string | null;
  readonly pythonPath: readonly string[];
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
  readonly #child: ChildProcess;
  readonly #tail: string[] = [];
  #hasExited = false;

  constructor(options: ResolvedOptions, bootstrap: Bootstrap) {
    const environment: NodeJS.ProcessEnv = { ...threadLimits(options.size), ...process.env, ...options.env };
    const pythonPath = environment['PYTHONPATH'];
    this.#child = spawn(options.python, ['-m', 'hognose', 'worker'], {
      stdio: ['pipe', 'pipe', 'pipe'],
      // A process group of its own: it is ended as a whole, and Ctrl-C in a terminal is the host's to answer.
      detached: process.platform !== 'win32',
      windowsHide: true,
      env: {
        ...environment,
        PYTHONPATH: pythonPath === undefined || pythonPath === '' ? OWN_PYTHON : OWN_PYTHON + delimiter + pythonPath,
      },
    });
    this.pid = this.#child.pid ?? 0;
    this.exited = this.#watch(options, bootstrap.workerId);
    this.#child.stdin?.on('error', () => undefined); // a process that died at once; its exit says so
    this.#child.stdin?.end(
      `${JSON.stringify({
        worker_id: bootstrap.workerId,
        address: bootstrap.address,
        secret: bootstrap.secret,
        grpc_address: bootstrap.grpcAddress,
        preload: options.preload,
        python_path: bootstrap.pythonPath,
        restore_environment: { PYTHONPATH: pythonPath ?? null },
      })}\n`,
    );
    this.#child.unref();
  }

  /** The end of what the process wrote to stderr so far. */
  get stderrTail(): string {
    return this.#tail.join('\n').slice(-STDERR_TAIL_BYTES);
  }

  /** Sends a signal to the process and everything that it started. */
  kill(signal: NodeJS.Signals): void {
    if (this.#hasExited || this.pid === 0) return;
    try {
      if (process.platform === 'win32') this.#child.kill(signal);
      else process.kill(-this.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // gone already
    }
  }

  async #watch(options: ResolvedOptions, workerId: number): Promise<Exit> {
    const outputs = (['stdout', 'stderr'] as const).map((stream) => {
      const readable = this.#child[stream];
      return readable === null ? Promise.resolve() : this.#forward(readable, stream, options, workerId);
    });
    const ended = await new Promise<Omit<Exit, 'stderrTail'>>((resolve) => {
      this.#child.once('error', (spawnError) => {
        resolve({ code: null, signal: null, spawnError });
      });
      this.#child.once('exit', (code, signal) => {
        resolve({ code, signal });
      });
    });
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
        if (this.#tail.length > STDERR_TAIL_LINES) this.#tail.shift();
      }
      options.onOutput({ workerId, pid: this.pid, stream, text });
    });
    return new Promise((resolve) => {
      lines.once('close', resolve);
    });
  }
}
