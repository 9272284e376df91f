import { type DType, constructorOf } from './dtype.js';
import { ZeroCopyError } from './errors.js';

/**
 * Which part of a segment an array takes. Give `length` or `shape`, not both; with neither, the array takes as many
 * whole elements as fit after `byteOffset`.
 *
 * @public
 */
export interface ArrayOptions {
  /**
   * Where the array begins, in bytes from the segment's start. A multiple of the element's size.
   *
   * @defaultValue 0
   */
  byteOffset?: number;
  /** The number of elements of a one-dimensional array. */
  length?: number;
  /** The number of elements along each axis, the last one varying fastest (C order). At most 32 axes; `[]` is a scalar. */
  shape?: readonly number[];
}

/** Where an array lies in its segment; checked, so that every element is inside. */
export interface ArrayLayout {
  readonly byteOffset: number;
  readonly byteLength: number;
  readonly length: number;
  readonly shape: readonly number[];
  /** In elements, as in DLPack, not in bytes as in NumPy. */
  readonly strides: readonly number[];
}

/** NumPy 1 knows no more axes than these. */
const MAX_AXES = 32;

/**
 * Works out where an array lies in a segment of `segmentByteLength` bytes.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE` when an option is no whole number, is misaligned, or any element
 * would lie outside the segment.
 */
export function resolveLayout(dtype: DType, options: ArrayOptions, segmentByteLength: number): ArrayLayout {
  const itemSize = constructorOf(dtype).BYTES_PER_ELEMENT;
  const byteOffset = wholeNumber('byteOffset', options.byteOffset ?? 0);
  if (byteOffset > segmentByteLength) {
    throw outOfRange(`byteOffset ${byteOffset} lies behind the end of a segment of ${segmentByteLength} bytes`);
  }
  if (byteOffset % itemSize !== 0) {
    throw outOfRange(`byteOffset ${byteOffset} is not a multiple of ${itemSize}, the size of a ${dtype}`);
  }
  const available = Math.floor((segmentByteLength - byteOffset) / itemSize);
  const shape = resolveShape(options, available);
  const length = shape.reduce((product, extent) => product * extent, 1);
  // A product beyond 2 ** 53 is inexact, yet still larger than any segment.
  if (length > available) {
    throw outOfRange(
      `an array of shape [${shape.join(', ')}] and type ${dtype} takes ${length * itemSize} bytes from byteOffset ` +
        `${byteOffset}, and the segment has ${segmentByteLength}: make a larger segment or a smaller array`,
    );
  }
  return { byteOffset, byteLength: length * itemSize, length, shape, strides: contiguousStrides(shape) };
}

function resolveShape({ length, shape }: ArrayOptions, available: number): readonly number[] {
  if (shape === undefined) return Object.freeze([length === undefined ? available : wholeNumber('length', length)]);
  if (length !== undefined) throw outOfRange('both length and shape are given: give one of them');
  if (!Array.isArray(shape)) throw outOfRange('shape is not an array of numbers, such as [rows, columns]');
  if (shape.length > MAX_AXES) throw outOfRange(`shape has ${shape.length} axes, and at most ${MAX_AXES} are possible`);
  return Object.freeze(Array.from(shape, (extent, axis) => wholeNumber(`shape[${axis}]`, extent)));
}

function contiguousStrides(shape: readonly number[]): readonly number[] {
  const strides: number[] = [];
  let stride = 1;
  for (const extent of shape.toReversed()) {
    strides.unshift(stride);
    // An empty axis leaves the strides of the others as if it had one element, as NumPy does.
    stride *= Math.max(extent, 1);
  }
  return Object.freeze(strides);
}

/** A whole number from 0, exactly representable. `-0` becomes 0. */
function wholeNumber(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value + 0;
  const shown = typeof value === 'number' ? String(value) : typeof value;
  throw outOfRange(`${name} is ${shown}, and it must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`);
}

function outOfRange(message: string): ZeroCopyError {
  return new ZeroCopyError('ZEROCOPY_RANGE', message);
}
