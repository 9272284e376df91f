import type { CopyReason } from './array-memory.js';
import type { ArrayOf, DType, ElementOf } from './dtype.js';
import type { Range } from './slice.js';

/** Marks arrays of every copy of this package. */
export const NDARRAY = Symbol.for('hognose/ndarray');

/** Elements in as many arrays in each other as an array has axes. @public */
export type Nested<T> = T | Nested<T>[];

/**
 * An array of numbers: a NumPy array as it is in JavaScript. Its elements lie in `memory`, at distances that `strides` says, so that
 * slices, transposed and reversed arrays are views of the same memory.
 *
 * A deep comparison (`expect(a).toEqual(b)`, `assert.deepEqual`) compares dtype, shape and elements.
 *
 * @public
 */
export interface NDArray<D extends DType = DType> extends Disposable {
  readonly dtype: D;
  /** The number of elements along each axis; empty for an array of no dimensions, which has one element. */
  readonly shape: readonly number[];
  /** The distance between neighbours along each axis, **in elements** (as in DLPack); may be negative or zero. */
  readonly strides: readonly number[];
  /** The number of axes. */
  readonly ndim: number;
  /** The number of elements. */
  readonly size: number;
  /** The size of one element in bytes. */
  readonly itemSize: number;
  /** The size of all elements in bytes: `size * itemSize`. */
  readonly byteLength: number;
  /** Whether the elements follow each other in C order, the last axis varying fastest. */
  readonly isContiguous: boolean;
  /**
   * The elements in C order, no copy. `float16` and `bfloat16` are their bits, complex numbers pairs of real and imaginary part, `bool`
   * is 0 and 1.
   *
   * JavaScript knows no read-only typed arrays: do not write here when {@link NDArray.isReadOnly} is true.
   *
   * @throws TypeError When the elements do not follow each other in C order: `toTypedArray()` gives a copy that does.
   * @throws {@link ZeroCopyError} `ZEROCOPY_RELEASED` after `$release()`.
   */
  readonly data: ArrayOf<D>;
  /**
   * The memory from the lowest to the highest element, no copy; what lies between them may belong to other arrays.
   *
   * @throws {@link ZeroCopyError} `ZEROCOPY_RELEASED` after `$release()`.
   */
  readonly memory: ArrayOf<D>;
  /** Where element `[0, ..., 0]` is in `memory`: 0 unless a stride is negative. Like strides it counts elements, so of complex numbers pairs. */
  readonly offset: number;
  /** Whether the elements must not be changed, because others read them too. `set` refuses. */
  readonly isReadOnly: boolean;
  /** Whether other processes see the same memory. */
  readonly isShared: boolean;
  /** Whether this is a copy of what was sent. */
  readonly copied: boolean;
  /**
   * Why it is a copy; undefined when it is none.
   *
   * - `inline`: it is so small that a copy is faster
   * - `not-shared`: it was not made in shared memory, and cost one copy
   * - `unavailable`: there is no shared memory between the two processes
   * - `no-space`: shared memory is used up
   * - `layout`: its strides, alignment or byte order cannot be kept
   */
  readonly copyReason: CopyReason | undefined;
  /**
   * One element. A negative index counts from the end.
   *
   * @throws RangeError When there is no such element.
   * @throws {@link ZeroCopyError} `ZEROCOPY_RELEASED` after `$release()`.
   */
  at(...indices: readonly number[]): ElementOf<D>;
  /**
   * Changes one element. What does not fit wraps or is rounded, as in any typed array.
   *
   * @throws TypeError When the array is read-only, or the value not of the type that `at` returns.
   * @throws RangeError When there is no such element.
   * @throws {@link ZeroCopyError} `ZEROCOPY_RELEASED` after `$release()`.
   */
  set(value: ElementOf<D>, ...indices: readonly number[]): void;
  /**
   * The same elements in the same (C) order under another shape, as a view. One length may be -1: what is left.
   *
   * @example `a.reshape(2, -1)` or `a.reshape([2, -1])`
   * @throws RangeError When the number of elements is another.
   * @throws TypeError When no view can say it because of the strides: copy first, `ndarray(a.toTypedArray(), shape, a.dtype)`.
   */
  reshape(...shape: readonly number[] | readonly [readonly number[]]): this;
  /**
   * A part of the array, as a view: one {@link Range} for each axis, and all of the axes that none is given for.
   *
   * @example
   * ```ts
   * a.slice(0); //                  a[0]         the first row
   * a.slice(null, [1, 3]); //       a[:, 1:3]    columns 1 and 2
   * a.slice([null, null, -1]); //   a[::-1]      the rows from last to first
   * ```
   * @throws RangeError When there are more ranges than axes, an index is out of range, or a step is 0.
   */
  slice(...ranges: readonly Range[]): this;
  /**
   * The array with its axes in another order, as a view.
   *
   * @param axes - Which axis of this array each axis of the new one is; by default the other way round.
   * @throws RangeError When `axes` does not name each axis once.
   */
  transpose(axes?: readonly number[]): this;
  /** A copy of the elements in C order, in memory of this process alone. */
  toTypedArray(): ArrayOf<D>;
  /** A copy as plain arrays in each other; of an array of no dimensions, its element. */
  toArray(): Nested<ElementOf<D>>;
  /**
   * Gives the memory back now instead of when it is collected. This array and every view of it cannot be read afterwards; a typed array
   * that was had from `data` or `memory` must not be used any more (it reads zeros, or what it read before). Again does nothing.
   */
  $release(): void;
  readonly [NDARRAY]: true;
}

/** Whether a value is an {@link NDArray}, also one of another copy of this package. @public */
export function isNDArray(value: unknown): value is NDArray {
  return typeof value === 'object' && value !== null && NDARRAY in value;
}
