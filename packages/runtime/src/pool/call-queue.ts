/** Calls in the order of their submission; those whose caller was told meanwhile are passed over. */
import type { PendingCall } from './pending-call.js';

/** How many taken places may stand in front before they are cut off. */
const MAX_TAKEN = 1024;

/** @internal */
export class CallQueue {
  #calls: (PendingCall | undefined)[] = [];
  /** Where the first call stands. */
  #first = 0;
  #size = 0;

  /** How many calls wait. */
  get size(): number {
    return this.#size;
  }

  push(call: PendingCall): void {
    call.queue = this;
    this.#calls.push(call);
    this.#size += 1;
  }

  /** Puts a call in front of all others. */
  unshift(call: PendingCall): void {
    call.queue = this;
    if (this.#first > 0) this.#calls[--this.#first] = call;
    else this.#calls.unshift(call);
    this.#size += 1;
  }

  /** Notes that one of its calls was settled where it stands. */
  drop(call: PendingCall): void {
    call.queue = undefined;
    this.#size -= 1;
  }

  /** The first call, which stays. */
  peek(): PendingCall | undefined {
    for (;;) {
      const call = this.#calls[this.#first];
      if (call === undefined) {
        // Taken places hold nothing: a call keeps its arguments and its result alive.
        if (this.#first > 0) this.#calls = [];
        this.#first = 0;
        return undefined;
      }
      if (call.queue === this) return call;
      this.#pass();
    }
  }

  shift(): PendingCall | undefined {
    const call = this.peek();
    if (call === undefined) return undefined;
    this.#pass();
    this.drop(call);
    return call;
  }

  /** Takes all. */
  drain(): PendingCall[] {
    const calls: PendingCall[] = [];
    for (let call = this.shift(); call !== undefined; call = this.shift()) calls.push(call);
    return calls;
  }

  #pass(): void {
    this.#calls[this.#first] = undefined;
    this.#first += 1;
    if (this.#first < MAX_TAKEN) return;
    this.#calls = this.#calls.slice(this.#first);
    this.#first = 0;
  }
}
