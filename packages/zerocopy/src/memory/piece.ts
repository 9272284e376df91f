import { ZeroCopyError } from '../errors.js';
import { expose } from './exposure.js';
import type { MemorySegment } from './memory-segment.js';
import type { Block, Hold } from './types.js';

/** A part of a segment. */
export interface Range {
  readonly offset: number;
  readonly byteLength: number;
}

/** A piece of shared memory, counted: when nobody holds it any more, `whenFree` is called, once. */
export class Piece implements Block {
  readonly memory: MemorySegment;
  readonly offset: number;
  readonly byteLength: number;
  readonly via: number;
  readonly #whenFree: () => void;
  #holds = 1;

  /** Held once by whoever makes it. */
  constructor(memory: MemorySegment, range: Range, via: number, whenFree: () => void) {
    this.memory = memory;
    this.offset = range.offset;
    this.byteLength = range.byteLength;
    this.via = via;
    this.#whenFree = whenFree;
  }

  get segment(): number {
    return this.memory.number;
  }

  get segmentBytes(): number {
    return this.memory.byteLength;
  }

  get isHeld(): boolean {
    return this.#holds > 0;
  }

  /** Whether nothing else can be in its segment: small pieces share one, large ones do not. */
  get isAlone(): boolean {
    return this.byteLength > this.memory.byteLength / 2;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    this.#assertHeld();
    return this.memory.mapping.writable.subarray(this.offset, this.offset + this.byteLength);
  }

  get address(): bigint {
    this.#assertHeld();
    return this.memory.mapping.address + BigInt(this.offset);
  }

  expose(): ArrayBuffer {
    this.#assertHeld();
    return expose(this);
  }

  retain(): void {
    this.#assertHeld();
    this.#holds++;
  }

  release(): void {
    if (this.#holds === 0) throw new Error('a piece of shared memory was let go of more often than it was held');
    if (--this.#holds === 0) this.#whenFree();
  }

  #assertHeld(): void {
    if (this.#holds > 0) return;
    throw new ZeroCopyError('ZEROCOPY_CLOSED', 'this shared memory was released: nobody holds it any more');
  }
}

/** The piece that is held, however it is held. */
export function pieceOf(hold: Hold & { readonly piece?: Hold }): Piece {
  const piece = hold.piece ?? hold;
  if (piece instanceof Piece) return piece;
  throw new ZeroCopyError('ZEROCOPY_RANGE', 'this memory is not held by this copy of @hognose/zerocopy');
}
