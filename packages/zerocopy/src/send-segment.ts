import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { sendDescriptor } from './descriptor-message.js';
import { ZeroCopyError } from './errors.js';
import { loadLibc } from './linux/libc.js';
import { systemError } from './linux/system-error.js';
import type { SharedSegment } from './segment.js';
import { unixDescriptor } from './socket-descriptor.js';

/**
 * How {@link sendSegment} waits.
 *
 * @public
 */
export interface SendSegmentOptions {
  /**
   * How long to wait for a peer that does not read, in milliseconds.
   *
   * @defaultValue 5000
   */
  timeoutMs?: number;
}

const { EAGAIN } = constants.errno;

/** What carries the descriptor: a stream takes none without a byte. */
export const SEGMENT_MARK = 'S'.charCodeAt(0);

/**
 * Hands a segment to a process that runs already, over a connected Unix-domain socket. In Python the other side calls
 * `hognose_shm.receive_segment(sock)`, in Node.js `receiveSegment(socket)`.
 *
 * What was written to the socket before arrives before it. On the wire it is the single byte `S`, which carries the
 * descriptor (`SCM_RIGHTS`); the peer gets a descriptor of its own, so the segment may be closed at once afterwards.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_UNAVAILABLE` when the socket is closed, is none of the Unix domain, or hides
 * its descriptor; `ZEROCOPY_NO_SPACE` when its buffer stays full for `timeoutMs`; `ZEROCOPY_CLOSED` when the segment was
 * closed; `ZEROCOPY_RANGE` when `timeoutMs` is no such number.
 * @see unix(7), cmsg(3)
 * @public
 */
export async function sendSegment(
  socket: Socket,
  segment: SharedSegment,
  options: SendSegmentOptions = {},
): Promise<void> {
  const { timeoutMs = 5000 } = options;
  if (!(timeoutMs >= 0)) {
    throw new ZeroCopyError(
      'ZEROCOPY_RANGE',
      `timeoutMs is ${timeoutMs}, and it must be a number of milliseconds from 0`,
    );
  }
  const libc = loadLibc();
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    // Asked anew each time: both may be closed while this waits.
    const socketFd = unixDescriptor(libc, socket);
    const segmentFd = segment.fd;
    // With nothing queued in Node.js, all that was written is in the kernel: no message can be cut in two.
    if (socket.writableLength === 0) {
      const errno = sendDescriptor(libc, socketFd, Uint8Array.of(SEGMENT_MARK), segmentFd);
      if (errno === 0) return;
      if (errno !== EAGAIN) throw systemError('sendmsg', errno, 'the segment could not be sent');
    }
    if (performance.now() > deadline) {
      throw new ZeroCopyError(
        'ZEROCOPY_NO_SPACE',
        'the segment could not be sent: the socket is full, because the peer does not read what was sent before',
      );
    }
    // No event says when a socket that Node.js has nothing queued for can be written to again.
    await delay(1);
  }
}
