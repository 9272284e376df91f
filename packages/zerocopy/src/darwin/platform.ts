import type { Platform } from '../platform.js';

/** macOS, as its headers say; written to the same interface as Linux and never run. */
export const darwin: Platform = {
  name: 'macOS',
  architectures: ['x64', 'arm64'],
  MAP_ANONYMOUS: 0x1000,
  MAP_NORESERVE: 0x40,
  MADV_POPULATE_READ: undefined,
  F_DUPFD_CLOEXEC: 67,
  SOL_SOCKET: 0xffff,
  SO_DOMAIN: undefined,
  MSG_DONTWAIT: 0x80,
  MSG_NOSIGNAL: 0,
  MSG_CMSG_CLOEXEC: 0,
  MSG_CTRUNC: 0x20,
  controlLengthBytes: 4,
  messageFlagsOffset: 44,
};
