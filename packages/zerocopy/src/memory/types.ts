/** What shares memory with another process: an arena to allocate from, and a link to each peer. */

/**
 * A piece of shared memory that somebody holds: it is not given to anybody else before it is let go of.
 *
 * @internal
 */
export interface Hold {
  /** The segment's number, unique among all that this process knows: the arena's random 32 bits times 2^20, plus a count. */
  readonly segment: number;
  /** The size of the whole segment in bytes. */
  readonly segmentBytes: number;
  /** Where the piece begins, in bytes from the segment's start; of pieces that this process has allocated, a multiple of 64. */
  readonly offset: number;
  /** The size of the piece in bytes. */
  readonly byteLength: number;
  /**
   * The number under which a peer has lent it to this process; 0: this one has allocated it. It means something to that peer alone:
   * another one may have a loan of that number too, of another segment.
   */
  readonly via: number;
  /** One more holds it. @throws ZeroCopyError `ZEROCOPY_CLOSED` when nobody does any more. */
  retain(): void;
  /** One fewer holds it; after the last one it is free again, or returned to whoever has lent it. @throws Error when nobody holds it. */
  release(): void;
}

/**
 * A piece of an arena that was taken, held once by whoever took it.
 *
 * @internal
 */
export interface Block extends Hold {
  /** The memory, to write to before others see it. Not to be given to users: it does not keep the piece from its next tenant. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where it is mapped here. */
  readonly address: bigint;
  /**
   * An ArrayBuffer of its own over the piece, for users: the piece is held until it is collected (or `releaseBuffer`).
   * `holdOf` finds the hold again from it, or from any typed array over it.
   */
  expose(): ArrayBuffer;
}

/** The words that name lent memory on the wire. @internal */
export type LentFields = readonly [
  /** The lender's number for this loan. */
  lease: number,
  /** See {@link Hold.via}. */
  via: number,
  segment: number,
  segmentBytes: number,
  offset: number,
  byteLength: number,
];

/** @internal */
export interface ArenaOptions {
  /** Bytes of all segments together. */
  readonly maxBytes: number;
  /** Free memory that nobody has used for so long is given back. @defaultValue 30_000 */
  readonly idleMs?: number;
  /** Told when a segment was given back: peers that have it let go of it too. */
  readonly closed?: (segment: number) => void;
}

/** What an arena has, all in bytes where nothing else is said. @internal */
export interface ArenaStats {
  /** How many segments there are. */
  readonly segments: number;
  /** Of all segments. */
  readonly bytes: number;
  /** Of the pieces that are held. */
  readonly usedBytes: number;
  /** How many pieces are held. */
  readonly blocks: number;
  readonly maxBytes: number;
}

/** Memory of this process to share: slabs for small pieces, a segment of its own for each large one, reused when free. @internal */
export interface Arena {
  /** A piece that is free and warm; undefined where there is none, whatever the limit. Takes microseconds. */
  take(byteLength: number): Block | undefined;
  /**
   * Makes room for a piece of this size, off the event loop (pages reserved and mapped). Wishes of one size class are one.
   * @returns Whether there is room now; false at the limit. @throws ZeroCopyError `ZEROCOPY_NO_SPACE`, `ZEROCOPY_UNAVAILABLE`.
   */
  grow(byteLength: number): Promise<boolean>;
  /** A piece, whatever it takes: `take`, or else `grow` and `take`. @throws ZeroCopyError `ZEROCOPY_NO_SPACE` at the limit. */
  obtain(byteLength: number): Promise<Block>;
  /** Gives free memory back that was not used for `idleMs` (default: the option; 0: all that is free). Also done by a timer that keeps no process alive. */
  trim(idleMs?: number): void;
  readonly stats: ArenaStats;
  /** Gives everything free back now, and the rest when it is let go of. Takes and grows nothing any more. */
  close(): void;
}

/** @internal */
export interface LinkOptions {
  /** The arena that this process lends from. */
  readonly arena: Arena;
  /** Descriptor of a connected Unix-domain stream socket, over which nothing but segments goes. Owned by the link from now on. */
  readonly fd: number;
  /** Called when there are loans of the peer to return, or segments that were closed, at most once until `takeReturns` is called. */
  readonly wantsFlush: () => void;
}

/** Memory that is lent to one peer process, and borrowed from it. @internal */
export interface Link {
  /**
   * Lends a piece to the peer under a number that the caller has chosen (see `nextLease`): retains it until the peer returns it, and sends the
   * peer the segment where it has not got it yet.
   * @throws ZeroCopyError `ZEROCOPY_NO_SPACE` when the socket is full, `ZEROCOPY_UNAVAILABLE` when it is closed.
   */
  lend(lease: number, hold: Hold): void;
  /** The peer has returned loans; numbers that are not lent are ignored. */
  returned(leases: readonly number[]): void;
  /**
   * Opens what the peer has lent: a buffer of its own for this loan, which returns it when it is collected (or `releaseBuffer`).
   * Maps the segment at its first use in this process, and reads it from the socket where it has come and was not read.
   * Where the memory is this process's own or another peer's (`via` names a loan to this peer), it is the same memory.
   * What is refused is returned, as nobody could let go of it.
   * @throws ZeroCopyError `ZEROCOPY_RANGE` for words that do not fit what there is, `ZEROCOPY_UNAVAILABLE` when the peer has closed
   * the socket, `ZEROCOPY_CLOSED` after `close`, `ZEROCOPY_NO_SPACE` when this process may open no more files.
   */
  borrow(fields: LentFields): Borrowed;
  /** Numbers of loans of the peer that are over here, and segments of this arena that were closed; emptied by reading. */
  takeReturns(): { readonly leases: number[]; readonly closedSegments: number[] };
  /** The peer has closed segments of its own. */
  segmentsClosed(segments: readonly number[]): void;
  /** How many pieces the peer holds, and how many of the peer's are held here. */
  readonly lentCount: number;
  readonly borrowedCount: number;
  /** Bytes of the peer's segments that this process has. */
  readonly borrowedSegmentBytes: number;
  /** The peer is gone: all that it held is released; what is borrowed from it stays valid until it is let go of. */
  close(): void;
}

/**
 * What a peer has lent: not mapped before `buffer` is read.
 *
 * It is held once at first. That hold ends with the first of these: `release` is called, the buffer is released by `releaseBuffer`, or
 * this object is collected. The buffer holds the memory besides, until it is collected or released.
 *
 * @internal
 */
export interface Borrowed extends Hold {
  /** The ArrayBuffer over exactly this piece; always the same one. @throws ZeroCopyError `ZEROCOPY_NO_SPACE` when it cannot be mapped. */
  readonly buffer: ArrayBuffer;
}
