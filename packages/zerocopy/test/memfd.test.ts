import { closeSync, openSync, readdirSync, statfsSync, unlinkSync } from 'node:fs';
import { constants } from 'node:os';
import koffi from 'koffi';
import { type Libc, loadLibc } from '../src/linux/libc.js';
import { createMemfd } from '../src/linux/memfd.js';
import { assertFits, reserveMemory } from '../src/linux/reserve-memory.js';
import { mapShared } from '../src/linux/shared-mapping.js';
import { systemError } from '../src/linux/system-error.js';
import { describeOnLinux, errorOf, expectError, mappingAt } from './helpers.js';

const { EINTR, EINVAL, ENOSPC, EPERM } = constants.errno;
const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

/** The real C library, with some functions that fail as a kernel in trouble would. */
function troubled(change: Partial<Libc>): Libc {
  return { ...loadLibc(), ...change };
}

describeOnLinux('createMemfd', () => {
  const F_GET_SEALS = 1034;

  it('seals the size and, where the kernel can, the right to execute', () => {
    const libc = loadLibc();
    const fd = createMemfd(libc, 'test', 4096);
    const seals = libc.fcntl(fd, F_GET_SEALS, 'int', 0);
    expect(seals & 0b111).toBe(0b111);
    closeSync(fd);
  });

  it('does without MFD_NOEXEC_SEAL on a kernel that does not know it', () => {
    const real = loadLibc();
    let errno = 0;
    const fd = createMemfd(
      troubled({
        memfd_create: (name, flags) => {
          errno = flags & 0x8 ? EINVAL : 0;
          return errno === 0 ? real.memfd_create(name, flags) : -1;
        },
        errno: () => errno,
      }),
      'test',
      4096,
    );
    expect(real.fcntl(fd, F_GET_SEALS, 'int', 0)).toBe(0b111);
    closeSync(fd);
  });

  it('says that memory cannot be shared where a sandbox forbids memfd_create', () => {
    const libc = troubled({ memfd_create: () => -1, errno: () => EPERM });
    expectError(() => createMemfd(libc, 'test', 4096), 'ZEROCOPY_UNAVAILABLE', 'memfd_create: EPERM');
  });

  it.each<[string, Partial<Libc>]>([
    ['posix_fallocate', { posix_fallocate: () => ENOSPC }],
    ['ftruncate', { ftruncate: () => -1, errno: () => ENOSPC }],
    ['fcntl', { fcntl: () => -1, errno: () => ENOSPC }],
  ])('leaves no descriptor behind when %s fails', (syscall, change) => {
    const before = openDescriptors();
    const error = errorOf(() => createMemfd(troubled(change), 'test', 4096));
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

describeOnLinux('mapShared', () => {
  it('unmaps what an engine without foreign memory refuses', () => {
    let address = 0n;
    const libc = troubled({
      view: (at) => {
        address = at;
        throw new Error('external ArrayBuffers are not allowed');
      },
    });
    const fd = createMemfd(libc, 'test', 4096);
    const error = errorOf(() => mapShared(libc, fd, 4096));
    expect(error.code).toBe('ZEROCOPY_UNAVAILABLE');
    expect(error.cause).toMatchObject({ message: 'external ArrayBuffers are not allowed' });
    expect(mappingAt(address)?.text ?? '').not.toMatch(/memfd:test/);
    closeSync(fd);
  });

  it('says so when the address space is used up', () => {
    const libc = troubled({ mmap: () => 2n ** 64n - 1n, errno: () => constants.errno.ENOMEM });
    expectError(() => mapShared(libc, 3, 4096), 'ZEROCOPY_NO_SPACE', 'could not be mapped: mmap: ENOMEM');
  });

  it('stays mapped and can be released again when the kernel cannot book the release', () => {
    const real = loadLibc();
    let isFull = false;
    const libc = troubled({ mmap: (...args) => (isFull ? 2n ** 64n - 1n : real.mmap(...args)), errno: () => 12 });
    const fd = createMemfd(libc, 'test', 4096);
    const { mapping, buffer } = mapShared(libc, fd, 4096);
    new Uint8Array(buffer).fill(5);
    isFull = true;
    expectError(
      () => {
        mapping.release();
      },
      'ZEROCOPY_NO_SPACE',
      'could not be given back',
    );
    expect(new Uint8Array(buffer)[0]).toBe(5);
    isFull = false;
    mapping.release();
    expect(new Uint8Array(buffer)[0]).toBe(0);
    expect(mappingAt(koffi.address(buffer))?.inode).toBe(0);
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
