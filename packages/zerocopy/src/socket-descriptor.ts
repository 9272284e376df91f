import type { Socket } from 'node:net';
import { ZeroCopyError } from './errors.js';
import { type Libc, loadLibc } from './linux/libc.js';
import { systemError } from './linux/system-error.js';

const AF_UNIX = 1;

/**
 * Takes the connection out of a socket: the descriptor is the caller's, and the socket is destroyed. What Node.js has read from it
 * already is lost, and with it any descriptor: accept it with `pauseOnConnect`, or call `pause()` before it is connected.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_UNAVAILABLE` when the socket is closed, is none of the Unix domain, or hides its
 * descriptor; `ZEROCOPY_NO_SPACE` when descriptors are used up.
 * @internal
 */
export function takeSocketFd(socket: Socket): number {
  const libc = loadLibc();
  const fd = duplicate(libc, unixDescriptor(libc, socket));
  socket.destroy();
  return fd;
}

/** Another descriptor of the same file, which is closed on exec. */
export function duplicate(libc: Libc, fd: number): number {
  const copy = libc.fcntl(fd, libc.platform.F_DUPFD_CLOEXEC, 'int', 3);
  if (copy < 0) throw systemError('fcntl', libc.errno(), `file descriptor ${fd} could not be duplicated`);
  return copy;
}

/** The descriptor of a connected Unix-domain socket. One of TCP would send the bytes and drop what they carry. */
export function unixDescriptor(libc: Libc, socket: Socket): number {
  // Node.js has no public way to ask. Where this one goes, the error below says so and spawn's stdio still works.
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd = typeof handle === 'object' && handle !== null ? (Reflect.get(handle, 'fd') as unknown) : undefined;
  if (!socket.writable || socket.connecting || typeof fd !== 'number' || !isUnixDomain(libc, socket, fd)) {
    throw new ZeroCopyError(
      'ZEROCOPY_UNAVAILABLE',
      'a segment can be sent only over a connected Unix-domain socket of this process that is open for writing: hand it ' +
        'to a new process by stdio of spawn, or send the data as bytes instead',
    );
  }
  return fd;
}

function isUnixDomain(libc: Libc, socket: Socket, fd: number): boolean {
  const { SOL_SOCKET, SO_DOMAIN } = libc.platform;
  if (SO_DOMAIN === undefined) return socket.remoteAddress === undefined;
  const domain: [number] = [0];
  return libc.getsockopt(fd, SOL_SOCKET, SO_DOMAIN, domain, [4]) === 0 && domain[0] === AF_UNIX;
}
