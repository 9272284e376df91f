/** What a worker says of itself first, and whether this runtime can work with it; the same on every lane. */
import type { Hello } from '../gen/messages.js';

/** Version of the messages between host and worker. @internal */
export const PROTOCOL_VERSION = 1;

/** Versions of the encoding of values that this runtime knows. @internal */
export const PAYLOAD_VERSIONS: readonly number[] = [1];

/**
 * The highest of a worker's versions of the encoding of values that this runtime knows; 0 where it knows none.
 *
 * @internal
 */
export function highestKnown(payloadVersions: readonly number[]): number {
  return Math.max(0, ...PAYLOAD_VERSIONS.filter((known) => payloadVersions.includes(known)));
}

/**
 * Why a worker's versions do not go with this runtime's, as the end of a sentence about it; undefined when they do.
 *
 * @internal
 */
export function whyIncompatible(hello: Hello): string | undefined {
  const { protocolVersion, payloadVersions, version } = hello;
  const worker = version === '' ? 'it' : `it (hognose ${version})`;
  if (protocolVersion !== PROTOCOL_VERSION)
    return `${worker} speaks version ${protocolVersion} of the protocol, and this runtime version ${PROTOCOL_VERSION}`;
  if (highestKnown(payloadVersions) === 0)
    return `${worker} encodes values in version ${payloadVersions.join(', ') || 'none'}, and this runtime in version ${PAYLOAD_VERSIONS.join(', ')}`;
  return undefined;
}
