import type { ArrayLayout } from './array-layout.js';
import type { DType, TypedArrays } from './dtype.js';

/**
 * An array in a segment, in the few words that another process needs to open it. Plain JSON: send it by any channel.
 *
 * @public
 */
export interface ArrayDescriptor {
  /** The bytes that the array spans, from `byteOffset`. */
  readonly byteLength: number;
  /** Where the array begins, in bytes from the segment's start. */
  readonly byteOffset: number;
  /** The type of an element. */
  readonly dtype: DType;
  /** The number of elements along each axis. */
  readonly shape: readonly number[];
  /** The distance between neighbours along each axis, **in elements** (as in DLPack). */
  readonly strides: readonly number[];
}

/**
 * An array that lies in shared memory: `data` is a view of it and no copy. It fits wherever `{ dtype, shape, data }` is
 * taken as an n-dimensional array.
 *
 * @public
 */
export interface SharedArray<D extends DType = DType> {
  /** The type of an element. */
  readonly dtype: D;
  /** The number of elements along each axis, the last one varying fastest. */
  readonly shape: readonly number[];
  /** The elements, shared with every process that has opened the segment. Reads as zeros once the segment is closed. */
  readonly data: TypedArrays[D];
  /**
   * Describes the array for another process that has the segment.
   *
   * @throws {@link ZeroCopyError} `ZEROCOPY_CLOSED` when the segment was closed.
   */
  describe(): ArrayDescriptor;
}

/** Binds a checked layout to its view. `assertOpen` throws once the segment is closed. */
export function sharedArray<D extends DType>(
  dtype: D,
  layout: ArrayLayout,
  data: TypedArrays[D],
  assertOpen: () => void,
): SharedArray<D> {
  const { byteLength, byteOffset, shape, strides } = layout;
  return Object.freeze({
    dtype,
    shape,
    data,
    describe(): ArrayDescriptor {
      assertOpen();
      return { byteLength, byteOffset, dtype, shape, strides };
    },
  });
}
