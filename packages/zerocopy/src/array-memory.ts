import { type DType, type TypedArray, canHold, componentsOf } from './dtype.js';
import { ZeroCopyError } from './errors.js';
import { type Span, outOfRange } from './strides.js';

/** Why an array is a copy of what was sent: see {@link NDArray.copyReason}. @public */
export type CopyReason = 'inline' | 'not-shared' | 'unavailable' | 'no-space' | 'layout';

/** What is known of an array's memory besides its elements. */
export interface MemoryFacts {
  readonly isReadOnly: boolean;
  readonly isShared: boolean;
  readonly copyReason: CopyReason | undefined;
}

/** What the array that was made spans, in elements of the memory. */
interface Extent extends Pick<Span, 'length'> {
  /** Its lowest element. */
  readonly lowest: number;
}

/** The memory that an array and all views of it have in common: open, not opened yet, or released. */
export class ArrayMemory {
  readonly dtype: DType;
  readonly facts: MemoryFacts;
  /** Who lends the memory, for whoever made the array. */
  readonly source: unknown;
  /** Where the memory begins, in bytes from the start of what the array was made of. */
  readonly from: number;
  readonly #extent: Extent;
  #items: TypedArray | undefined;
  #length = 0;
  #open: (() => TypedArray) | undefined;
  #release: (() => void) | undefined;
  #isReleased = false;

  /**
   * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE` when memory that is open does not hold the array.
   */
  constructor(
    dtype: DType,
    memory: TypedArray | (() => TypedArray),
    extent: Extent,
    facts: MemoryFacts,
    lender: {
      readonly release?: (() => void) | undefined;
      readonly source?: unknown;
      readonly from?: number;
    } = {},
  ) {
    this.dtype = dtype;
    this.facts = facts;
    this.source = lender.source;
    this.from = lender.from ?? 0;
    this.#extent = extent;
    this.#release = lender.release;
    if (typeof memory === 'function') this.#open = memory;
    else this.#take(memory);
  }

  /**
   * The memory, opened now where it was not.
   *
   * @throws {@link ZeroCopyError} `ZEROCOPY_RELEASED` when it was released or moved away; what opening it throws.
   */
  get items(): TypedArray {
    this.assertHeld();
    if (this.#items === undefined && this.#open !== undefined) this.#take(this.#open());
    const items = this.#items;
    if (items === undefined || items.length < this.#length) {
      throw new ZeroCopyError(
        'ZEROCOPY_RELEASED',
        "the array's memory was moved away by transfer() or postMessage(): copy what is to be sent to another thread",
      );
    }
    return items;
  }

  /** Whether the memory can be read, and why not, without opening it. */
  get state(): 'open' | 'not opened yet' | 'released' | 'moved away' {
    if (this.#isReleased) return 'released';
    if (this.#items === undefined) return 'not opened yet';
    return this.#items.length < this.#length ? 'moved away' : 'open';
  }

  /** @throws {@link ZeroCopyError} `ZEROCOPY_RELEASED` after release. */
  assertHeld(): void {
    if (this.#isReleased) {
      throw new ZeroCopyError(
        'ZEROCOPY_RELEASED',
        'the array was released with $release(): use it before, or copy what is needed later with toTypedArray()',
      );
    }
  }

  /** Lets go of the memory; releasing again does nothing. */
  release(): void {
    if (this.#isReleased) return;
    const release = this.#release;
    this.#isReleased = true;
    this.#items = this.#open = this.#release = undefined;
    release?.();
  }

  #take(items: TypedArray): void {
    if (!ArrayBuffer.isView(items) || !canHold(items, this.dtype)) {
      const given = Object.prototype.toString.call(items).slice(8, -1);
      throw outOfRange(`a ${given} does not hold elements of ${this.dtype}`);
    }
    const { lowest, length } = this.#extent;
    const available = items.length / componentsOf(this.dtype);
    if (length > 0 && (lowest < 0 || lowest + length > available)) {
      throw outOfRange(
        `the array takes the elements ${lowest} to ${lowest + length - 1} of memory that has ${available}`,
      );
    }
    this.#items = items;
    this.#length = items.length;
    this.#open = undefined;
  }
}
