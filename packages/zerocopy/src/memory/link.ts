import { ZeroCopyError } from '../errors.js';
import { type Libc, loadLibc } from '../linux/libc.js';
import { BorrowedMemory } from './borrowed-memory.js';
import { type Lent, checkLentFields, refusal } from './lent-fields.js';
import type { MemorySegment, SegmentReceiver } from './memory-segment.js';
import { Piece, pieceOf } from './piece.js';
import { SegmentChannel } from './segment-channel.js';
import type { Borrowed, Hold, LentFields, Link, LinkOptions } from './types.js';

/**
 * Makes a link to a peer process.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_UNAVAILABLE` where memory cannot be shared.
 * @internal
 */
export function createLink(options: LinkOptions): Link {
  return createLinkWith(loadLibc(), options);
}

/** The same with another C library, such as one that fails. */
export function createLinkWith(libc: Libc, options: LinkOptions): Link {
  return new PeerLink(libc, options);
}

/** A segment of the peer. */
interface ReceivedSegment {
  readonly memory: MemorySegment;
  /** How many pieces of it are held here. */
  uses: number;
  isClosedByPeer: boolean;
}

/** Where borrowed memory lies. */
interface Source {
  readonly memory: MemorySegment;
  readonly via: number;
  /** Lets go of what keeps the memory there. */
  readonly end: () => void;
}

class PeerLink implements Link, SegmentReceiver {
  readonly #channel: SegmentChannel;
  readonly #wantsFlush: () => void;
  readonly #lent = new Map<number, Piece>();
  readonly #borrowed = new Set<number>();
  /** Segments that the peer was sent, by their numbers. */
  readonly #sent = new Map<number, MemorySegment>();
  readonly #received = new Map<number, ReceivedSegment>();
  #returns: number[] = [];
  #closedSegments: number[] = [];
  #isFlushWanted = false;
  #isClosed = false;

  constructor(libc: Libc, options: LinkOptions) {
    this.#channel = new SegmentChannel(libc, options.fd);
    this.#wantsFlush = options.wantsFlush;
  }

  get lentCount(): number {
    return this.#lent.size;
  }

  get borrowedCount(): number {
    return this.#borrowed.size;
  }

