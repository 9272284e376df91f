import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync } from 'node:fs';
import type { Libc } from './libc.js';
import { systemError } from './system-error.js';

const OWNER_ONLY = 0o600;

/**
 * Makes an empty shared memory object that nobody else can open: its name is random, its owner's alone, and is taken away at
 * once. It is closed on exec. For systems without memfd_create: its size cannot be sealed.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_NO_SPACE` or `ZEROCOPY_UNAVAILABLE` when the kernel refuses.
 * @see shm_open(3)
 */
export function openUnlinkedShm(libc: Libc): number {
  // macOS takes 31 characters.
  const name = `/hognose-${randomBytes(8).toString('hex')}`;
  const fd = libc.shm_open(name, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, OWNER_ONLY);
  if (fd < 0) throw systemError('shm_open', libc.errno(), 'the kernel made neither a memfd nor a shared memory object');
  if (libc.shm_unlink(name) === 0) return fd;
  const errno = libc.errno();
  closeSync(fd);
  throw systemError('shm_unlink', errno, 'a shared memory object kept its name');
}

/** Whether a file is like one that {@link openUnlinkedShm} makes: this user's own, and without a name by which others could open it. */
export function isUnlinkedAndOwn(fd: number): boolean {
  const { nlink, uid, mode } = fstatSync(fd);
  return nlink === 0 && uid === process.geteuid?.() && (mode & 0o777) === OWNER_ONLY;
}
