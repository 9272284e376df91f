/** Which lists travel packed: numbers as machine numbers, objects with the same keys as columns. */
import { MIN_PACKED_LENGTH } from './extensions.js';
import { isPlain } from './types.js';

/** Whether a number arrives in Python as an int. @internal */
export function isInteger(value: number): boolean {
  return Number.isSafeInteger(value) && (value !== 0 || 1 / value > 0);
}

/** `int` for a list of nothing but integers, `float` for one of nothing but other numbers. @internal */
export function numbersIn(items: readonly unknown[]): 'int' | 'float' | undefined {
  const { length } = items;
  const first = items[0];
  if (typeof first !== 'number' || length < MIN_PACKED_LENGTH) return undefined;
  const areIntegers = isInteger(first);
  for (let index = 1; index < length; index += 1) {
    const item = items[index];
    if (typeof item !== 'number' || isInteger(item) !== areIntegers) return undefined;
  }
  return areIntegers ? 'int' : 'float';
}

/**
 * The keys that all objects of a list have, in the same order; undefined where they differ, or one is no plain object
 * of strings as keys.
 *
 * @internal
 */
export function keysOfRecords(items: readonly unknown[]): readonly string[] | undefined {
  const { length } = items;
  if (length < MIN_PACKED_LENGTH || !isRecord(items[0])) return undefined;
  const keys = Object.keys(items[0] as object);
  // An object with a callable `then` is a Map when it comes from Python: each is looked at there.
  if (keys.length === 0 || keys.includes('then') || keys.includes('__proto__')) return undefined;
  for (let index = 1; index < length; index += 1) {
    const item = items[index];
    if (!isRecord(item) || !hasKeys(item as object, keys)) return undefined;
  }
  return keys;
}

const isRecord = (item: unknown): boolean =>
  typeof item === 'object' && isPlain(item) && Object.getOwnPropertySymbols(item).length === 0;

function hasKeys(item: object, keys: readonly string[]): boolean {
  const own = Object.keys(item);
  if (own.length !== keys.length) return false;
  for (let index = 0; index < own.length; index += 1) if (own[index] !== keys[index]) return false;
  return true;
}
