/** A session's state: the worker that its calls run on, and how long it lasts. */
import { ConfigError, HandleLostError, PoolSaturatedError, SessionClosedError } from '../errors.js';
import { currentContext } from '../context.js';
import { globalState } from '../global-state.js';
import type { HandleOwner } from '../handles/core.js';
import type { Worker } from '../worker/worker.js';
import type { Session } from './session.js';

/** How a session keeps to its worker. @public */
export interface SessionOptions {
  /**
   * What happens to a call while the session's worker is busy: `strict` waits for it, `fail-fast` rejects with a
   * {@link PoolSaturatedError} at once, `hint` runs it on another worker.
   * @defaultValue `strict`
   */
  readonly affinity?: 'strict' | 'fail-fast' | 'hint';
  /** Milliseconds without a call after which the session ends. 0: none. @defaultValue 0 */
  readonly ttlMs?: number;
  /** Objects of Python that the session may hold at once; one more is a {@link HandleQuotaError}. @defaultValue the runtime's */
  readonly maxHandles?: number;
}

/** Under this symbol a session tells its state. @internal */
export const SESSION: unique symbol = Symbol.for('hognose/session');

/** The state of a session, whichever copy of this package has made it. @internal */
export function pinnedSessionOf(session: Session): PinnedSession {
  const state = (session as { readonly [SESSION]?: PinnedSession })[SESSION];
  if (state === undefined) throw new ConfigError('session: this is none that runtime.session() has made');
  return state;
}

/** @internal */
export class PinnedSession {
  readonly id = globalState().nextSessionId++;
  /** Name of the pool that it belongs to. */
  readonly pool: string;
  readonly #affinity: 'strict' | 'fail-fast' | 'hint';
  readonly #ttlMs: number;
  readonly #maxHandles: number | undefined;
  readonly #assign: () => Worker | undefined;
  #worker: Worker | undefined;
  /** Workers that know of the session. */
  readonly #joined = new Set<Worker>();
  #outstanding = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed: string | undefined;
  #idle: (() => void)[] = [];

  /**
   * @param pool - Name of its pool.
   * @param assign - Chooses the worker among those that are ready; undefined: there is none, and calls wait for one.
   */
  constructor(pool: string, options: SessionOptions, assign: () => Worker | undefined) {
    this.pool = pool;
    const { affinity = 'strict', ttlMs = 0, maxHandles } = options;
    this.#affinity = affinity;
    this.#ttlMs = ttlMs;
    this.#maxHandles = maxHandles;
    this.#assign = assign;
    this.#restartTimer();
  }

  /** The worker that its calls run on; undefined before the first. */
  get worker(): Worker | undefined {
    return this.#worker;
  }

  /** The process that its calls run in; undefined before the first. */
  get pid(): number | undefined {
    return this.#worker?.pid;
  }

  /**
   * The worker for the session's next call; undefined where any will do.
   *
   * @param owner - The worker whose objects the call refers to.
   * @param isNew - Whether it was just made: only those are refused once the session was closed.
   */
  workerFor(label: string, owner: HandleOwner | undefined, isNew: boolean): HandleOwner | undefined {
    if (this.#closed !== undefined && isNew)
      throw new SessionClosedError(`${label}: the session ${this.id} ${this.#closed}`);
    if (this.#worker?.hasEnded === true) {
      if (this.#affinity !== 'hint') {
        throw new HandleLostError(
          `${label}: the session ${this.id} was on worker ${this.#worker.id} (pid ${this.#worker.pid}), whose process has ended, and its objects with it: open a new session`,
        );
      }
      this.#worker = undefined;
    }
    const worker = (this.#worker ??= this.#assign());
    if (worker !== undefined) this.joins(worker);
    else if (this.#affinity === 'fail-fast')
      throw new PoolSaturatedError(
        `${label}: no worker of the pool ${this.pool} is ready for the session ${this.id}, and its affinity is 'fail-fast'`,
      );
    else return owner;
    if (this.#affinity === 'strict' || worker.hasFreeThread) return worker;
    if (this.#affinity === 'hint') return owner;
    throw new PoolSaturatedError(
      `${label}: worker ${worker.id} (pid ${worker.pid}) of the session ${this.id} is ${worker.isReady ? 'busy' : 'not ready yet'}, and its affinity is 'fail-fast'`,
    );
  }

  /** Whether its calls may run on another worker. */
  get isHint(): boolean {
    return this.#affinity === 'hint';
  }

  /**
   * A worker has room for one of its calls, which has waited for any.
   *
   * @returns The worker that runs it.
   */
  claim(worker: Worker): Worker {
    const claimed = this.#affinity === 'hint' ? worker : (this.#worker ??= worker);
    this.joins(claimed);
    return claimed;
  }

  /** A worker gets to know of the session: it is told of its end. */
  joins(worker: Worker): void {
    if (this.#joined.has(worker)) return;
    this.#joined.add(worker);
    worker.openSession(this.id, this.#maxHandles);
  }

  /** One of its calls was made. */
  submitted(): void {
    this.#outstanding += 1;
    clearTimeout(this.#timer);
  }

  /** The caller of one of its calls was told. */
  settled(): void {
    this.#outstanding -= 1;
    if (this.#outstanding > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
    if (this.#closed === undefined) this.#restartTimer();
  }

  /** Ends it when its calls have ended: Python frees what it alone has held. */
  async close(reason = 'was closed'): Promise<void> {
    this.#closed ??= reason;
    clearTimeout(this.#timer);
    const { parent, session } = currentContext();
    const ended = this.#end();
    // From within a callback of its own: that call ends only after this has returned.
    if (parent === undefined || session === undefined || pinnedSessionOf(session) !== this) await ended;
  }

  async #end(): Promise<void> {
    if (this.#outstanding > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#worker = undefined;
    for (const worker of this.#joined) if (!worker.hasEnded) worker.closeSession(this.id);
    this.#joined.clear();
  }

  #restartTimer(): void {
    if (this.#ttlMs === 0) return;
    this.#timer = setTimeout(() => {
      void this.close(`has ended, as it had no call for ${this.#ttlMs} ms (ttlMs)`);
    }, this.#ttlMs).unref();
  }
}
