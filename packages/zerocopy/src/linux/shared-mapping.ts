import { closeSync } from 'node:fs';
import { ZeroCopyError } from '../errors.js';
import type { Libc } from './libc.js';
import { systemError } from './system-error.js';

const PROT_READ_WRITE = 0x3;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

/** A file in memory and where it is mapped, owned until `release`. */
export interface SharedMapping {
  readonly fd: number;
  /** Gives the memory and the descriptor back; views of the buffer read as zeros from then on. Again: does nothing. */
  release(): void;
}

// Calls release() for a buffer that nobody can reach any more, so that a segment which was dropped is not leaked.
const unreachable = new FinalizationRegistry((mapping: SharedMapping) => {
  try {
    mapping.release();
  } catch {
    // Nobody is left to tell. The memory stays until the process ends, which is what happened before it was dropped.
  }
});

/**
 * Maps a file in memory, once, under one ArrayBuffer.
 *
 * Takes over `fd` when it succeeds.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_NO_SPACE` when the address space is used up, `ZEROCOPY_UNAVAILABLE` where
 * this JavaScript engine refuses foreign memory.
 */
export function mapShared(libc: Libc, fd: number, byteLength: number): { mapping: SharedMapping; buffer: ArrayBuffer } {
  const address = libc.mmap(0n, byteLength, PROT_READ_WRITE, MAP_SHARED, fd, 0);
  if (address === MAP_FAILED) {
    throw systemError('mmap', libc.errno(), `a segment of ${byteLength} bytes could not be mapped`);
  }
  const buffer = viewOf(libc, address, byteLength);
  const mapping = new TombstonedMapping(libc, fd, address, byteLength);
  unreachable.register(buffer, mapping);
  return { mapping, buffer };
}

function viewOf(libc: Libc, address: bigint, byteLength: number): ArrayBuffer {
  try {
    return libc.view(address, byteLength);
  } catch (cause) {
    libc.munmap(address, byteLength);
    throw new ZeroCopyError(
      'ZEROCOPY_UNAVAILABLE',
      'this JavaScript engine takes no ArrayBuffer over foreign memory (as in Electron): send the data as bytes instead',
      { cause },
    );
  }
}

/** Holds no reference to the buffer, which could never be collected otherwise. */
class TombstonedMapping implements SharedMapping {
  readonly #libc: Libc;
  readonly fd: number;
  readonly #address: bigint;
  readonly #byteLength: number;
  #isReleased = false;

  constructor(libc: Libc, fd: number, address: bigint, byteLength: number) {
    this.#libc = libc;
    this.fd = fd;
    this.#address = address;
    this.#byteLength = byteLength;
  }

  release(): void {
    if (this.#isReleased) return;
    // Never munmap: a view may still be used, and would end the process by SIGSEGV. The range is mapped to nothing
    // instead, in one step. It keeps addresses but no memory, and neighbouring ranges merge in the kernel's books. Even
    // a collected buffer is no leave to unmap: ArrayBuffer.prototype.transfer() moves its memory to another one unseen.
    const flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    const mapped = this.#libc.mmap(this.#address, this.#byteLength, PROT_READ_WRITE, flags, -1, 0);
    if (mapped === MAP_FAILED) {
      throw systemError('mmap', this.#libc.errno(), `a segment of ${this.#byteLength} bytes could not be given back`);
    }
    this.#isReleased = true;
    closeSync(this.fd);
  }
}
