/** Writes the values that have a class of their own in JavaScript. */
import type { ValueKind } from './brand.js';
import type { PyDate } from './date.js';
import type { PyDateTime } from './datetime.js';
import { Extension } from './extensions.js';
import type { MsgpackWriter } from './msgpack-writer.js';
import type { PyComplex, PyDecimal, PyFraction } from './numbers.js';
import type { PyTime } from './time.js';
import type { PyTimeDelta } from './timedelta.js';
import type { PyUuid } from './uuid.js';

/** @internal */
export function writeValue(out: MsgpackWriter, kind: ValueKind, value: object): void {
  switch (kind) {
    case 'datetime': {
      const { year, month, day, hour, minute, second, microsecond, fold, offset, zone, name } = value as PyDateTime;
      const numbers = [year, month, day, hour, minute, second, microsecond, fold, offset];
      fields(out, Extension.DATETIME, [...numbers, zone, name]);
      return;
    }
    case 'date': {
      const { year, month, day } = value as PyDate;
      fields(out, Extension.DATE, [year, month, day]);
      return;
    }
    case 'time': {
      const { hour, minute, second, microsecond, fold, offset, name } = value as PyTime;
      fields(out, Extension.TIME, [hour, minute, second, microsecond, fold, offset, name]);
      return;
    }
    case 'timedelta': {
      const { days, seconds, microseconds } = value as PyTimeDelta;
      fields(out, Extension.TIMEDELTA, [days, seconds, microseconds]);
      return;
    }
    case 'decimal':
      raw(out, Extension.DECIMAL, Buffer.from((value as PyDecimal).text));
      return;
    case 'uuid':
      raw(out, Extension.UUID, (value as PyUuid).bytes);
      return;
    case 'fraction': {
      const { numerator, denominator } = value as PyFraction;
      fields(out, Extension.FRACTION, [numerator, denominator]);
      return;
    }
    case 'complex': {
      const { re, im } = value as PyComplex;
      const start = out.startExtension(Extension.COMPLEX);
      out.arrayHeader(2);
      out.float(re);
      out.float(im);
      out.endExtension(start);
    }
  }
}

function fields(out: MsgpackWriter, code: number, values: readonly (number | bigint | string | null)[]): void {
  const start = out.startExtension(code);
  out.arrayHeader(values.length);
  for (const value of values) {
    if (value === null) out.nil();
    else if (typeof value === 'string') out.string(value);
    else if (typeof value === 'number') out.integer(value);
    else bigInteger(out, value);
  }
  out.endExtension(start);
}

function raw(out: MsgpackWriter, code: number, bytes: Uint8Array): void {
  out.extensionHeader(code, bytes.length);
  out.raw(bytes);
}

const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;

/** An integer of any size. @internal */
export function bigInteger(out: MsgpackWriter, value: bigint): void {
  if (value >= INT64_MIN && value <= UINT64_MAX) out.integer64(value);
  else raw(out, Extension.BIG_INTEGER, twosComplement(value));
}

/** Little-endian bytes of an integer, as few as hold its sign. */
function twosComplement(value: bigint): Uint8Array {
  const magnitude = value < 0n ? ~value : value;
  const size = Math.floor(magnitude.toString(16).length / 2) + 1;
  const hex = BigInt.asUintN(size * 8, value)
    .toString(16)
    .padStart(size * 2, '0');
  return Buffer.from(hex, 'hex').reverse();
}
