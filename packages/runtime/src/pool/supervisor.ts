/** Which workers a pool has: started, replaced, added while calls wait, retired when they are due or not needed. */
import { atExit } from '../at-exit.js';
import type { HognoseError } from '../errors.js';
import type { RuntimeEvent } from '../events.js';
import type { HandleOwner } from '../handles/core.js';
import type { ResolvedOptions } from '../options.js';
import type { Placement } from '../placement/placement.js';
import type { Listener } from '../transport/listener.js';
import { Worker } from '../worker/worker.js';
import type { WorkerEnd, WorkerEvents } from '../worker/worker-events.js';
import { StartBreaker } from './start-breaker.js';
import { Watchdog } from './watchdog.js';

/** How many workers start at the same time. */
const MAX_STARTING = 8;
/** How long calls wait before there is one more worker for them, where there may be. */
const GROW_AFTER_MS = 50;
/** How long a running call may delay `close`. */
const CLOSE_GRACE_MS = 5_000;

/**
 * What a worker is there for: a `member` takes calls, a `spare` stands ready to become one, one that is `retiring` takes no
 * new calls, the `quarantine` runs tainted targets. @public
 */
export type WorkerRole = 'member' | 'spare' | 'retiring' | 'quarantine';

type RetireReason = Extract<RuntimeEvent, { readonly type: 'worker-retiring' }>['reason'];
/** Each event without the pool's name. */
type PoolEvent = RuntimeEvent extends infer E ? (E extends RuntimeEvent ? Omit<E, 'pool'> : never) : never;

/** What the supervisor asks of, and tells, its pool. @internal */
export interface Supervised extends WorkerEvents {
  /** Calls that wait, in the queue or on a worker behind others. */
  readonly waiting: number;
  /** How many of them do because those before them take longer than so many milliseconds. */
  stuck(afterMs: number): number;
  /** Whether calls wait for the worker that tainted targets run on. */
  readonly needsQuarantine: boolean;
  /** Whether a target is tainted. */
  readonly hasTaints: boolean;
  /**
   * A worker was of no use.
   *
   * @param others - How many there are besides that take calls, or will.
   * @param isHopeless - Whether there is no use in waiting for one.
   */
  startFailed(error: HognoseError, others: number, isHopeless: boolean): void;
}

/** @internal */
export class Supervisor {
  /** All workers whose process has not ended. */
  readonly all = new Set<Worker>();
  /** Those that take any call: ready, or starting. */
  readonly rotation = new Set<Worker>();
  readonly #spares = new Set<Worker>();
  readonly #retiring = new Set<Worker>();
  #quarantine: Worker | undefined;
  readonly #options: ResolvedOptions;
  readonly #listener: Listener;
  readonly #pool: Supervised;
  readonly #placement: Placement;
  readonly #breaker: StartBreaker;
  readonly #watchdog: Watchdog;
  readonly #cancelAtExit: () => void;
  #min: number;
  #max: number;
  /** How many workers there should be at the moment. */
  #wanted: number;
  #growth: NodeJS.Timeout | undefined;
  #isBroken = false;
  #isClosing = false;
  #started = 0;
  #startFailures = 0;
  #crashes = 0;
  #recycled = 0;

