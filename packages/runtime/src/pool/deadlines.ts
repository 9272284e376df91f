/**
 * Deadlines of many calls at the price of one timer: calls with the same time to live end in the order in which they
 * begin, so that each duration has a list, and only its first entry is watched.
 */

/** Something with a deadline; it stands in at most one list. @internal */
export interface Timed {
  /** On the clock of `performance.now()`. */
  deadline: number;
  list: DeadlineList | undefined;
  previous: Timed | undefined;
  next: Timed | undefined;
  /** Called when the deadline has passed. */
  expired(): void;
}

/** Entries of one duration, the earliest first. */
class DeadlineList {
  readonly #durationMs: number;
  readonly #emptied: () => void;
  #first: Timed | undefined;
  #last: Timed | undefined;
  #isWatched = false;

  constructor(durationMs: number, emptied: () => void) {
    this.#durationMs = durationMs;
    this.#emptied = emptied;
  }

  add(entry: Timed, now: number): void {
    entry.deadline = now + this.#durationMs;
    entry.list = this;
    entry.previous = this.#last;
    entry.next = undefined;
    if (this.#last === undefined) this.#first = entry;
    else this.#last.next = entry;
    this.#last = entry;
    if (!this.#isWatched) this.#watch(this.#durationMs);
  }

  remove(entry: Timed): void {
    if (entry.previous === undefined) this.#first = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === undefined) this.#last = entry.previous;
    else entry.next.previous = entry.previous;
    entry.list = entry.previous = entry.next = undefined;
  }

  #watch(delayMs: number): void {
    this.#isWatched = true;
    setTimeout(() => {
      this.#expire();
    }, delayMs).unref();
  }

  #expire(): void {
    const now = performance.now();
    // A timer may fire a fraction of a millisecond early.
    while (this.#first !== undefined && this.#first.deadline <= now + 1) {
      const entry = this.#first;
      this.remove(entry);
      entry.expired();
    }
    // The list outlives a moment without entries: calls one after another do not make a timer each.
    this.#isWatched = false;
    if (this.#first === undefined) this.#emptied();
    else this.#watch(Math.max(1, this.#first.deadline - now));
  }
}

/** @internal */
export class Deadlines {
  readonly #lists = new Map<number, DeadlineList>();

  /** Watches an entry for so many milliseconds from now. */
  add(entry: Timed, durationMs: number, now: number): void {
    let list = this.#lists.get(durationMs);
    if (list === undefined) {
      list = new DeadlineList(durationMs, () => this.#lists.delete(durationMs));
      this.#lists.set(durationMs, list);
    }
    list.add(entry, now);
  }

  /** Forgets an entry. */
  remove(entry: Timed): void {
    entry.list?.remove(entry);
  }
}
