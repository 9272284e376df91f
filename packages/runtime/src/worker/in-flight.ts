/**
 * The calls that a worker has, by their ids: a hash table with open addressing.
 *
 * Not a Map: when a Map makes its table anew, the old one refers to the new one and to all that stood in it. Once an old
 * table has been promoted to the old generation, every later table and call is promoted after it, dead or not, and the
 * collector takes more time than everything else that a call costs.
 */
import type { PendingCall } from '../pool/pending-call.js';

const FEWEST_PLACES = 64;

/** @internal */
export class InFlight {
  /** As many places as a power of two, at most half of them taken. */
  #places: (PendingCall | undefined)[] = emptyPlaces(FEWEST_PLACES);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): PendingCall | undefined {
    return this.#places[this.#find(id)];
  }

  /** Adds a call, whose id is not in the table. */
  add(call: PendingCall): void {
    if (2 * this.#size >= this.#places.length) this.#grow();
    this.#places[this.#find(call.id)] = call;
    this.#size += 1;
  }

  /** Removes a call; nothing happens where there is none of the id. */
  delete(id: number): void {
    const places = this.#places;
    const mask = places.length - 1;
    let hole = this.#find(id);
    if (places[hole] === undefined) return;
    places[hole] = undefined;
    this.#size -= 1;
    // What was put behind the place, as it was taken, moves up: a search ends at the first free place.
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const call = places[at];
      if (call === undefined) return;
      const home = call.id & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      places[hole] = call;
      places[at] = undefined;
      hole = at;
    }
  }

  /** All calls, in the order in which they were sent. */
  calls(): PendingCall[] {
    return this.#places.filter((call) => call !== undefined).sort((a, b) => a.sentAt - b.sentAt || a.id - b.id);
  }

  /** Where a call stands, or would. Ids follow one another, so that most stand at the place of their number. */
  #find(id: number): number {
    const mask = this.#places.length - 1;
    let at = id & mask;
    for (let call = this.#places[at]; call !== undefined && call.id !== id; call = this.#places[at])
      at = (at + 1) & mask;
    return at;
  }

  #grow(): void {
    const calls = this.#places;
    this.#places = emptyPlaces(calls.length * 2);
    for (const call of calls) if (call !== undefined) this.#places[this.#find(call.id)] = call;
  }
}

function emptyPlaces(count: number): undefined[] {
  return Array.from<undefined>({ length: count }).fill(undefined);
}
