/** Numbers of Python that JavaScript has no type for: `decimal.Decimal`, `fractions.Fraction`, `complex`. */
import { inspect } from 'node:util';
import { brand } from './brand.js';

const DECIMAL =
  /^(?<sign>[+-]?)(?:(?<whole>\d*)(?:\.(?<part>\d*))?(?:e(?<exponent>[+-]?\d+))?|(?<inf>inf(?:inity)?)|(?<nan>s?nan)(?<payload>\d*))$/i;

/**
 * A decimal number of any precision, with its trailing zeros: `decimal.Decimal` of Python.
 *
 * @example `PyDecimal.from('1.10')`
 * @public
 */
export class PyDecimal {
  /** The number as Python writes it. */
  readonly text: string;

  private constructor(text: string) {
    this.text = text;
    Object.freeze(this);
  }

  /**
   * Reads what Python's `Decimal` reads, without digits grouped by underscores.
   *
   * @param value - A text; an integer; or a number, of which the shortest text that gives it again is taken: `0.1` is
   *   0.1, where `Decimal(0.1)` of Python has 55 digits.
   * @throws RangeError When the text is no number.
   */
  static from(value: string | number | bigint): PyDecimal {
    const groups = DECIMAL.exec(
      typeof value === 'string' ? value.trim() : Object.is(value, -0) ? '-0' : String(value),
    )?.groups;
    const { sign = '', whole = '', part = '', exponent = '0', inf, nan, payload = '' } = groups ?? {};
    if (groups === undefined || (inf === undefined && nan === undefined && whole + part === '')) {
      throw new RangeError(`PyDecimal: ${inspect(value)} is no decimal number`);
    }
    const minus = sign === '-' ? '-' : '';
    if (inf !== undefined) return new PyDecimal(`${minus}Infinity`);
    if (nan !== undefined) {
      return new PyDecimal(`${minus}${/^s/i.test(nan) ? 'sNaN' : 'NaN'}${payload.replace(/^0+/, '')}`);
    }
    const power = BigInt(exponent.replace('+', '')) - BigInt(part.length);
    return new PyDecimal(minus + scientific((whole + part).replace(/^0+(?=\d)/, ''), power));
  }

  /** The nearest number. */
  toNumber(): number {
    const text = this.text.replace(/^(-?)s?NaN\d*$/, 'NaN');
    return Number(text);
  }

  /** What Python's `str` says. */
  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }

  [inspect.custom](): string {
    return `PyDecimal(${this.text})`;
  }
}
brand(PyDecimal, 'decimal');

/** Digits times a power of ten, as the General Decimal Arithmetic specification writes it ("to-scientific-string"). */
function scientific(digits: string, exponent: bigint): string {
  const adjusted = exponent + BigInt(digits.length - 1);
  if (exponent > 0n || adjusted < -6n) {
    const mantissa = digits.length === 1 ? digits : `${digits.slice(0, 1)}.${digits.slice(1)}`;
    return `${mantissa}E${adjusted < 0n ? '' : '+'}${adjusted}`;
  }
  if (exponent === 0n) return digits;
  const places = Number(-exponent);
  const padded = digits.padStart(places + 1, '0');
  return `${padded.slice(0, -places)}.${padded.slice(-places)}`;
}

/** A fraction in lowest terms: `fractions.Fraction` of Python. @public */
export class PyFraction {
  readonly numerator: bigint;
  /** Greater than 0. */
  readonly denominator: bigint;

  /** @throws RangeError When the denominator is 0, or a part is no integer. */
  constructor(numerator: number | bigint, denominator: number | bigint = 1n) {
    const [top, bottom] = [BigInt(numerator), BigInt(denominator)];
    if (bottom === 0n) throw new RangeError(`PyFraction: the denominator of ${top}/0 must not be 0`);
    const divisor = greatestCommonDivisor(top < 0n ? -top : top, bottom < 0n ? -bottom : bottom);
    const sign = bottom < 0n ? -1n : 1n;
    this.numerator = (sign * top) / divisor;
    this.denominator = (sign * bottom) / divisor;
    Object.freeze(this);
  }

  /** The nearest number, as far as both parts are numbers. */
  toNumber(): number {
    return Number(this.numerator) / Number(this.denominator);
  }

  /** What Python's `str` says. */
  toString(): string {
    return this.denominator === 1n ? String(this.numerator) : `${this.numerator}/${this.denominator}`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return `PyFraction(${this.toString()})`;
  }
}
brand(PyFraction, 'fraction');

function greatestCommonDivisor(left: bigint, right: bigint): bigint {
  let [a, b] = [left, right];
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}

/** A complex number: `complex` of Python. @public */
export class PyComplex {
  readonly re: number;
  readonly im: number;

  constructor(re: number, im = 0) {
    this.re = re;
    this.im = im;
    Object.freeze(this);
  }

  /** What Python's `str` says. */
  toString(): string {
    if (Object.is(this.re, 0)) return `${floatText(this.im)}j`;
    const imaginary = floatText(this.im);
    return `(${floatText(this.re)}${/^[-+]/.test(imaginary) ? '' : '+'}${imaginary}j)`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return `PyComplex(${this.toString()})`;
  }
}
brand(PyComplex, 'complex');

/** A float as Python writes it within a complex number. */
function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  const minus = value < 0 || Object.is(value, -0) ? '-' : '';
  const magnitude = Math.abs(value);
  if (magnitude === Infinity) return `${minus}inf`;
  const [mantissa = '', exponent = ''] = magnitude.toExponential().split('e');
  const power = Number(exponent);
  if (magnitude === 0 || (power >= -4 && power < 16)) {
    const digits = mantissa.replace('.', '');
    if (power < 0) return `${minus}0.${'0'.repeat(-power - 1)}${digits}`;
    const padded = digits.padEnd(power + 1, '0');
    const part = padded.slice(power + 1);
    return `${minus}${padded.slice(0, power + 1)}${part === '' ? '' : `.${part}`}`;
  }
  return `${minus}${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}
