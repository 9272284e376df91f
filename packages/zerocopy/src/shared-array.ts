import type { ArrayLayout } from './array-layout.js';
import { ArrayMemory } from './array-memory.js';
import { type DType, type TypedArrays } from './dtype.js';
import { ArrayView } from './array-view.js';
import type { NDArray } from './ndarray.js';
import { type Geometry, spanOf } from './strides.js';

/**
 * An array in a segment, in the few words that another process needs to open it. Plain JSON: send it by any channel.
 *
 * @public
 */
export interface ArrayDescriptor {
  /** The bytes that the array spans, from `byteOffset`. */
  readonly byteLength: number;
  /**
   * Where the array begins, in bytes from the segment's start: its lowest byte. The first element is there too, unless a stride is
   * negative; then it lies `(shape[axis] - 1) * -strides[axis]` elements further for each such axis.
   */
  readonly byteOffset: number;
  /** The type of an element. */
  readonly dtype: DType;
  /** The number of elements along each axis. */
  readonly shape: readonly number[];
  /** The distance between neighbours along each axis, **in elements** (as in DLPack); may be negative or zero. */
  readonly strides: readonly number[];
}

/**
 * An array that lies in a segment: an {@link NDArray} that another process can be told of. Once the segment is closed, typed arrays of it
 * read as zeros.
 *
 * @public
 */
export interface SharedArray<D extends DType = DType> extends NDArray<D> {
  /**
   * Describes the array for another process that has the segment.
   *
   * @throws {@link ZeroCopyError} `ZEROCOPY_CLOSED` when the segment was closed.
   */
  describe(): ArrayDescriptor;
}

/**
 * Binds a checked layout to its view.
 *
 * @param data - From the layout's lowest element to its highest.
 * @param assertOpen - Throws once the segment is closed.
 */
export function sharedArray<D extends DType>(
  dtype: D,
  layout: ArrayLayout,
  data: TypedArrays[D],
  assertOpen: () => void,
): SharedArray<D> {
  const { shape, strides } = layout;
  const { before, length } = spanOf(shape, strides);
  const facts = { isReadOnly: false, isShared: true, copyReason: undefined };
  const memory = new ArrayMemory(dtype, data, { lowest: 0, length }, facts);
  return new SegmentView(
    dtype,
    memory,
    { shape, strides, start: before },
    { byteOffset: layout.byteOffset, assertOpen },
  );
}

/** Where the memory of all views of an array lies in its segment. */
interface Place {
  readonly byteOffset: number;
  readonly assertOpen: () => void;
}

class SegmentView<D extends DType> extends ArrayView<D> implements SharedArray<D> {
  readonly #place: Place;

  constructor(dtype: D, memory: ArrayMemory, geometry: Geometry, place: Place) {
    super(dtype, memory, geometry);
    this.#place = place;
  }

  describe(): ArrayDescriptor {
    this.#place.assertOpen();
    const { dtype, shape, strides } = this;
    const { byteOffset, byteLength } = this.origin;
    return { byteLength, byteOffset: this.#place.byteOffset + byteOffset, dtype, shape, strides };
  }

  protected override derive(memory: ArrayMemory, geometry: Geometry): SegmentView<D> {
    return new SegmentView(this.dtype, memory, geometry, this.#place);
  }
}
