import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { ZeroCopyError } from './errors.js';
import { type Libc, loadLibc } from './linux/libc.js';
import { systemError } from './linux/system-error.js';
import type { SharedSegment } from './segment.js';

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
const SOL_SOCKET = 1;
const SO_DOMAIN = 39;
const AF_UNIX = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/**
 * Hands a segment to a process that runs already, over a connected Unix-domain socket. In Python the other side calls
 * `hognose_shm.receive_segment(sock)`.
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
      const errno = trySend(libc, socketFd, segmentFd);
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

/** Sends one byte with the descriptor. Returns 0 or the error number. */
function trySend(libc: Libc, socketFd: number, segmentFd: number): number {
  // One block of memory for struct msghdr, iovec, cmsghdr and the byte, in the layout of 64-bit little-endian Linux.
  const block = new ArrayBuffer(112);
  const [iovec, control, payload] = [56, 72, 96];
  const address = libc.addressOf(block);
  const view = new DataView(block);
  const pointer = (offset: number, target: number): void => {
    view.setBigUint64(offset, address + BigInt(target), true);
  };
  pointer(16, iovec); // msg_iov
  view.setBigUint64(24, 1n, true); // msg_iovlen
  pointer(32, control); // msg_control
  view.setBigUint64(40, 24n, true); // msg_controllen, CMSG_SPACE(sizeof(int))
  pointer(iovec, payload); // iov_base
  view.setBigUint64(iovec + 8, 1n, true); // iov_len
  view.setBigUint64(control, 20n, true); // cmsg_len, CMSG_LEN(sizeof(int))
  view.setInt32(control + 8, SOL_SOCKET, true); // cmsg_level
  view.setInt32(control + 12, 1, true); // cmsg_type, SCM_RIGHTS
  view.setInt32(control + 16, segmentFd, true);
  view.setUint8(payload, 'S'.charCodeAt(0));
  return libc.sendmsg(socketFd, address, MSG_DONTWAIT | MSG_NOSIGNAL) === 1 ? 0 : libc.errno();
}

/** The descriptor of a connected Unix-domain socket. A TCP socket would send the byte and drop what it carries. */
function unixDescriptor(libc: Libc, socket: Socket): number {
  // Node.js has no public way to ask. Where this one goes, the error below says so and spawn's stdio still works.
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd = typeof handle === 'object' && handle !== null ? (Reflect.get(handle, 'fd') as unknown) : undefined;
  const domain: [number] = [0];
  if (
    !socket.writable ||
    socket.connecting ||
    typeof fd !== 'number' ||
    libc.getsockopt(fd, SOL_SOCKET, SO_DOMAIN, domain, [4]) !== 0 ||
    domain[0] !== AF_UNIX
  ) {
    throw new ZeroCopyError(
      'ZEROCOPY_UNAVAILABLE',
      'a segment can be sent only over a connected Unix-domain socket of this process that is open for writing: hand it ' +
        'to a new process by stdio of spawn, or send the data as bytes instead',
    );
  }
  return fd;
}
