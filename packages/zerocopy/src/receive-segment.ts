import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { type DescriptorMessage, closeAll, receiveDescriptors } from './descriptor-message.js';
import { ZeroCopyError } from './errors.js';
import { loadKoffi } from './koffi.js';
import { type Libc, loadLibc } from './linux/libc.js';
import { systemError } from './linux/system-error.js';
import { checkedSize } from './memory-file.js';
import { type SharedSegment, mapSegment } from './segment.js';
import { SEGMENT_MARK } from './send-segment.js';
import { duplicate, unixDescriptor } from './socket-descriptor.js';

/**
 * How {@link receiveSegment} waits.
 *
 * @public
 */
export interface ReceiveSegmentOptions {
  /**
   * How long to wait for a peer that sends nothing, in milliseconds.
   *
   * @defaultValue 5000
   */
  timeoutMs?: number;
}

const { EAGAIN } = constants.errno;

/** The longest time that a timer takes. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Receives what {@link sendSegment} sent in another Node.js process: the next thing on the socket must be a segment.
 *
 * Node.js must not have read from the socket, as it would drop the descriptor that comes with the data: accept the connection with the
 * server's option `pauseOnConnect: true`, or call `pause()` on the socket before it is connected. Afterwards the socket may be read
 * as usual, with `resume()`.
 *
 * @example
 * ```ts
 * const socket = connect('/tmp/arrays.sock').pause();
 * await once(socket, 'connect');
 * const segment = await receiveSegment(socket);
 * ```
 * @throws {@link ZeroCopyError} `ZEROCOPY_UNAVAILABLE` when the socket is closed, is none of the Unix domain, is read by Node.js,
 * carries something else, or nothing comes for `timeoutMs`; `ZEROCOPY_RANGE` when what comes is no segment, or `timeoutMs` no such
 * number; `ZEROCOPY_NO_SPACE` when descriptors or addresses are used up.
 * @see unix(7), SCM_RIGHTS
 * @public
 */
export async function receiveSegment(socket: Socket, options: ReceiveSegmentOptions = {}): Promise<SharedSegment> {
  const { timeoutMs = 5000 } = options;
  if (!(timeoutMs >= 0)) {
    const message = `timeoutMs is ${timeoutMs}, and it must be a number of milliseconds from 0`;
    throw new ZeroCopyError('ZEROCOPY_RANGE', message);
  }
  const libc = loadLibc();
  const socketFd = unixDescriptor(libc, socket);
  assertUnread(socket);
  // Node.js watches the socket's own descriptor, and libuv lets nobody else do so.
  const fd = duplicate(libc, socketFd);
  try {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const message = receiveDescriptors(libc, fd, 1);
      if (typeof message !== 'number') return openMessage(libc, message);
      if (message !== EAGAIN) throw systemError('recvmsg', message, 'no segment could be received');
      await readable(fd, socket, deadline - performance.now());
    }
  } finally {
    closeSync(fd);
  }
}

/** The segment that a message brings. */
function openMessage(libc: Libc, { bytes, fds, isTruncated }: DescriptorMessage): SharedSegment {
  const [fd] = fds;
  if (fd !== undefined && fds.length === 1 && bytes[0] === SEGMENT_MARK) return mapSegment(libc, fd, checkedSize);
  closeAll(fds);
  if (bytes.length === 0) throw unavailable('the peer closed the socket before it sent a segment');
  if (isTruncated) {
    const message = 'the descriptor of a segment was lost: is the limit of open files reached (ulimit -n)?';
    throw new ZeroCopyError('ZEROCOPY_NO_SPACE', message);
  }
  throw unavailable('the socket carries something else where a segment was expected: send it with sendSegment()');
}

/** Whether Node.js reads from a socket, no public property says for sure. */
function assertUnread(socket: Socket): void {
  const handle: unknown = Reflect.get(socket, '_handle');
  const isBeingRead = typeof handle === 'object' && handle !== null && Reflect.get(handle, 'reading') === true;
  if (!isBeingRead && socket.readableFlowing !== true && socket.readableLength === 0) return;
  throw unavailable(
    'Node.js reads from this socket, and drops the descriptors that come with the data: create the server with ' +
      'pauseOnConnect: true, or call pause() before the socket is connected',
  );
}

/** Resolves when something has come. */
function readable(fd: number, socket: Socket, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: ZeroCopyError): void => {
      clearTimeout(timer);
      socket.off('close', closed);
      poll.close();
      if (error === undefined) resolve();
      else reject(error);
    };
    const closed = (): void => {
      settle(unavailable('the socket was closed before a segment came'));
    };
    const timer = setTimeout(
      () => {
        settle(unavailable('no segment came in time'));
      },
      Math.min(Math.max(timeoutMs, 0), LONGEST_TIMER_MS),
    );
    const poll = loadKoffi().node.poll(fd, { readable: true, disconnect: true }, () => {
      settle();
    });
    socket.on('close', closed);
  });
}

const unavailable = (message: string): ZeroCopyError => new ZeroCopyError('ZEROCOPY_UNAVAILABLE', message);
