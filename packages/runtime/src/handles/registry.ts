/** The handles of one worker: the same object is the same handle, and what is no longer held is released in Python. */
import { DecodeError } from '../errors.js';
import type { DecodeContext } from '../values/decode.js';
import { makeHandle } from './chain.js';
import type { HandleCore, HandleOwner, Held } from './core.js';

interface Live {
  readonly held: Held;
  readonly core: WeakRef<HandleCore>;
  handle: WeakRef<object>;
}

/** @internal */
export class HandleRegistry implements DecodeContext {
  readonly #owner: HandleOwner;
  readonly #live = new Map<number, Live>();
  readonly #collected = new FinalizationRegistry<Held>((held) => {
    this.#owner.release(held);
  });

  constructor(owner: HandleOwner) {
    this.#owner = owner;
  }

  /** The handle of an object that the worker has just sent. */
  handle(id: number, type: string): object {
    if (!Number.isSafeInteger(id) || id < 1) throw new DecodeError(`a handle has the impossible id ${id}`);
    const known = this.#live.get(id);
    const core = known?.core.deref();
    if (known === undefined || core === undefined || core.isReleased) return this.#add(id, type);
    known.held.received += 1;
    const handle = known.handle.deref();
    if (handle !== undefined) return handle;
    const fresh = makeHandle(core); // only a call that is under way still refers to the object
    known.handle = new WeakRef(fresh);
    return fresh;
  }

  /** Forgets an object that was released. */
  forget(held: Held): void {
    const known = this.#live.get(held.id);
    if (known?.held !== held) return; // sent again meanwhile
    this.#live.delete(held.id);
    this.#collected.unregister(held);
  }

  #add(id: number, type: string): object {
    const held: Held = { id, received: 1 };
    const core: HandleCore = { owner: this.#owner, id, type, held, isReleased: false };
    const handle = makeHandle(core);
    this.#live.set(id, { held, core: new WeakRef(core), handle: new WeakRef(handle) });
    this.#collected.register(core, held, held);
    return handle;
  }
}
