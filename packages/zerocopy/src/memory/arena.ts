import { constants } from 'node:buffer';
import { ZeroCopyError } from '../errors.js';
import { type Libc, loadLibc } from '../linux/libc.js';
import { createMemoryFileOffLoop } from '../memory-file.js';
import { MemorySegment } from './memory-segment.js';
import type { Piece } from './piece.js';
import { nextSegmentNumber } from './segment-numbers.js';
import { SegmentPool } from './segment-pool.js';
import { firstSlabBytes, largestInSlab, nextSlabBytes, segmentClass } from './size-classes.js';
import { type IdleSegment, type PieceLedger, SlabPool } from './slab-pool.js';
import type { Arena, ArenaOptions, ArenaStats, Block } from './types.js';

const DEFAULT_IDLE_MS = 30_000;

/** The longest time that a timer takes. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Makes an arena. It takes no memory before it is asked to.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_UNAVAILABLE` where memory cannot be shared, `ZEROCOPY_RANGE` for a limit that is no
 * number of bytes.
 * @internal
 */
export function createArena(options: ArenaOptions): Arena {
  return createArenaWith(loadLibc(), options);
}

/** The same with another C library, such as one that fails. */
export function createArenaWith(libc: Libc, options: ArenaOptions): Arena {
  if (!(options.maxBytes >= 0)) {
    throw new ZeroCopyError(
      'ZEROCOPY_RANGE',
      `maxBytes is ${options.maxBytes}, and it must be a number of bytes from 0`,
    );
  }
  return new SharedArena(libc, options);
}

