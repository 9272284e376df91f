/** What Python would compare keys of a dict and elements of a set by. */
import { types } from 'node:util';
import { kindOf } from './brand.js';
import type { PyDateTime } from './datetime.js';
import type { PyComplex, PyDecimal, PyFraction } from './numbers.js';
import type { PyTime } from './time.js';
import { isFloat, isTuple } from './types.js';

/** Equal for values that are equal in Python, where 1, 1.0, True and Decimal(1) are. @internal */
export type HashKey = string | number | bigint;

/** Undefined for what equals nothing but itself, or where only Python can tell. @internal */
export function hashKeyOf(value: unknown): HashKey | undefined {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'number':
      return numberKey(value);
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : value;
    case 'boolean':
      return Number(value);
    case 'object':
      return value === null ? 'None' : objectKey(value);
    default:
      return undefined;
  }
}

function objectKey(value: object): HashKey | undefined {
  if (isTuple(value)) return joined('tuple', value);
  if (types.isUint8Array(value)) return `bytes ${Buffer.from(value).toString('latin1')}`;
  if (types.isSet(value)) return joined('set', [...value], true);
  if (isFloat(value)) return numberKey(value.value);
  const kind = kindOf(value);
  switch (kind) {
    case undefined:
      return undefined;
    case 'decimal':
      return decimalKey((value as PyDecimal).text);
    case 'fraction':
      return fractionKey((value as PyFraction).numerator, (value as PyFraction).denominator);
    case 'complex': {
      const { re, im } = value as PyComplex;
      return im === 0 ? numberKey(re) : Number.isNaN(re + im) ? undefined : `complex ${re + 0} ${im + 0}`;
    }
    case 'datetime': {
      const { offset, microsecond } = value as PyDateTime;
      if (offset === null) return `datetime ${(value as PyDateTime).toString()}`;
      return `moment ${(value as PyDateTime).toDate().getTime()} ${(((microsecond - offset) % 1000) + 1000) % 1000}`;
    }
    case 'time': {
      const { hour, minute, second, microsecond, offset } = value as PyTime;
      if (offset === null) return `time ${(value as PyTime).toString()}`;
      return `moment of day ${((hour * 60 + minute) * 60 + second) * 1_000_000 + microsecond - offset}`;
    }
    default:
      return `${kind} ${(value as { toString(): string }).toString()}`;
  }
}

function joined(type: string, items: readonly unknown[], isUnordered = false): string | undefined {
  const keys: string[] = [];
  for (const item of items) {
    const key = hashKeyOf(item);
    if (key === undefined) return undefined;
    keys.push(String(key));
  }
  if (isUnordered) keys.sort();
  return `${type} ${JSON.stringify(keys)}`;
}

/** A number with a fraction is compared as one: 0.5 equals Decimal('0.5') and Fraction(1, 2). */
function numberKey(value: number): HashKey | undefined {
  if (Number.isNaN(value)) return undefined; // equals not even itself
  if (Number.isInteger(value)) return Number.isSafeInteger(value) ? value + 0 : BigInt(value);
  if (!Number.isFinite(value)) return String(value);
  let [numerator, exponent] = [value, 0n];
  while (!Number.isInteger(numerator)) [numerator, exponent] = [numerator * 2, exponent + 1n];
  return fractionKey(BigInt(numerator), 2n ** exponent);
}

/** Of parts in lowest terms. */
function fractionKey(numerator: bigint, denominator: bigint): HashKey {
  if (denominator !== 1n) return `${numerator}/${denominator}`;
  return Number.isSafeInteger(Number(numerator)) ? Number(numerator) : numerator;
}

/** More digits than any float has: what equals such a number is left to Python. */
const MAX_DIGITS = 1200;

function decimalKey(text: string): HashKey | undefined {
  if (/nan/i.test(text)) return undefined;
  if (text.endsWith('Infinity')) return text;
  const [mantissa = '', exponent = '0'] = text.split('E');
  const [whole = '', part = ''] = mantissa.split('.');
  const power = Number(exponent) - part.length;
  if (Math.abs(power) + whole.length + part.length > MAX_DIGITS) return `decimal ${text}`;
  let numerator = BigInt(whole.replace('-', '') + part) * (text.startsWith('-') ? -1n : 1n);
  if (power >= 0) return fractionKey(numerator * 10n ** BigInt(power), 1n);
  let denominator = 10n ** BigInt(-power);
  for (const prime of [2n, 5n]) {
    while (numerator % prime === 0n && denominator % prime === 0n) {
      numerator /= prime;
      denominator /= prime;
    }
  }
  return fractionKey(numerator, denominator);
}
