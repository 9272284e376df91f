/** Leases workers to calls, the least loaded first, and keeps their number. */
import { AsyncResource } from 'node:async_hooks';
import { atExit } from '../at-exit.js';
import type { CallRequest, StreamOptions } from '../call-request.js';
import {
  CallCancelledError,
  CallTimeoutError,
  HandleAffinityError,
  PoolClosedError,
  PoolSaturatedError,
  QueueTimeoutError,
  type HognoseError,
} from '../errors.js';
import { CancelReason } from '../gen/messages.js';
import type { HandleOwner } from '../handles/core.js';
import type { ResolvedOptions } from '../options.js';
import { PinnedSession, pinnedSessionOf, type SessionOptions } from '../sessions/pinned-session.js';
import { ItemStream } from '../streams/stream.js';
import { Listener } from '../transport/listener.js';
import { Worker, type WorkerEvents, type WorkerMetrics } from '../worker/worker.js';
import { CallQueue } from './call-queue.js';
import { Deadlines, type Timed } from './deadlines.js';
import { PendingCall, type CallKeeper } from './pending-call.js';

/** Waiting time before a worker that failed to start is started again: doubled each time, up to the second. */
const BACKOFF_MS = [100, 10_000] as const;
/** Failures to start, without a worker between them that was of use, after which waiting calls are told instead of kept waiting. */
const MAX_FAILED_STARTS = 5;
/** How many workers start at the same time. */
const MAX_STARTING = 8;
/** How long a running call may delay `close`. */
const CLOSE_GRACE_MS = 5_000;
/** How long a call that was sent ahead waits behind another before an idle worker gets it instead. */
const REBALANCE_AFTER_MS = 5;

