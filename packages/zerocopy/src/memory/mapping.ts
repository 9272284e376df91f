import { constants } from 'node:os';
import { ZeroCopyError } from '../errors.js';
import { type Libc, MAP_FAILED } from '../linux/libc.js';
import { systemError } from '../linux/system-error.js';
import { addSlot, takeSlot } from './address-slots.js';

const PROT_READ_WRITE = 0x3;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;

const MREMAP_MAYMOVE = 1;
const MREMAP_FIXED = 2;
const MREMAP_DONTUNMAP = 4;

/** The kernel's books are locked while it fills or tears down page tables, so that no other thread can map memory: 1 ms for so much. */
const PIECE = 16 << 20;

const { EINVAL } = constants.errno;

/** Whether the kernel can move shared memory and keep the old range. */
let isMovable = true;

/** Called when the garbage collector has found that a view is gone. */
export interface ViewOwner {
  collected(): void;
}

const collectedViews = new FinalizationRegistry((owner: ViewOwner) => {
  owner.collected();
});

/**
 * Where a segment is mapped in this process, and the views of it that can still be reached. It ends as a tombstone: the range is
 * mapped to nothing, so that a view which is still used reads zeros. When the last view is gone the range is used again.
 */
export class Mapping {
  readonly address: bigint;
  readonly byteLength: number;
  readonly #libc: Libc;
  #views = 0;
  #isTombstone = false;
  #isForgotten = false;
  #writable: Uint8Array<ArrayBuffer> | undefined;

  private constructor(libc: Libc, address: bigint, byteLength: number) {
    this.#libc = libc;
    this.address = address;
    this.byteLength = byteLength;
  }

  /** @throws {@link ZeroCopyError} `ZEROCOPY_NO_SPACE` when the address space is used up. */
  static of(libc: Libc, fd: number, byteLength: number): Mapping {
    const slot = takeSlot(byteLength);
    const fixed = slot === undefined ? 0 : MAP_FIXED;
    const address = libc.mmap(slot ?? 0n, byteLength, PROT_READ_WRITE, MAP_SHARED | fixed, fd, 0);
    if (address === MAP_FAILED) {
      // The slot is not used again: the kernel may have unmapped it, and given its addresses to somebody else.
      throw systemError('mmap', libc.errno(), `a segment of ${byteLength} bytes could not be mapped`);
    }
    return new Mapping(libc, address, byteLength);
  }

  get isTombstone(): boolean {
    return this.#isTombstone;
  }

