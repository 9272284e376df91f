/**
 * Shared memory between Node.js processes and Python, without copies.
 *
 * @packageDocumentation
 */
export { createSegment, type CreateSegmentOptions, type SharedSegment } from './segment.js';
export { type ArrayDescriptor, type SharedArray } from './shared-array.js';
export { type ArrayOptions } from './array-layout.js';
export { type DType, type TypedArrays } from './dtype.js';
export { isAvailable } from './availability.js';
export { sendSegment, type SendSegmentOptions } from './send-segment.js';
export { pythonPath } from './python-path.js';
export { ZeroCopyError, type ZeroCopyErrorCode } from './errors.js';
