/** One pool, as its users see it. */
import { inspect } from 'node:util';
import { ContextCaller, type PythonCaller } from '../caller.js';
import type { CallContext } from '../context.js';
import { checkSessionOptions } from '../check-options.js';
import { ConfigError } from '../errors.js';
import type { PoolStats, Runtime, WorkerStats } from '../runtime.js';
import type { SessionOptions } from '../sessions/pinned-session.js';
import { RuntimeSession, type Session } from '../sessions/session.js';
import type { Worker } from '../worker/worker.js';
import type { WorkerMetrics } from '../worker/worker-events.js';
import type { Pool } from './pool.js';
import type { WorkerRole } from './supervisor.js';
import type { PoolRouter } from './router.js';

/** A pool of a runtime: calls that are made through it run on its workers. @public */
export interface RuntimePool extends PythonCaller {
  readonly name: string;
  /** Opens a session on one of its workers; see {@link Runtime.session}. */
  session(options?: SessionOptions): Session;
  /** Resolves when as many workers are ready as there should be now. Rejects when they cannot start. */
  ready(): Promise<void>;
  /** What the pool does at this moment. */
  stats(): PoolStats;
  /** What its workers measure of themselves, whatever they run. */
  metrics(): Promise<readonly WorkerMetrics[]>;
  /**
   * Changes how many workers there are. Those that are not needed any more end when their calls have ended and nothing
   * of them is held.
   *
   * @param size - A fixed number, or the bounds between which it goes by need.
   * @returns Resolves when as many are ready.
   * @throws {@link ConfigError} When it is no size.
   */
  resize(size: number | { readonly min: number; readonly max: number }): Promise<void>;
  /**
   * Takes no new calls, those of callbacks apart; resolves when all that it has taken have ended. Not to be awaited in a
   * callback of one of them.
   */
  drain(): Promise<void>;
  /**
   * Trusts a tainted target again, before it has succeeded a few times by itself.
   *
   * @param target - As `stats().tainted` names it; left out: all.
   * @returns Those that were tainted.
   */
  clearTaint(target?: string): readonly string[];
}

/** @internal */
export class PoolCaller extends ContextCaller implements RuntimePool {
  readonly name: string;
  protected readonly executor: PoolRouter;
  protected readonly context: CallContext;
  readonly #runtime: Runtime;
  readonly #pool: Pool;

  constructor(runtime: Runtime, executor: PoolRouter, pool: Pool) {
    super();
    this.name = pool.name;
    this.executor = executor;
    this.context = { runtime, pool: pool.name };
    this.#runtime = runtime;
    this.#pool = pool;
  }

  session(options: SessionOptions = {}): Session {
    const mistakes = checkSessionOptions(options);
    if (mistakes.length > 0) throw new ConfigError(`session: ${mistakes.join('; ')}`);
    return new RuntimeSession(this.#runtime, this.executor, this.#pool.openSession(options));
  }

  ready(): Promise<void> {
    return this.#pool.ready();
  }

  stats(): PoolStats {
    const { counts, size, workers, ...state } = this.#pool.read();
    return {
      name: this.name,
      min: size.min,
      max: size.max,
      ...counts,
      ...state,
      workers: workers.map((worker) => statsOf(worker, this.name, this.#pool.roleOf(worker))),
    };
  }

  metrics(): Promise<readonly WorkerMetrics[]> {
    return this.#pool.metrics();
  }

  async resize(size: number | { readonly min: number; readonly max: number }): Promise<void> {
    const bounds: unknown = size;
    const { min, max } =
      typeof bounds === 'object' && bounds !== null
        ? (bounds as { readonly min: number; readonly max: number })
        : { min: size as number, max: size as number };
    const isSize = (value: unknown): boolean =>
      Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 1024;
    if (!isSize(min) || !isSize(max) || min > max)
      throw new ConfigError(
        `resize: must be an integer from 1 to 1024, or { min, max } with min at most max, not ${inspect(size)}`,
      );
    await this.#pool.resize(min, max);
  }

  drain(): Promise<void> {
    return this.#pool.drain();
  }

  clearTaint(target?: string): readonly string[] {
    return this.#pool.clearTaint(target);
  }
}

function statsOf(worker: Worker, pool: string, role: WorkerRole): WorkerStats {
  const { id, pid, isReady, isIdle, active, finishedCalls, counts, sourceHash } = worker;
  return { id, pool, role, pid, isReady, isIdle, calls: active, answered: finishedCalls, ...counts, sourceHash };
}
