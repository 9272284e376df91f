/**
 * What the packages of Hognose itself need besides; it may change in any release.
 *
 * @packageDocumentation
 */
export { createArena } from './memory/arena.js';
export { createLink } from './memory/link.js';
export { copyInPieces } from './memory/copy-in-pieces.js';
export { holdOf, isReleased, releaseBuffer } from './memory/exposure.js';
export { nextLease } from './memory/lease-numbers.js';
export { peerCredentials, type PeerCredentials } from './peer-credentials.js';
export { takeSocketFd } from './socket-descriptor.js';
export {
  type Arena,
  type ArenaOptions,
  type ArenaStats,
  type Block,
  type Borrowed,
  type Hold,
  type LentFields,
  type Link,
  type LinkOptions,
} from './memory/types.js';
