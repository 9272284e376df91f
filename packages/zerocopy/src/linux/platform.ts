import type { Platform } from '../platform.js';

/** These architectures agree on all numbers; MIPS, POWER and SPARC have others. */
export const linux: Platform = {
  name: 'Linux',
  architectures: ['x64', 'arm64', 'riscv64', 'loong64'],
  MAP_ANONYMOUS: 0x20,
  MAP_NORESERVE: 0x4000,
  MADV_POPULATE_READ: 22,
  F_DUPFD_CLOEXEC: 1030,
  SOL_SOCKET: 1,
  SO_DOMAIN: 39,
  MSG_DONTWAIT: 0x40,
  MSG_NOSIGNAL: 0x4000,
  MSG_CMSG_CLOEXEC: 0x4000_0000,
  MSG_CTRUNC: 0x8,
  controlLengthBytes: 8,
  messageFlagsOffset: 48,
};
