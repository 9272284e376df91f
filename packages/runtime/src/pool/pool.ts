/** Leases workers to calls, one call at a time each, and keeps their number. */
import { atExit } from '../at-exit.js';
import type { CallRequest, Executor } from '../call-request.js';
import { CallTimeoutError, HandleAffinityError, PoolClosedError, type HognoseError } from '../errors.js';
import type { HandleOwner } from '../handles/core.js';
import type { ResolvedOptions } from '../options.js';
import { Listener } from '../transport/listener.js';
import { Worker, type PoolCall, type WorkerEvents } from '../worker/worker.js';

/** Waiting time before a worker that failed to start is started again: doubled each time, up to the second. */
const BACKOFF_MS = [100, 10_000] as const;
/** Failures to start, without a worker between them that was of use, after which waiting calls are told instead of kept waiting. */
const MAX_FAILED_STARTS = 5;
/** How many workers start at the same time. */
const MAX_STARTING = 8;
/** How long a running call may delay `close`. */
const CLOSE_GRACE_MS = 5_000;

/** @internal */
export class Pool implements Executor, WorkerEvents {
  readonly #options: ResolvedOptions;
  readonly #listener: Listener;
  readonly #workers = new Set<Worker>();
  readonly #queue: PoolCall[] = [];
  /** Calls that must run on one worker, as they refer to its objects. */
  readonly #pinned = new Map<HandleOwner, PoolCall[]>();
  readonly #waitingForReady: { readonly count: number; resolve(): void; reject(error: unknown): void }[] = [];
  /** Keeps the process alive while a call or a start is under way, so that a script ends by itself after its last. */
  readonly #keepAlive = setInterval(() => undefined, 2 ** 30).unref();
  #outstanding = 0;
  #failedStarts = 0;
  #lastStartError: HognoseError | undefined;
  #restart: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  readonly #cancelAtExit: () => void;

  private constructor(options: ResolvedOptions, listener: Listener) {
    this.#options = options;
    this.#listener = listener;
    this.#cancelAtExit = atExit(this.#killAll);
  }

  /**
   * Starts a pool; resolves when its first worker is ready.
   *
   * @throws {@link WorkerStartError} When the first worker does not start; no process is left then.
   */
  static async start(options: ResolvedOptions): Promise<Pool> {
    const pool = new Pool(options, await Listener.open());
    try {
      pool.#fill();
      await pool.ready(1);
    } catch (error) {
      await pool.close();
      throw error;
    }
    return pool;
  }

  /** Resolves when `count` workers are ready. */
  ready(count: number = this.#options.size): Promise<void> {
    return this.#whileOutstanding(
      new Promise((resolve, reject) => {
        if (this.#closing !== undefined) reject(closed('ready()'));
        else this.#waitingForReady.push({ count, resolve, reject });
        this.#settleReady();
      }),
    );
  }

  execute(request: CallRequest): Promise<unknown> {
    if (request.owner !== undefined) return this.executeOn(request.owner, request);
    return this.#submit(request, this.#queue);
  }

  executeOn(worker: HandleOwner, request: CallRequest): Promise<unknown> {
    if (worker.hasEnded) return Promise.reject(worker.lost(request));
    const queue = this.#pinned.get(worker);
    if (queue === undefined) {
      return Promise.reject(
        new HandleAffinityError(
          `${request.label}: it refers to an object on worker ${worker.id}, which belongs to another runtime: make it in this one`,
        ),
      );
    }
    return this.#submit(request, queue);
  }