  get borrowedSegmentBytes(): number {
    let bytes = 0;
    for (const { memory } of this.#received.values()) bytes += memory.byteLength;
    return bytes;
  }

  lend(lease: number, hold: Hold): void {
    if (this.#isClosed) throw new ZeroCopyError('ZEROCOPY_UNAVAILABLE', 'nothing can be lent: the peer is gone');
    if (this.#lent.has(lease)) throw new ZeroCopyError('ZEROCOPY_RANGE', `a loan has the number ${lease} already`);
    const piece = pieceOf(hold);
    piece.retain();
    try {
      this.#introduce(piece.memory);
    } catch (error) {
      piece.release();
      throw error;
    }
    this.#lent.set(lease, piece);
  }

  returned(leases: readonly number[]): void {
    for (const lease of leases) {
      const piece = this.#lent.get(lease);
      this.#lent.delete(lease);
      piece?.release();
    }
  }

  borrow(fields: LentFields): Borrowed {
    if (this.#isClosed) throw new ZeroCopyError('ZEROCOPY_CLOSED', 'nothing can be borrowed: the peer is gone');
    const lent = checkLentFields(fields);
    const { lease } = lent;
    if (this.#borrowed.has(lease)) throw refusal(`loan ${lease} is held here already, and a number is used once`);
    let source: Source;
    try {
      source = this.#sourceOf(lent);
    } catch (error) {
      // Nobody is left who could let go of it.
      this.#return(lease);
      throw error;
    }
    this.#borrowed.add(lease);
    const piece = new Piece(source.memory, lent, source.via, () => {
      this.#borrowed.delete(lease);
      source.end();
      this.#return(lease);
    });
    return new BorrowedMemory(piece);
  }

  takeReturns(): { readonly leases: number[]; readonly closedSegments: number[] } {
    const taken = { leases: this.#returns, closedSegments: this.#closedSegments };
    this.#returns = [];
    this.#closedSegments = [];
    this.#isFlushWanted = false;
    return taken;
  }

  segmentsClosed(segments: readonly number[]): void {
    for (const number of segments) {
      const received = this.#received.get(number) ?? this.#receiveUnlessRefused(number);
      if (received === undefined) continue;
      received.isClosedByPeer = true;
      this.#closeUnused(received);
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#channel.close();
    this.takeReturns();
    for (const memory of this.#sent.values()) memory.receivers.delete(this);
    this.#sent.clear();
    this.returned([...this.#lent.keys()]);
    for (const received of this.#received.values()) this.#closeUnused(received);
  }

  /** A segment that the peer has is no more. */
  segmentClosed({ number }: MemorySegment): void {
    this.#sent.delete(number);
    this.#closedSegments.push(number);
    this.#flush();
  }

  /** Sends the peer a segment that it has not got. */
  #introduce(memory: MemorySegment): void {
    const known = this.#received.get(memory.number)?.memory ?? this.#sent.get(memory.number);
    if (known === memory) return;
    if (known !== undefined) throw refusal(`the peer knows another segment by the number ${memory.number}`);
    this.#channel.send(memory);
    this.#sent.set(memory.number, memory);
    memory.receivers.add(this);
  }

  #sourceOf(lent: Lent): Source {
    const loan = this.#lent.get(lent.via);
    // Another process may have lent the peer something under the same number: then its segment is another.
    if (loan?.segment === lent.segment) return lentBefore(lent, loan);
    const received = this.#received.get(lent.segment) ?? this.#receive(lent.segment);
    if (received === undefined || received.isClosedByPeer) {
      throw refusal(
        lent.via === 0
          ? `segment ${lent.segment} was not sent, or was closed`
          : `the peer holds no loan ${lent.via} of segment ${lent.segment}`,
      );
    }
    const { memory } = received;
    if (memory.byteLength !== lent.segmentBytes) {
      throw refusal(`segment ${memory.number} has ${memory.byteLength} bytes, and not ${lent.segmentBytes}`);
    }
    received.uses++;
    const end = (): void => {
      received.uses--;
      this.#closeUnused(received);
    };
    return { memory, via: lent.lease, end };
  }

  /** Reads the channel up to a segment; undefined where it has not come. */
  #receive(number: number): ReceivedSegment | undefined {
    for (;;) {
      const memory = this.#channel.receive();
      if (memory === undefined) return undefined;
      if (this.#received.has(memory.number) || this.#sent.has(memory.number)) {
        memory.close();
        throw refusal(`the peer sent another segment under the number ${memory.number}`);
      }
      const received = { memory, uses: 0, isClosedByPeer: false };
      this.#received.set(memory.number, received);
      if (memory.number === number) return received;
    }
  }

  #receiveUnlessRefused(number: number): ReceivedSegment | undefined {
    try {
      return this.#receive(number);
    } catch {
      return undefined; // whatever it is, it is not needed any more
    }
  }

  #closeUnused(received: ReceivedSegment): void {
    if (received.uses > 0 || !(received.isClosedByPeer || this.#isClosed)) return;
    this.#received.delete(received.memory.number);
    received.memory.close();
  }

  #return(lease: number): void {
    if (this.#isClosed) return;
    this.#returns.push(lease);
    this.#flush();
  }

  #flush(): void {
    if (this.#isFlushWanted) return;
    this.#isFlushWanted = true;
    this.#wantsFlush();
  }
}

/** Memory that the peer has from this process comes back: it is the same memory, within what was lent. */
function lentBefore(lent: Lent, loan: Piece): Source {
  const { memory, offset, byteLength, via } = loan;
  if (lent.segmentBytes !== memory.byteLength) {
    throw refusal(`segment ${memory.number} has ${memory.byteLength} bytes, and not ${lent.segmentBytes}`);
  }
  if (lent.offset < offset || lent.offset + lent.byteLength > offset + byteLength) {
    throw refusal(
      `${lent.byteLength} bytes from ${lent.offset} do not lie within loan ${lent.via}, of ${byteLength} from ${offset}`,
    );
  }
  loan.retain();
  const end = (): void => {
    loan.release();
  };
  return { memory, via, end };
}