/** @internal */
export class Pool implements WorkerEvents, CallKeeper {
  readonly #options: ResolvedOptions;
  readonly #listener: Listener;
  readonly #workers = new Set<Worker>();
  readonly #queue = new CallQueue();
  readonly #deadlines = new Deadlines();
  readonly #waitingForReady: { readonly count: number; resolve(): void; reject(error: unknown): void }[] = [];
  /** Keeps the process alive while a call or a start is under way, so that a script ends by itself after its last. */
  readonly #keepAlive = setInterval(() => undefined, 2 ** 30).unref();
  #outstanding = 0;
  #failedStarts = 0;
  #lastStartError: HognoseError | undefined;
  #restart: NodeJS.Timeout | undefined;
  #rebalance: NodeJS.Timeout | undefined;
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
    const call = new PendingCall(request, this);
    this.#submit(call);
    return call.promise;
  }

  executeAll(requests: readonly CallRequest[]): readonly Promise<unknown>[] {
    const calls = requests.map((request) => new PendingCall(request, this));
    const [first, second] = calls;
    if (second !== undefined) for (const call of calls) call.siblings = calls;
    if (first !== undefined) this.#submit(first);
    return calls.map((call) => call.promise);
  }

  stream(request: CallRequest, options?: StreamOptions): AsyncIterableIterator<unknown> {
    const call = new PendingCall(request, this);
    const stream = (call.sink = new ItemStream(options));
    stream.attach({
      grant: (count) => call.worker?.grant(call, count),
      cancel: () => {
        if (call.isSettled) return;
        if (call.worker === undefined) {
          call.resolve(undefined);
          stream.end(false);
        } else call.worker.cancel(call, CancelReason.ABORT);
      },
    });
    call.promise.catch(() => undefined); // whoever takes the items is told
    this.#submit(call);
    return stream;
  }

  /** Opens a session; see {@link Runtime.session}. */
  openSession(options: SessionOptions): PinnedSession {
    return new PinnedSession(options, () => this.#assign());
  }

  /** What the workers do at this moment. */
  stats(): { readonly workers: readonly Worker[]; readonly queued: number } {
    return { workers: [...this.#workers], queued: this.#waitingCalls() };
  }

  /** What the workers measure of themselves. */
  async metrics(): Promise<WorkerMetrics[]> {
    const measured = await this.#whileOutstanding(Promise.all([...this.#workers].map((worker) => worker.measure())));
    return measured.filter((metrics) => metrics !== undefined);
  }

  /** Rejects what has not started, lets running calls end for a moment, and ends every process. */
  close(): Promise<void> {
    this.#closing ??= this.#whileOutstanding(this.#close());
    return this.#closing;
  }

  freed(worker: Worker): void {
    // A worker that was of use: one that is merely ready may die at once, and one of old says nothing of a new start.
    if (worker.finishedCalls === 1) this.#failedStarts = 0;
    if (worker.finishedCalls === 0) {
      this.#settleReady();
      this.#fill();
    }
    this.#dispatchTo(worker);
  }

  returned(call: PendingCall): void {
    if (call.isOverdue) this.#rejectOverdue(call);
    else if (this.#closing !== undefined) call.reject(closed(call.request.label));
    else this.#lease(call, performance.now(), true);
  }

  ended(worker: Worker, startError: HognoseError | undefined): void {
    this.#workers.delete(worker);
    for (const call of worker.pinned.drain()) rejectAll(call, () => worker.lost(call.request));
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
      for (const call of this.#queue.drain()) rejectAll(call, () => startError);
    }
    const delay = Math.min(BACKOFF_MS[0] * 2 ** (this.#failedStarts - 1), BACKOFF_MS[1]);
    this.#restart ??= setTimeout(() => {
      this.#restart = undefined;
      this.#fill();
    }, delay).unref();
  }

  /** The call's time is over: it does not start any more, or Python is interrupted. */
  expired(call: PendingCall): void {
    const timeoutMs = this.#timeoutOf(call.request);
    const { label } = call.request;
    if (call.worker === undefined) {
      call.reject(
        new CallTimeoutError(
          `${label} had not started within ${timeoutMs} ms, as no worker was free, and will not run`,
        ),
      );
      return;
    }
    const { worker } = call;
    const hasStarted = worker.hasStarted(call);
    worker.cancel(call, CancelReason.DEADLINE);
    const on = `worker ${worker.id} (pid ${worker.pid})`;
    call.reject(
      new CallTimeoutError(
        hasStarted
          ? `${label} had no answer within ${timeoutMs} ms; it is interrupted on ${on}`
          : `${label} had not started within ${timeoutMs} ms, as other calls ran on ${on}, and is taken back from there`,
      ),
    );
  }

  settled(call: PendingCall): void {
    const first = call.siblings?.[0] ?? call;
    // What waits is passed over once nobody waits for it.
    if (first.queue !== undefined && first.isGone) first.queue.drop(first);
    const { session } = call.request.context;
    if (session !== undefined) pinnedSessionOf(session).settled();
    if (--this.#outstanding === 0) this.#keepAlive.unref();
  }

  async #close(): Promise<void> {
    clearTimeout(this.#restart);
    clearTimeout(this.#rebalance);
    const waiting = [this.#queue, ...[...this.#workers].map((worker) => worker.pinned)].flatMap((queue) =>
      queue.drain(),
    );
    for (const call of waiting) rejectAll(call, (one) => closed(one.request.label));
    for (const one of this.#waitingForReady.splice(0)) one.reject(closed('ready()'));
    // `#closing` must be set before a worker's end is told, or it would be replaced.
    await Promise.resolve();
    await Promise.all([...this.#workers].map((worker) => worker.close(CLOSE_GRACE_MS)));
    this.#listener.close();
    this.#cancelAtExit();
    clearInterval(this.#keepAlive);
  }

  /** Takes a call, and those that were submitted with it. */
  #submit(first: PendingCall): void {
    const { siblings } = first;
    if (this.#outstanding === 0) this.#keepAlive.ref();
    this.#outstanding += siblings?.length ?? 1;
    const now = performance.now();
    if (siblings === undefined) this.#watch(first, now);
    else for (const call of siblings) this.#watch(call, now);
    if (first.isGone) return;
    if (this.#closing !== undefined) rejectAll(first, (call) => closed(call.request.label));
    else if (this.#failedStarts >= MAX_FAILED_STARTS && this.#workers.size === 0)
      rejectAll(first, (call) => this.#lastStartError ?? closed(call.request.label));
    else this.#lease(first, now, false);
  }

  /** Watches a call's deadline and its caller's signal. */
  #watch(call: PendingCall, now: number): void {
    const { functions, context } = call.request;
    const { session, signal } = context;
    if (session !== undefined) pinnedSessionOf(session).submitted();
    const timeoutMs = context.timeoutMs ?? this.#options.timeoutMs;
    if (timeoutMs !== 0) this.#deadlines.add(call, timeoutMs, now);
    if (functions.length > 0) call.resource = new AsyncResource('hognose.call');
    if (signal === undefined) return;
    const abort = (): void => {
      this.#abort(call, signal);
    };
    if (signal.aborted) {
      abort();
      return;
    }
    signal.addEventListener('abort', abort, { once: true });
    call.stopListening = () => {
      signal.removeEventListener('abort', abort);
    };
  }

  #abort(call: PendingCall, signal: AbortSignal): void {
    const { label } = call.request;
    const { worker } = call;
    const error = new CallCancelledError(
      worker === undefined
        ? `${label} was cancelled before it had started, and will not run`
        : `${label} was cancelled`,
      { cause: signal.reason },
    );
    worker?.cancel(call, CancelReason.ABORT);
    call.reject(error);
  }

  /** Sends a call to the worker that it belongs to, or to the least loaded one, or lets it wait. */
  #lease(first: PendingCall, now: number, isFront: boolean): void {
    const { owner, context } = first.request;
    let pin: Worker | undefined;
    if (owner !== undefined || context.session !== undefined || context.parent !== undefined || first.siblings) {
      try {
        pin = this.#pinOf(first);
      } catch (error) {
        rejectAll(first, () => error);
        return;
      }
      if (pin !== undefined && context.parent?.worker === pin) {
        pin.run(first, now); // on the thread that waits for it: whether there is room does not matter
        return;
      }
    }
    const queue = pin === undefined ? this.#queue : pin.pinned;
    const worker = queue.size > 0 && !isFront ? undefined : (pin ?? this.#leastLoaded());
    if (worker?.hasFreeThread !== true && this.#waitingCalls() >= this.#options.queue.max && !isFront) {
      rejectAll(first, (call) => this.#saturated(call.request.label));
      return;
    }
    if (worker?.hasRoom === true) worker.run(first, now);
    else if (isFront) queue.unshift(first);
    else queue.push(first);
    if (worker?.hasFreeThread !== true) this.#limitWaiting(first);
  }

  /** The worker that a call must run on. */
  #pinOf(first: PendingCall): Worker | undefined {
    const calls = first.siblings ?? [first];
    const { label, context } = first.request;
    let owner: HandleOwner | undefined;
    const bound = calls.find((call) => call.request.context.session !== undefined)?.request.context.session;
    for (const { request } of calls) {
      if (request.owner === undefined) continue;
      if (owner !== undefined && request.owner !== owner) throw this.#affinity(label, owner, request.owner);
      owner = request.owner;
    }
    const session = bound === undefined ? undefined : pinnedSessionOf(bound);
    const wanted = session?.workerFor(label, owner);
    if (wanted !== undefined && owner !== undefined && wanted !== owner) throw this.#affinity(label, owner, wanted);
    const pin = owner ?? wanted ?? context.parent?.worker;
    if (pin === undefined) return undefined;
    if (pin.hasEnded) {
      if (owner === undefined && wanted === undefined) return undefined; // its parent is gone, and its parent's worker
      throw pin.lost(first.request);
    }
    const worker = [...this.#workers].find((one) => one === pin);
    if (worker === undefined) {
      if (owner === undefined && wanted === undefined) return undefined; // a callback that calls another runtime
      throw new HandleAffinityError(
        `${label}: it refers to an object on worker ${pin.id}, which belongs to another runtime: make it in this one`,
      );
    }
    return worker;
  }

  #affinity(label: string, left: HandleOwner, right: HandleOwner): HandleAffinityError {
    return new HandleAffinityError(
      `${label}: it needs worker ${left.id} and worker ${right.id}, as it refers to objects or a session there; one call runs on one worker, so make both there, or pass one as plain data`,
    );
  }

  /** The ready worker with the fewest calls; undefined where all have as many as they should. */
  #leastLoaded(): Worker | undefined {
    let least: Worker | undefined;
    for (const worker of this.#workers) {
      if (worker.isReady && (least === undefined || worker.active < least.active)) least = worker;
    }
    return least?.hasRoom === true ? least : undefined;
  }

  /** A worker for a session: one that is ready before one that starts. */
  #assign(): Worker {
    const [best] = [...this.#workers]
      .filter((worker) => !worker.hasEnded)
      .sort((a, b) => Number(b.isReady) - Number(a.isReady) || a.sessions - b.sessions || a.active - b.active);
    if (best === undefined) throw this.#lastStartError ?? closed('session');
    return best;
  }

  #dispatchTo(worker: Worker): void {
    while (worker.hasRoom) {
      const pinned = worker.pinned.peek();
      const common = this.#queue.peek();
      if (pinned === undefined && common === undefined) {
        if (worker.hasFreeThread && this.#workers.size > 1) this.#rebalanceSoon();
        return;
      }
      // By the order of their submission: neither starves the other.
      const isPinned = common === undefined || (pinned !== undefined && pinned.submitted < common.submitted);
      const call = isPinned ? worker.pinned.shift() : this.#queue.shift();
      if (call === undefined) return;
      worker.run(call, performance.now());
    }
  }

  /** Where calls wait on a busy worker while another is idle, takes them back after a moment. */
  #rebalanceSoon(): void {
    if (this.#rebalance !== undefined) return;
    let waiting = 0;
    for (const worker of this.#workers) waiting += worker.waiting;
    if (waiting === 0) return;
    this.#rebalance = setTimeout(() => {
      this.#rebalance = undefined;
      let free = [...this.#workers].filter((worker) => worker.hasFreeThread).length;
      for (const worker of this.#workers) {
        const calls = free > 0 ? worker.recallable(REBALANCE_AFTER_MS).slice(0, free) : [];
        if (calls.length === 0) continue;
        worker.recall(calls);
        free -= calls.length;
      }
      if (free > 0) this.#rebalanceSoon();
    }, REBALANCE_AFTER_MS).unref();
  }

  /** Watches how long a call waits for its start. */
  #limitWaiting(call: PendingCall): void {
    const { timeoutMs } = this.#options.queue;
    if (timeoutMs === 0 || call.startLimit !== undefined) return;
    const limit: Timed = {
      deadline: 0,
      list: undefined,
      previous: undefined,
      next: undefined,
      expired: () => {
        this.#overdue(call);
      },
    };
    call.startLimit = limit;
    this.#deadlines.add(limit, timeoutMs, performance.now());
  }

  #overdue(call: PendingCall): void {
    call.isOverdue = true;
    if (call.worker === undefined) this.#rejectOverdue(call);
    else if (call.siblings === undefined) call.worker.recall([call]); // it comes back unless it has started
  }

  #rejectOverdue(first: PendingCall): void {
    rejectAll(
      first,
      ({ request }) =>
        new QueueTimeoutError(
          `${request.label} had not started within ${this.#options.queue.timeoutMs} ms (queue.timeoutMs), and will not run`,
        ),
    );
  }

  #saturated(label: string): PoolSaturatedError {
    return new PoolSaturatedError(
      `${label}: ${this.#waitingCalls()} calls wait already, and no more may (queue.max): try again later, or raise it`,
    );
  }

  #waitingCalls(): number {
    let waiting = this.#queue.size;
    for (const worker of this.#workers) waiting += worker.pinned.size + worker.waiting;
    return waiting;
  }

  #timeoutOf(request: CallRequest): number {
    return request.context.timeoutMs ?? this.#options.timeoutMs;
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
    this.#workers.add(new Worker(this.#options, this.#listener, this));
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

/** Rejects a call and those that were submitted with it. */
function rejectAll(first: PendingCall, errorOf: (call: PendingCall) => unknown): void {
  for (const call of first.siblings ?? [first]) call.reject(errorOf(call));
}

const closed = (label: string): PoolClosedError =>
  new PoolClosedError(`${label}: the runtime is closed, and the call has not started`);
