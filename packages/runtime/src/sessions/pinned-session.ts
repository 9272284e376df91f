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
  readonly #affinity: 'strict' | 'fail-fast' | 'hint';
  readonly #ttlMs: number;
  readonly #maxHandles: number | undefined;
  readonly #assign: () => Worker;
  #worker: Worker | undefined;
  #outstanding = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed: string | undefined;
  #idle: (() => void)[] = [];

  /** @param assign - Chooses the worker; called once, before the first call. */
  constructor(options: SessionOptions, assign: () => Worker) {
    const { affinity = 'strict', ttlMs = 0, maxHandles } = options;
    this.#affinity = affinity;
    this.#ttlMs = ttlMs;
    this.#maxHandles = maxHandles;
    this.#assign = assign;
    this.#restartTimer();
  }

  /** The process that its calls run in; undefined before the first. */
  get pid(): number | undefined {
    return this.#worker?.pid;
  }

  /**
   * The worker for the session's next call; undefined where any will do.
   *
   * @param owner - The worker whose objects the call refers to.
   */
  workerFor(label: string, owner: HandleOwner | undefined): HandleOwner | undefined {
    if (this.#closed !== undefined) throw new SessionClosedError(`${label}: the session ${this.id} ${this.#closed}`);
    if (this.#worker?.hasEnded === true) {
      if (this.#affinity !== 'hint') {
        throw new HandleLostError(
          `${label}: the session ${this.id} was on worker ${this.#worker.id} (pid ${this.#worker.pid}), whose process has ended, and its objects with it: open a new session`,
        );
      }
      this.#worker = undefined;
    }
    const worker = (this.#worker ??= this.#pin());
    if (this.#affinity === 'strict' || worker.hasFreeThread) return worker;
    if (this.#affinity === 'hint') return owner;
    throw new PoolSaturatedError(
      `${label}: worker ${worker.id} (pid ${worker.pid}) of the session ${this.id} is ${worker.isReady ? 'busy' : 'not ready yet'}, and its affinity is 'fail-fast'`,
    );
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
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker?.hasEnded === false) worker.closeSession(this.id);
  }

  #pin(): Worker {
    const worker = this.#assign();
    worker.openSession(this.id, this.#maxHandles);
    return worker;
  }

  #restartTimer(): void {
    if (this.#ttlMs === 0) return;
    this.#timer = setTimeout(() => {
      void this.close(`has ended, as it had no call for ${this.#ttlMs} ms (ttlMs)`);
    }, this.#ttlMs).unref();
  }
}