  /** What the workers do at this moment. */
  stats(): {
    readonly workers: {
      readonly id: number;
      readonly pid: number;
      readonly isReady: boolean;
      readonly isIdle: boolean;
    }[];
    readonly queued: number;
  } {
    return {
      workers: [...this.#workers].map(({ id, pid, isReady, isIdle }) => ({ id, pid, isReady, isIdle })),
      queued: this.#queue.length + [...this.#pinned.values()].reduce((sum, queue) => sum + queue.length, 0),
    };
  }

  /** Rejects what has not started, lets running calls end for a moment, and ends every process. */
  close(): Promise<void> {
    this.#closing ??= this.#whileOutstanding(this.#close());
    return this.#closing;
  }

  idle(worker: Worker): void {
    // A worker that was of use: one that is merely ready may die at once, and one of old says nothing of a new start.
    if (worker.finishedCalls === 1) this.#failedStarts = 0;
    this.#settleReady();
    this.#fill();
    this.#dispatchTo(worker);
  }

  ended(worker: Worker, startError: HognoseError | undefined): void {
    this.#workers.delete(worker);
    for (const call of this.#pinned.get(worker) ?? []) call.reject(worker.lost(call.request));
    this.#pinned.delete(worker);
    if (this.#closing !== undefined) return;
    if (startError === undefined) {
      // It has died under a call, and is replaced at once even where another start is put off.
      if (this.#restart === undefined) this.#fill();
      else this.#startWorker();
      return;
    }
    this.#failedStarts += 1;
    this.#lastStartError = startError;
    for (const waiting of this.#waitingForReady.splice(0)) waiting.reject(startError);
    if (this.#failedStarts >= MAX_FAILED_STARTS && this.#workers.size === 0) {
      for (const call of this.#queue.splice(0)) call.reject(startError);
    }
    const delay = Math.min(BACKOFF_MS[0] * 2 ** (this.#failedStarts - 1), BACKOFF_MS[1]);
    this.#restart ??= setTimeout(() => {
      this.#restart = undefined;
      this.#fill();
    }, delay).unref();
  }

  async #close(): Promise<void> {
    clearTimeout(this.#restart);
    for (const call of this.#queue.splice(0)) call.reject(closed(call.request.label));
    for (const queue of this.#pinned.values())
      for (const call of queue.splice(0)) call.reject(closed(call.request.label));
    for (const waiting of this.#waitingForReady.splice(0)) waiting.reject(closed('ready()'));
    // `#closing` must be set before a worker's end is told, or it would be replaced.
    await Promise.resolve();
    await Promise.all([...this.#workers].map((worker) => worker.close(worker.isReady ? CLOSE_GRACE_MS : 0)));
    this.#listener.close();
    this.#cancelAtExit();
    clearInterval(this.#keepAlive);
  }

  #submit(request: CallRequest, queue: PoolCall[]): Promise<unknown> {
    if (this.#closing !== undefined) return Promise.reject(closed(request.label));
    if (this.#failedStarts >= MAX_FAILED_STARTS && this.#workers.size === 0)
      return Promise.reject(this.#lastStartError ?? closed(request.label));
    return this.#whileOutstanding(
      new Promise((resolve, reject) => {
        let timer: NodeJS.Timeout | undefined;
        const call: PoolCall = {
          request,
          resolve: (value) => {
            clearTimeout(timer);
            resolve(value);
          },
          reject: (error: Error) => {
            clearTimeout(timer);
            reject(error);
          },
        };
        const timeoutMs = request.timeoutMs ?? this.#options.timeoutMs;
        if (timeoutMs !== 0) {
          timer = setTimeout(() => {
            this.#timeOut(call, queue, timeoutMs);
          }, timeoutMs).unref();
        }
        queue.push(call);
        this.#dispatch();
      }),
    );
  }

  /** Gives up a call: one that waits will not run, one that runs takes its worker along. */
  #timeOut(call: PoolCall, queue: PoolCall[], timeoutMs: number): void {
    const index = queue.indexOf(call);
    if (index < 0) {
      call.worker?.timeOut(call, timeoutMs);
      return;
    }
    queue.splice(index, 1);
    call.reject(
      new CallTimeoutError(
        `${call.request.label} had not started within ${timeoutMs} ms, as no worker was free, and will not run`,
      ),
    );
  }

  #dispatch(): void {
    for (const worker of this.#workers) {
      if (worker.isIdle) this.#dispatchTo(worker);
    }
  }

  /** Gives an idle worker its next call: one that must run there, else the oldest of all. */
  #dispatchTo(worker: Worker): void {
    if (!worker.isIdle) return;
    const call = this.#pinned.get(worker)?.shift() ?? this.#queue.shift();
    if (call === undefined) return;
    // The worker that has waited longest is the first in order: all are used before one is used twice.
    this.#workers.delete(worker);
    this.#workers.add(worker);
    worker.run(call);
  }

  /** Starts workers up to the pool's size. */
  #fill(): void {
    if (this.#closing !== undefined || this.#restart !== undefined) return;
    const starting = [...this.#workers].filter((worker) => !worker.isReady && !worker.hasEnded).length;
    const alive = [...this.#workers].filter((worker) => !worker.hasEnded).length;
    for (let count = Math.min(this.#options.size - alive, MAX_STARTING - starting); count > 0; count -= 1) {
      this.#startWorker();
    }
  }

  #startWorker(): void {
    const worker = new Worker(this.#options, this.#listener, this);
    this.#workers.add(worker);
    this.#pinned.set(worker, []);
  }

  #settleReady(): void {
    const ready = [...this.#workers].filter((worker) => worker.isReady).length;
    for (const waiting of [...this.#waitingForReady]) {
      if (waiting.count > ready) continue;
      this.#waitingForReady.splice(this.#waitingForReady.indexOf(waiting), 1);
      waiting.resolve();
    }
  }

  async #whileOutstanding<T>(promise: Promise<T>): Promise<T> {
    if (this.#outstanding++ === 0) this.#keepAlive.ref();
    try {
      return await promise;
    } finally {
      if (--this.#outstanding === 0) this.#keepAlive.unref();
    }
  }

  readonly #killAll = (): void => {
    for (const worker of this.#workers) worker.kill();
  };
}

const closed = (label: string): PoolClosedError =>
  new PoolClosedError(`${label}: the runtime is closed, and the call has not started`);
