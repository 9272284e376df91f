/** What is shared with Python at this moment, and what was copied. */
import type { CopyReason } from '@hognose/zerocopy';
import { globalState } from '../global-state.js';
import type { Worker } from '../worker/worker.js';
import { memoryInUse } from './host-memory.js';
import type { CopyCount } from './tally.js';

/** Shared memory of this process and of a runtime's workers. @public */
export interface ZeroCopyStats {
  /** Segments that this process has made, for all its runtimes. */
  readonly segments: number;
  /** Bytes of these segments. */
  readonly bytes: number;
  /** Bytes of them that are in use. */
  readonly usedBytes: number;
  /** Bytes that they may have. */
  readonly maxBytes: number;
  /** Arrays and the like that workers of this runtime hold of this process, or of each other. */
  readonly lent: number;
  /** Arrays and the like of workers that are held here. */
  readonly borrowed: number;
  /** Bytes of segments of the workers that this process has opened. */
  readonly borrowedBytes: number;
  /** Values that have travelled as a description of their memory, since the start of this process. */
  readonly shared: number;
  /** Values that were copied instead, since the start of this process, by the reason. */
  readonly copies: Readonly<Partial<Record<CopyReason, CopyCount>>>;
}

/** @internal */
export function zeroCopyStats(workers: Iterable<Worker>): ZeroCopyStats {
  const { tally } = globalState();
  const { segments = 0, bytes = 0, usedBytes = 0, maxBytes = 0 } = memoryInUse()?.arena.stats ?? {};
  let [lent, borrowed, borrowedBytes] = [0, 0, 0];
  for (const { memory } of workers) {
    lent += memory.counts.lent;
    borrowed += memory.counts.borrowed;
    borrowedBytes += memory.counts.borrowedBytes;
  }
  return {
    segments,
    bytes,
    usedBytes,
    maxBytes,
    lent,
    borrowed,
    borrowedBytes,
    shared: tally.shared,
    copies: tally.copies(),
  };
}
