import { exposeBorrowed } from './exposure.js';
import type { Piece } from './piece.js';
import type { Borrowed } from './types.js';

/** How often somebody holds a piece through one object. */
interface Stake {
  readonly piece: Piece;
  holds: number;
  /** The first hold is that of whoever borrowed. It ends once, by `release` or with the buffer's release, and may then be ended the other way. */
  first: 'held' | 'released' | 'released with the buffer';
}

const collected = new FinalizationRegistry((stake: Stake) => {
  for (; stake.holds > 0; stake.holds--) stake.piece.release();
});

/** Memory that was borrowed, held once from the beginning. What goes on for longer than it, refers to its piece. */
export class BorrowedMemory implements Borrowed {
  readonly piece: Piece;
  readonly #stake: Stake;
  #buffer: ArrayBuffer | undefined;

  constructor(piece: Piece) {
    this.piece = piece;
    this.#stake = { piece, holds: 1, first: 'held' };
    collected.register(this, this.#stake);
  }

  get segment(): number {
    return this.piece.segment;
  }

  get segmentBytes(): number {
    return this.piece.segmentBytes;
  }

  get offset(): number {
    return this.piece.offset;
  }

  get byteLength(): number {
    return this.piece.byteLength;
  }

  get via(): number {
    return this.piece.via;
  }

  get buffer(): ArrayBuffer {
    if (this.#buffer === undefined) {
      const stake = this.#stake;
      this.#buffer = exposeBorrowed(this.piece, () => {
        if (stake.first !== 'held' || stake.holds === 0) return;
        release(stake);
        stake.first = 'released with the buffer';
      });
    }
    return this.#buffer;
  }

  retain(): void {
    this.piece.retain();
    this.#stake.holds++;
  }

  release(): void {
    release(this.#stake);
  }
}

function release(stake: Stake): void {
  if (stake.holds === 0) {
    if (stake.first !== 'released with the buffer') {
      throw new Error('borrowed memory was let go of more often than it was held');
    }
    stake.first = 'released';
    return;
  }
  stake.holds--;
  if (stake.holds === 0 && stake.first === 'held') stake.first = 'released';
  stake.piece.release();
}
