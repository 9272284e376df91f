/** Slows a loop of workers that die at their start, and tells when it is no use to wait for one. */
import type { HognoseError } from '../errors.js';

/** Before the next start: doubled with each failure, from the first of these up to the second. */
const BACKOFF_MS = [100, 10_000] as const;
/** Failures in a row, without a worker between them that was of use, after which calls are told instead of kept waiting. */
const MOST_FAILURES = 5;

/** @internal */
export class StartBreaker {
  #failures = 0;
  #error: HognoseError | undefined;
  #wasEverReady = false;
  #timer: NodeJS.Timeout | undefined;
  #failedAt = -Infinity;
  #retryAt = 0;
  readonly #retry: () => void;

  /** @param retry - Starts workers again. */
  constructor(retry: () => void) {
    this.#retry = retry;
  }

  /** Starts in a row that have failed. */
  get failures(): number {
    return this.#failures;
  }

  /** Why the last start failed. */
  get error(): HognoseError | undefined {
    return this.#error;
  }

  /** Whether workers may be started now. */
  get isClosed(): boolean {
    return this.#timer === undefined;
  }

  /** How many workers may start at the same time: after a failure one, to see whether the cause is mended. */
  mayStart(most: number): number {
    return this.#failures === 0 ? most : 1;
  }

  /** Whether there is no use in waiting for a worker, where there is none. */
  get isHopeless(): boolean {
    return this.#failures >= MOST_FAILURES || (this.#failures > 0 && !this.#wasEverReady);
  }

  /** A worker is ready: the pool can work at all, which does not say that this one lasts. */
  ready(): void {
    this.#wasEverReady = true;
  }

  /** A worker was of use: it has finished a call. */
  worked(): void {
    this.#failures = 0;
    this.#error = undefined;
  }

  /**
   * A worker was of no use.
   *
   * @param startedAt - When its start began, on the clock of `performance.now()`: those that had begun before the last failure
   *   have failed of the same cause, and count as one.
   * @returns Milliseconds until the next is started.
   */
  failed(error: HognoseError, startedAt: number): number {
    const now = performance.now();
    this.#error = error;
    if (startedAt >= this.#failedAt) {
      this.#failures += 1;
      this.#failedAt = now;
    }
    if (this.#timer === undefined) {
      const delayMs = Math.min(BACKOFF_MS[0] * 2 ** (this.#failures - 1), BACKOFF_MS[1]);
      this.#retryAt = now + delayMs;
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#retry();
      }, delayMs).unref();
    }
    return Math.round(this.#retryAt - now);
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
