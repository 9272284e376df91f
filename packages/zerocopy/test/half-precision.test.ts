import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from '../src/half-precision.js';

interface Case {
  readonly name: string;
  readonly decode: (bits: number) => number;
  readonly encode: (value: number) => number;
  /** The same value by way of the processor's float32. */
  readonly reference: (bits: number) => number;
  readonly fractionBits: number;
  readonly infinity: number;
  readonly quietNaN: number;
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);
const float32 = (bits: number): number => {
  word[0] = bits;
  return float[0] ?? NaN;
};

/** Moves the fields of a float16 to where a float32 has them. */
function float16ByFloat32(bits: number): number {
  const sign = (bits & 0x8000) << 16;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  // A float32 with the exponent of the smallest normal float16 less that number itself leaves what the fraction is worth.
  if (exponent === 0) {
    const magnitude = float32((113 << 23) | (fraction << 13)) - 2 ** -14;
    return sign === 0 ? magnitude : -magnitude;
  }
  return float32(sign | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13));
}

const CASES: readonly Case[] = [
  {
    name: 'float16',
    decode: decodeFloat16,
    encode: encodeFloat16,
    reference: float16ByFloat32,
    fractionBits: 10,
    infinity: 0x7c00,
    quietNaN: 0x7e00,
  },
  {
    name: 'bfloat16',
    decode: decodeBfloat16,
    encode: encodeBfloat16,
    reference: (bits) => float32(bits << 16),
    fractionBits: 7,
    infinity: 0x7f80,
    quietNaN: 0x7fc0,
  },
];

/** The doubles beside a positive one. */
function neighbours(value: number): [below: number, above: number] {
  const double = Float64Array.of(value);
  const bits = new BigUint64Array(double.buffer);
  const at = (step: bigint): number => {
    const other = BigUint64Array.of((bits[0] ?? 0n) + step);
    return new Float64Array(other.buffer)[0] ?? NaN;
  };
  return [at(-1n), at(1n)];
}

describe.each(CASES)('$name', ({ decode, encode, reference, fractionBits, infinity, quietNaN }) => {
  const patterns = Array.from({ length: 65536 }, (_, bits) => bits);

  it('is read exactly, for all 65536 patterns', () => {
    expect(patterns.filter((bits) => !Object.is(decode(bits), reference(bits)))).toEqual([]);
  });

  it('is written as it was read, for every pattern that is a number', () => {
    expect(patterns.filter((bits) => !Number.isNaN(decode(bits)) && encode(decode(bits)) !== bits)).toEqual([]);
    expect(patterns.filter((bits) => Number.isNaN(decode(bits)))).toHaveLength(2 * (2 ** fractionBits - 1));
    expect(encode(NaN)).toBe(quietNaN);
  });

  it('is the nearest, and the even one of two as near, on both sides of every midpoint', () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < infinity; bits++) {
      // Behind the largest number lies the one that would follow if there were no infinity.
      const unit = decode(bits) - decode(Math.max(bits - 1, 0));
      const upper = bits + 1 === infinity ? decode(bits) + unit : decode(bits + 1);
      const middle = (decode(bits) + upper) / 2;
      const [below, above] = neighbours(middle);
      const even = bits % 2 === 0 ? bits : bits + 1;
      const right = encode(below) === bits && encode(middle) === even && encode(above) === bits + 1;
      const mirrored = encode(-below) === (bits | 0x8000) && encode(-above) === ((bits + 1) | 0x8000);
      if (!right || !mirrored) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  it('has no place for numbers that are too small or too large', () => {
    expect([Number.MIN_VALUE, 1e-60, -Number.MIN_VALUE].map(encode)).toEqual([0, 0, 0x8000]);
    expect([Infinity, Number.MAX_VALUE, -1e300].map(encode)).toEqual([infinity, infinity, infinity | 0x8000]);
    expect([0, -0].map(encode)).toEqual([0, 0x8000]);
  });
});

it('a bfloat16 is rounded once: by way of a float32 this number would be another', () => {
  // A little more than the middle between 1 and 1 + 2 ** -7; as a float32 it is that middle, which goes to the even 1.
  const value = 1 + 2 ** -8 + 2 ** -40;
  expect(encodeBfloat16(value)).toBe(0x3f81);
  expect(encodeBfloat16(Math.fround(value))).toBe(0x3f80);
});
