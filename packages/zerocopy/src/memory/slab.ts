import type { MemorySegment } from './memory-segment.js';

/** A segment that is cut into slots of one size. Empty, it may be cut anew into slots of another. */
export class Slab {
  readonly memory: MemorySegment;
  #slotBytes = 0;
  /** Slots from here on were never used since the slab was cut. */
  #unused = 0;
  /** Offsets of slots that were let go of; the last one is the warmest. */
  #free: number[] = [];
  #taken = 0;

  constructor(memory: MemorySegment) {
    this.memory = memory;
  }

  get slotBytes(): number {
    return this.#slotBytes;
  }

  get isEmpty(): boolean {
    return this.#taken === 0;
  }

  get isFull(): boolean {
    return this.#free.length === 0 && this.#unused + this.#slotBytes > this.memory.byteLength;
  }

  /** Cuts an empty slab. */
  cut(slotBytes: number): void {
    if (slotBytes === this.#slotBytes) return;
    this.#slotBytes = slotBytes;
    this.#unused = 0;
    this.#free = [];
  }

  /** The offset of a slot of a slab that is not full. */
  take(): number {
    this.#taken++;
    const warm = this.#free.pop();
    if (warm !== undefined) return warm;
    const offset = this.#unused;
    this.#unused += this.#slotBytes;
    return offset;
  }

  give(offset: number): void {
    this.#taken--;
    this.#free.push(offset);
  }
}
