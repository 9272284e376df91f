import type { MemorySegment } from './memory-segment.js';
import { Piece } from './piece.js';
import { slotClass } from './size-classes.js';
import { Slab } from './slab.js';

/** A segment that nobody uses, and since when, as `performance.now()` has it. */
export interface IdleSegment {
  readonly memory: MemorySegment;
  readonly since: number;
}

/** What is told of a piece's beginning and end. */
export interface PieceLedger {
  taken(piece: Piece): void;
  freed(piece: Piece): void;
}

/** The small pieces. All slabs are of use for pieces of any size: one that is empty is cut anew. */
export class SlabPool {
  readonly #ledger: PieceLedger;
  /** Slabs with used and unused slots, by the size of these. The last one is used first. */
  readonly #open = new Map<number, Slab[]>();
  /** Slabs without used slots, and since when. The last one is used first. */
  readonly #idle = new Map<Slab, number>();
  #byteLength = 0;

  constructor(ledger: PieceLedger) {
    this.#ledger = ledger;
  }

  /** Of all slabs. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** Whether {@link SlabPool.take} finds something. */
  has(byteLength: number): boolean {
    return this.#idle.size > 0 || (this.#open.get(slotClass(byteLength))?.length ?? 0) > 0;
  }

  /** Whether {@link SlabPool.takeLarger} finds something. */
  hasLarger(byteLength: number): boolean {
    return this.#larger(byteLength) !== undefined;
  }

  take(byteLength: number): Piece | undefined {
    const slotBytes = slotClass(byteLength);
    return this.#takeFrom(this.#open.get(slotBytes)?.at(-1) ?? this.#cutIdle(slotBytes), byteLength);
  }

  /** A piece in a slot of another size, where there can be no more slabs. */
  takeLarger(byteLength: number): Piece | undefined {
    return this.#takeFrom(this.#larger(byteLength), byteLength);
  }

  add(memory: MemorySegment): void {
    this.#byteLength += memory.byteLength;
    this.#idle.set(new Slab(memory), performance.now());
  }

  idle(): IdleSegment[] {
    return Array.from(this.#idle, ([{ memory }, since]) => ({ memory, since }));
  }

  /** Forgets a segment that is idle; false where it is none of these. */
  remove(memory: MemorySegment): boolean {
    for (const slab of this.#idle.keys()) {
      if (slab.memory !== memory) continue;
      this.#byteLength -= memory.byteLength;
      return this.#idle.delete(slab);
    }
    return false;
  }

  #takeFrom(slab: Slab | undefined, byteLength: number): Piece | undefined {
    if (slab === undefined) return undefined;
    const range = { offset: slab.take(), byteLength };
    if (slab.isFull) removeFrom(this.#openSlabs(slab.slotBytes), slab);
    const piece: Piece = new Piece(slab.memory, range, 0, () => {
      this.#give(slab, piece);
    });
    this.#ledger.taken(piece);
    return piece;
  }

  #give(slab: Slab, piece: Piece): void {
    const slabs = this.#openSlabs(slab.slotBytes);
    if (slab.isFull) slabs.push(slab);
    slab.give(piece.offset);
    if (slab.isEmpty) {
      removeFrom(slabs, slab);
      this.#idle.set(slab, performance.now());
    }
    this.#ledger.freed(piece);
  }

  /** The slab with the smallest slots that are large enough. */
  #larger(byteLength: number): Slab | undefined {
    let best: Slab | undefined;
    for (const [slotBytes, slabs] of this.#open) {
      if (slotBytes >= byteLength && slotBytes < (best?.slotBytes ?? Infinity)) best = slabs.at(-1) ?? best;
    }
    return best;
  }

  #cutIdle(slotBytes: number): Slab | undefined {
    const slab = [...this.#idle.keys()].pop();
    if (slab === undefined) return undefined;
    this.#idle.delete(slab);
    slab.cut(slotBytes);
    this.#openSlabs(slotBytes).push(slab);
    return slab;
  }

  #openSlabs(slotBytes: number): Slab[] {
    let slabs = this.#open.get(slotBytes);
    if (slabs === undefined) this.#open.set(slotBytes, (slabs = []));
    return slabs;
  }
}

function removeFrom(slabs: Slab[], slab: Slab): void {
  slabs.splice(slabs.lastIndexOf(slab), 1);
}
