/** Whether a connection's other end is a process of this user: a lock before the secret's, where the kernel tells. */
import type { Socket } from 'node:net';

/** Whether a connection may be listened to: false where its other end is known to be another user's. @internal */
export type PeerCheck = (socket: Socket) => boolean;

let loading: Promise<PeerCheck> | undefined;

/**
 * Loads what asks the kernel, once per process; it takes some 15 ms, so not while somebody waits for it.
 *
 * The check lets everybody pass where nobody can tell: without `@hognose/zerocopy` or koffi, on Windows, over TCP. The directory of
 * the socket and the secret guard it then as before. Root is another user too, unless this process is root's.
 *
 * @internal
 */
export function loadPeerCheck(): Promise<PeerCheck> {
  loading ??= load();
  return loading;
}

async function load(): Promise<PeerCheck> {
  const everybody: PeerCheck = () => true;
  const ownUser = process.geteuid;
  if (ownUser === undefined) return everybody;
  try {
    const { peerCredentials } = await import('@hognose/zerocopy/internal');
    peerCredentials(-1); // loads koffi now rather than at the first connection
    return (socket) => {
      const fd = descriptorOf(socket);
      const peer = fd === undefined ? undefined : peerCredentials(fd);
      return peer === undefined || peer.uid === ownUser();
    };
  } catch {
    return everybody; // the package is not installed
  }
}

/** Node.js has no public way to ask; where this one goes, the check lets everybody pass, and a test fails. */
function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
