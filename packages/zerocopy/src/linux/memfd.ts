import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import type { Libc } from './libc.js';
import { assertFits, reserveMemory } from './reserve-memory.js';
import { systemError } from './system-error.js';

const MFD_CLOEXEC = 0x1;
const MFD_ALLOW_SEALING = 0x2;
const MFD_NOEXEC_SEAL = 0x8;

const F_ADD_SEALS = 1033;
const F_SEAL_SEAL = 0x1;
const F_SEAL_SHRINK = 0x2;
const F_SEAL_GROW = 0x4;

/**
 * Makes a file that lives in memory and has no name in any directory, with all its pages reserved and its size sealed
 * for good: no process that gets it can shrink it under another one's mapping.
 *
 * @returns The file descriptor, which the caller owns. It is closed on exec.
 * @throws {@link ZeroCopyError} `ZEROCOPY_NO_SPACE` or `ZEROCOPY_UNAVAILABLE` when the kernel refuses.
 * @see memfd_create(2), F_GET_SEALS(2const)
 */
export function createMemfd(libc: Libc, name: string, byteLength: number): number {
  assertFits(byteLength);
  const fd = openMemfd(libc, name);
  try {
    check(libc, 'ftruncate', libc.ftruncate(fd, byteLength));
    reserveMemory(libc, fd, byteLength);
    check(libc, 'fcntl', libc.fcntl(fd, F_ADD_SEALS, 'int', F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openMemfd(libc: Libc, name: string): number {
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const fd = libc.memfd_create(name, flags | MFD_NOEXEC_SEAL);
  if (fd >= 0) return fd;
  // Kernels before 6.3 do not know MFD_NOEXEC_SEAL; some later ones refuse to do without it (vm.memfd_noexec=2).
  const isUnknownFlag = libc.errno() === constants.errno.EINVAL;
  return check(libc, 'memfd_create', isUnknownFlag ? libc.memfd_create(name, flags) : fd);
}

function check(libc: Libc, syscall: string, result: number): number {
  if (result >= 0) return result;
  throw systemError(syscall, libc.errno(), 'the kernel did not make a segment');
}
