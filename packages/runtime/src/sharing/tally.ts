/** What was copied, and why: `zeroCopyStats()` tells it. */
import type { CopyReason } from '@hognose/zerocopy';

/** How many arrays and the like were copied on their way, and how many bytes they have. @public */
export interface CopyCount {
  readonly count: number;
  readonly bytes: number;
}

/** @internal */
export class Tally {
  #shared = 0;
  readonly #copies = new Map<CopyReason, { count: number; bytes: number }>();

  /** One has travelled as a description of its memory. */
  share(): void {
    this.#shared += 1;
  }

  /** One was copied. */
  copy(reason: CopyReason, bytes: number): void {
    const known = this.#copies.get(reason);
    if (known === undefined) this.#copies.set(reason, { count: 1, bytes });
    else {
      known.count += 1;
      known.bytes += bytes;
    }
  }

  /** How many have travelled as a description of their memory. */
  get shared(): number {
    return this.#shared;
  }

  /** What was copied, by its reason. */
  copies(): Readonly<Partial<Record<CopyReason, CopyCount>>> {
    return Object.fromEntries([...this.#copies].map(([reason, count]) => [reason, { ...count }]));
  }
}
