import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { type DescriptorMessage, closeAll, receiveDescriptors, sendDescriptor } from '../descriptor-message.js';
import { ZeroCopyError } from '../errors.js';
import type { Libc } from '../linux/libc.js';
import { systemError } from '../linux/system-error.js';
import { checkedSize } from '../memory-file.js';
import { MemorySegment } from './memory-segment.js';

/** A message names one segment and carries its descriptor: `HGSM`, 0 (u32), its number (u64), its size in bytes (u64). */
const MESSAGE_BYTES = 24;
const MAGIC = 'HGSM';

const { EAGAIN, ENOBUFS } = constants.errno;

/** Too many descriptors are on their way at once; Node.js does not name it. */
const ETOOMANYREFS = 109;

/**
 * A Unix-domain stream socket over which nothing but segments goes, both ways. It is read only when a segment is wanted: that was sent
 * before whatever names it, so nobody ever waits.
 *
 * The kernel does not join messages that carry descriptors: each is received as it was sent.
 */
export class SegmentChannel {
  readonly #libc: Libc;
  readonly #fd: number;
  #broken: ZeroCopyError | undefined;
  #isClosed = false;

  /** Takes over `fd`. */
  constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
  }

  /** @throws {@link ZeroCopyError} `ZEROCOPY_NO_SPACE` when the socket is full, `ZEROCOPY_UNAVAILABLE` when it is closed. */
  send(segment: MemorySegment): void {
    this.#assertOpen();
    const bytes = Buffer.alloc(MESSAGE_BYTES);
    bytes.write(MAGIC, 0, 'latin1');
    bytes.writeBigUInt64LE(BigInt(segment.number), 8);
    bytes.writeBigUInt64LE(BigInt(segment.byteLength), 16);
    const errno = sendDescriptor(this.#libc, this.#fd, bytes, segment.fd);
    if (errno === 0) return;
    if (![EAGAIN, ENOBUFS, ETOOMANYREFS].includes(errno)) {
      throw systemError('sendmsg', errno, 'a segment could not be sent');
    }
    throw new ZeroCopyError(
      'ZEROCOPY_NO_SPACE',
      'a segment could not be sent: the socket is full, because the peer does not use what was sent before',
    );
  }

  /**
   * The next segment that has come, undefined when there is none.
   *
   * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE` when what has come is no segment: an untrue size, a file that could shrink, a message
   * of another form; after the last of these nothing is received any more. `ZEROCOPY_UNAVAILABLE` when the peer has closed the socket.
   */
  receive(): MemorySegment | undefined {
    this.#assertOpen();
    if (this.#broken !== undefined) throw this.#broken;
    const message = receiveDescriptors(this.#libc, this.#fd, MESSAGE_BYTES);
    if (message === EAGAIN) return undefined;
    if (typeof message === 'number') throw systemError('recvmsg', message, 'no segment could be received');
    return this.#open(message);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#libc.close(this.#fd);
  }

  #open({ bytes, fds, isTruncated }: DescriptorMessage): MemorySegment {
    const [fd] = fds;
    const header = parseHeader(bytes);
    if (fd === undefined || fds.length > 1 || header === undefined) {
      closeAll(fds);
      throw this.#refuse(bytes, isTruncated);
    }
    try {
      const size = checkedSize(this.#libc, fd);
      if (size < header.byteLength) {
        throw new ZeroCopyError(
          'ZEROCOPY_RANGE',
          `segment ${header.number} has ${size} bytes, and the peer said ${header.byteLength}`,
        );
      }
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    return new MemorySegment(this.#libc, header.number, header.byteLength, fd);
  }

  #refuse(bytes: Uint8Array, isTruncated: boolean): ZeroCopyError {
    if (bytes.length === 0) {
      return (this.#broken = new ZeroCopyError('ZEROCOPY_UNAVAILABLE', 'the peer has closed the channel of segments'));
    }
    if (isTruncated) {
      const message = 'the descriptor of a segment was lost: is the limit of open files reached (ulimit -n)?';
      return new ZeroCopyError('ZEROCOPY_NO_SPACE', message);
    }
    const message = 'the channel of segments carries something else: nothing more is received from this peer';
    return (this.#broken = new ZeroCopyError('ZEROCOPY_RANGE', message));
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new ZeroCopyError('ZEROCOPY_UNAVAILABLE', 'the channel of segments is closed');
  }
}

function parseHeader(bytes: Uint8Array): { number: number; byteLength: number } | undefined {
  if (bytes.length !== MESSAGE_BYTES) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const number = Number(view.readBigUInt64LE(8));
  const byteLength = Number(view.readBigUInt64LE(16));
  const isWellFormed = view.toString('latin1', 0, 4) === MAGIC && view.readUInt32LE(4) === 0;
  const isInRange = Number.isSafeInteger(number) && Number.isSafeInteger(byteLength) && number > 0 && byteLength > 0;
  return isWellFormed && isInRange ? { number, byteLength } : undefined;
}
