import type * as Koffi from 'koffi';
import { ZeroCopyError } from '../errors.js';
import { loadKoffi } from '../koffi.js';
import { type Platform, currentPlatform } from '../platform.js';
import { inTurn } from './pool-turns.js';

/** The C functions that shared memory needs, named as in their manual pages. Addresses are BigInts. */
export interface Libc {
  /** The numbers that go with the functions. */
  readonly platform: Platform;
  /** Linux alone has it. */
  memfd_create?(name: string, flags: number): number;
  shm_open(name: string, flags: number, mode: number): number;
  shm_unlink(name: string): number;
  ftruncate(fd: number, length: number): number;
  /** Returns the error number itself instead of setting errno. macOS has none and reserves nothing. */
  posix_fallocate(fd: number, offset: number, length: number): number;
  fcntl(fd: number, command: number, type: 'int', argument: number): number;
  mmap(address: bigint, length: number, protection: number, flags: number, fd: number, offset: number): bigint;
  munmap(address: bigint, length: number): number;
  /** For descriptors that Node.js has not opened: its own `close` warns of them in threads. */
  close(fd: number): number;
  /** Linux alone has it. */
  mremap?(address: bigint, length: number, newLength: number, flags: number, newAddress: bigint): bigint;
  sendmsg(fd: number, message: bigint, flags: number): number;
  recvmsg(fd: number, message: bigint, flags: number): number;
  /** `value` takes as many ints as it is long; `length` is in bytes. */
  getsockopt(fd: number, level: number, option: number, value: number[], length: [number]): number;
  /** The same, run by a thread of libuv's pool, a few at a time. errno is lost. */
  readonly offLoop: {
    posix_fallocate(fd: number, offset: number, length: number): Promise<number>;
    madvise(address: bigint, length: number, advice: number): Promise<number>;
    munmap(address: bigint, length: number): Promise<number>;
  };
  /** The error number of the call before. */
  errno(): number;
  /** Where a buffer of JavaScript lies, or where a view of it begins. */
  addressOf(buffer: ArrayBuffer | ArrayBufferView): bigint;
  /** One ArrayBuffer over foreign memory, which must stay mapped for as long as the buffer is reachable. */
  view(address: bigint, length: number): ArrayBuffer;
}

/** What mmap returns where it fails. */
export const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

let loaded: Libc | undefined;

/**
 * Loads koffi at first use and binds the C library of this process: glibc, musl or that of macOS.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_UNAVAILABLE` when the platform, koffi or a function is missing.
 */
export function loadLibc(): Libc {
  loaded ??= bindLibc();
  return loaded;
}

function bindLibc(): Libc {
  const platform = currentPlatform();
  if (platform === undefined) {
    throw new ZeroCopyError(
      'ZEROCOPY_UNAVAILABLE',
      'shared memory needs Linux (x64, arm64, riscv64, loong64) or macOS (x64, arm64), and this is ' +
        `${process.platform} on ${process.arch}: send the data as bytes instead`,
    );
  }
  const koffi = requireKoffi();
  try {
    return bindFunctions(koffi, platform);
  } catch (cause) {
    throw new ZeroCopyError(
      'ZEROCOPY_UNAVAILABLE',
      `the C library lacks a function that shared memory needs (${String(cause)}): glibc 2.27 or musl 1.2 has it`,
      { cause },
    );
  }
}

function bindFunctions(koffi: typeof Koffi, platform: Platform): Libc {
  // null is the process itself, whose C library is loaded already: no file name that differs between glibc and musl.
  const library = koffi.load(null);
  // No type is given a name: a second copy of this package in the process could not define it again.
  const bind = (prototype: string): unknown => library.func(prototype);
  const offLoop = (prototype: string): unknown => inTurn(library.func(prototype).async as (...args: unknown[]) => void);
  const fallocate = 'int posix_fallocate(int, int64_t, int64_t)';
  const isLinux = process.platform === 'linux';
  return {
    platform,
    ...(isLinux && {
      memfd_create: bind('int memfd_create(const char *, unsigned int)') as NonNullable<Libc['memfd_create']>,
      mremap: bind('void *mremap(void *, size_t, size_t, int, void *)') as NonNullable<Libc['mremap']>,
    }),
    posix_fallocate: isLinux ? (bind(fallocate) as Libc['posix_fallocate']) : () => 0,
    ...bindSharedObjects(koffi, isLinux),
    ftruncate: bind('int ftruncate(int, int64_t)') as Libc['ftruncate'],
    fcntl: bind('int fcntl(int, int, ...)') as Libc['fcntl'],
    mmap: bind('void *mmap(void *, size_t, int, int, int, int64_t)') as Libc['mmap'],
    munmap: bind('int munmap(void *, size_t)') as Libc['munmap'],
    close: bind('int close(int)') as Libc['close'],
    sendmsg: bind('int64_t sendmsg(int, void *, int)') as Libc['sendmsg'],
    recvmsg: bind('int64_t recvmsg(int, void *, int)') as Libc['recvmsg'],
    getsockopt: bind('int getsockopt(int, int, int, _Out_ int *, _Inout_ uint32_t *)') as Libc['getsockopt'],
    offLoop: {
      posix_fallocate: isLinux ? (offLoop(fallocate) as Libc['offLoop']['posix_fallocate']) : () => Promise.resolve(0),
      madvise: offLoop('int madvise(void *, size_t, int)') as Libc['offLoop']['madvise'],
      munmap: offLoop('int munmap(void *, size_t)') as Libc['offLoop']['munmap'],
    },
    errno: () => koffi.errno(),
    addressOf: (buffer) => koffi.address(buffer),
    view: (address, length) => koffi.view(address, length),
  };
}

/** Bound at first use: before glibc 2.34 they are in a library of their own, which nothing else here needs. */
function bindSharedObjects(koffi: typeof Koffi, isLinux: boolean): Pick<Libc, 'shm_open' | 'shm_unlink'> {
  let unlink: Libc['shm_unlink'] | undefined;
  let open: ((name: string, flags: number, ...mode: (string | number)[]) => number) | undefined;
  const bind = (prototype: string): unknown => {
    try {
      return koffi.load(null).func(prototype);
    } catch (error) {
      if (!isLinux) throw error;
      return koffi.load('librt.so.1').func(prototype);
    }
  };
  return {
    shm_open(name, flags, mode) {
      open ??= bind('int shm_open(const char *, int, ...)') as typeof open & {};
      return open(name, flags, 'unsigned int', mode);
    },
    shm_unlink(name) {
      unlink ??= bind('int shm_unlink(const char *)') as Libc['shm_unlink'];
      return unlink(name);
    },
  };
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
