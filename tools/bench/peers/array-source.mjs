/** The array that every peer is sent: ordinary memory of this process, as a user's code would have it. */

export const ELEMENTS_OF_100_MB = 12_500_000;

let source;
let stamp = 0;

/** 100 MB that all peers of this process share, with a first and a last element that are new each time. */
export function nextArray() {
  source ??= new Float64Array(ELEMENTS_OF_100_MB).fill(0.5);
  return stamped(source);
}

/** Writes a new first and last element, which whoever receives the array shall answer. */
export function stamped(array) {
  stamp += 1;
  array[0] = stamp;
  array[array.length - 1] = -stamp;
  return array;
}

/** Sees that what was answered are the first and the last element of what was sent. */
export function checkEdges(array, edges) {
  const sent = [array[0], array.at(-1)];
  if (edges.length !== 2 || edges.some((edge, index) => edge !== sent[index]))
    throw new Error(`an array from ${sent[0]} to ${sent[1]} was answered by ${edges.join(' and ')}`);
}

/** The bytes of an array, not copied. */
export const bytesOf = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
