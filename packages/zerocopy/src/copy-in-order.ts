import type { TypedArray } from './dtype.js';
import { type Geometry, type Run, mergedAxes } from './strides.js';

/** The unsigned integers that elements are moved as: a number on its way through JavaScript may lose the payload of a NaN. */
type Words = Uint8Array | Uint16Array | Uint32Array;

/**
 * Copies the elements of an array that is not empty, in C order.
 *
 * @param memory - Holds every element.
 * @param geometry - Where they are in `memory`, in elements.
 * @param target - As large as all elements.
 * @param itemSize - Of one element in bytes.
 */
export function copyInOrder(memory: TypedArray, geometry: Geometry, target: TypedArray, itemSize: number): void {
  const from = wordsOver(memory, itemSize);
  const to = wordsOver(target, itemSize);
  const width = itemSize / from.BYTES_PER_ELEMENT;
  const runs = mergedAxes(geometry.shape, geometry.strides);
  const innermost = runs.pop() ?? { extent: 1, stride: 1 };
  let written = 0;
  const copyAxis = (axis: number, start: number): void => {
    const run = runs[axis];
    if (run === undefined) {
      copyRun(from, start * width, innermost, to, written, width);
      written += innermost.extent * width;
      return;
    }
    for (let i = 0; i < run.extent; i++) copyAxis(axis + 1, start + i * run.stride);
  };
  copyAxis(0, geometry.start);
}

/** From this many elements on the processor's own copy is faster than a loop, in spite of making a view. */
const LONG = 32;

function copyRun(from: Words, start: number, { extent, stride }: Run, to: Words, at: number, width: number): void {
  if (stride === 1 && extent >= LONG) {
    to.set(from.subarray(start, start + extent * width), at);
    return;
  }
  const step = stride * width;
  for (let i = 0, source = start, target = at; i < extent; i++, source += step, target += width) {
    for (let word = 0; word < width; word++) to[target + word] = from[source + word] ?? 0;
  }
}

function wordsOver({ buffer, byteOffset, byteLength }: TypedArray, itemSize: number): Words {
  if (itemSize === 1) return new Uint8Array(buffer, byteOffset, byteLength);
  if (itemSize === 2) return new Uint16Array(buffer, byteOffset, byteLength / 2);
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
}