  constructor(options: ResolvedOptions, listener: Listener, pool: Supervised) {
    this.#options = options;
    this.#listener = listener;
    this.#pool = pool;
    this.#min = this.#wanted = options.min;
    this.#max = options.max;
    this.#placement = options.placement((event) => {
      this.publish(event);
    });
    this.#breaker = new StartBreaker(() => {
      this.fill();
    });
    this.#watchdog = new Watchdog(options, () => this.all, this.#tick);
    this.#cancelAtExit = atExit(() => {
      for (const worker of this.all) worker.kill();
      this.#placement.kill();
    });
  }

  /** The worker that an object lives on; undefined where it is none of this pool's. */
  find(owner: HandleOwner): Worker | undefined {
    for (const worker of this.all) if (worker === owner) return worker;
    return undefined;
  }

  /** What a worker is there for. */
  roleOf(worker: Worker): WorkerRole {
    if (this.#quarantine === worker) return 'quarantine';
    if (this.#spares.has(worker)) return 'spare';
    return this.#retiring.has(worker) ? 'retiring' : 'member';
  }

  /** The worker that tainted targets run on, where there is one. */
  get quarantine(): Worker | undefined {
    return this.#quarantine;
  }

  /** Whether a worker can be set apart for tainted targets. */
  get canQuarantine(): boolean {
    return this.#quarantine !== undefined || this.#room > 0;
  }

  /** Why it is no use to wait for a worker; undefined where it is. */
  get hopelessness(): HognoseError | undefined {
    return this.#isBroken ? this.#breaker.error : undefined;
  }

  /** The bounds, and how many there should be at the moment. */
  get size(): { readonly min: number; readonly max: number; readonly wanted: number } {
    return { min: this.#min, max: this.#max, wanted: Math.min(this.#wanted, this.capacity) };
  }

  /** How many workers there can be at most. */
  get capacity(): number {
    return this.#placement.capacity ?? Infinity;
  }

  get counts(): {
    readonly ready: number;
    readonly starting: number;
    readonly retiring: number;
    readonly spares: number;
    readonly started: number;
    readonly startFailures: number;
    readonly crashes: number;
    readonly recycled: number;
    readonly placement: string;
  } {
    return {
      ready: [...this.rotation].filter((worker) => worker.isReady).length,
      starting: this.#starting,
      retiring: this.#retiring.size,
      spares: this.#spares.size,
      started: this.#started,
      startFailures: this.#startFailures,
      crashes: this.#crashes,
      recycled: this.#recycled,
      placement: `${this.#placement.name}: ${this.#placement.state}`,
    };
  }

  /** Starts what is missing, as far as workers may be started now. */
  fill(): void {
    if (this.#isClosing) return;
    // Counted anew each time: whoever is told of a start may change how many there should be.
    for (const spare of this.#spares) if (this.#missing > 0 && !spare.hasEnded) this.#promote(spare);
    if (!this.#breaker.isClosed) return;
    while (this.#missing > 0 && this.#mayStart) this.#startInto(this.rotation);
    if (this.#missing > 0) return;
    if (this.#mayStart && this.#quarantine === undefined && this.#pool.needsQuarantine) {
      this.#quarantine = this.#make();
      this.#tellStart(this.#quarantine);
    }
    const spares = this.#options.spares ?? (this.#placement.isSlow === true && this.#started > 0 ? 1 : 0);
    // A start takes the processor from workers that are waited for.
    while (this.#alive.every(({ isReady }) => isReady) && this.#spares.size < spares && this.#mayStart)
      this.#startInto(this.#spares);
  }

  /** A worker is ready. */
  ready(worker: Worker): void {
    this.#breaker.ready();
    this.publish({
      type: 'worker-ready',
      workerId: worker.id,
      pid: worker.pid,
      how: worker.how ?? 'spawned',
      startMs: worker.startMs,
    });
    if (this.#isBroken && this.rotation.has(worker)) {
      this.#isBroken = false;
      this.publish({ type: 'pool-recovered' });
    }
    this.#retireSurplus('resize');
    this.fill();
  }

  /** A worker has ended a call. */
  freed(worker: Worker): void {
    if (worker.finishedCalls === 1) this.#breaker.worked();
    const { maxRequests } = this.#options.limits;
    if (maxRequests > 0 && worker.finishedCalls === maxRequests) {
      worker.due ??= 'requests';
      this.#replaceDue();
    }
    if (this.#retiring.size > 0 && this.#retiring.has(worker)) this.#endIfDone(worker);
  }

  /** A worker's process has ended. */
  ended(worker: Worker, end: WorkerEnd): void {
    this.all.delete(worker);
    const wasSpare = this.#spares.delete(worker);
    const wasRotating = this.rotation.delete(worker);
    this.#retiring.delete(worker);
    if (this.#quarantine === worker) this.#quarantine = undefined;
    const { startError, reason, signal, exitCode, calls } = end;
    if (startError === undefined || worker.wasReady)
      this.publish({ type: 'worker-ended', workerId: worker.id, pid: worker.pid, reason, signal, exitCode, calls });
    if (this.#isClosing) return;
    if (startError === undefined) {
      if (reason !== 'retired') this.#crashes += 1;
      // It has died under a call, and is replaced at once even where another start is put off.
      const mustStart = !this.#breaker.isClosed && wasRotating && reason !== 'retired' && this.#spares.size === 0;
      if (mustStart && this.#alive.length < this.#wanted && this.#room > 0) this.#startInto(this.rotation);
      else this.fill();
      return;
    }
    this.#startFailures += 1;
    const retryInMs = this.#breaker.failed(startError, worker.wantedAt);
    this.publish({
      type: 'worker-start-failed',
      workerId: worker.id,
      error: startError,
      failures: this.#breaker.failures,
      retryInMs,
    });
    if (!wasSpare) this.fill(); // by a spare, where there is one
    const others = this.#alive.length;
    const isHopeless = others === 0 && this.#breaker.isHopeless;
    if (isHopeless && !this.#isBroken) {
      this.#isBroken = true;
      this.publish({ type: 'pool-broken', error: startError });
    }
    this.#pool.startFailed(startError, others, isHopeless);
  }

  /** Calls wait: where there may be more workers, and they wait for more than a moment, there soon are. */
  pressed(): void {
    if (this.#wanted >= this.#max || this.#growth !== undefined) return;
    this.#growth = setTimeout(() => {
      this.#growth = undefined;
      if (this.#isClosing || this.#pool.waiting === 0) return;
      // Those that start already are for calls that wait already.
      const starting = [...this.rotation].filter((worker) => !worker.isReady).length;
      const needed = Math.ceil(this.#pool.stuck(GROW_AFTER_MS) / this.#options.threads);
      const more = Math.min(needed - starting, this.#wanted);
      if (more > 0) {
        this.#wanted = Math.min(this.#max, this.#wanted + more);
        this.fill();
      }
      this.pressed();
    }, GROW_AFTER_MS).unref();
  }

  /** Changes how many workers there are. */
  resize(min: number, max: number): void {
    this.#min = min;
    this.#max = max;
    this.#wanted = Math.min(Math.max(this.#wanted, min), max);
    this.publish({ type: 'pool-resized', min, max });
    this.#retireSurplus('resize');
    this.fill();
  }

  publish(event: PoolEvent): void {
    this.#options.publish({ pool: this.#options.name, ...event });
  }

  /** Nothing is started from now on. */
  stop(): void {
    this.#isClosing = true;
    clearTimeout(this.#growth);
    this.#breaker.close();
    this.#watchdog.close();
  }

  /** Lets running calls end for a moment, and ends every process. */
  async close(): Promise<void> {
    this.stop();
    await Promise.all([...this.all].map((worker) => worker.close(CLOSE_GRACE_MS)));
    await this.#placement.close();
    this.#cancelAtExit();
  }

  get #alive(): Worker[] {
    return [...this.rotation].filter((worker) => !worker.hasEnded);
  }

  /** How many workers more there can be. */
  get #room(): number {
    return this.capacity - this.all.size;
  }

  get #hasDue(): boolean {
    for (const worker of this.rotation) if (worker.due !== undefined) return true;
    return false;
  }

  /** How many workers more there should be. */
  get #missing(): number {
    return this.#wanted + (this.#hasDue && this.#room > 0 ? 1 : 0) - this.#alive.length;
  }

  get #starting(): number {
    return [...this.all].filter((worker) => !worker.isReady && !worker.hasEnded).length;
  }

  get #mayStart(): boolean {
    return !this.#isClosing && this.#room > 0 && this.#starting < this.#breaker.mayStart(MAX_STARTING);
  }

  #make(): Worker {
    this.#started += 1;
    const worker = new Worker(this.#options, this.#placement, this.#listener, this.#pool);
    this.all.add(worker);
    return worker;
  }

  #startInto(workers: Set<Worker>): void {
    const worker = this.#make();
    workers.add(worker);
    this.#tellStart(worker);
  }

  #tellStart(worker: Worker): void {
    this.publish({ type: 'worker-starting', workerId: worker.id });
  }

  #promote(spare: Worker): void {
    this.#spares.delete(spare);
    this.rotation.add(spare);
    // Not from within what another worker tells.
    if (spare.isReady)
      queueMicrotask(() => {
        if (spare.isReady) this.#pool.freed(spare);
      });
  }

  readonly #tick = (): void => {
    this.#replaceDue();
    for (const worker of this.#retiring) this.#endIfDone(worker);
    if (this.#quarantine?.isDisposable === true && !this.#pool.hasTaints && !this.#pool.needsQuarantine)
      this.#retire(this.#quarantine, 'quarantine');
    if (this.#wanted <= this.#min) return;
    const idle = this.#alive.find(
      (worker) => worker.isReady && worker.isDisposable && worker.idleMs >= this.#options.idleMs,
    );
    if (idle === undefined) return;
    this.#wanted -= 1;
    this.#retire(idle, 'idle');
  };

  /** Starts what comes in the place of workers that are due: when it is ready, one of them retires. */
  #replaceDue(): void {
    if (this.#isClosing || !this.#hasDue) return;
    this.#retireSurplus('resize');
    if (this.#room > 0) this.fill();
    else this.#retireDue(this.#alive.filter(({ isDisposable }) => isDisposable)); // there is no other place: its own
  }

  /** Retires as many as are ready beyond those that are wanted; those that are due first. */
  #retireSurplus(reason: RetireReason): void {
    const ready = this.#alive.filter((worker) => worker.isReady);
    let surplus = ready.length - this.#wanted;
    if (surplus <= 0) return;
    surplus -= this.#retireDue(ready, surplus);
    // Too many retire already: the one too many stands in for one that is due.
    if (this.#hasDue) surplus -= 1;
    const leaving = ready
      .filter((worker) => this.rotation.has(worker))
      .sort(
        (a, b) =>
          Number(b.isDisposable) - Number(a.isDisposable) ||
          Number(b.due !== undefined) - Number(a.due !== undefined) ||
          b.idleMs - a.idleMs,
      );
    for (const worker of leaving.slice(0, Math.max(0, surplus))) this.#retire(worker, reason);
  }

  #retireDue(candidates: readonly Worker[], most = 1): number {
    let count = 0;
    for (const worker of candidates) {
      if (count === most || this.#retiring.size >= this.#wanted) break;
      if (worker.due === undefined || !this.rotation.has(worker)) continue;
      this.#recycled += 1;
      this.#retire(worker, worker.due);
      count += 1;
    }
    return count;
  }

  #retire(worker: Worker, reason: RetireReason): void {
    this.rotation.delete(worker);
    if (this.#quarantine === worker) this.#quarantine = undefined;
    this.#retiring.add(worker);
    this.publish({ type: 'worker-retiring', workerId: worker.id, pid: worker.pid, reason });
    this.#endIfDone(worker);
  }

  /** A retiring worker stays for as long as an object of it is held: nothing of a user's is lost with it. */
  #endIfDone(worker: Worker): void {
    if (worker.isDisposable && !worker.hasEnded) worker.retire();
  }
}
