/** One pool: leases its workers to calls, the least loaded first, and sees every call to its end. */
import { AsyncResource } from 'node:async_hooks';
import type { CallRequest, StreamOptions } from '../call-request.js';
import {
  CallCancelledError,
  CallTimeoutError,
  ConfigError,
  HandleAffinityError,
  PoolClosedError,
  PoolSaturatedError,
  PythonError,
  QueueTimeoutError,
  WorkerCrashedError,
  type HognoseError,
} from '../errors.js';
import { CancelReason } from '../gen/messages.js';
import type { HandleOwner } from '../handles/core.js';
import type { ResolvedOptions } from '../options.js';
import { PinnedSession, pinnedSessionOf, type SessionOptions } from '../sessions/pinned-session.js';
import type { Session } from '../sessions/session.js';
import { ItemStream } from '../streams/stream.js';
import type { Listener } from '../transport/listener.js';
import type { Worker } from '../worker/worker.js';
import type { CallCrash, WorkerEnd, WorkerMetrics } from '../worker/worker-events.js';
import { CallQueue } from './call-queue.js';
import { Counts, type CallCounts } from './counts.js';
import { Deadlines, type Timed } from './deadlines.js';
import type { KeepAlive } from './keep-alive.js';
import { copyRefused, isCopied } from '../sharing/refusal.js';
import { PendingCall, type CallKeeper } from './pending-call.js';
import { Supervisor, type Supervised, type WorkerRole } from './supervisor.js';
import { Taints, type TaintedTarget } from './taints.js';

/** How long a call that was sent ahead waits behind another before an idle worker gets it instead. */
const REBALANCE_AFTER_MS = 5;
/** The longest time between two attempts. */
const MAX_BACKOFF_MS = 60_000;
/** Ends of workers that say something about what they ran; those that were ended for another reason do not. */
const BLAMED: ReadonlySet<string> = new Set(['signal', 'exit', 'out-of-memory', 'memory-limit']);

/** What a pool does at this moment. @internal */
export interface PoolState {
  readonly state: 'starting' | 'ready' | 'broken' | 'draining' | 'closed';
  readonly workers: readonly Worker[];
  readonly queued: number;
  readonly running: number;
  readonly calls: CallCounts;
  readonly tainted: readonly TaintedTarget[];
  readonly size: Supervisor['size'];
  readonly counts: Supervisor['counts'];
}

