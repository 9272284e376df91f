/** Arrays that are born in shared memory. */
import { setImmediate } from 'node:timers/promises';
import { itemSizeOf, isDType, makeNDArray, typedArrayOver, ZeroCopyError } from '@hognose/zerocopy';
import { ConfigError, ZeroCopyUnavailableError } from '../errors.js';
import type { DType, NDArray } from '../values/types.js';
import { globalState } from '../global-state.js';
import { hostMemory, type HostLimits } from './host-memory.js';
import { stackHere } from './leak-log.js';
import { SharedSource } from './place.js';

/** Half a millisecond's worth. */
const PIECE_BYTES = 1 << 22;

/** Writes zeros, as another array may have been there; piece by piece, so that the event loop goes on. */
async function clear(memory: Uint8Array): Promise<void> {
  for (let at = 0; at < memory.length; at += PIECE_BYTES) {
    if (at > 0) await setImmediate();
    memory.fill(0, at, at + PIECE_BYTES);
  }
}

/** See {@link Runtime.allocate}. @internal */
export async function allocate<D extends DType>(
  dtype: D,
  shape: readonly number[],
  limits: HostLimits,
): Promise<NDArray<D>> {
  if (!isDType(dtype)) throw new ConfigError(`allocate: ${String(dtype)} is no dtype`);
  if (!Array.isArray(shape) || !shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw new ConfigError(`allocate: the shape must be an array of integers from 0`);
  }
  const byteLength = itemSizeOf(dtype) * shape.reduce((product, length) => product * length, 1);
  if (!Number.isSafeInteger(byteLength)) throw new ConfigError(`allocate: [${shape.join(', ')}] is too large`);
  try {
    const memory = hostMemory(limits);
    const { leaks } = globalState();
    const stack = leaks === undefined ? '' : stackHere(allocate);
    const block = await memory.arena.obtain(Math.max(byteLength, 1));
    await clear(block.bytes);
    const buffer = block.expose();
    block.release(); // from here on it is the buffer's
    const forget = leaks?.track(buffer, `an array of ${dtype} [${shape.join(', ')}]`, stack);
    return makeNDArray({
      dtype,
      shape,
      memory: typedArrayOver(dtype, buffer, 0, byteLength),
      isShared: true,
      source: new SharedSource(block, 0),
      release: () => {
        forget?.();
        memory.releaseBuffer(buffer);
      },
    });
  } catch (cause) {
    if (!(cause instanceof ZeroCopyError)) throw cause;
    throw new ZeroCopyUnavailableError(`allocate: ${cause.message}`, { cause });
  }
}
