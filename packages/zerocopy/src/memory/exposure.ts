import { ZeroCopyError } from '../errors.js';
import type { Mapping, ViewOwner } from './mapping.js';
import type { Piece } from './piece.js';
import type { Hold } from './types.js';

/** An ArrayBuffer over a piece that users have, and the hold that goes with it. It does not refer to the buffer. */
class Exposure implements ViewOwner {
  readonly piece: Piece;
  readonly #mapping: Mapping;
  readonly #whenReleased: (() => void)[] = [];
  #users = 0;
  #isReleased = false;
  #isOver = false;

  constructor(piece: Piece, mapping: Mapping) {
    this.piece = piece;
    this.#mapping = mapping;
  }

  /** One more uses the buffer, and has to release it. */
  join(whenReleased: (() => void) | undefined): void {
    this.#users += 1;
    if (whenReleased !== undefined) this.#whenReleased.push(whenReleased);
  }

  get isReleased(): boolean {
    return this.#isReleased;
  }

  /**
   * One fewer uses the buffer. After the last one the API lets nobody use it any more, and the memory is free at once where no other view
   * that may be used is over its mapping.
   */
  release(): void {
    if (this.#isReleased || --this.#users > 0) return;
    this.#isReleased = true;
    for (const tell of this.#whenReleased) tell();
    const others = exposuresOf(this.#mapping);
    if (!this.piece.isAlone || [...others].some((exposure) => !exposure.isReleased)) return;
    try {
      this.piece.memory.withdraw();
    } catch {
      return; // The kernel cannot book the change: the memory is free when the buffers are collected.
    }
    for (const exposure of others) exposure.end();
  }

  collected(): void {
    this.end();
  }

  /** Lets go of the piece. Again: does nothing. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    exposuresOf(this.#mapping).delete(this);
    const { offset } = this.piece;
    const known = buffersOf(this.#mapping).get(offset);
    if (known?.exposure === this) buffersOf(this.#mapping).delete(offset);
    this.piece.release();
  }
}

const byBuffer = new WeakMap<ArrayBufferLike, Exposure>();
const byMapping = new WeakMap<Mapping, Set<Exposure>>();

function exposuresOf(mapping: Mapping): Set<Exposure> {
  let exposures = byMapping.get(mapping);
  if (exposures === undefined) byMapping.set(mapping, (exposures = new Set()));
  return exposures;
}

/** A buffer that may still be there. */
interface KnownBuffer {
  readonly exposure: Exposure;
  readonly buffer: WeakRef<ArrayBuffer>;
}

const known = new WeakMap<Mapping, Map<number, KnownBuffer>>();

/** The latest buffer at each place of a mapping. */
function buffersOf(mapping: Mapping): Map<number, KnownBuffer> {
  let buffers = known.get(mapping);
  if (buffers === undefined) known.set(mapping, (buffers = new Map<number, KnownBuffer>()));
  return buffers;
}

/**
 * The buffer over exactly this piece that somebody uses already. V8 counts the bytes of every buffer, and collects garbage for some
 * milliseconds where they are many: memory that comes again and again is to cost that once.
 */
function shareBuffer(piece: Piece, whenReleased: () => void): ArrayBuffer | undefined {
  if (!piece.isHeld || !piece.memory.isMapped) return undefined;
  const { exposure, buffer } = buffersOf(piece.memory.mapping).get(piece.offset) ?? {};
  const shared = buffer?.deref();
  if (exposure === undefined || shared?.byteLength !== piece.byteLength || exposure.isReleased) return undefined;
  exposure.join(whenReleased);
  return shared;
}

/**
 * An ArrayBuffer over borrowed memory, which is held until the buffer is collected, or was released as often as it was exposed. Loans of
 * the same memory have one buffer.
 *
 * @param whenReleased - Called once when it is released for good, not when it is collected.
 */
export function exposeBorrowed(piece: Piece, whenReleased: () => void): ArrayBuffer {
  const shared = shareBuffer(piece, whenReleased);
  if (shared !== undefined) return shared;
  const buffer = expose(piece, whenReleased);
  const exposure = byBuffer.get(buffer);
  if (exposure !== undefined) {
    buffersOf(piece.memory.mapping).set(piece.offset, { exposure, buffer: new WeakRef(buffer) });
  }
  return buffer;
}

/**
 * An ArrayBuffer of its own over a piece, which is held until the buffer is collected or released.
 *
 * @param whenReleased - Called once when it is released, not when it is collected.
 */
export function expose(piece: Piece, whenReleased?: () => void): ArrayBuffer {
  piece.retain();
  let exposure: Exposure;
  let buffer: ArrayBuffer;
  try {
    const { mapping } = piece.memory;
    exposure = new Exposure(piece, mapping);
    exposure.join(whenReleased);
    buffer = mapping.view(piece.offset, piece.byteLength, exposure);
    exposuresOf(mapping).add(exposure);
  } catch (error) {
    piece.release();
    throw error;
  }
  byBuffer.set(buffer, exposure);
  return buffer;
}

/**
 * What holds the memory of a buffer that `expose` or a loan gave; undefined for any other buffer. It stays the same after the
 * buffer was released, when nobody may hold it any more.
 *
 * @internal
 */
export function holdOf(buffer: ArrayBufferLike): Hold | undefined {
  return byBuffer.get(buffer)?.piece;
}

/**
 * Whether a buffer of shared memory was released.
 *
 * @internal
 */
export function isReleased(buffer: ArrayBufferLike): boolean {
  return byBuffer.get(buffer)?.isReleased ?? false;
}

/**
 * Ends the use of a buffer of shared memory before it is collected. A large piece, which has a segment of its own, is free at once:
 * views that are still used read zeros, or what they themselves wrote, and never what others put there. A small piece is only marked,
 * and is free when the buffer is collected. Again: does nothing.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE` when it is no such buffer.
 * @internal
 */
export function releaseBuffer(buffer: ArrayBuffer): void {
  const exposure = byBuffer.get(buffer);
  if (exposure === undefined) {
    throw new ZeroCopyError(
      'ZEROCOPY_RANGE',
      'only a buffer of shared memory can be released, and this is an ordinary one',
    );
  }
  exposure.release();
}
