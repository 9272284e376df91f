/** What one worker writes: every line is handed on, and the end of its stderr is kept for whoever asks how it ended. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { WorkerSpec } from './placement.js';

/** Python writes up to a hundred frames at a segfault, the innermost first. */
const STDERR_TAIL_LINES = 120;
const STDERR_TAIL_BYTES = 16_384;
/** How long the last output of a dead process is waited for: a grandchild may hold the pipe open. */
const LAST_OUTPUT_MS = 100;

/** @internal */
export type OutputStream = 'stdout' | 'stderr';

/** @internal */
export class WorkerOutput {
  readonly #spec: Pick<WorkerSpec, 'print'>;
  readonly #tail: string[] = [];
  readonly #ends: Promise<void>[] = [];
  /** How many lines of the tail are of an earlier call. */
  #earlierLines = 0;

  /** @param spec - Takes the lines. */
  constructor(spec: Pick<WorkerSpec, 'print'>) {
    this.#spec = spec;
  }

  /** Reads what a child of this process writes. */
  static of(child: ChildProcess, spec: Pick<WorkerSpec, 'print'>): WorkerOutput {
    const output = new WorkerOutput(spec);
    output.read('stdout', child.stdout);
    output.read('stderr', child.stderr);
    return output;
  }

  /** The end of what was written to stderr since the last mark. */
  get stderrTail(): string {
    return this.#tail.slice(this.#earlierLines).join('\n').slice(-STDERR_TAIL_BYTES);
  }

  /** What was written so far is of an earlier call, and not of the one that starts. */
  mark(): void {
    this.#earlierLines = this.#tail.length;
  }

  /**
   * Reads a stream to its end; it does not keep this process alive.
   *
   * @param readable - Nothing, where there were no file descriptors to spare.
   */
  read(stream: OutputStream, readable: Readable | null | undefined): void {
    if (readable == null) return;
    (readable as { unref?: () => void }).unref?.();
    const lines = createInterface({ input: readable, crlfDelay: Infinity });
    lines.on('line', (text) => {
      if (stream === 'stderr') this.#keep(text);
      this.#spec.print(stream, text);
    });
    this.#ends.push(
      new Promise((resolve) => {
        lines.once('close', resolve);
        // A pipe that cannot be read any more ends as one that was closed. `lines` passes errors on.
        lines.on('error', () => {
          lines.close();
        });
      }),
    );
  }

  /** Resolves when all streams have ended, or soon after the process has. */
  async finish(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timedOut = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LAST_OUTPUT_MS);
    });
    await Promise.race([this.ended(), timedOut]);
    clearTimeout(timer);
  }

  /** Resolves when all streams have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#ends);
  }

  #keep(text: string): void {
    this.#tail.push(text);
    if (this.#tail.length <= STDERR_TAIL_LINES) return;
    this.#tail.shift();
    if (this.#earlierLines > 0) this.#earlierLines -= 1;
  }
}
