/**
 * Shared memory between Node.js processes and Python, without copies.
 *
 * @packageDocumentation
 */
export { createSegment, type CreateSegmentOptions, openSegment, type SharedSegment } from './segment.js';
export { type ArrayDescriptor, type SharedArray } from './shared-array.js';
export { type ArrayOptions } from './array-layout.js';
export { isNDArray, type NDArray, type Nested } from './ndarray.js';
export { ndarray, type NDArrayOptions } from './make-ndarray.js';
export { type Range } from './slice.js';
export { type CopyReason } from './array-memory.js';
export {
  type ArrayOf,
  type Complex,
  type DType,
  type DTypeOf,
  type ElementOf,
  type TypedArray,
  type TypedArrays,
} from './dtype.js';
export { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from './half-precision.js';
export { isAvailable } from './availability.js';
export { sendSegment, type SendSegmentOptions } from './send-segment.js';
export { receiveSegment, type ReceiveSegmentOptions } from './receive-segment.js';
export { pythonPath } from './python-path.js';
export { ZeroCopyError, type ZeroCopyErrorCode } from './errors.js';

// What the other packages of Hognose make and send arrays with; it may change in any release.
export { type LentParts, makeNDArray, type NDArrayParts, ndarrayOf, originOf } from './make-ndarray.js';
export { type ArrayOrigin } from './array-view.js';
export {
  type ArrayFields,
  checkArrayFields,
  type CheckedArray,
  COPY_REASONS,
  type DescribedArray,
  memoryOfFields,
  writeArrayFields,
} from './descriptor.js';
export {
  constructorOf,
  dlpackType,
  dtypeOf,
  dtypeOfDlpack,
  DTYPES,
  isDType,
  itemSizeOf,
  typedArrayOver,
  type TypedArrayConstructors,
} from './dtype.js';
