/** How many calls there were, and how they ended. */
import { HognoseError } from '../errors.js';

/** Calls of a pool since its start, by how they ended for the caller. @public */
export interface CallCounts {
  readonly submitted: number;
  readonly succeeded: number;
  /** Python has raised, or the arguments, the result or a handle was of no use. */
  readonly failed: number;
  readonly timedOut: number;
  /** By the caller's signal. */
  readonly cancelled: number;
  /** Rejected, as their worker had died, or the one that an object of theirs lived on. */
  readonly crashed: number;
  /** Never started, as too many waited. */
  readonly saturated: number;
  /** Never started within `queue.timeoutMs`. */
  readonly queueTimedOut: number;
  /** How often a call was tried again after a crash. */
  readonly retried: number;
}

type End = Exclude<keyof CallCounts, 'submitted' | 'succeeded' | 'retried'>;

/** Which count an error belongs to, by its code; any other is a failure. */
const COUNT_OF: Readonly<Record<string, End>> = {
  CALL_TIMEOUT: 'timedOut',
  CALL_CANCELLED: 'cancelled',
  WORKER_CRASHED: 'crashed',
  HANDLE_LOST: 'crashed',
  POOL_SATURATED: 'saturated',
  QUEUE_TIMEOUT: 'queueTimedOut',
};

/** @internal */
export class Counts {
  submitted = 0;
  succeeded = 0;
  retried = 0;
  readonly #ends: Record<End, number> = {
    failed: 0,
    timedOut: 0,
    cancelled: 0,
    crashed: 0,
    saturated: 0,
    queueTimedOut: 0,
  };

  /** A call was rejected. */
  rejected(error: unknown): void {
    // A function of JavaScript may have thrown anything, even what cannot be looked at.
    const end = (error instanceof HognoseError ? COUNT_OF[error.code] : undefined) ?? 'failed';
    this.#ends[end] += 1;
  }

  read(): CallCounts {
    const { submitted, succeeded, retried } = this;
    return { submitted, succeeded, retried, ...this.#ends };
  }
}
