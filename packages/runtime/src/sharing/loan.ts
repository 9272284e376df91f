/** Arrays among arguments that lie in shared memory: held until the call is over, and by each worker that has them. */
import { nextLease, type Hold, type LentFields } from '@hognose/zerocopy/internal';

/** A piece of shared memory that an encoded value refers to by a number. @internal */
export class Loan {
  readonly lease = nextLease();
  #hold: Hold | undefined;
  /** Whether the piece holds a copy that was made for this value. */
  readonly isCopy: boolean;

  /** Takes over one hold. */
  constructor(hold: Hold, isCopy: boolean) {
    this.#hold = hold;
    this.isCopy = isCopy;
  }

  /** The piece, before it is over. */
  get hold(): Hold {
    if (this.#hold === undefined) throw new Error('a loan of shared memory is used that is over');
    return this.#hold;
  }

  /** What names bytes of the piece on the wire: those that were copied into it, or a part of what is exposed of it. */
  fieldsOf(bytes: Uint8Array): LentFields {
    return this.fieldsAt(this.isCopy ? 0 : bytes.byteOffset, bytes.byteLength);
  }

  /** What names a part of the piece on the wire. */
  fieldsAt(byteOffset: number, byteLength: number): LentFields {
    const { via, segment, segmentBytes, offset } = this.hold;
    return [this.lease, via, segment, segmentBytes, offset + byteOffset, byteLength];
  }

  /** Ends it also where nobody ever makes the call: a chain that nobody has awaited is never over. */
  endWhenForgotten(): void {
    forgotten.register(this, this.hold, this);
  }

  /** The call is over; workers that have the piece hold it themselves. */
  end(): void {
    const hold = this.#hold;
    if (hold === undefined) return;
    this.#hold = undefined; // whoever keeps the call does not keep the array
    forgotten.unregister(this);
    hold.release();
  }
}

const forgotten = new FinalizationRegistry((hold: Hold) => {
  hold.release();
});
