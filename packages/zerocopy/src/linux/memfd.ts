import { constants } from 'node:os';
import type { Libc } from './libc.js';
import { systemError } from './system-error.js';

const MFD_CLOEXEC = 0x1;
const MFD_ALLOW_SEALING = 0x2;
const MFD_NOEXEC_SEAL = 0x8;

const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const F_SEAL_SEAL = 0x1;
const F_SEAL_SHRINK = 0x2;
const F_SEAL_GROW = 0x4;
const SIZE_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

const { EINVAL, ENOSYS, EPERM, EACCES } = constants.errno;

/**
 * Makes an empty file that lives in memory and has no name in any directory. It is closed on exec.
 *
 * @returns The file descriptor, or undefined where this system has no such files, or a sandbox forbids them.
 * @throws {@link ZeroCopyError} `ZEROCOPY_NO_SPACE` when descriptors or memory are used up.
 * @see memfd_create(2)
 */
export function openMemfd(libc: Libc, name: string): number | undefined {
  if (libc.memfd_create === undefined) return undefined;
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  let fd = libc.memfd_create(name, flags | MFD_NOEXEC_SEAL);
  // Kernels before 6.3 do not know MFD_NOEXEC_SEAL; some later ones refuse to do without it (vm.memfd_noexec=2).
  if (fd < 0 && libc.errno() === EINVAL) fd = libc.memfd_create(name, flags);
  if (fd >= 0) return fd;
  const errno = libc.errno();
  if ([EINVAL, ENOSYS, EPERM, EACCES].includes(errno)) return undefined;
  throw systemError('memfd_create', errno, 'the kernel did not make a segment');
}

/** Seals the size of a memfd for good: no process that gets it can shrink it under another one's mapping. */
export function sealSize(libc: Libc, fd: number): void {
  if (libc.fcntl(fd, F_ADD_SEALS, 'int', SIZE_SEALS) >= 0) return;
  throw systemError('fcntl', libc.errno(), 'the kernel did not make a segment');
}

/** What a file in memory says of its size: that it can never change, that it could, or that the file is none in memory. */
export type SizeSeal = 'sealed' | 'open' | 'none';

/** Linux alone has seals; there every file in memory has some, be they none. */
export function sizeSealOf(libc: Libc, fd: number): SizeSeal {
  const seals = libc.fcntl(fd, F_GET_SEALS, 'int', 0);
  if (seals < 0) return 'none';
  return (seals & SIZE_SEALS) === SIZE_SEALS ? 'sealed' : 'open';
}
