import {
  closeSync,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  statfsSync,
  unlinkSync,
} from 'node:fs';
import { constants } from 'node:os';
import { jest } from '@jest/globals';
import koffi from 'koffi';
import { type Libc, loadLibc } from '../src/linux/libc.js';
import { assertFits, reserveMemory } from '../src/linux/reserve-memory.js';
import { systemError } from '../src/linux/system-error.js';
import { checkedSize, createMemoryFile, createMemoryFileOffLoop } from '../src/memory-file.js';
import { Mapping } from '../src/memory/mapping.js';
import { describeOnLinux, errorOf, expectError, mappingAt } from './helpers.js';

const { EINTR, EINVAL, ENOSPC, EPERM } = constants.errno;
const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

/** The real C library, with some functions that fail as a kernel in trouble would. */
function troubled(change: Partial<Libc>): Libc {
  return { ...loadLibc(), ...change };
}

/** A kernel that refuses memfd_create. */
function sandboxed(errno: number): Libc {
  const real = loadLibc();
  let isRefused = false;
  return troubled({
    memfd_create: () => {
      isRefused = true;
      return -1;
    },
    errno: () => (isRefused ? errno : real.errno()),
  });
}

describeOnLinux('createMemoryFile', () => {
  const F_GET_SEALS = 1034;

  it('seals the size and, where the kernel can, the right to execute', () => {
    const libc = loadLibc();
    const fd = createMemoryFile(libc, 'test', 4096);
    const seals = libc.fcntl(fd, F_GET_SEALS, 'int', 0);
    expect(seals & 0b111).toBe(0b111);
    closeSync(fd);
  });

  it('does without MFD_NOEXEC_SEAL on a kernel that does not know it', () => {
    const real = loadLibc();
    let errno = 0;
    const fd = createMemoryFile(
      troubled({
        memfd_create: (name, flags) => {
          errno = flags & 0x8 ? EINVAL : 0;
          return errno === 0 ? (real.memfd_create?.(name, flags) ?? -1) : -1;
        },
        errno: () => errno,
      }),
      'test',
      4096,
    );
    expect(real.fcntl(fd, F_GET_SEALS, 'int', 0)).toBe(0b111);
    closeSync(fd);
  });

  it.each([EPERM, constants.errno.ENOSYS, EINVAL])(
    'S66 makes an object that nobody else can open where memfd_create fails with %i',
    async (errno) => {
      const libc = sandboxed(errno);
      for (const fd of [createMemoryFile(libc, 'test', 10_000), await createMemoryFileOffLoop(libc, 'test', 10_000)]) {
        const { nlink, mode, size, blocks } = fstatSync(fd);
        expect([nlink, mode & 0o777, size]).toEqual([0, 0o600, 10_000]);
        expect(blocks * 512).toBeGreaterThanOrEqual(10_000);
        expect(checkedSize(libc, fd)).toBe(10_000);
        closeSync(fd);
      }
    },
  );

  it('says that memory cannot be shared where a sandbox forbids both', () => {
    const libc = { ...sandboxed(EPERM), shm_open: () => -1 };
    expectError(() => createMemoryFile(libc, 'test', 4096), 'ZEROCOPY_UNAVAILABLE', 'shm_open: EPERM');
  });

  it('says that descriptors are used up, and tries nothing else', () => {
    const shm_open = jest.fn(() => -1);
    const libc = { ...sandboxed(constants.errno.EMFILE), shm_open };
    expectError(() => createMemoryFile(libc, 'test', 4096), 'ZEROCOPY_NO_SPACE', 'memfd_create: EMFILE');
    expect(shm_open).not.toHaveBeenCalled();
  });

  it.each<[string, Partial<Libc>]>([
    ['posix_fallocate', { posix_fallocate: () => ENOSPC }],
    ['ftruncate', { ftruncate: () => -1, errno: () => ENOSPC }],
    ['fcntl', { fcntl: () => -1, errno: () => ENOSPC }],
  ])('leaves no descriptor behind when %s fails', (syscall, change) => {
    const before = openDescriptors();
    const error = errorOf(() => createMemoryFile(troubled(change), 'test', 4096));
    expect(error.code).toBe('ZEROCOPY_NO_SPACE');
    expect(error.cause).toMatchObject({ code: 'ENOSPC', syscall });
    expect(openDescriptors()).toBe(before);
  });
});

