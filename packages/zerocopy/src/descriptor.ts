/** The words that say on the wire where an array lies in lent memory. What comes from a peer is checked in full before memory is touched. */
import type { CopyReason } from './array-memory.js';
import { type ArrayOf, type DType, alignmentOf, assertDType, itemSizeOf, typedArrayOver } from './dtype.js';
import { checkShape, checkStrides, outOfRange, spanOf, wholeNumber } from './strides.js';

/**
 * An array in lent memory, as it travels.
 *
 * @internal
 */
export type ArrayFields = readonly [
  dtype: string,
  shape: readonly number[],
  /** In elements. */
  strides: readonly number[],
  /** The byte of element `[0, ..., 0]`, from the start of the lent range. */
  start: number,
  /** DLPack's `DLDeviceType`. */
  deviceType: number,
  deviceId: number,
  /** Bit 0: read-only. From bit 8 on: why it is a copy, an index of {@link COPY_REASONS}; 0: it is none. */
  flags: number,
];

/** Why an array is a copy, by its number on the wire. @internal */
export const COPY_REASONS: readonly (CopyReason | undefined)[] = [
  undefined,
  'inline',
  'not-shared',
  'unavailable',
  'no-space',
  'layout',
];

/** DLPack's `kDLCPU`. @internal */
export const CPU = 1;

/** What DLPack calls the other kinds of devices. */
const DEVICES: Readonly<Record<number, string>> = {
  2: 'CUDA',
  3: 'CUDA host',
  4: 'OpenCL',
  7: 'Vulkan',
  8: 'Metal',
  9: 'VPI',
  10: 'ROCm',
  11: 'ROCm host',
  12: 'extension',
  13: 'CUDA managed',
  14: 'oneAPI',
  15: 'WebGPU',
  16: 'Hexagon',
  17: 'MAIA',
};

const READ_ONLY = 1;
const REASON_UNIT = 256;

/**
 * An array in lent memory, every element of which is inside.
 *
 * @internal
 */
export interface CheckedArray<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  /** In elements. */
  readonly strides: readonly number[];
  /** The byte of element `[0, ..., 0]`. */
  readonly start: number;
  /** The first byte of the lowest element; 0 where there are no elements. */
  readonly byteOffset: number;
  /** From there to the end of the highest element. */
  readonly byteLength: number;
  /** How many elements lie before element `[0, ..., 0]`: its index in a typed array from `byteOffset`. */
  readonly offset: number;
  readonly deviceType: number;
  readonly deviceId: number;
  readonly isReadOnly: boolean;
  readonly copyReason: CopyReason | undefined;
}

/**
 * Checks the words of an array that a peer has sent against the memory that it has lent.
 *
 * @param fields - See {@link ArrayFields}; may be anything.
 * @param lentByteLength - The size of the lent range in bytes.
 * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE`, and nothing else, when a word is none of its kind, the array is not in the memory of the
 * CPU, or an element would lie outside the lent range or misaligned.
 * @internal
 */
export function checkArrayFields(fields: unknown, lentByteLength: number): CheckedArray {
  if (!Array.isArray(fields) || fields.length !== 7) {
    throw outOfRange('an array is described by 7 words: are both sides of one version?');
  }
  const [dtype, extents, distances, begin, deviceType, deviceId, flags] = fields as readonly unknown[];
  assertDType(dtype);
  const shape = checkShape(extents);
  const strides = checkStrides(distances, shape);
  const start = wholeNumber('start', begin);
  const device = checkDevice(deviceType, deviceId);
  const range = checkRange(dtype, shape, strides, start, lentByteLength);
  return { dtype, shape, strides, start, ...range, ...device, ...checkFlags(flags) };
}

function checkDevice(deviceType: unknown, deviceId: unknown): Pick<CheckedArray, 'deviceType' | 'deviceId'> {
  const type = wholeNumber('deviceType', deviceType);
  const id = wholeNumber('deviceId', deviceId);
  if (type !== CPU) {
    throw outOfRange(
      `the array lies on the ${DEVICES[type] ?? `unknown (${type})`} device ${id}, whose memory cannot be shared: copy it to the CPU first`,
    );
  }
  return { deviceType: type, deviceId: id };
}

function checkRange(
  dtype: DType,
  shape: readonly number[],
  strides: readonly number[],
  start: number,
  lentByteLength: number,
): Pick<CheckedArray, 'byteOffset' | 'byteLength' | 'offset'> {
  checkAlignment(dtype, start);
  const itemSize = itemSizeOf(dtype);
  const { before, length } = spanOf(shape, strides);
  if (length === 0) {
    if (start > lentByteLength)
      throw outOfRange(`start ${start} lies behind the ${lentByteLength} bytes that are lent`);
    return { byteOffset: 0, byteLength: 0, offset: 0 };
  }
  // Beyond 2 ** 53 these numbers may be rounded, yet never to less than that.
  const byteOffset = start - before * itemSize;
  const byteLength = length * itemSize;
  if (byteOffset < 0 || byteOffset + byteLength > lentByteLength) {
    throw outOfRange(
      `an array of ${dtype}, shape [${shape.join(', ')}] and strides [${strides.join(', ')}] that starts at byte ${start} takes the bytes ` +
        `${byteOffset} to ${byteOffset + byteLength}, and ${lentByteLength} are lent`,
    );
  }
  return { byteOffset, byteLength, offset: before };
}

/** As in C, a complex number lies where one of its parts may lie. */
function checkAlignment(dtype: DType, start: number): void {
  const alignment = alignmentOf(dtype);
  if (start % alignment !== 0) throw outOfRange(`start ${start} is not a multiple of ${alignment}, as ${dtype} needs`);
}

function checkFlags(value: unknown): Pick<CheckedArray, 'isReadOnly' | 'copyReason'> {
  const flags = wholeNumber('flags', value, 0, 0xffff);
  const reason = Math.floor(flags / REASON_UNIT);
  const bits = flags % REASON_UNIT;
  // A bit that is not known may change what the others mean.
  if (reason >= COPY_REASONS.length || bits > READ_ONLY) {
    throw outOfRange(`flags are ${flags}, some of which are unknown: are both sides of one version?`);
  }
  return { isReadOnly: bits === READ_ONLY, copyReason: COPY_REASONS[reason] };
}

/** An array of this process: an NDArray has it all but `start`. @internal */
export interface DescribedArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** In elements. */
  readonly strides: readonly number[];
  /** The byte of element `[0, ..., 0]`, from the start of the lent range. */
  readonly start: number;
  readonly isReadOnly?: boolean | undefined;
  readonly copyReason?: CopyReason | undefined;
}

/**
 * The words of an array of this process, for a peer that borrows its memory.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE` when `start` is where no typed array of these elements can begin.
 * @internal
 */
export function writeArrayFields(array: DescribedArray): ArrayFields {
  const { dtype, shape, strides, start, isReadOnly = false, copyReason } = array;
  checkAlignment(dtype, start);
  const reason = COPY_REASONS.indexOf(copyReason);
  return [dtype, shape, strides, start, CPU, 0, (isReadOnly ? READ_ONLY : 0) + reason * REASON_UNIT];
}

/**
 * The typed array from the lowest to the highest element of an array in lent memory.
 *
 * @param buffer - Holds the lent range.
 * @param rangeOffset - Where the lent range begins in it.
 * @internal
 */
export function memoryOfFields<D extends DType>(
  array: CheckedArray<D>,
  buffer: ArrayBufferLike,
  rangeOffset = 0,
): ArrayOf<D> {
  return typedArrayOver(array.dtype, buffer, rangeOffset + array.byteOffset, array.byteLength);
}
