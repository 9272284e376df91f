import type * as Koffi from 'koffi';
import { ZeroCopyError } from '../errors.js';
import { loadKoffi } from '../koffi.js';

/** The C functions that shared memory needs, named as in their manual pages. Addresses are BigInts. */
export interface Libc {
  memfd_create(name: string, flags: number): number;
  ftruncate(fd: number, length: number): number;
  /** Returns the error number itself instead of setting errno. */
  posix_fallocate(fd: number, offset: number, length: number): number;
  fcntl(fd: number, command: number, type: 'int', argument: number): number;
  mmap(address: bigint, length: number, protection: number, flags: number, fd: number, offset: number): bigint;
  munmap(address: bigint, length: number): number;
  sendmsg(fd: number, message: bigint, flags: number): number;
  /** `value` takes as many ints as it is long; `length` is in bytes. */
  getsockopt(fd: number, level: number, option: number, value: number[], length: [number]): number;
  /** The error number of the call before. */
  errno(): number;
  /** Where a buffer of JavaScript lies. */
  addressOf(buffer: ArrayBuffer): bigint;
  /** One ArrayBuffer over foreign memory, which must stay mapped for as long as the buffer is reachable. */
  view(address: bigint, length: number): ArrayBuffer;
}

// All are 64-bit and little-endian and agree on the numbers of flags and on the layout of msghdr.
const supported = ['x64', 'arm64', 'riscv64', 'loong64'];

let loaded: Libc | undefined;

/**
 * Loads koffi at first use and binds the C library of this process, glibc or musl.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_UNAVAILABLE` when the platform, koffi or a function is missing.
 */
export function loadLibc(): Libc {
  loaded ??= bindLibc();
  return loaded;
}

function bindLibc(): Libc {
  if (process.platform !== 'linux' || !supported.includes(process.arch)) {
    throw new ZeroCopyError(
      'ZEROCOPY_UNAVAILABLE',
      `shared memory needs Linux on ${supported.join(', ')}, and this is ${process.platform} on ${process.arch}: ` +
        'send the data as bytes instead',
    );
  }
  const koffi = requireKoffi();
  try {
    // null is the process itself, whose C library is loaded already: no file name that differs between glibc and musl.
    const library = koffi.load(null);
    // No type is given a name: a second copy of this package in the process could not define it again.
    const bind = (prototype: string): unknown => library.func(prototype);
    return {
      memfd_create: bind('int memfd_create(const char *, unsigned int)') as Libc['memfd_create'],
      ftruncate: bind('int ftruncate(int, int64_t)') as Libc['ftruncate'],
      posix_fallocate: bind('int posix_fallocate(int, int64_t, int64_t)') as Libc['posix_fallocate'],
      fcntl: bind('int fcntl(int, int, ...)') as Libc['fcntl'],
      mmap: bind('void *mmap(void *, size_t, int, int, int, int64_t)') as Libc['mmap'],
      munmap: bind('int munmap(void *, size_t)') as Libc['munmap'],
      sendmsg: bind('int64_t sendmsg(int, void *, int)') as Libc['sendmsg'],
      getsockopt: bind('int getsockopt(int, int, int, _Out_ int *, _Inout_ uint32_t *)') as Libc['getsockopt'],
      errno: () => koffi.errno(),
      addressOf: (buffer) => koffi.address(buffer),
      view: (address, length) => koffi.view(address, length),
    };
  } catch (cause) {
    throw new ZeroCopyError(
      'ZEROCOPY_UNAVAILABLE',
      `the C library lacks a function that shared memory needs (${String(cause)}): glibc 2.27 or musl 1.2 has it`,
      { cause },
    );
  }
}

function requireKoffi(): typeof Koffi {
  try {
    return loadKoffi();
  } catch (cause) {
    throw new ZeroCopyError(
      'ZEROCOPY_UNAVAILABLE',
      'the package "koffi", which maps shared memory, could not be loaded: install it with its optional dependencies ' +
        '(its prebuilt binary is one of them)',
      { cause },
    );
  }
}