  /** All of the memory, to write to; one view however often it is asked for. */
  get writable(): Uint8Array<ArrayBuffer> {
    return (this.#writable ??= new Uint8Array(this.view(0, this.byteLength, { collected: () => undefined })));
  }

  /**
   * An ArrayBuffer of its own over a part.
   *
   * @param owner - Told when the buffer is gone. It must not refer to it.
   * @throws {@link ZeroCopyError} `ZEROCOPY_UNAVAILABLE` where this JavaScript engine refuses foreign memory.
   */
  view(offset: number, byteLength: number, owner: ViewOwner): ArrayBuffer {
    const buffer = foreignBuffer(this.#libc, this.address + BigInt(offset), byteLength);
    this.#views++;
    collectedViews.register(buffer, {
      collected: () => {
        this.#views--;
        owner.collected();
        this.#reuseAddresses();
      },
    });
    return buffer;
  }

  /** Lets go of the memory at once, whoever still has a view. Again: does nothing. */
  entomb(): void {
    if (this.#isTombstone) return;
    const { MAP_ANONYMOUS, MAP_NORESERVE } = this.#libc.platform;
    // In one step, so that there is no moment at which another thread could be given the range.
    const flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    if (this.#libc.mmap(this.address, this.byteLength, PROT_READ_WRITE, flags, -1, 0) === MAP_FAILED) {
      const what = `a segment of ${this.byteLength} bytes could not be given back`;
      throw systemError('mmap', this.#libc.errno(), what);
    }
    this.#isTombstone = true;
    this.#writable = undefined;
    this.#reuseAddresses();
  }

  /**
   * Lets go of the memory as {@link Mapping.entomb} does, but keeps it mapped elsewhere, page tables and all: in 50 us, where to tear
   * down and fill those of 100 MB takes 10 ms.
   *
   * @returns undefined where the kernel cannot (Linux before 5.13): then nothing has changed.
   */
  moveAway(): Mapping | undefined {
    if (this.#libc.mremap === undefined || !isMovable) return undefined;
    const slot = takeSlot(this.byteLength);
    const flags = MREMAP_MAYMOVE | MREMAP_DONTUNMAP | (slot === undefined ? 0 : MREMAP_FIXED);
    const address = this.#libc.mremap(this.address, this.byteLength, this.byteLength, flags, slot ?? 0n);
    if (address === MAP_FAILED) {
      isMovable = this.#libc.errno() !== EINVAL;
      return undefined;
    }
    try {
      this.entomb();
    } catch (error) {
      // No view was made of these addresses.
      this.#libc.munmap(address, this.byteLength);
      throw error;
    }
    return new Mapping(this.#libc, address, this.byteLength);
  }

  /** Unmaps what no view was ever made of, by a thread of libuv's pool: to tear down page tables takes 10 ms per 100 MB. */
  async unmap(): Promise<void> {
    let offset = 0;
    try {
      for (; offset < this.byteLength; offset += PIECE) {
        const length = Math.min(PIECE, this.byteLength - offset);
        await this.#libc.offLoop.munmap(this.address + BigInt(offset), length);
      }
    } catch {
      // The program has as many calls of its own under way as koffi takes.
      this.#libc.munmap(this.address + BigInt(offset), this.byteLength - offset);
    }
  }

  /** Fills the page tables by a thread of libuv's pool, so that the first use is as fast as the second. Never fails: then it is slower. */
  async populate(): Promise<void> {
    const { MADV_POPULATE_READ } = this.#libc.platform;
    if (MADV_POPULATE_READ === undefined) return;
    try {
      for (let offset = 0; offset < this.byteLength && !this.#isTombstone; offset += PIECE) {
        const length = Math.min(PIECE, this.byteLength - offset);
        // A range that became a tombstone meanwhile is filled with the kernel's one page of zeros, which takes no memory.
        const result = await this.#libc.offLoop.madvise(this.address + BigInt(offset), length, MADV_POPULATE_READ);
        if (result !== 0) return; // an older kernel
      }
    } catch {
      // The program has as many calls of its own under way as koffi takes.
    }
  }

  #reuseAddresses(): void {
    if (!this.#isTombstone || this.#views > 0 || this.#isForgotten) return;
    this.#isForgotten = true;
    addSlot(this.address, this.byteLength);
  }
}

function foreignBuffer(libc: Libc, address: bigint, byteLength: number): ArrayBuffer {
  let buffer: ArrayBuffer;
  try {
    buffer = libc.view(address, byteLength);
  } catch (cause) {
    throw new ZeroCopyError(
      'ZEROCOPY_UNAVAILABLE',
      'this JavaScript engine takes no ArrayBuffer over foreign memory (as in Electron): send the data as bytes instead',
      { cause },
    );
  }
  if ('transfer' in ArrayBuffer.prototype) forbidTransfer(buffer);
  return buffer;
}

/** Moved to another ArrayBuffer, the memory would be taken for let go of while it is still used. */
function forbidTransfer(buffer: ArrayBuffer): void {
  const value = (): never => {
    throw new ZeroCopyError(
      'ZEROCOPY_UNAVAILABLE',
      'shared memory cannot be transferred to another ArrayBuffer: copy it',
    );
  };
  Object.defineProperties(buffer, { transfer: { value }, transferToFixedLength: { value } });
}
