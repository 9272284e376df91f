/**
 * Where the elements of an array lie: arithmetic of shapes and strides, all of it in elements.
 *
 * Strides may be negative (the axis runs backwards) or zero (all along the axis is one element).
 */
import { ZeroCopyError } from './errors.js';

/** The elements of an array: element `[i, j]` is at `start + i * strides[0] + j * strides[1]`. */
export interface Geometry {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  /** Where element `[0, ..., 0]` is. */
  readonly start: number;
}

/** NumPy knows no more axes than these. */
export const MAX_AXES = 64;

/** The number of elements. */
export function sizeOf(shape: readonly number[]): number {
  return shape.includes(0) ? 0 : shape.reduce((product, extent) => product * extent, 1);
}

/** The strides of elements that follow each other, the last axis varying fastest (C order). */
export function contiguousStrides(shape: readonly number[]): readonly number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    // An empty axis leaves the strides of the others as if it had one element, as NumPy does.
    stride *= Math.max(shape[axis] ?? 1, 1);
  }
  return Object.freeze(strides);
}

/** Whether the elements follow each other in C order. The stride of an axis of one element is never used. */
export function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  if (shape.includes(0)) return true;
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const extent = shape[axis] ?? 1;
    if (extent !== 1 && strides[axis] !== expected) return false;
    expected *= extent;
  }
  return true;
}

/** What an array spans: how many elements lie before element `[0, ..., 0]`, and how many there are from the lowest to the highest. */
export interface Span {
  readonly before: number;
  readonly length: number;
}

/**
 * Works out what an array spans. Beyond 2 ** 53 the numbers are inexact, yet never smaller than 2 ** 53: rounding keeps the order of
 * numbers, and what is added up here only grows.
 */
export function spanOf(shape: readonly number[], strides: readonly number[]): Span {
  if (shape.includes(0)) return { before: 0, length: 0 };
  let before = 0;
  let after = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    const reach = ((shape[axis] ?? 1) - 1) * (strides[axis] ?? 0);
    if (reach < 0) before -= reach;
    else after += reach;
  }
  return { before, length: before + after + 1 };
}

/** The strides of the same elements in C order under another shape; undefined where no strides can say that. */
export function reshapedStrides(
  { shape, strides }: Geometry,
  newShape: readonly number[],
): readonly number[] | undefined {
  if (isContiguous(shape, strides)) return contiguousStrides(newShape);
  // Each run of elements at one distance can be cut into axes by itself; an axis across two runs has no single stride.
  const runs = mergedAxes(shape, strides);
  const result = new Array<number>(newShape.length).fill(1);
  let run = runs.pop();
  let left = run?.extent ?? 1;
  let stride = run?.stride ?? 1;
  for (let axis = newShape.length - 1; axis >= 0; axis--) {
    const extent = newShape[axis] ?? 1;
    if (left === 1 && extent !== 1) {
      run = runs.pop();
      left = run?.extent ?? 1;
      stride = run?.stride ?? 1;
    }
    if (left % extent !== 0) return undefined;
    result[axis] = stride;
    stride *= extent;
    left /= extent;
  }
  return Object.freeze(result);
}

/** An axis, or several that elements run along at one distance. */
export interface Run {
  readonly extent: number;
  readonly stride: number;
}

/** The axes of an array that is not empty, as few as there can be: those of one element left out, and those that continue each other joined. */
export function mergedAxes(shape: readonly number[], strides: readonly number[]): Run[] {
  const runs: Run[] = [];
  for (const [axis, extent] of shape.entries()) {
    if (extent === 1) continue;
    const stride = strides[axis] ?? 0;
    const outer = runs.at(-1);
    if (outer?.stride === stride * extent) runs[runs.length - 1] = { extent: outer.extent * extent, stride };
    else runs.push({ extent, stride });
  }
  return runs;
}

/**
 * Checks a shape that somebody gave and copies it.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE` when it is none, or the array would have more than 2 ** 53 - 1 elements.
 */
export function checkShape(shape: unknown): readonly number[] {
  const extents = checkNumbers('shape', shape, 0);
  // NumPy multiplies the extents even of an array without elements.
  const size = extents.reduce((product, extent) => product * Math.max(extent, 1), 1);
  if (size > Number.MAX_SAFE_INTEGER) throw outOfRange(`shape [${extents.join(', ')}] has too many elements`);
  return extents;
}

/**
 * Checks strides that somebody gave and copies them.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE` when they are none, or not one for each axis.
 */
export function checkStrides(strides: unknown, shape: readonly number[]): readonly number[] {
  const numbers = checkNumbers('strides', strides, -Number.MAX_SAFE_INTEGER);
  if (numbers.length !== shape.length) {
    throw outOfRange(`shape has ${shape.length} axes, and strides has ${numbers.length}`);
  }
  return numbers;
}

function checkNumbers(name: string, value: unknown, least: number): readonly number[] {
  if (!Array.isArray(value)) throw outOfRange(`${name} is not an array of numbers, such as [rows, columns]`);
  if (value.length > MAX_AXES) {
    throw outOfRange(`${name} has ${value.length} axes, and at most ${MAX_AXES} are possible`);
  }
  const numbers: number[] = [];
  for (let axis = 0; axis < value.length; axis += 1) {
    const item: unknown = value[axis];
    const isWhole = Number.isSafeInteger(item) && (item as number) >= least;
    numbers.push(isWhole ? (item as number) + 0 : wholeNumber(`${name}[${axis}]`, item, least)); // -0 becomes 0
  }
  return Object.freeze(numbers);
}

/**
 * Checks a whole number from `least` that a double holds exactly. `-0` becomes 0.
 *
 * @throws {@link ZeroCopyError} `ZEROCOPY_RANGE` when it is none.
 */
export function wholeNumber(name: string, value: unknown, least = 0, greatest = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= greatest) {
    return (value as number) + 0;
  }
  const shown = typeof value === 'number' ? String(value) : typeof value;
  throw outOfRange(`${name} is ${shown}, and it must be a whole number from ${least} to ${greatest}`);
}

/** @returns The error for what names memory or elements that there are not. */
export function outOfRange(message: string): ZeroCopyError {
  return new ZeroCopyError('ZEROCOPY_RANGE', message);
}
