import { closeSync, fstatSync } from 'node:fs';
import { ZeroCopyError } from './errors.js';
import type { Libc } from './linux/libc.js';
import { openMemfd, sealSize, sizeSealOf } from './linux/memfd.js';
import { assertFits, reserveMemory, reserveMemoryOffLoop } from './linux/reserve-memory.js';
import { systemError } from './linux/system-error.js';
import { isUnlinkedAndOwn, openUnlinkedShm } from './linux/unlinked-shm.js';

/**
 * Makes a file that lives in memory and has no name in any directory, with all its pages reserved: a memfd whose size is sealed
 * for good or, where there is none, a shared memory object without a name.
 *
 * @param name - What a memfd is called in `/proc`.
 * @returns The file descriptor, which the caller owns. It is closed on exec.
 * @throws {@link ZeroCopyError} `ZEROCOPY_NO_SPACE` or `ZEROCOPY_UNAVAILABLE` when the kernel refuses.
 */
export function createMemoryFile(libc: Libc, name: string, byteLength: number): number {
  assertFits(byteLength);
  const file = open(libc, name, byteLength);
  try {
    reserveMemory(libc, file.fd, byteLength);
    file.seal();
    return file.fd;
  } catch (error) {
    closeSync(file.fd);
    throw error;
  }
}

/** The same, with the pages reserved by a thread of libuv's pool. */
export async function createMemoryFileOffLoop(libc: Libc, name: string, byteLength: number): Promise<number> {
  assertFits(byteLength);
  const file = open(libc, name, byteLength);
  try {
    await reserveMemoryOffLoop(libc.offLoop, file.fd, byteLength);
    file.seal();
    return file.fd;
  } catch (error) {
    closeSync(file.fd);
    throw error;
  }
}

function open(libc: Libc, name: string, byteLength: number): { readonly fd: number; seal(): void } {
  const memfd = openMemfd(libc, name);
  const fd = memfd ?? openUnlinkedShm(libc);
  if (libc.ftruncate(fd, byteLength) !== 0) {
    const errno = libc.errno();
    closeSync(fd);
    throw systemError('ftruncate', errno, 'the kernel did not make a segment');
  }
  return {
    fd,
    seal: () => {
      if (memfd !== undefined) sealSize(libc, memfd);
    },
  };
}

/** Whether this process can make files in memory whose size is sealed: then those of other processes are to be sealed as well. */
function canSeal(libc: Libc): boolean {
  const fd = openMemfd(libc, 'hognose');
  if (fd === undefined) return false;
  closeSync(fd);
  return true;
}

/**
 * The size of a file in memory that another process handed over. One whose size strangers could still change is refused: reading
 * it after that would end this process by SIGBUS. Only where this process itself can make none that is sealed, one that is not is
 * taken, of this user's processes.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE` when it is no such file.
 */
export function checkedSize(libc: Libc, fd: number): number {
  let size: number;
  let isSafe: boolean;
  try {
    ({ size } = fstatSync(fd));
    const seal = libc.memfd_create === undefined ? 'open' : sizeSealOf(libc, fd);
    isSafe = seal === 'sealed' || (seal === 'open' && isUnlinkedAndOwn(fd) && !canSeal(libc));
  } catch (cause) {
    throw new ZeroCopyError('ZEROCOPY_RANGE', `file descriptor ${fd} is not open`, { cause });
  }
  if (size > 0 && isSafe) return size;
  throw new ZeroCopyError(
    'ZEROCOPY_RANGE',
    `file descriptor ${fd} is no segment: it is empty, or neither a memfd whose size is sealed nor an unlinked shared memory ` +
      'object of this user. Make it with createSegment().',
  );
}
