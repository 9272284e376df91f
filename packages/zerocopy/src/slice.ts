import { inspect } from 'node:util';
import type { Geometry } from './strides.js';

/**
 * Which part of an axis a slice takes, as in Python.
 *
 * - `null`: all of it (`:`)
 * - a number: one element, and the axis is gone; a negative one counts from the end
 * - `[start, stop, step]`: from `start` up to and without `stop`, every `step`-th; a part that is left out or `null` is the end of the axis
 *   or 1. `[2]` is `2:`, `[null, 2]` is `:2`, `[null, null, -1]` is `::-1`. A bound beyond the axis is its end.
 *
 * @public
 */
export type Range =
  null | number | readonly [start: number | null, stop?: number | null | undefined, step?: number | null | undefined];

/** The elements that ranges select, one for each axis from the first. */
export function selectRanges({ shape, strides, start }: Geometry, ranges: readonly Range[]): Geometry {
  if (ranges.length > shape.length) {
    throw new RangeError(
      `slice: ${ranges.length} ranges are given for the ${shape.length} axes of shape [${shape.join(', ')}]`,
    );
  }
  const selected = { shape: [] as number[], strides: [] as number[], start };
  for (const [axis, extent] of shape.entries()) {
    const range = axis < ranges.length ? ranges[axis] : null;
    const stride = strides[axis] ?? 0;
    if (typeof range === 'number') {
      selected.start += indexIn(range, extent, axis) * stride;
    } else {
      const { first, length, step } = resolveRange(range, extent, axis);
      selected.start += first * stride;
      selected.shape.push(length);
      // Not -0, which would not travel as a whole number.
      selected.strides.push(stride * step + 0);
    }
  }
  return { shape: Object.freeze(selected.shape), strides: Object.freeze(selected.strides), start: selected.start };
}

function indexIn(index: number, extent: number, axis: number): number {
  if (!Number.isInteger(index) || index < -extent || index >= extent) {
    throw new RangeError(`slice: index ${index} is out of range for axis ${axis}, which has ${extent}`);
  }
  return index < 0 ? index + extent : index;
}

interface Selection {
  /** 0 where nothing is selected. */
  readonly first: number;
  readonly length: number;
  readonly step: number;
}

function resolveRange(range: unknown, extent: number, axis: number): Selection {
  if (range === null) return { first: 0, length: extent, step: 1 };
  if (!Array.isArray(range) || range.length > 3) {
    throw new TypeError(
      `slice: range ${axis} is ${inspect(range)}, and it must be null, a number or [start, stop, step]`,
    );
  }
  const [start, stop, step] = range.map((bound) => boundOf(bound, axis));
  const by = step ?? 1;
  if (by === 0) throw new RangeError(`slice: the step of range ${axis} is 0`);
  // Backwards, the ends of an axis are its last element and the place before its first one.
  const [least, greatest] = by > 0 ? [0, extent] : [-1, extent - 1];
  const place = (bound: number): number => Math.min(Math.max(bound < 0 ? bound + extent : bound, least), greatest);
  const first = start === undefined ? (by > 0 ? least : greatest) : place(start);
  const end = stop === undefined ? (by > 0 ? greatest : least) : place(stop);
  const length = Math.max(Math.ceil((end - first) / by), 0);
  // A single step may reach further than any memory; nobody takes it.
  return { first: length === 0 ? 0 : first, length, step: length > 1 ? by : 1 };
}

function boundOf(bound: unknown, axis: number): number | undefined {
  if (bound === undefined || bound === null) return undefined;
  if (Number.isSafeInteger(bound)) return bound as number;
  throw new TypeError(`slice: ${inspect(bound)} in range ${axis} is no whole number`);
}
