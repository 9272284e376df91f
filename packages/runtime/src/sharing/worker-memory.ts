/** The shared memory between this process and one worker. */
import { writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { ZeroCopyError } from '@hognose/zerocopy';
import { takeSocketFd, type Borrowed, type LentFields, type Link } from '@hognose/zerocopy/internal';
import { DecodeError } from '../errors.js';
import type { HostMessage } from '../gen/messages.js';
import { hostMemory, type HostLimits, type HostMemory } from './host-memory.js';
import type { Loan } from './loan.js';

/** The answer to a worker that wants to share memory. */
const [NO, YES] = [Uint8Array.of(0), Uint8Array.of(1)];

/** @internal */
export class WorkerMemory {
  readonly #send: (message: HostMessage) => void;
  readonly #limits: HostLimits;
  #memory: HostMemory | undefined;
  #link: Link | undefined;

  /**
   * @param send - Sends a message to the worker.
   * @param limits - Of this process's memory, where this is what first needs it.
   */
  constructor(send: (message: HostMessage) => void, limits: HostLimits) {
    this.#send = send;
    this.#limits = limits;
  }

  /** Whether memory is shared with the worker. */
  get isShared(): boolean {
    return this.#link !== undefined;
  }

  /** Pieces that the worker holds of others, and that are held of it; and bytes of its segments that this process has. */
  get counts(): { readonly lent: number; readonly borrowed: number; readonly borrowedBytes: number } {
    const { lentCount = 0, borrowedCount = 0, borrowedSegmentBytes = 0 } = this.#link ?? {};
    return { lent: lentCount, borrowed: borrowedCount, borrowedBytes: borrowedSegmentBytes };
  }

  /** Takes the connection over which segments go, and tells the worker whether this process can share memory. */
  connect(socket: Socket): void {
    try {
      const memory = hostMemory(this.#limits);
      const fd = takeSocketFd(socket);
      this.#link = memory.connect(fd, () => {
        process.nextTick(this.#flush);
      });
      this.#memory = memory;
      writeSync(fd, YES);
    } catch (error) {
      if (!(error instanceof ZeroCopyError)) throw error;
      socket.end(NO);
    }
  }

  /**
   * Lets the worker use pieces of memory until it returns them.
   *
   * @returns Those that it cannot have.
   */
  lend(loans: readonly Loan[]): readonly Loan[] {
    const link = this.#link;
    if (link === undefined) return loans;
    return loans.filter(({ lease, hold }) => {
      try {
        link.lend(lease, hold);
        return false;
      } catch (error) {
        // The socket is full of segments that the worker has not read yet, or closed.
        if (error instanceof ZeroCopyError) return true;
        throw error;
      }
    });
  }

  /** The worker has returned pieces. */
  returned(leases: readonly number[]): void {
    this.#link?.returned(leases);
  }

  /** The worker has closed segments of its own. */
  closed(segments: readonly number[]): void {
    this.#link?.segmentsClosed(segments);
  }

  /**
   * Opens what the worker has lent.
   *
   * @throws {@link DecodeError} When the fields name no memory that it could have lent.
   */
  open(fields: LentFields): Borrowed {
    if (this.#link === undefined) throw new DecodeError('the worker names shared memory, and shares none');
    try {
      return this.#link.borrow(fields);
    } catch (cause) {
      throw new DecodeError(`shared memory that the worker names cannot be opened: ${(cause as Error).message}`, {
        cause,
      });
    }
  }

  /** The worker is gone: what it held is free. */
  close(): void {
    if (this.#link === undefined) return;
    this.#memory?.links.delete(this.#link);
    this.#link.close();
    this.#link = undefined;
  }

  readonly #flush = (): void => {
    const returns = this.#link?.takeReturns();
    if (returns === undefined) return;
    const { leases, closedSegments } = returns;
    if (leases.length > 0) this.#send({ kind: 'leaseReturn', ids: leases });
    if (closedSegments.length > 0) this.#send({ kind: 'segmentsClosed', segments: closedSegments });
  };
}