describeOnLinux('reserveMemory', () => {
  it('turns a full file system into an error instead of a later SIGBUS', () => {
    const path = `/dev/shm/hognose-test-${process.pid}`;
    const fd = openSync(path, 'wx+');
    unlinkSync(path);
    const { blocks, bsize } = statfsSync('/dev/shm');
    const error = errorOf(() => {
      reserveMemory(loadLibc(), fd, (blocks + 1) * bsize);
    });
    closeSync(fd);
    expect(error.code).toBe('ZEROCOPY_NO_SPACE');
    expect(error.message).toMatch(/no memory for a segment of \d+ bytes: posix_fallocate: ENOSPC/);
  });

  it('goes on in smaller pieces when a signal interrupts it', () => {
    const pieces: number[] = [];
    let reserved = 0;
    reserveMemory(
      {
        posix_fallocate: (_fd, offset, length) => {
          if (length > 300_000) return EINTR;
          expect(offset).toBe(reserved);
          reserved += length;
          pieces.push(length);
          return 0;
        },
      },
      3,
      1_000_001,
    );
    expect(reserved).toBe(1_000_001);
    expect(pieces).toEqual([250_001, 250_001, 250_001, 249_998]);
  });
});

describe('assertFits', () => {
  it('refuses more than is free before a page is taken', () => {
    assertFits(100, 100);
    expectError(
      () => {
        assertFits(101, 100);
      },
      'ZEROCOPY_NO_SPACE',
      'no memory for a segment of 101 bytes: 100 bytes are free',
    );
    expectError(
      () => {
        assertFits(2 ** 50);
      },
      'ZEROCOPY_NO_SPACE',
      'no memory for a segment of 1125899906842624 bytes',
    );
  });
});

describeOnLinux('checkedSize', () => {
  const libc = loadLibc();
  const refuse = (fd: number): void => {
    expectError(() => checkedSize(libc, fd), 'ZEROCOPY_RANGE', `file descriptor ${fd} is no segment`);
    closeSync(fd);
  };
  const unsealed = (): number => {
    const fd = libc.memfd_create?.('test', 2) ?? -1;
    ftruncateSync(fd, 4096);
    return fd;
  };
  const inSharedMemory = (): number => {
    const path = `/dev/shm/hognose-test-${process.pid}`;
    const fd = openSync(path, 'wx+', 0o600);
    ftruncateSync(fd, 4096);
    unlinkSync(path);
    return fd;
  };

  it('takes a sealed memfd and, where this process can make none, an object of this user without a name', () => {
    for (const [kernel, fd] of [
      [libc, createMemoryFile(libc, 'test', 4096)],
      [sandboxed(constants.errno.EPERM), inSharedMemory()],
    ] as const) {
      expect(checkedSize(kernel, fd)).toBe(4096);
      closeSync(fd);
    }
  });

  it('refuses what others could shrink, which would end this process by SIGBUS', () => {
    refuse(unsealed());
    refuse(inSharedMemory());
    const readable = inSharedMemory();
    fchmodSync(readable, 0o644);
    refuse(readable);
    const path = `/dev/shm/hognose-test-${process.pid}`;
    const named = openSync(path, 'wx+', 0o600);
    ftruncateSync(named, 4096);
    refuse(named);
    unlinkSync(path);
  });

  it('refuses a file on a disk, a directory, what is empty, and what is not open', () => {
    refuse(openSync(import.meta.filename, 'r'));
    refuse(openSync('/tmp', 'r'));
    const empty = unsealed();
    ftruncateSync(empty, 0);
    refuse(empty);
    expectError(() => checkedSize(libc, 9999), 'ZEROCOPY_RANGE', 'file descriptor 9999 is not open');
  });
});

