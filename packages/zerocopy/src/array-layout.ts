import { type DType, componentsOf, constructorOf, itemSizeOf } from './dtype.js';
import { checkShape, checkStrides, contiguousStrides, outOfRange, spanOf, wholeNumber } from './strides.js';

/**
 * Which part of a segment an array takes. Give `length` or `shape`, not both; with neither, the array takes as many
 * whole elements as fit after `byteOffset`. What another array's `describe()` says fits too.
 *
 * @public
 */
export interface ArrayOptions {
  /**
   * Where the array begins, in bytes from the segment's start: its lowest byte, which with negative strides is not its first element's. A
   * multiple of the element's size.
   *
   * @defaultValue 0
   */
  byteOffset?: number;
  /**
   * How many bytes from `byteOffset` the array may take; one that would take more is refused.
   *
   * @defaultValue all up to the segment's end
   */
  byteLength?: number;
  /** The number of elements of a one-dimensional array. */
  length?: number;
  /** The number of elements along each axis, the last one varying fastest (C order). At most 64 axes; `[]` is a scalar. */
  shape?: readonly number[];
  /**
   * The distance between neighbours along each axis, in elements; may be negative or zero. Only together with `shape`.
   *
   * @defaultValue C order
   */
  strides?: readonly number[];
}

/** Where an array lies in its segment; checked, so that every element is inside. */
export interface ArrayLayout {
  /** Of its lowest element. */
  readonly byteOffset: number;
  /** From the lowest element to the end of the highest. */
  readonly byteLength: number;
  /** How many items the typed array over it has. */
  readonly length: number;
  readonly shape: readonly number[];
  /** In elements, as in DLPack, not in bytes as in NumPy. */
  readonly strides: readonly number[];
}

/**
 * Works out where an array lies in a segment of `segmentByteLength` bytes.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE` when an option is no whole number, is misaligned, or any element
 * would lie outside the segment.
 */
export function resolveLayout(dtype: DType, options: ArrayOptions, segmentByteLength: number): ArrayLayout {
  constructorOf(dtype);
  const itemSize = itemSizeOf(dtype);
  const byteOffset = wholeNumber('byteOffset', options.byteOffset ?? 0);
  if (byteOffset > segmentByteLength) {
    throw outOfRange(`byteOffset ${byteOffset} lies behind the end of a segment of ${segmentByteLength} bytes`);
  }
  if (byteOffset % itemSize !== 0) {
    throw outOfRange(`byteOffset ${byteOffset} is not a multiple of ${itemSize}, the size of a ${dtype}`);
  }
  const allowed = wholeNumber('byteLength', options.byteLength ?? segmentByteLength - byteOffset);
  const available = Math.floor(Math.min(allowed, segmentByteLength - byteOffset) / itemSize);
  const { shape, strides } = resolveShape(options, available);
  const { length } = spanOf(shape, strides);
  if (length > available) {
    const room =
      options.byteLength === undefined
        ? `the segment has ${segmentByteLength}`
        : `byteLength is ${allowed} and the segment has ${segmentByteLength}`;
    throw outOfRange(
      `an array of shape [${shape.join(', ')}], strides [${strides.join(', ')}] and type ${dtype} takes ${length * itemSize} bytes ` +
        `from byteOffset ${byteOffset}, and ${room}: make a larger segment or a smaller array`,
    );
  }
  return { byteOffset, byteLength: length * itemSize, length: length * componentsOf(dtype), shape, strides };
}

type Axes = Pick<ArrayLayout, 'shape' | 'strides'>;

function resolveShape({ length, shape, strides }: ArrayOptions, available: number): Axes {
  if (shape === undefined) {
    if (strides !== undefined) throw outOfRange('strides are given without a shape: give both');
    return inOrder(Object.freeze([length === undefined ? available : wholeNumber('length', length)]));
  }
  if (length !== undefined) throw outOfRange('both length and shape are given: give one of them');
  const extents = checkShape(shape);
  return strides === undefined ? inOrder(extents) : { shape: extents, strides: checkStrides(strides, extents) };
}

const inOrder = (shape: readonly number[]): Axes => ({ shape, strides: contiguousStrides(shape) });
