import type { MemorySegment } from './memory-segment.js';
import { Piece } from './piece.js';
import { acceptableSegments } from './size-classes.js';
import type { IdleSegment, PieceLedger } from './slab-pool.js';

/** The large pieces, each with a segment of its own. */
export class SegmentPool {
  readonly #ledger: PieceLedger;
  /** Free segments by size. The last one was used last: it is the warmest. */
  readonly #free = new Map<number, IdleSegment[]>();

  constructor(ledger: PieceLedger) {
    this.#ledger = ledger;
  }

  /** Whether {@link SegmentPool.take} finds something. */
  has(byteLength: number): boolean {
    return this.#fitting(byteLength) !== undefined;
  }

  take(byteLength: number): Piece | undefined {
    const memory = this.#fitting(byteLength)?.pop()?.memory;
    if (memory === undefined) return undefined;
    const piece: Piece = new Piece(memory, { offset: 0, byteLength }, 0, () => {
      // One that was released has lost its mapping: the next one shall not wait for a new one.
      if (!memory.isMapped) memory.warmUp().catch(() => undefined);
      this.add(memory);
      this.#ledger.freed(piece);
    });
    this.#ledger.taken(piece);
    return piece;
  }

  add(memory: MemorySegment): void {
    const free = { memory, since: performance.now() };
    const segments = this.#free.get(memory.byteLength);
    if (segments === undefined) this.#free.set(memory.byteLength, [free]);
    else segments.push(free);
  }

  idle(): IdleSegment[] {
    return [...this.#free.values()].flat();
  }

  /** Forgets a segment that is idle; false where it is none of these. */
  remove(memory: MemorySegment): boolean {
    const segments = this.#free.get(memory.byteLength) ?? [];
    const index = segments.findIndex((free) => free.memory === memory);
    if (index >= 0) segments.splice(index, 1);
    return index >= 0;
  }

  #fitting(byteLength: number): IdleSegment[] | undefined {
    for (const size of acceptableSegments(byteLength)) {
      const segments = this.#free.get(size);
      if (segments !== undefined && segments.length > 0) return segments;
    }
    return undefined;
  }
}
