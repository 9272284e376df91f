import { close } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import type { Libc } from '../linux/libc.js';
import { Mapping } from './mapping.js';

/** Larger segments are unmapped beside the event loop. */
const UNMAPPED_AT_ONCE = 1 << 20;

/** Told when a segment that it has sent on is closed. */
export interface SegmentReceiver {
  segmentClosed(segment: MemorySegment): void;
}

/** A segment that this process has, its own or another's: the descriptor and, where somebody has used it, the mapping. */
export class MemorySegment {
  readonly number: number;
  readonly byteLength: number;
  readonly fd: number;
  /** Who else was sent it by this process. */
  readonly receivers = new Set<SegmentReceiver>();
  readonly #libc: Libc;
  #mapping: Mapping | undefined;
  #isClosed = false;

  /** Takes over `fd`, which is a file of at least that size that nobody can shrink. */
  constructor(libc: Libc, number: number, byteLength: number, fd: number) {
    this.#libc = libc;
    this.number = number;
    this.byteLength = byteLength;
    this.fd = fd;
  }

  get isMapped(): boolean {
    return this.#mapping !== undefined;
  }

  /**
   * Maps the segment at first use, and again after {@link MemorySegment.entomb}.
   *
   * @throws {@link ZeroCopyError} `ZEROCOPY_NO_SPACE` when the address space is used up.
   */
  get mapping(): Mapping {
    if (this.#mapping !== undefined) return this.#mapping;
    this.#mapping = Mapping.of(this.#libc, this.fd, this.byteLength);
    void this.#mapping.populate();
    return this.#mapping;
  }

  /** Fills the page tables before the segment is used. */
  async warmUp(): Promise<void> {
    this.#mapping ??= Mapping.of(this.#libc, this.fd, this.byteLength);
    await this.#mapping.populate();
  }

  /**
   * Takes the memory from every view that there is of it; the next use finds it elsewhere.
   *
   * @throws {@link ZeroCopyError} `ZEROCOPY_NO_SPACE` when the kernel cannot book the change: then nothing has changed.
   */
  withdraw(): void {
    const moved = this.#mapping?.moveAway();
    if (moved === undefined) this.#mapping?.entomb();
    this.#mapping = moved;
  }

  /** Nobody holds any of it any more. Views that are still reachable read zeros. Again: does nothing. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      this.#unmap();
    } catch {
      // The kernel cannot book the change. The pages stay, as they would if the segment were not closed.
    }
    // Beside the event loop, as who closes the last descriptor waits until all pages are free; but a thread may be about to end.
    if (isMainThread) close(this.fd);
    else this.#libc.close(this.fd);
    for (const receiver of this.receivers) receiver.segmentClosed(this);
    this.receivers.clear();
  }

  #unmap(): void {
    const moved = this.byteLength < UNMAPPED_AT_ONCE ? undefined : this.#mapping?.moveAway();
    if (moved === undefined) this.#mapping?.entomb();
    else void moved.unmap();
    this.#mapping = undefined;
  }
}
