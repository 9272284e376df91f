import { ZeroCopyError } from './errors.js';
import { createSegment } from './segment.js';

let known: boolean | undefined;

/**
 * Whether this process can share memory. Where it cannot, {@link createSegment} throws an error that says why.
 *
 * It tries, once, with a single page: a kernel or container can refuse what the platform has.
 *
 * @public
 */
export function isAvailable(): boolean {
  if (known !== undefined) return known;
  try {
    createSegment({ byteLength: 1 }).close();
    known = true;
    return true;
  } catch (error) {
    // Used-up descriptors or memory may come back: only what cannot change is remembered.
    if (error instanceof ZeroCopyError && error.code === 'ZEROCOPY_UNAVAILABLE') known = false;
    return false;
  }
}