class SharedArena implements Arena {
  readonly #libc: Libc;
  readonly #maxBytes: number;
  readonly #idleMs: number;
  readonly #whenClosed: (segment: number) => void;
  readonly #firstSlab: number;
  readonly #small: SlabPool;
  readonly #large: SegmentPool;
  /** Segments that are being made, by their size, and their sizes together. */
  readonly #growing = new Map<number, Promise<boolean>>();
  #growingBytes = 0;
  #segments = 0;
  #bytes = 0;
  #usedBytes = 0;
  #blocks = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(libc: Libc, options: ArenaOptions) {
    this.#libc = libc;
    this.#maxBytes = options.maxBytes;
    this.#idleMs = options.idleMs ?? DEFAULT_IDLE_MS;
    this.#whenClosed = options.closed ?? (() => undefined);
    this.#firstSlab = firstSlabBytes(options.maxBytes);
    const ledger: PieceLedger = {
      taken: (piece) => {
        this.#blocks++;
        this.#usedBytes += piece.byteLength;
      },
      freed: (piece) => {
        this.#freed(piece);
      },
    };
    this.#small = new SlabPool(ledger);
    this.#large = new SegmentPool(ledger);
  }

  get stats(): ArenaStats {
    return {
      segments: this.#segments,
      bytes: this.#bytes,
      usedBytes: this.#usedBytes,
      blocks: this.#blocks,
      maxBytes: this.#maxBytes,
    };
  }

  take(byteLength: number): Block | undefined {
    assertByteLength(byteLength);
    if (this.#isClosed) return undefined;
    const pool = this.#poolOf(byteLength);
    return pool.take(byteLength) ?? (pool === this.#small && this.#isFull ? pool.takeLarger(byteLength) : undefined);
  }

  async grow(byteLength: number): Promise<boolean> {
    assertByteLength(byteLength);
    return await this.#grow(byteLength);
  }

  async obtain(byteLength: number): Promise<Block> {
    for (;;) {
      const block = this.take(byteLength);
      if (block !== undefined) return block;
      // Another wish of the same size may have taken what was made for both.
      if (await this.grow(byteLength)) continue;
      throw this.#isClosed
        ? new ZeroCopyError('ZEROCOPY_CLOSED', 'the shared memory of this process was closed')
        : new ZeroCopyError(
            'ZEROCOPY_NO_SPACE',
            `no room for ${byteLength} bytes of shared memory: ${this.#usedBytes} bytes are used, and all segments together ` +
              `may have ${this.#maxBytes}. Let go of arrays, or raise the limit.`,
          );
    }
  }

  trim(idleMs: number = this.#idleMs): void {
    const before = performance.now() - idleMs;
    for (const { memory, since } of this.#idle()) if (since <= before) this.#close(memory);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.trim(0);
  }

  #poolOf(byteLength: number): SlabPool | SegmentPool {
    return byteLength <= largestInSlab(this.#firstSlab) ? this.#small : this.#large;
  }

  /** Whether the limit leaves no room for one more slab. */
  get #isFull(): boolean {
    return this.#bytes + this.#growingBytes + this.#firstSlab > this.#maxBytes;
  }

  #grow(byteLength: number): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    const pool = this.#poolOf(byteLength);
    if (pool.has(byteLength)) return Promise.resolve(true);
    const size = this.#sizeOfNext(pool, byteLength);
    const underWay = this.#growing.get(size);
    if (underWay !== undefined) return underWay;
    if (!this.#makeRoom(size)) return Promise.resolve(pool === this.#small && pool.hasLarger(byteLength));
    const growing = this.#addSegment(pool, size).finally(() => this.#growing.delete(size));
    this.#growing.set(size, growing);
    return growing;
  }

  #sizeOfNext(pool: SlabPool | SegmentPool, byteLength: number): number {
    if (pool === this.#large) return segmentClass(byteLength);
    const size = nextSlabBytes(this.#firstSlab, this.#small.byteLength);
    return this.#bytes + this.#growingBytes + size <= this.#maxBytes ? size : this.#firstSlab;
  }

  async #addSegment(pool: SlabPool | SegmentPool, byteLength: number): Promise<boolean> {
    this.#growingBytes += byteLength;
    try {
      const fd = await createMemoryFileOffLoop(this.#libc, 'hognose', byteLength);
      const memory = new MemorySegment(this.#libc, nextSegmentNumber(), byteLength, fd);
      try {
        await memory.warmUp();
      } catch (error) {
        memory.close();
        throw error;
      }
      this.#segments++;
      this.#bytes += byteLength;
      pool.add(memory);
      if (this.#isClosed) this.#close(memory);
      else this.#trimLater();
      return !this.#isClosed;
    } finally {
      this.#growingBytes -= byteLength;
    }
  }

  /** Gives idle segments back, the longest idle first, where that makes room below the limit. */
  #makeRoom(byteLength: number): boolean {
    let missing = this.#bytes + this.#growingBytes + byteLength - this.#maxBytes;
    if (missing <= 0) return true;
    const idle = this.#idle().sort((a, b) => a.since - b.since);
    if (idle.reduce((sum, { memory }) => sum + memory.byteLength, 0) < missing) return false;
    for (const { memory } of idle) {
      if (missing <= 0) break;
      missing -= memory.byteLength;
      this.#close(memory);
    }
    return true;
  }

  #freed(piece: Piece): void {
    this.#blocks--;
    this.#usedBytes -= piece.byteLength;
    if (this.#isClosed) this.trim(0);
    else this.#trimLater();
  }

  #trimLater(): void {
    if (this.#timer !== undefined || this.#isClosed || this.#idleMs > LONGEST_TIMER_MS) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.trim();
      if (this.#idle().length > 0) this.#trimLater();
    }, this.#idleMs).unref();
  }

  #idle(): IdleSegment[] {
    return [...this.#large.idle(), ...this.#small.idle()];
  }

  #close(memory: MemorySegment): void {
    if (!this.#large.remove(memory)) this.#small.remove(memory);
    this.#segments--;
    this.#bytes -= memory.byteLength;
    memory.close();
    this.#whenClosed(memory.number);
  }
}

function assertByteLength(byteLength: number): void {
  if (Number.isSafeInteger(byteLength) && byteLength >= 0 && byteLength <= constants.MAX_LENGTH) return;
  const shown = typeof byteLength === 'number' ? String(byteLength) : typeof byteLength;
  throw new ZeroCopyError(
    'ZEROCOPY_RANGE',
    `byteLength is ${shown}, and it must be a whole number from 0 to ${constants.MAX_LENGTH}`,
  );
}