/** @internal */
export class Pool implements Supervised, CallKeeper {
  readonly name: string;
  readonly #options: ResolvedOptions;
  readonly #supervisor: Supervisor;
  readonly #keepAlive: KeepAlive;
  readonly #queue = new CallQueue();
  /** Calls of tainted targets: they run one at a time, on a worker of their own. */
  readonly #apart = new CallQueue();
  /** Calls that are tried again after a moment. */
  readonly #backingOff = new Map<PendingCall, NodeJS.Timeout>();
  readonly #deadlines = new Deadlines();
  readonly #taints: Taints;
  readonly #counts = new Counts();
  readonly #waitingForReady: {
    /** How many workers; undefined: as many as there should be, which may change. */
    readonly count: number | undefined;
    resolve(): void;
    reject(error: unknown): void;
  }[] = [];
  /** The worker that has died last, and the targets that it was blamed on. */
  #blamed: { readonly workerId: number; readonly targets: Set<string> } | undefined;
  readonly #waitingForDrain: (() => void)[] = [];
  /** Calls whose caller was not told yet. */
  #outstanding = 0;
  #rebalance: NodeJS.Timeout | undefined;
  #isDraining = false;
  #closing: Promise<void> | undefined;

  /** @param keepAlive - Held while a call or a start is under way, so that a script ends by itself after its last. */
  constructor(options: ResolvedOptions, listener: Listener, keepAlive: KeepAlive) {
    this.name = options.name;
    this.#options = options;
    this.#keepAlive = keepAlive;
    this.#taints = new Taints(options.crash, (target, change, crashes) => {
      queueMicrotask(this.#sortOut); // not amid what has led to it
      if (change === 'tainted') this.#supervisor.publish({ type: 'target-tainted', target, crashes });
      else this.#supervisor.publish({ type: 'target-cleared', target, reason: change });
    });
    this.#supervisor = new Supervisor(options, listener, this);
    this.#supervisor.fill();
  }

  /**
   * Resolves when `count` workers are ready.
   *
   * @param count - As many as there should be, unless it is said.
   */
  ready(count?: number): Promise<void> {
    return this.#keepAlive.during(
      new Promise((resolve, reject) => {
        if (this.#closing !== undefined) reject(this.#refused('ready()'));
        else if (this.#supervisor.hopelessness !== undefined) reject(this.#supervisor.hopelessness);
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

  /** Opens a session; see {@link PoolCaller.session}. */
  openSession(options: SessionOptions): PinnedSession {
    return new PinnedSession(this.name, { ...options, affinity: options.affinity ?? this.#options.affinity }, () =>
      this.#assign(),
    );
  }

  /** What the pool does at this moment. */
  read(): PoolState {
    const supervisor = this.#supervisor;
    const counts = supervisor.counts;
    const workers = [...supervisor.all];
    const running = Math.min(
      this.#outstanding,
      workers.reduce((sum, worker) => sum + worker.running, 0),
    );
    return {
      state:
        this.#closing !== undefined
          ? 'closed'
          : this.#isDraining
            ? 'draining'
            : supervisor.hopelessness !== undefined
              ? 'broken'
              : counts.ready > 0
                ? 'ready'
                : 'starting',
      workers,
      queued: this.#outstanding - running,
      running,
      calls: this.#counts.read(),
      tainted: this.#taints.list(),
      size: supervisor.size,
      counts,
    };
  }

  /** What the workers measure of themselves. */
  async metrics(): Promise<WorkerMetrics[]> {
    const measured = await this.#keepAlive.during(
      Promise.all([...this.#supervisor.all].map((worker) => worker.measure())),
    );
    return measured.filter((metrics) => metrics !== undefined);
  }

  /** Changes how many workers there are; resolves when as many are ready. */
  resize(min: number, max: number): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(this.#refused('resize()'));
    const { capacity } = this.#supervisor;
    if (max > capacity)
      return Promise.reject(
        new ConfigError(`resize: the pool ${this.name} can have ${capacity} workers at most, and not ${max}`),
      );
    this.#supervisor.resize(min, max);
    this.#settleReady();
    return this.ready();
  }

  /** Trusts a tainted target, or all of them, again; returns which. */
  clearTaint(target?: string): readonly string[] {
    return this.#taints.clear(target);
  }

  /** Takes no new calls; resolves when all that it has taken have ended. */
  drain(): Promise<void> {
    if (!this.#isDraining && this.#closing === undefined) {
      this.#isDraining = true;
      this.#supervisor.publish({ type: 'pool-draining' });
    }
    if (this.#outstanding === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waitingForDrain.push(resolve));
  }

  /** Rejects what has not started, lets running calls end for a moment, and ends every process. */
  close(): Promise<void> {
    this.#closing ??= this.#keepAlive.during(this.#close());
    return this.#closing;
  }

  has(worker: HandleOwner): boolean {
    return this.#supervisor.find(worker) !== undefined;
  }

  roleOf(worker: Worker): WorkerRole {
    return this.#supervisor.roleOf(worker);
  }

  get waiting(): number {
    let waiting = this.#queue.size + this.#apart.size + this.#backingOff.size;
    for (const worker of this.#supervisor.all) waiting += worker.pinned.size + worker.waiting;
    return waiting;
  }

  stuck(afterMs: number): number {
    const first = this.#queue.peek();
    let stuck = first !== undefined && performance.now() - first.queuedAt >= afterMs ? this.#queue.size : 0;
    for (const worker of this.#supervisor.rotation) stuck += worker.recallable(afterMs).length;
    return stuck;
  }

  get needsQuarantine(): boolean {
    return this.#apart.size > 0;
  }

  get hasTaints(): boolean {
    return this.#taints.isAny;
  }

  started(worker: Worker): void {
    this.#supervisor.ready(worker);
    this.#settleReady();
    this.#dispatchTo(worker);
  }

  freed(worker: Worker): void {
    this.#supervisor.freed(worker);
    this.#dispatchTo(worker);
  }

  returned(call: PendingCall): void {
    if (call.isOverdue) this.#rejectOverdue(call);
    else if (this.#closing !== undefined) rejectAll(call, ({ request }) => this.#refusal(request.label));
    else this.#lease(call, performance.now(), true);
  }

  crashed(call: PendingCall, crash: CallCrash, worker: Worker): void {
    const { label } = call.request;
    const { message, cause, hasStarted, isSuspect, ...record } = crash;
    if (isSuspect && hasStarted && BLAMED.has(crash.reason)) this.#blame(record.workerId, label);
    const history = [...(call.crashes ?? []), record] as const;
    call.crashes = [...history];
    call.stopLimitingStart();
    const first = call.siblings?.[0] ?? call;
    if (this.#mayRetry(first)) {
      if (call === first) this.#retryLater(first, record.workerId);
      return;
    }
    if (!hasStarted) call.reject(worker.lost(call.request));
    else {
      const times = history.length === 1 ? '' : `; it was attempt ${history.length}, and the last`;
      call.reject(new WorkerCrashedError(`${message}${times}`, history, cause === undefined ? {} : { cause }));
    }
  }

  ended(worker: Worker, end: WorkerEnd): void {
    for (const call of worker.pinned.drain()) rejectAll(call, () => worker.lost(call.request));
    this.#supervisor.ended(worker, end);
    this.#settleReady();
  }

  startFailed(error: HognoseError, others: number, isHopeless: boolean): void {
    for (const one of this.#waitingForReady.splice(0)) {
      if (others === 0 || (one.count ?? this.#supervisor.size.wanted) > others) one.reject(error);
      else this.#waitingForReady.push(one);
    }
    if (!isHopeless) return;
    for (const call of [...this.#queue.drain(), ...this.#apart.drain()]) rejectAll(call, () => error);
  }

  /** The call's time is over: it does not start any more, or Python is interrupted. */
  expired(call: PendingCall): void {
    const timeoutMs = this.#timeoutOf(call.request);
    const { label } = call.request;
    if (call.worker === undefined) {
      call.reject(
        new CallTimeoutError(
          call.crashes === undefined
            ? `${label} had not started within ${timeoutMs} ms, as no worker was free, and will not run`
            : `${label} had no answer within ${timeoutMs} ms: ${deaths(call.crashes)} died under it, and it is not tried again`,
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
          : `${label} had not started within ${timeoutMs} ms on ${on}, and is asked back from there`,
      ),
    );
  }

  settled(call: PendingCall, isRejected: boolean, error?: unknown): void {
    if (!isRejected) this.#counts.succeeded += 1;
    else this.#counts.rejected(error);
    const first = call.siblings?.[0] ?? call;
    // What waits is passed over once nobody waits for it.
    if (first.queue !== undefined && first.isGone) first.queue.drop(first);
    if (this.#backingOff.size > 0 && first.isGone) this.#forgetRetry(first);
    const { session } = call.request.context;
    if (session !== undefined) pinnedSessionOf(session).settled();
    if (this.#taints.isWatching && (!isRejected || error instanceof PythonError))
      this.#taints.answered(call.request.label);
    if (--this.#outstanding > 0) return;
    this.#keepAlive.release();
    for (const resolve of this.#waitingForDrain.splice(0)) resolve();
  }

  async #close(): Promise<void> {
    clearTimeout(this.#rebalance);
    this.#supervisor.stop();
    // `#closing` must be set before anything is told.
    await Promise.resolve();
    const queues = [this.#queue, this.#apart, ...[...this.#supervisor.all].map((worker) => worker.pinned)];
    for (const call of [...queues.flatMap((queue) => queue.drain()), ...this.#backingOff.keys()])
      rejectAll(call, ({ request }) => this.#refusal(request.label));
    for (const one of this.#waitingForReady.splice(0)) one.reject(this.#refused('ready()'));
    await this.#supervisor.close();
    this.#supervisor.publish({ type: 'pool-closed' });
  }

  /** Takes a call, and those that were submitted with it. */
  #submit(first: PendingCall): void {
    const { siblings } = first;
    const count = siblings?.length ?? 1;
    if (this.#outstanding === 0) this.#keepAlive.hold();
    this.#outstanding += count;
    this.#counts.submitted += count;
    const now = performance.now();
    if (siblings === undefined) this.#watch(first, now);
    else for (const call of siblings) this.#watch(call, now);
    if (first.isGone) return;
    // What a call that runs needs to end is not refused.
    if (this.#closing !== undefined || (this.#isDraining && first.request.context.parent === undefined))
      rejectAll(first, ({ request }) => this.#refusal(request.label));
    else if (this.#options.zeroCopy === 'require' && (siblings ?? [first]).some(isCopied))
      rejectAll(first, copyRefused);
    else this.#lease(first, now, false);
  }

  /** Whether a call, with those that were submitted with it, may be started a second time. */
  #mayRetry(first: PendingCall): boolean {
    if (this.#closing !== undefined || (first.crashes?.length ?? 0) > this.#options.crash.maxRetries) return false;
    return (first.siblings ?? [first]).every(({ isSettled, hasItems, request: { owner, context } }) => {
      if (isSettled || hasItems || context.idempotent !== true) return false;
      // Its objects are gone, or whoever waits for it.
      if (owner !== undefined || context.parent !== undefined) return false;
      return context.session === undefined || pinnedSessionOf(context.session).isHint;
    });
  }

  #retryLater(first: PendingCall, workerId: number): void {
    const attempt = (first.crashes?.length ?? 0) + 1;
    const { backoffMs } = this.#options.crash;
    const delayMs = Math.min(MAX_BACKOFF_MS, Math.round(backoffMs * 2 ** (attempt - 2) * (1 - Math.random() / 2)));
    this.#counts.retried += 1;
    const timer = setTimeout(() => {
      this.#backingOff.delete(first);
      this.#lease(first, performance.now(), true);
    }, delayMs).unref();
    this.#backingOff.set(first, timer);
    this.#supervisor.publish({ type: 'call-retried', target: first.request.label, workerId, attempt, delayMs });
  }

  #forgetRetry(first: PendingCall): void {
    clearTimeout(this.#backingOff.get(first));
    this.#backingOff.delete(first);
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
      worker === undefined && call.crashes === undefined
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
        pin = this.#pinOf(first, !isFront);
      } catch (error) {
        rejectAll(first, () => error);
        return;
      }
      if (pin !== undefined && context.parent?.worker === pin) {
        pin.run(first, now); // on the thread that waits for it: whether there is room does not matter
        return;
      }
    }
    const supervisor = this.#supervisor;
    if (pin === undefined && supervisor.hopelessness !== undefined) {
      const error = supervisor.hopelessness;
      rejectAll(first, () => error);
      return;
    }
    const isApart = pin === undefined && this.#taints.isTainted(first.request.label) && supervisor.canQuarantine;
    const queue = pin !== undefined ? pin.pinned : isApart ? this.#apart : this.#queue;
    const worker = isApart || (queue.size > 0 && !isFront) ? undefined : (pin ?? this.#leastLoaded());
    if (worker?.hasFreeThread !== true && this.waiting >= this.#options.queue.max && !isFront) {
      rejectAll(first, (call) => this.#saturated(call.request.label));
      return;
    }
    if (worker?.hasRoom === true) this.#runOn(worker, first, now);
    else {
      first.queuedAt = now;
      if (isFront) queue.unshift(first);
      else queue.push(first);
    }
    if (worker?.hasFreeThread === true) return;
    this.#limitWaiting(first);
    if (isApart) this.#dispatchApart();
    else if (pin === undefined) supervisor.pressed();
  }

  /** Targets have become tainted, or are trusted again: what waits does so where it belongs. */
  readonly #sortOut = (): void => {
    const waiting = [...this.#queue.drain(), ...this.#apart.drain()].sort((a, b) => a.submitted - b.submitted);
    for (const call of waiting) {
      const isApart = this.#taints.isTainted(call.request.label) && this.#supervisor.canQuarantine;
      (isApart ? this.#apart : this.#queue).push(call);
    }
    if (this.#apart.size > 0) this.#dispatchApart();
    for (const worker of this.#supervisor.rotation) {
      const sent = this.#taints.isAny
        ? worker.recallable(0).filter(({ request }) => this.#taints.isTainted(request.label))
        : [];
      if (sent.length > 0) worker.recall(sent);
      this.#dispatchTo(worker);
    }
  };

  /** Runs a call that any worker may run; one of a session makes the worker the session's. */
  #runOn(worker: Worker, first: PendingCall, now: number): void {
    const session = (first.siblings ?? [first]).find(({ request }) => request.context.session !== undefined)?.request
      .context.session;
    if (session === undefined) {
      worker.run(first, now);
      return;
    }
    const state = pinnedSessionOf(session);
    const [before, claimed] = [state.worker, state.claim(worker)];
    if (state.worker !== before) this.#follow(session, claimed);
    if (claimed === worker) worker.run(first, now);
    else if (claimed.hasEnded) rejectAll(first, ({ request }) => claimed.lost(request));
    else {
      claimed.pinned.push(first);
      this.#dispatchTo(claimed);
    }
  }

  /** A session has got its worker: its other calls that wait for any keep their order there. */
  #follow(session: Session, worker: Worker): void {
    for (const call of this.#queue.drain()) {
      const isOfSession = (call.siblings ?? [call]).some(({ request }) => request.context.session === session);
      (isOfSession ? worker.pinned : this.#queue).push(call);
    }
  }

  /** A worker has died under a target; under several calls of it that was still one death. */
  #blame(workerId: number, target: string): void {
    if (this.#blamed?.workerId !== workerId) this.#blamed = { workerId, targets: new Set() };
    if (this.#blamed.targets.has(target)) return;
    this.#blamed.targets.add(target);
    this.#taints.crashed(target);
  }

  /** Runs calls of tainted targets, one at a time. */
  #dispatchApart(): void {
    const worker = this.#supervisor.quarantine;
    if (worker === undefined) {
      this.#supervisor.fill(); // the worker comes to be where calls wait for it
      return;
    }
    while (worker.hasRoom && worker.pinned.size > 0) {
      const pinned = worker.pinned.shift();
      if (pinned !== undefined) worker.run(pinned, performance.now());
    }
    if (!worker.isReady || worker.active > 0) return;
    const call = this.#apart.shift();
    if (call !== undefined) worker.run(call, performance.now());
  }

  /** The worker that a call must run on. */
  #pinOf(first: PendingCall, isNew: boolean): Worker | undefined {
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
    const wanted = session?.workerFor(label, owner, isNew);
    if (wanted !== undefined && owner !== undefined && wanted !== owner) throw this.#affinity(label, owner, wanted);
    const pin = owner ?? wanted ?? context.parent?.worker;
    if (pin === undefined) return undefined;
    if (pin.hasEnded) {
      if (owner === undefined && wanted === undefined) return undefined; // its parent is gone, and its parent's worker
      throw pin.lost(first.request);
    }
    const worker = this.#supervisor.find(pin);
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
    for (const worker of this.#supervisor.rotation) {
      if (worker.isReady && (least === undefined || worker.active < least.active)) least = worker;
    }
    return least?.hasRoom === true ? least : undefined;
  }

  /** A worker for a session; undefined where none is ready: one that starts may fail to. */
  #assign(): Worker | undefined {
    const [best] = [...this.#supervisor.rotation]
      .filter((worker) => worker.isReady)
      .sort((a, b) => a.sessions - b.sessions || a.active - b.active);
    return best;
  }

  #dispatchTo(worker: Worker): void {
    if (worker === this.#supervisor.quarantine) {
      this.#dispatchApart();
      return;
    }
    const { rotation } = this.#supervisor;
    const isRotating = rotation.has(worker);
    while (worker.hasRoom) {
      const pinned = worker.pinned.peek();
      const common = isRotating ? this.#queue.peek() : undefined;
      if (pinned === undefined && common === undefined) {
        if (isRotating && worker.hasFreeThread && rotation.size > 1) this.#rebalanceSoon();
        return;
      }
      // By the order of their submission: neither starves the other.
      const isPinned = common === undefined || (pinned !== undefined && pinned.submitted < common.submitted);
      const call = isPinned ? worker.pinned.shift() : this.#queue.shift();
      if (call === undefined) return;
      if (isPinned) worker.run(call, performance.now());
      else this.#runOn(worker, call, performance.now());
    }
  }

  /** Where calls wait on a busy worker while another is idle, takes them back after a moment. */
  #rebalanceSoon(): void {
    if (this.#rebalance !== undefined) return;
    let waiting = 0;
    for (const worker of this.#supervisor.rotation) waiting += worker.waiting;
    if (waiting === 0) return;
    this.#rebalance = setTimeout(() => {
      this.#rebalance = undefined;
      let free = [...this.#supervisor.rotation].filter((worker) => worker.hasFreeThread).length;
      for (const worker of this.#supervisor.rotation) {
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
    // One that is tried again has started.
    if (timeoutMs === 0 || call.startLimit !== undefined || call.crashes !== undefined) return;
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
      `${label}: ${this.waiting} calls wait for the pool ${this.name} already, and no more may (queue.max): try again later, or raise it`,
    );
  }

  #timeoutOf(request: CallRequest): number {
    return request.context.timeoutMs ?? this.#options.timeoutMs;
  }

  #settleReady(): void {
    const { ready } = this.#supervisor.counts;
    const all = this.#supervisor.size.wanted;
    for (const one of [...this.#waitingForReady]) {
      if ((one.count ?? all) > ready) continue;
      this.#waitingForReady.splice(this.#waitingForReady.indexOf(one), 1);
      one.resolve();
    }
  }

  /** Why a call does not start. */
  #refusal(label: string): PoolClosedError {
    if (this.#closing === undefined)
      return new PoolClosedError(`${label}: the pool ${this.name} is being drained, and takes no new calls`);
    return new PoolClosedError(`${label}: the pool ${this.name} is closed, and the call has not started`);
  }

  #refused(what: string): PoolClosedError {
    return new PoolClosedError(`${what}: the pool ${this.name} is closed`);
  }
}

/** Rejects a call and those that were submitted with it. */
function rejectAll(first: PendingCall, errorOf: (call: PendingCall) => unknown): void {
  for (const call of first.siblings ?? [first]) {
    const error = errorOf(call);
    const [...earlier] = call.crashes ?? [];
    const crash = earlier.pop();
    if (crash === undefined) call.reject(error);
    else {
      // It has started, whatever the error says of calls that have not.
      const history = [...earlier, crash] as const;
      const why = error instanceof Error ? error.message : String(error);
      call.reject(
        new WorkerCrashedError(
          `${call.request.label}: ${deaths(history)} died under it, and it is not tried again: ${why}`,
          history,
          { cause: error },
        ),
      );
    }
  }
}

const deaths = ({ length }: readonly unknown[]): string => (length === 1 ? 'a worker has' : `${length} workers have`);
