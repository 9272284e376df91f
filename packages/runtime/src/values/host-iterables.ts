/** Iterables of JavaScript that Python iterates: it asks for so many items at a time. */
import { toTuple } from './types.js';

/** How an iterable is pulled: `[count]` gives a tuple of [items, isDone], `[0]` closes it. @internal */
export type Pull = (args: unknown[]) => unknown;

/**
 * Makes the function that Python pulls an iterable by.
 *
 * It takes the number of items that are wanted, and optionally the number of the iterator, for a Python that iterates
 * several times at once; each starts at its first pull. What has ended or was closed starts again with the next pull,
 * as `for` does.
 *
 * @internal
 */
export function pullFrom(iterable: object): Pull {
  const open = new Map<unknown, Source>();
  return ([count = 0, which = 0]) => {
    let source = open.get(which);
    if (count === 0) {
      open.delete(which);
      return source?.close();
    }
    if (source === undefined) open.set(which, (source = sourceOf(iterable)));
    return source.pull(Number(count), () => open.delete(which));
  };
}

/** Whether an object is iterable only asynchronously; undefined where it is no iterable. @internal */
export function iterationOf(value: object): 'sync' | 'async' | undefined {
  const { [Symbol.asyncIterator]: asynchronous, [Symbol.iterator]: synchronous } = value as Partial<AnyIterable>;
  if (typeof asynchronous === 'function') return 'async';
  return typeof synchronous === 'function' ? 'sync' : undefined;
}

type AnyIterable = Iterable<unknown> & AsyncIterable<unknown>;

interface Source {
  /** @param ended - Called when there is no more to come. */
  pull(count: number, ended: () => void): unknown;
  close(): unknown;
}

function sourceOf(iterable: object): Source {
  return iterationOf(iterable) === 'async'
    ? new AsyncSource((iterable as AnyIterable)[Symbol.asyncIterator]())
    : new SyncSource((iterable as AnyIterable)[Symbol.iterator]());
}

class SyncSource implements Source {
  readonly #iterator: Iterator<unknown>;
  /** What the iterator threw after items that had to be given first. */
  #failure: { readonly error: unknown } | undefined;

  constructor(iterator: Iterator<unknown>) {
    this.#iterator = iterator;
  }

  pull(count: number, ended: () => void): unknown {
    const items: unknown[] = [];
    try {
      if (this.#failure !== undefined) throw this.#failure.error;
      while (items.length < count) {
        const { done, value } = this.#iterator.next() as IteratorResult<unknown, unknown>;
        if (done === true) {
          ended();
          return toTuple([items, true]);
        }
        items.push(value);
      }
    } catch (error) {
      if (items.length === 0) {
        ended();
        throw error;
      }
      this.#failure = { error };
    }
    return toTuple([items, false]);
  }

  close(): unknown {
    this.#iterator.return?.();
    return null;
  }
}

class AsyncSource implements Source {
  readonly #iterator: AsyncIterator<unknown>;
  #failure: { readonly error: unknown } | undefined;
  /** An item that was asked for and had not come when the others were given. */
  #next: Promise<IteratorResult<unknown>> | undefined;

  constructor(iterator: AsyncIterator<unknown>) {
    this.#iterator = iterator;
  }

  /** Waits for the first item, and takes the others only as far as they come at once. */
  async pull(count: number, ended: () => void): Promise<unknown> {
    const items: unknown[] = [];
    try {
      if (this.#failure !== undefined) throw this.#failure.error;
      while (items.length < count) {
        this.#next ??= Promise.resolve(this.#iterator.next());
        if (items.length > 0 && (await isPending(this.#next))) break;
        const { done, value } = (await this.#next) as IteratorResult<unknown, unknown>;
        this.#next = undefined;
        if (done === true) {
          ended();
          return toTuple([items, true]);
        }
        items.push(value);
      }
    } catch (error) {
      this.#next = undefined;
      if (items.length === 0) {
        ended();
        throw error;
      }
      this.#failure = { error };
    }
    return toTuple([items, false]);
  }

  async close(): Promise<unknown> {
    const closing = Promise.resolve(this.#iterator.return?.());
    if (this.#next === undefined) await closing;
    else for (const given of [this.#next, closing]) given.catch(() => undefined); // a generator ends after its item
    return null;
  }
}

const PENDING = Symbol('pending');

/** Whether a promise is still pending after a turn of the event loop. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let turn: NodeJS.Immediate | undefined;
  const late = new Promise((resolve) => {
    turn = setImmediate(resolve, PENDING);
  });
  try {
    return (await Promise.race([promise, late])) === PENDING;
  } catch {
    return false; // whoever awaits it sees why
  } finally {
    clearImmediate(turn);
  }
}