describeOnLinux('a mapping', () => {
  const owner = { collected: () => undefined };

  it('says what an engine without foreign memory refuses, and lets go of the memory', () => {
    const libc = troubled({
      view: () => {
        throw new Error('external ArrayBuffers are not allowed');
      },
    });
    const fd = createMemoryFile(libc, 'test', 4096);
    const mapping = Mapping.of(libc, fd, 4096);
    const error = errorOf(() => mapping.view(0, 4096, owner));
    expect(error.code).toBe('ZEROCOPY_UNAVAILABLE');
    expect(error.cause).toMatchObject({ message: 'external ArrayBuffers are not allowed' });
    mapping.entomb();
    expect(mappingAt(mapping.address)?.text ?? '').not.toMatch(/memfd:test/);
    closeSync(fd);
  });

  it('says so when the address space is used up', () => {
    const libc = troubled({ mmap: () => 2n ** 64n - 1n, errno: () => constants.errno.ENOMEM });
    expectError(() => Mapping.of(libc, 3, 4096), 'ZEROCOPY_NO_SPACE', 'could not be mapped: mmap: ENOMEM');
  });

  it('stays and can be let go of again when the kernel cannot book the change', () => {
    const real = loadLibc();
    let isFull = false;
    const libc = troubled({ mmap: (...args) => (isFull ? 2n ** 64n - 1n : real.mmap(...args)), errno: () => 12 });
    const fd = createMemoryFile(libc, 'test', 4096);
    const mapping = Mapping.of(libc, fd, 4096);
    const buffer = mapping.view(0, 4096, owner);
    new Uint8Array(buffer).fill(5);
    isFull = true;
    expectError(
      () => {
        mapping.entomb();
      },
      'ZEROCOPY_NO_SPACE',
      'could not be given back',
    );
    expect(new Uint8Array(buffer)[0]).toBe(5);
    isFull = false;
    mapping.entomb();
    mapping.entomb();
    expect(new Uint8Array(buffer)[0]).toBe(0);
    expect(mappingAt(koffi.address(buffer))?.inode).toBe(0);
    closeSync(fd);
  });

  it('moves its memory away from stale views at once, page tables and all', () => {
    const fd = createMemoryFile(loadLibc(), 'test', 4 << 20);
    const mapping = Mapping.of(loadLibc(), fd, 4 << 20);
    const stale = new Uint8Array(mapping.view(0, 4 << 20, owner)).fill(5);
    const moved = mapping.moveAway();
    if (moved === undefined) return; // Linux before 5.13
    expect([mapping.isTombstone, stale[0], stale.at(-1)]).toEqual([true, 0, 0]);
    stale.fill(1);
    expect(moved.address).not.toBe(mapping.address);
    expect([moved.writable[0], moved.writable.at(-1)]).toEqual([5, 5]);
    expect(mappingAt(mapping.address)?.inode).toBe(0);
    moved.entomb();
    closeSync(fd);
  });

  it('stays where it is when its memory cannot be moved, or the old addresses cannot be taken from it', () => {
    const real = loadLibc();
    const fd = createMemoryFile(real, 'test', 4 << 20);
    let isFull = false;
    const libc = troubled({ mmap: (...args) => (isFull ? 2n ** 64n - 1n : real.mmap(...args)), errno: () => 12 });
    const mapping = Mapping.of(libc, fd, 4 << 20);
    const view = new Uint8Array(mapping.view(0, 4 << 20, owner)).fill(5);
    isFull = true;
    expectError(() => mapping.moveAway(), 'ZEROCOPY_NO_SPACE', 'could not be given back');
    expect([mapping.isTombstone, view[0]]).toEqual([false, 5]);
    isFull = false;
    mapping.entomb();
    const without = Mapping.of(troubled({ mremap: () => 2n ** 64n - 1n, errno: () => 12 }), fd, 4 << 20);
    expect(without.moveAway()).toBeUndefined();
    expect(without.isTombstone).toBe(false);
    without.entomb();
    closeSync(fd);
  });

  it('fills page tables off the loop, and does without where the kernel or koffi cannot', async () => {
    const fd = createMemoryFile(loadLibc(), 'test', 40 << 20);
    const real = loadLibc().offLoop;
    const pieces: number[] = [];
    const counted = troubled({
      offLoop: {
        ...real,
        madvise: (address, length, advice) => (pieces.push(length), real.madvise(address, length, advice)),
      },
    });
    const mapping = Mapping.of(counted, fd, 40 << 20);
    await mapping.populate();
    expect(pieces).toEqual([16 << 20, 16 << 20, 8 << 20]);
    mapping.entomb();
    await mapping.populate();
    expect(pieces).toHaveLength(3);
    const refusing = [() => Promise.resolve(-1), () => Promise.reject(new Error('Too many asynchronous calls'))];
    for (const madvise of refusing) {
      const cold = Mapping.of(troubled({ offLoop: { ...real, madvise } }), fd, 40 << 20);
      await cold.populate();
      cold.entomb();
    }
    closeSync(fd);
  });

  ('transfer' in ArrayBuffer.prototype ? it : it.skip)('has no part that can be transferred to another buffer', () => {
    const fd = createMemoryFile(loadLibc(), 'test', 4096);
    const buffer = Mapping.of(loadLibc(), fd, 4096).view(0, 4096, owner) as ArrayBuffer & { transfer(): ArrayBuffer };
    expectError(() => buffer.transfer(), 'ZEROCOPY_UNAVAILABLE', 'cannot be transferred');
    closeSync(fd);
  });
});

describe('systemError', () => {
  it('names the call, the error and what to do', () => {
    const error = systemError('memfd_create', constants.errno.EMFILE, 'no segment');
    expect(error.code).toBe('ZEROCOPY_NO_SPACE');
    expect(error.message).toBe(
      'no segment: memfd_create: EMFILE, too many open files. ' +
        'Close segments or files, or raise the limit of open files (ulimit -n).',
    );
    expect(systemError('x', 9999, 'y').message).toMatch('y: x: errno 9999, unknown error.');
  });
});
