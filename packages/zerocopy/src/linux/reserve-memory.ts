import { constants, freemem } from 'node:os';
import { ZeroCopyError } from '../errors.js';
import type { Libc } from './libc.js';
import { systemError } from './system-error.js';

const { EINTR } = constants.errno;

/** Small enough that the kernel finishes it between any two signals. */
const SMALLEST_PIECE = 64 * 1024;

/**
 * Makes the kernel set aside every page of a file now, so that writing to it later cannot end the process by SIGBUS.
 * The thread is blocked meanwhile, for tens of milliseconds per 100 MB.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_NO_SPACE` when there are not so many pages.
 */
export function reserveMemory(libc: Pick<Libc, 'posix_fallocate'>, fd: number, byteLength: number): void {
  const pieces = reservation(byteLength);
  for (let next = pieces.next(0); !next.done;) {
    const [offset, length] = next.value;
    next = pieces.next(libc.posix_fallocate(fd, offset, length));
  }
}

/** The same by a thread of libuv's pool. `fd` must stay open meanwhile. */
export async function reserveMemoryOffLoop(
  offLoop: Pick<Libc['offLoop'], 'posix_fallocate'>,
  fd: number,
  byteLength: number,
): Promise<void> {
  const pieces = reservation(byteLength);
  for (let next = pieces.next(0); !next.done;) {
    const [offset, length] = next.value;
    next = pieces.next(await offLoop.posix_fallocate(fd, offset, length));
  }
}

/** Which piece to reserve next, as `[offset, length]`, given the error number of the one before. */
function* reservation(byteLength: number): Generator<[offset: number, length: number], void, number> {
  let offset = 0;
  let piece = byteLength;
  while (offset < byteLength) {
    const length = Math.min(piece, byteLength - offset);
    const errno = yield [offset, length];
    if (errno === 0) offset += length;
    // A signal (a child that ended, a profiler's tick) undoes the whole piece: only smaller ones make progress.
    else if (errno === EINTR) piece = Math.max(Math.ceil(length / 2), SMALLEST_PIECE);
    else throw systemError('posix_fallocate', errno, `no memory for a segment of ${byteLength} bytes`);
  }
}

/**
 * Refuses what cannot fit in the memory that is free. A memfd has no size limit of its own: the kernel would take
 * page after page and then kill a process to get more.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_NO_SPACE` when `byteLength` is more than what is free.
 */
export function assertFits(byteLength: number, available: number = availableMemory()): void {
  if (byteLength <= available) return;
  throw new ZeroCopyError(
    'ZEROCOPY_NO_SPACE',
    `no memory for a segment of ${byteLength} bytes: ${available} bytes are free. Close segments, give the process ` +
      'more memory, or make a smaller segment.',
  );
}

/** Bytes that are free on the machine and within this process's limit. Swap is not counted. */
function availableMemory(): number {
  // Not availableMemory() of Node: inside a container that counts cached file pages, which the kernel would drop, as used.
  const limit = process.constrainedMemory();
  const withinLimit = limit > 0 ? limit - process.memoryUsage.rss() : Infinity;
  return Math.max(0, Math.min(freemem(), withinLimit));
}
