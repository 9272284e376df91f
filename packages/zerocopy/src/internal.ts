/**
 * What the packages of Hognose itself need besides; it may change in any release.
 *
 * @packageDocumentation
 */
export { peerCredentials, type PeerCredentials } from './peer-credentials.js';
