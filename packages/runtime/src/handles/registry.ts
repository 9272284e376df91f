/** The handles of one worker: the same object is the same handle, and what is no longer held is released in Python. */
import { DecodeError } from '../errors.js';
import type { DecodeContext } from '../values/decode.js';
import { makeHandle } from './chain.js';
import type { HandleCore, HandleOwner } from './core.js';

/** @internal */
export class HandleRegistry implements DecodeContext {
  readonly #owner: HandleOwner;
  readonly #live = new Map<number, { readonly core: HandleCore; readonly handle: WeakRef<object> }>();
  readonly #collected = new FinalizationRegistry<HandleCore>((core) => {
    if (core.isReleased) return;
    core.isReleased = true;
    this.#owner.release(core);
  });

  constructor(owner: HandleOwner) {
    this.#owner = owner;
  }

  /** The handle of an object that the worker has just sent. */
  handle(id: number, type: string): object {
    if (!Number.isSafeInteger(id) || id < 1) throw new DecodeError(`a handle has the impossible id ${id}`);
    const known = this.#live.get(id);
    const handle = known?.core.isReleased === false ? known.handle.deref() : undefined;
    if (known !== undefined && handle !== undefined) {
      known.core.received += 1;
      return handle;
    }
    const core: HandleCore = { owner: this.#owner, id, type, received: 1, isReleased: false };
    const fresh = makeHandle(core);
    this.#live.set(id, { core, handle: new WeakRef(fresh) });
    this.#collected.register(fresh, core);
    return fresh;
  }

  /** Forgets a handle that was released. */
  forget(core: HandleCore): void {
    if (this.#live.get(core.id)?.core === core) this.#live.delete(core.id);
  }
}
