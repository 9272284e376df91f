/** For debugging: where arrays in shared memory were made, and which of them are still held at the end. */
import { setFlagsFromString } from 'node:v8';
import { setImmediate } from 'node:timers/promises';
import { runInNewContext } from 'node:vm';

interface Holding {
  readonly what: string;
  readonly stack: string;
}

/** The stack behind a function that is running. @internal */
export function stackHere(behind: (...args: never[]) => unknown): string {
  const place: { stack?: string } = {};
  Error.captureStackTrace(place, behind);
  return (place.stack ?? '').replace(/^.*\n?/, '');
}

/** @internal */
export class LeakLog {
  readonly #held = new Map<number, Holding>();
  readonly #collected = new FinalizationRegistry((number: number) => {
    this.#held.delete(number);
  });
  #last = 0;

  /**
   * Notes that memory is held for as long as an object lives.
   *
   * @param what - For the warning.
   * @param stack - Where it was made.
   * @returns Forgets it, as it was released.
   */
  track(object: object, what: string, stack: string): () => void {
    const number = ++this.#last;
    this.#held.set(number, { what, stack });
    this.#collected.register(object, number);
    return () => {
      this.#held.delete(number);
    };
  }

  /** Warns of everything that is still held, after what is not has been collected. */
  async report(): Promise<void> {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    await setImmediate(); // what was collected is told in a task of its own
    for (const { what, stack } of this.#held.values()) {
      process.emitWarning(`${what} is still held as the runtime closes`, { type: 'HognoseLeakWarning', detail: stack });
    }
  }
}
