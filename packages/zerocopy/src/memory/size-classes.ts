/** Sizes of pieces, so few that one which was let go of fits the next one that is wanted. */

/** Of slabs: the first ones, unless the arena is small, and the later ones, which are larger so that there are not too many. */
const FIRST_SLAB = 4 << 20;
const LARGEST_SLAB = 64 << 20;
const SMALLEST_SLAB = 64 << 10;

/** Smaller pieces take as much: they are few, as small arrays travel inside of messages. */
const SMALLEST_SLOT = 4096;

/** Every piece begins at a multiple of it: a cache line, and what NumPy and Arrow like. */
const ALIGNMENT = 64;

/** Of a free segment, the largest part that a piece may leave unused. */
const ACCEPTED_EXCESS = 1.25;

/** The size of the first slabs of an arena: at least eight fit. */
export function firstSlabBytes(maxBytes: number): number {
  return Math.min(FIRST_SLAB, Math.max(SMALLEST_SLAB, powerBelow(maxBytes / 8)));
}

/** The size of one more slab where there are so many bytes of them. */
export function nextSlabBytes(first: number, existing: number): number {
  return Math.max(first, Math.min(LARGEST_SLAB, powerBelow(existing / 16)));
}

/** The largest piece that shares a slab with others. */
export const largestInSlab = (firstSlab: number): number => firstSlab / 4;

/** The size of the slot that a small piece takes: at most a quarter larger, but for the smallest. */
export function slotClass(byteLength: number): number {
  return roundUp(Math.max(byteLength, SMALLEST_SLOT), 4);
}

/** The size of the segment that a large piece takes: at most an eighth larger, and a whole number of pages. */
export function segmentClass(byteLength: number): number {
  return roundUp(byteLength, 8);
}

/** The sizes of free segments that a large piece may take, the best first. */
export function* acceptableSegments(byteLength: number): Generator<number, void> {
  const best = segmentClass(byteLength);
  for (let size = best; size <= best * ACCEPTED_EXCESS; size = segmentClass(size + 1)) yield size;
}

/** The next of so many sizes between two powers of two. */
function roundUp(byteLength: number, stepsPerDoubling: number): number {
  const step = Math.max(powerBelow(byteLength) / stepsPerDoubling, ALIGNMENT);
  return Math.ceil(byteLength / step) * step;
}

const powerBelow = (value: number): number => 2 ** Math.floor(Math.log2(Math.max(value, 1)));
