/** Numbers of 16 bits: IEEE 754 binary16 (`float16`) and the upper half of a float32 (`bfloat16`). */

interface Format {
  readonly fractionBits: number;
  /** The exponent field when all its bits are set: infinities and NaN. */
  readonly exponentMask: number;
  /** Of the smallest normal number, as a power of two; subnormal numbers share its scale. */
  readonly minExponent: number;
  /** What the last bit of the fraction is worth, for each exponent field. */
  readonly units: Float64Array;
}

function formatOf(exponentBits: number, fractionBits: number): Format {
  const exponentMask = 2 ** exponentBits - 1;
  const minExponent = 2 - 2 ** (exponentBits - 1);
  const units = Float64Array.from(
    { length: exponentMask },
    (_, field) => 2 ** (minExponent - fractionBits + Math.max(field - 1, 0)),
  );
  return { fractionBits, exponentMask, minExponent, units };
}

const FLOAT16 = formatOf(5, 10);
const BFLOAT16 = formatOf(8, 7);

/**
 * The number that the 16 bits of a `float16` stand for, exactly.
 *
 * @example `decodeFloat16(0x3c00)` is 1.
 * @public
 */
export const decodeFloat16 = (bits: number): number => decode(FLOAT16, bits);

/**
 * The bits of the `float16` that is nearest to a number; of two as near, the one that ends in 0. From 65520 on it is infinity.
 *
 * @public
 */
export const encodeFloat16 = (value: number): number => encode(FLOAT16, value);

/**
 * The number that the 16 bits of a `bfloat16` stand for, exactly.
 *
 * @example `decodeBfloat16(0x3f80)` is 1.
 * @public
 */
export const decodeBfloat16 = (bits: number): number => decode(BFLOAT16, bits);

/**
 * The bits of the `bfloat16` that is nearest to a number; of two as near, the one that ends in 0. It is rounded once, from the double.
 *
 * @public
 */
export const encodeBfloat16 = (value: number): number => encode(BFLOAT16, value);

const SIGN = 0x8000;

function decode(format: Format, bits: number): number {
  const sign = (bits & SIGN) === 0 ? 1 : -1;
  const exponent = (bits >> format.fractionBits) & format.exponentMask;
  const fraction = bits & ((1 << format.fractionBits) - 1);
  if (exponent === format.exponentMask) return fraction === 0 ? sign * Infinity : NaN;
  const leading = exponent === 0 ? 0 : 1 << format.fractionBits;
  return sign * (leading + fraction) * (format.units[exponent] ?? NaN);
}

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
/** Of the word that has the sign and the exponent. */
const HIGH = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0;

/** Below this power of two a double has a bit for one half; adding it makes the processor round to whole numbers, ties to even. */
const ROUNDING = 2 ** 52;

function encode(format: Format, value: number): number {
  const { fractionBits, exponentMask, minExponent } = format;
  const infinity = exponentMask << fractionBits;
  // The quiet NaN without a payload: what was in a double's does not fit.
  if (Number.isNaN(value)) return infinity | (1 << (fractionBits - 1));
  double[0] = value;
  const high = words[HIGH] ?? 0;
  const sign = (high >>> 16) & SIGN;
  const exponent = Math.max(((high >>> 20) & 0x7ff) - 1023, minExponent);
  if (exponent > -minExponent + 1) return sign | infinity;
  const field = exponent - minExponent;
  const units = Math.abs(value) / (format.units[field + 1] ?? NaN);
  const whole = units + ROUNDING - ROUNDING;
  // The leading bit of a normal number adds one to the exponent's field; so does the carry of a fraction that was rounded up to the
  // next power of two, of the largest number to infinity, and of the largest subnormal number to a normal one.
  return sign | ((field << fractionBits) + whole);
}
