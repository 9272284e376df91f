/** What a worker tells its pool, and what it tells of itself. */
import type { Executor } from '../call-request.js';
import type { HognoseError, WorkerCrash } from '../errors.js';
import type { EndReason } from '../events.js';
import type { PendingCall } from '../pool/pending-call.js';
import type { Worker } from './worker.js';

/** What a worker tells its pool. @internal */
export interface WorkerEvents extends Executor {
  /** It takes calls from now on. */
  started(worker: Worker): void;
  /** It has room for another call, or has ended one. */
  freed(worker: Worker): void;
  /** A call that it had not started needs another worker. */
  returned(call: PendingCall): void;
  /** It has died under a call that it had started, or under one that the call needs or that needs it. */
  crashed(call: PendingCall, crash: CallCrash, worker: Worker): void;
  /** Its process has ended; every call that it had was told as returned or crashed, or is settled. */
  ended(worker: Worker, end: WorkerEnd): void;
}

/** A worker that has died under a call. @internal */
export interface CallCrash extends WorkerCrash {
  /** How the worker ended and under what, as a sentence. */
  readonly message: string;
  /** Whether the call itself had started. */
  readonly hasStarted: boolean;
  /** Whether it was what the worker ran, by what that had noted: the others only lived there. */
  readonly isSuspect: boolean;
  readonly cause: Error | undefined;
}

/** How a worker ended. @internal */
export interface WorkerEnd {
  readonly reason: EndReason;
  readonly signal: NodeJS.Signals | null;
  readonly exitCode: number | null;
  /** Calls that it had. */
  readonly calls: number;
  /** Why it was of no use: it did not become ready, or ended by itself before it had finished a call. */
  readonly startError: HognoseError | undefined;
}

/** What a worker measures of itself. @public */
export interface WorkerMetrics {
  readonly workerId: number;
  readonly pid: number;
  /** Memory of the worker's own, without files and shared memory that it has mapped. */
  readonly rssBytes: number;
  /** Processor time used. */
  readonly cpuMs: number;
  /** Objects of Python that this process holds. */
  readonly handles: number;
  /** Functions of JavaScript that the worker holds. */
  readonly functions: number;
  readonly running: number;
  readonly waiting: number;
  readonly streams: number;
  /** Calls answered since the worker's start. */
  readonly answered: number;
  /** Bytes of the segments of shared memory that the worker has made, and of what of them is in use on either side. */
  readonly sharedBytes: number;
  readonly sharedUsedBytes: number;
  /** Arrays and the like that it has lent to this process, and that it holds of it. */
  readonly lent: number;
  readonly borrowed: number;
}
