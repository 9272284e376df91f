import { constants } from 'node:buffer';
import { closeSync } from 'node:fs';
import { type ArrayOptions, resolveLayout } from './array-layout.js';
import { type DType, constructorOf } from './dtype.js';
import { ZeroCopyError } from './errors.js';
import { type Libc, loadLibc } from './linux/libc.js';
import { Mapping } from './memory/mapping.js';
import { checkedSize, createMemoryFile } from './memory-file.js';
import { type SharedArray, sharedArray } from './shared-array.js';
import { duplicate } from './socket-descriptor.js';

/**
 * What {@link createSegment} makes.
 *
 * @public
 */
export interface CreateSegmentOptions {
  /** The size in bytes, from 1 up to the longest ArrayBuffer that this Node.js can make. It never changes afterwards. */
  byteLength: number;
  /**
   * What `/proc/<pid>/maps` and `ls -l /proc/<pid>/fd` show. It identifies nothing and need not be unique. At most 249
   * bytes of UTF-8.
   *
   * @defaultValue `'hognose'`
   */
  name?: string;
}

/**
 * A piece of memory that several processes use at once, of a fixed size and filled with zeros at first.
 *
 * Whoever made it owns it and calls {@link SharedSegment.close}. Processes that have opened it keep their own hold: the
 * memory is free once all of them have let go.
 *
 * @public
 */
export interface SharedSegment extends Disposable {
  /** The size in bytes. */
  readonly byteLength: number;
  /**
   * The file descriptor, to hand to another process: as an entry of `stdio` in `spawn`, or by {@link sendSegment}. It
   * stays the segment's own: do not close it.
   *
   * @throws {@link ZeroCopyError} `ZEROCOPY_CLOSED` after close.
   */
  readonly fd: number;
  /**
   * All of the memory, always the same ArrayBuffer. It cannot be sent to another thread (a clone copies).
   *
   * @throws {@link ZeroCopyError} `ZEROCOPY_CLOSED` after close.
   */
  readonly buffer: ArrayBuffer;
  /** Whether the segment was closed. */
  readonly isClosed: boolean;
  /**
   * A view of a part of the memory as an array. Nothing is copied, and nothing is reserved: two arrays may overlap.
   *
   * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE` when an element would lie outside the segment or misaligned,
   * `ZEROCOPY_CLOSED` after close.
   */
  array<D extends DType>(dtype: D, options?: ArrayOptions): SharedArray<D>;
  /**
   * Gives this process's hold on the memory back at once, and closes `fd`. Arrays that are still in use are harmless:
   * they read as zeros, and what is written to them goes nowhere. Closing again does nothing.
   *
   * @throws {@link ZeroCopyError} `ZEROCOPY_NO_SPACE` when the kernel cannot book the change; the segment is still open.
   */
  close(): void;
}

/** What memfd_create(2) allows without its own prefix. */
const MAX_NAME_BYTES = 249;

/**
 * Makes a segment of shared memory, all of it reserved, so that writing to it can never fail.
 *
 * The thread is blocked while the kernel finds the pages: some 0.1 ms for small segments and tens of milliseconds per
 * 100 MB. Make few and large ones and put several arrays into each.
 *
 * @example
 * ```ts
 * const segment = createSegment({ byteLength: 8_000_000 });
 * const samples = segment.array('float64', { shape: [1000, 1000] });
 * samples.data.fill(1);
 * spawn('python3', ['sum.py', JSON.stringify(samples.describe())], { stdio: ['ignore', 'inherit', 'inherit', segment.fd] });
 * ```
 * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE` for an impossible option, `ZEROCOPY_NO_SPACE` when the memory is used
 * up, `ZEROCOPY_UNAVAILABLE` where memory cannot be shared (see {@link isAvailable}).
 * @public
 */
export function createSegment(options: CreateSegmentOptions): SharedSegment {
  const { byteLength, name } = resolveOptions(options);
  const libc = loadLibc();
  return mapSegment(libc, createMemoryFile(libc, name, byteLength), () => byteLength);
}

