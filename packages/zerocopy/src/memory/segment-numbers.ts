import { randomBytes } from 'node:crypto';

const NUMBERS_PER_TAG = 2 ** 20;

let tag = 0;
let count = NUMBERS_PER_TAG;

/** A number for a segment that no process on this machine has given to another one, but with a chance of one in billions. */
export function nextSegmentNumber(): number {
  if (count >= NUMBERS_PER_TAG) {
    do tag = randomBytes(4).readUInt32LE();
    while (tag === 0);
    count = 0;
  }
  return tag * NUMBERS_PER_TAG + count++;
}
