/** One call, from its submission until its caller was told and its worker has answered. */
import type { AsyncResource } from 'node:async_hooks';
import type { CallRequest } from '../call-request.js';
import type { WorkerCrash } from '../errors.js';
import type { StreamSink } from '../streams/stream.js';
import type { Worker } from '../worker/worker.js';
import type { CallQueue } from './call-queue.js';
import type { Timed } from './deadlines.js';

let submitted = 0;

/** What watches over calls. @internal */
export interface CallKeeper {
  /** The call's time is over. */
  expired(call: PendingCall): void;
  /**
   * The caller was told; the worker may still have to answer.
   *
   * @param isRejected - Whether with `error`.
   */
  settled(call: PendingCall, isRejected: boolean, error?: unknown): void;
}

/** @internal */
export class PendingCall implements Timed {
  readonly request: CallRequest;
  /** What the caller awaits. */
  readonly promise: Promise<unknown>;
  /** Number on the wire; 0 while it is not known. */
  id: number;
  /** The calls that it was submitted with, which refer to each other's results; undefined where it is alone. */
  siblings: readonly PendingCall[] | undefined;
  /** Takes the items where the result is a stream. */
  sink: StreamSink | undefined;
  /** Where it waits, with its siblings behind it; undefined where it does not. */
  queue: CallQueue | undefined;
  /** Its place in the order of all calls. */
  readonly submitted = ++submitted;
  /** The worker that it was sent to; undefined while it waits here. */
  worker: Worker | undefined;
  /** Goes on without its thread. */
  isAwaiting = false;
  /** The caller was told. */
  isSettled = false;
  /** Waited too long for its start: if the worker gives it back, it will not run. */
  isOverdue = false;
  /** The workers that have died under it; undefined: none. */
  crashes: WorkerCrash[] | undefined;
  /** Items of its stream have arrived: they cannot be sent a second time. */
  hasItems = false;
  /** Its worker was asked to give it back. */
  isRecalled = false;
  /** When it was put into a queue, on the clock of `performance.now()`. */
  queuedAt = 0;
  /** When it was sent, on the clock of `performance.now()`. */
  sentAt = 0;
  /** Where its callbacks run: in the caller's async context. */
  resource: AsyncResource | undefined;
  /** Values thrown by its callbacks, which its error may refer to. */
  thrown: number[] | undefined;
  /** Ends its worker where it does not stop. */
  graceTimer: NodeJS.Timeout | undefined;
  /** Watches how long it waits for its start. */
  startLimit: Timed | undefined;
  stopListening: (() => void) | undefined;

  deadline = Infinity;
  list: Timed['list'];
  previous: Timed['previous'];
  next: Timed['next'];

  readonly #keeper: CallKeeper;
  #resolve!: (value: unknown) => void;
  #reject!: (error: unknown) => void;

  constructor(request: CallRequest, keeper: CallKeeper) {
    this.request = request;
    this.id = request.id;
    this.#keeper = keeper;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Whether its caller, and those of its siblings, were told. */
  get isGone(): boolean {
    return this.siblings === undefined ? this.isSettled : this.siblings.every((sibling) => sibling.isSettled);
  }

  resolve(value: unknown): void {
    if (this.isSettled) return;
    this.#settle(false);
    this.#resolve(value);
  }

  reject(error: unknown): void {
    if (this.isSettled) return;
    this.#settle(true, error);
    this.sink?.fail(error);
    this.#reject(error);
  }

  expired(): void {
    this.#keeper.expired(this);
  }

  /** It has started, or nobody waits for it any more. */
  stopLimitingStart(): void {
    this.isOverdue = false;
    if (this.startLimit !== undefined) this.startLimit.list?.remove(this.startLimit);
  }

  #settle(isRejected: boolean, error?: unknown): void {
    this.isSettled = true;
    this.list?.remove(this);
    this.stopLimitingStart();
    this.stopListening?.();
    const { loans } = this.request;
    if (loans !== undefined) for (const loan of loans) loan.end();
    this.#keeper.settled(this, isRejected, error);
  }
}
