/** Whether a connection's other end is a process of this user: a lock before the secret's, where the kernel tells. */
import type { Socket } from 'node:net';
import { peerCredentials } from '@hognose/zerocopy/internal';

/**
 * Whether a connection may be listened to: false where its other end is known to be another user's. The first call loads what asks
 * the kernel, which takes some 15 ms.
 *
 * Everybody passes where nobody can tell: without koffi, on Windows, over TCP. The directory of the socket and the secret guard
 * it then as before. Root is another user too, unless this process is root's.
 *
 * @internal
 */
export function isOwnPeer(socket: Socket): boolean {
  const ownUser = process.geteuid?.();
  const fd = descriptorOf(socket);
  if (ownUser === undefined || fd === undefined) return true;
  const peer = peerCredentials(fd);
  return peer === undefined || peer.uid === ownUser;
}

/** Loads what {@link isOwnPeer} needs, so that nobody waits for it later. @internal */
export function preparePeerCheck(): void {
  peerCredentials(-1);
}

/** Node.js has no public way to ask; where this one goes, the check lets everybody pass, and a test fails. */
function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