/**
 * Opens a segment that another process made, by a descriptor that this process has inherited or received.
 *
 * @example
 * ```ts
 * // In a process that was started with `stdio: ['inherit', 'inherit', 'inherit', segment.fd]`:
 * const segment = openSegment(3);
 * ```
 * @param fd - It stays the caller's, who may close it at once.
 * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE` when it is not open, or a file whose size others could change, which could end this
 * process; `ZEROCOPY_NO_SPACE` when descriptors or addresses are used up; `ZEROCOPY_UNAVAILABLE` where memory cannot be shared.
 * @public
 */
export function openSegment(fd: number): SharedSegment {
  if (!Number.isInteger(fd) || fd < 0 || fd > 0x7fff_ffff) {
    throw new ZeroCopyError('ZEROCOPY_RANGE', `fd is ${fd}, and it must be the number of an open file`);
  }
  const libc = loadLibc();
  const byteLength = checkedSize(libc, fd);
  return mapSegment(libc, duplicate(libc, fd), () => byteLength);
}

/** Maps a file in memory. Takes `fd` over, also where it fails. */
export function mapSegment(libc: Libc, fd: number, byteLengthOf: (libc: Libc, fd: number) => number): SharedSegment {
  try {
    const byteLength = byteLengthOf(libc, fd);
    return new MappedSegment(new OwnedMapping(Mapping.of(libc, fd, byteLength), fd));
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function resolveOptions({ byteLength, name = 'hognose' }: CreateSegmentOptions): Required<CreateSegmentOptions> {
  const mistakes: string[] = [];
  if (!Number.isSafeInteger(byteLength) || byteLength < 1 || byteLength > constants.MAX_LENGTH) {
    mistakes.push(`byteLength is ${byteLength}, and it must be a whole number from 1 to ${constants.MAX_LENGTH}`);
  }
  if (typeof name !== 'string' || name.includes('\0') || Buffer.byteLength(name) > MAX_NAME_BYTES) {
    mistakes.push(`name must be a string of at most ${MAX_NAME_BYTES} bytes without the character U+0000`);
  }
  if (mistakes.length > 0) throw new ZeroCopyError('ZEROCOPY_RANGE', `createSegment: ${mistakes.join('; ')}`);
  return { byteLength, name };
}

/** A mapping and its descriptor, let go of together, once. */
class OwnedMapping {
  readonly mapping: Mapping;
  readonly fd: number;
  #isReleased = false;

  constructor(mapping: Mapping, fd: number) {
    this.mapping = mapping;
    this.fd = fd;
  }

  release(): void {
    if (this.#isReleased) return;
    this.mapping.entomb();
    this.#isReleased = true;
    closeSync(this.fd);
  }

  /** So that a segment which was dropped is not leaked. */
  collected(): void {
    try {
      this.release();
    } catch {
      // Nobody is left to tell. The memory stays until the process ends, which is what happened before it was dropped.
    }
  }
}

class MappedSegment implements SharedSegment {
  readonly byteLength: number;
  readonly #owned: OwnedMapping;
  #buffer: ArrayBuffer | undefined;

  constructor(owned: OwnedMapping) {
    this.byteLength = owned.mapping.byteLength;
    this.#owned = owned;
    this.#buffer = owned.mapping.view(0, this.byteLength, owned);
  }

  get fd(): number {
    this.#open();
    return this.#owned.fd;
  }

  get buffer(): ArrayBuffer {
    return this.#open();
  }

  get isClosed(): boolean {
    return this.#buffer === undefined;
  }

  array<D extends DType>(dtype: D, options: ArrayOptions = {}): SharedArray<D> {
    const buffer = this.#open();
    const layout = resolveLayout(dtype, options, this.byteLength);
    const data = new (constructorOf(dtype))(buffer, layout.byteOffset, layout.length);
    return sharedArray(dtype, layout, data, () => this.#open());
  }

  close(): void {
    if (this.#buffer === undefined) return;
    this.#owned.release();
    this.#buffer = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(): ArrayBuffer {
    if (this.#buffer === undefined) {
      throw new ZeroCopyError('ZEROCOPY_CLOSED', 'the segment was closed: make another one, or close it later');
    }
    if (this.#buffer.byteLength !== this.byteLength) {
      throw new ZeroCopyError(
        'ZEROCOPY_CLOSED',
        "the segment's memory was moved to another ArrayBuffer by transfer(): use the segment's own buffer and its views",
      );
    }
    return this.#buffer;
  }
}
