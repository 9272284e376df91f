import { setImmediate } from 'node:timers/promises';
import { ZeroCopyError } from '../errors.js';

/** Half a millisecond's worth. */
const PIECE = 2 << 20;

/**
 * Copies bytes in pieces, between which events are dealt with. No other thread does it: memory of V8's is gone once its buffer was
 * transferred and collected, which would end the process in the middle of a copy.
 *
 * What is written to the source meanwhile may or may not be copied.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE` when the target is shorter than the source, `ZEROCOPY_CLOSED` when one was transferred
 * or shortened meanwhile.
 * @internal
 */
export async function copyInPieces(target: Uint8Array, source: Uint8Array): Promise<void> {
  const { byteLength } = source;
  if (target.byteLength < byteLength) {
    throw new ZeroCopyError('ZEROCOPY_RANGE', `${byteLength} bytes do not fit into ${target.byteLength}`);
  }
  for (let offset = 0; offset < byteLength; offset += PIECE) {
    if (offset > 0) await setImmediate();
    if (source.byteLength !== byteLength || target.byteLength < byteLength) {
      throw new ZeroCopyError('ZEROCOPY_CLOSED', 'memory was transferred or shortened while it was copied');
    }
    target.set(source.subarray(offset, offset + PIECE), offset);
  }
}
