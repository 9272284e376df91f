/** The handles of one worker: the same object is the same handle, and what is no longer held is released in Python. */
import { DecodeError, HandleQuotaError } from '../errors.js';
import { makeHandle } from './chain.js';
import type { HandleCore, HandleOwner, Held } from './core.js';

interface Live {
  readonly held: Held;
  readonly core: WeakRef<HandleCore>;
  handle: WeakRef<object>;
  /** Those of the core, which may be collected already. */
  readonly sessions: Set<number>;
}

/** @internal */
export class HandleRegistry {
  readonly #owner: HandleOwner;
  readonly #most: number;
  readonly #live = new Map<number, Live>();
  /** How many objects each session has brought. */
  readonly #counts = new Map<number, number>();
  readonly #collected = new FinalizationRegistry<Held>((held) => {
    this.#owner.release(held);
  });

  /** @param most - How many objects may be held at once. */
  constructor(owner: HandleOwner, most = Infinity) {
    this.#owner = owner;
    this.#most = most;
  }

  /** How many objects of the worker are held. */
  get size(): number {
    return this.#live.size;
  }

  /**
   * The handle of an object that the worker has just sent.
   *
   * @param session - The session whose call has brought it; 0: none.
   * @param quota - How many objects that session may hold.
   * @throws {@link HandleQuotaError} When it would be one too many; Python is told that it is not held.
   */
  handle(
    id: number,
    type: string,
    mro: readonly string[],
    repr: string | null,
    session: number,
    quota = Infinity,
  ): object {
    if (!Number.isSafeInteger(id) || id < 1) throw new DecodeError(`a handle has the impossible id ${id}`);
    const known = this.#live.get(id);
    const core = known?.core.deref();
    if (known !== undefined && core?.isReleased === false) {
      known.held.received += 1;
      if (!core.sessions.has(session)) {
        core.sessions.add(session);
        this.#count(session, 1);
      }
      const handle = known.handle.deref();
      if (handle !== undefined) return handle;
      const fresh = makeHandle(core); // only a call that is under way still refers to the object
      known.handle = new WeakRef(fresh);
      return fresh;
    }
    this.#refuseBeyond(this.#most, this.#live.size, { id, received: 1 }, type, `worker ${this.#owner.id}`);
    this.#refuseBeyond(quota, this.countOfSession(session), { id, received: 1 }, type, `the session ${session}`);
    // One under the same number was given up, or its collection has not been told yet: it has its own release.
    for (const earlier of known?.sessions ?? []) this.#count(earlier, -1);
    return this.#add(id, type, mro, repr, session);
  }

  /** Forgets an object that was released. */
  forget(held: Held): void {
    const known = this.#live.get(held.id);
    if (known?.held !== held) return; // sent again meanwhile
    this.#live.delete(held.id);
    for (const session of known.sessions) this.#count(session, -1);
    this.#collected.unregister(held);
  }

  /** How many objects a session has brought. */
  countOfSession(session: number): number {
    return this.#counts.get(session) ?? 0;
  }

  /** Releases the objects that a session has brought, and nothing else has. */
  endSession(session: number): void {
    if (this.countOfSession(session) === 0) return;
    for (const { core, sessions, held } of [...this.#live.values()]) {
      const alive = core.deref();
      if (!sessions.has(session) || alive?.isReleased === true) continue;
      if (sessions.size === 1) {
        if (alive !== undefined) alive.isReleased = true;
        this.#owner.release(held);
      } else {
        sessions.delete(session);
        this.#count(session, -1);
      }
    }
  }

  #add(id: number, type: string, mro: readonly string[], repr: string | null, session: number): object {
    const owner = this.#owner;
    const held: Held = { id, received: 1 };
    const sessions = new Set([session]);
    const core: HandleCore = {
      owner,
      id,
      type,
      mro,
      repr,
      sessions,
      leftover: undefined,
      held,
      isReleased: false,
    };
    const handle = makeHandle(core);
    this.#live.set(id, { held, core: new WeakRef(core), handle: new WeakRef(handle), sessions });
    this.#count(session, 1);
    this.#collected.register(core, held, held);
    return handle;
  }

  #count(session: number, change: number): void {
    const count = this.countOfSession(session) + change;
    if (count === 0) this.#counts.delete(session);
    else this.#counts.set(session, count);
  }

  #refuseBeyond(most: number, count: number, held: Held, type: string, holder: string): void {
    if (count < most) return;
    this.#owner.release(held);
    throw new HandleQuotaError(
      `a ${type} cannot be held: ${count} objects of ${holder} are held already, and no more may be (maxHandles): release some, or raise it`,
    );
  }
}
