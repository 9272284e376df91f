import { constants } from 'node:buffer';
import { ZeroCopyError } from '../errors.js';
import type { LentFields } from './types.js';

/** What lent memory is, by name. */
export interface Lent {
  readonly lease: number;
  readonly via: number;
  readonly segment: number;
  readonly segmentBytes: number;
  readonly offset: number;
  readonly byteLength: number;
}

const NAMES = ['lease', 'via', 'segment', 'segmentBytes', 'offset', 'byteLength'] as const;

/**
 * Checks words that came from another process, for what can be told from them alone.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE`
 */
export function checkLentFields(fields: LentFields): Lent {
  const words: unknown = fields;
  if (!Array.isArray(words) || words.length !== NAMES.length) {
    throw refusal(`it has ${Array.isArray(words) ? words.length : 'no'} words, and there must be ${NAMES.length}`);
  }
  if (!words.every(isWhole)) throw wrongWord(words);
  const [lease, via, segment, segmentBytes, offset, byteLength] = fields;
  if (lease === 0) throw refusal('its lease is 0, which is the number of no loan');
  if (byteLength > constants.MAX_LENGTH) throw refusal(`${byteLength} bytes are more than an ArrayBuffer can have`);
  if (offset + byteLength > segmentBytes) {
    throw refusal(`${byteLength} bytes from ${offset} do not lie within a segment of ${segmentBytes}`);
  }
  return { lease, via: via + 0, segment, segmentBytes, offset: offset + 0, byteLength: byteLength + 0 }; // -0 becomes 0
}

const isWhole = (word: unknown): boolean => Number.isSafeInteger(word) && (word as number) >= 0;

function wrongWord(words: readonly unknown[]): ZeroCopyError {
  const index = words.findIndex((word) => !isWhole(word));
  const word = words[index];
  const shown = typeof word === 'number' ? String(word) : typeof word;
  return refusal(`its ${NAMES[index] ?? ''} is ${shown}, and must be a whole number from 0`);
}

/** The error for a description that does not fit what there is. */
export function refusal(why: string): ZeroCopyError {
  return new ZeroCopyError('ZEROCOPY_RANGE', `a description of lent memory is refused: ${why}`);
}
