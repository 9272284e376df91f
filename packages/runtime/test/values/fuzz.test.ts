import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { DecodeError } from '../../src/index.js';
import { PyDate } from '../../src/values/date.js';
import { PyDateTime } from '../../src/values/datetime.js';
import { MsgpackReader, Undecodable, type DecodeContext } from '../../src/values/decode.js';
import { EncodeContext, encodeResult } from '../../src/values/encode.js';
import { PyComplex, PyDecimal, PyFraction } from '../../src/values/numbers.js';
import { PyTimeDelta } from '../../src/values/timedelta.js';
import { float, isFloat, isTuple, ndarray, tuple } from '../../src/values/types.js';
import { PyUuid } from '../../src/values/uuid.js';
import { Point } from './cases.js';
import { PythonPeer } from './python-peer.js';

const RUNS = 400;

const anyString = fc.string({ unit: 'binary' });
const loneSurrogates = fc.array(fc.integer({ min: 0xd7f0, max: 0xe010 }), { maxLength: 5 }).map((units) => String.fromCharCode(...units)); // prettier-ignore
const text = fc.oneof(anyString, loneSurrogates, fc.constantFrom('__proto__', 'then', '7', '', 'constructor'));
const dateTime = fc
  .record({
    date: fc.date({ min: new Date('0001-01-02'), max: new Date('9999-12-30'), noInvalidDate: true }),
    microsecond: fc.integer({ min: 0, max: 999_999 }),
    fold: fc.constantFrom(0, 1),
    offset: fc.oneof(fc.constant(null), fc.integer({ min: -86_399_999_999, max: 86_399_999_999 })),
  })
  .map(({ date, ...rest }) => {
    const { year, month, day, hour, minute, second } = PyDateTime.from(date);
    return new PyDateTime({ year, month, day, hour, minute, second, ...rest });
  });
const special = fc.oneof(
  dateTime,
  fc
    .date({ min: new Date('0001-01-02'), max: new Date('9999-12-30'), noInvalidDate: true })
    .map((date) => PyDate.from(date)),
  fc.integer({ min: -1e15, max: 1e15 }).map((microseconds) => PyTimeDelta.from({ microseconds })),
  fc
    .tuple(fc.bigInt(), fc.integer({ min: -400, max: 400 }))
    .map(([digits, power]) => PyDecimal.from(`${digits}e${power}`)),
  fc.tuple(fc.bigInt(), fc.bigInt({ min: 1n })).map(([top, bottom]) => new PyFraction(top, bottom)),
  fc.tuple(fc.double(), fc.double()).map(([re, im]) => new PyComplex(re, im)),
  fc.uuid().map((uuid) => PyUuid.from(uuid)),
);
const scalar = fc.oneof(
  fc.constantFrom(null, true, false),
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.bigInt(),
  text,
  fc.uint8Array({ maxLength: 20 }),
  special,
);
/** Keys that are themselves and no other in Python too. */
const keys = fc.oneof(text, fc.integer(), fc.tuple(text, fc.integer()).map((items) => tuple(...items)), fc.date({ noInvalidDate: true }).map((date) => PyUuid.from(date.getTime().toString(16).replace('-', 'f').padStart(32, '0').slice(-32)))); // prettier-ignore

const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    scalar,
    fc.array(tie('value')),
    fc.array(tie('value')).map((items) => tuple(...items)),
    fc.dictionary(text, tie('value')),
    fc.array(fc.tuple(keys, tie('value'))).map((entries) => new Map(unique(entries, ([key]) => key))),
    fc.array(keys).map((items) => new Set(unique(items, (item) => item))),
    fc.array(fc.integer(), { minLength: 8 }),
    fc.array(fc.double(), { minLength: 8 }),
    fc.array(fc.record({ id: fc.integer(), value: tie('value') }), { minLength: 8, maxLength: 12 }),
    fc.float64Array({ maxLength: 5 }).map((data) => ndarray(data)),
    fc.tuple(fc.integer(), fc.double()).map(([x, y]) => new Point(x, y)),
    fc.integer().map((number) => float(number)),
  ),
})).value;

function unique<T>(items: readonly T[], keyOf: (item: T) => unknown): T[] {
  const seen = new Set<string>();
  return items.filter((item) => {
    const key = JSON.stringify(keyOf(item)) + typeof keyOf(item);
    return seen.size !== seen.add(key).size;
  });
}

/** What comes back of a value: what JavaScript cannot tell is as it is told in Python. */
function returned(item: unknown): unknown {
  if (typeof item === 'bigint') return Number.isSafeInteger(Number(item)) ? Number(item) : item;
  if (typeof item !== 'object' || item === null) return item;
  if (isFloat(item)) return item.value;
  if (Array.isArray(item)) {
    const items = item.map(returned);
    return isTuple(item) ? tuple(...items) : items;
  }
  if (item instanceof Map) {
    const entries = [...(item as Map<unknown, unknown>)].map(([key, held]) => [returned(key), returned(held)] as const);
    if (entries.every(([key]) => typeof key === 'string')) return returnedObject(entries as [string, unknown][]);
    return new Map(entries);
  }
  if (item instanceof Set) return new Set([...(item as Set<unknown>)].map(returned));
  const prototype: unknown = Object.getPrototypeOf(item);
  if (prototype !== null && prototype !== Object.prototype) return item;
  return returnedObject(Object.entries(item).map(([key, held]) => [key, returned(held)]));
}

function returnedObject(entries: readonly (readonly [string, unknown])[]): object {
  const object = (entries.some(([key]) => key === '__proto__') ? Object.create(null) : {}) as Record<string, unknown>;
  for (const [key, held] of entries) object[key] = held;
  return object;
}

test('S12-S16 whatever travels to Python and back is what it was', async () => {
  await using peer = new PythonPeer();
  await fc.assert(
    fc.asyncProperty(value, async (sent) => {
      const came = await peer.echo(sent);
      // Jest takes a key `constructor` for the class of an object.
      if (!isDeepStrictEqual(came, returned(sent))) expect(came).toStrictEqual(returned(sent));
    }),
    { numRuns: RUNS },
  );
}, 30_000);

const CONTEXT: DecodeContext = {
  handle: (id) => ({ id }),
  function: (id) => ({ id }),
  hostError: (id) => ({ id }),
  shared: () => {
    throw new DecodeError('nothing is shared');
  },
  copied: () => undefined,
};

/** Reads bytes in every way that there is, and lets nothing pass but a value or a DecodeError. */
function readAll(bytes: Uint8Array): void {
  const started = performance.now();
  for (const read of [
    (reader: MsgpackReader) => reader.value(),
    (reader: MsgpackReader) => reader.tolerantValue(),
    (reader: MsgpackReader) => reader.message(),
    (reader: MsgpackReader) => reader.messages(),
  ]) {
    for (const owned of [false, true]) {
      try {
        const result = read(new MsgpackReader(bytes, CONTEXT, { owned }));
        if (result instanceof Undecodable) expect(result.error).toBeInstanceOf(DecodeError);
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
      }
    }
  }
  expect(performance.now() - started).toBeLessThan(1_000);
}

describe('the reader', () => {
  test('throws nothing but a DecodeError, whatever the bytes are', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), readAll), { numRuns: 5_000 });
  });

  test('throws nothing but a DecodeError for bytes that begin like extensions', () => {
    const extension = fc
      .tuple(fc.integer({ min: 0, max: 24 }), fc.uint8Array({ maxLength: 40 }))
      .map(([code, payload]) => Uint8Array.of(0xc7, payload.length, code, ...payload));
    fc.assert(fc.property(extension, readAll), { numRuns: 5_000 });
  });

  test('throws nothing but a DecodeError for values of which bytes were changed, left out or doubled', () => {
    const mutation = fc.record({
      at: fc.nat(),
      byte: fc.integer({ min: 0, max: 255 }),
      kind: fc.constantFrom('change', 'cut', 'double'),
    });
    fc.assert(
      fc.property(value, fc.array(mutation, { minLength: 1, maxLength: 4 }), (sent, mutations) => {
        let bytes: Uint8Array = encodeResult([[3, 1, sent]], new EncodeContext());
        for (const { at, byte, kind } of mutations) {
          const place = at % bytes.length;
          if (kind === 'change') bytes[place] = byte;
          else if (kind === 'cut') bytes = bytes.slice(0, Math.max(1, place));
          else bytes = Uint8Array.from([...bytes.slice(0, place), ...bytes.slice(Math.max(0, place - 8))]);
        }
        readAll(bytes);
      }),
      { numRuns: 2_000 },
    );
  });

  test('takes memory for what the bytes hold, and not for what they say', () => {
    const before = process.memoryUsage();
    for (const start of [0xdd, 0xdf, 0xdb, 0xc6, 0xc9]) readAll(Uint8Array.of(start, 0xff, 0xff, 0xff, 0xff, 0x13));
    for (const start of [0xdc, 0xde]) readAll(Uint8Array.of(start, 0xff, 0xff, 0x91));
    const after = process.memoryUsage();
    expect(after.arrayBuffers + after.heapTotal - before.arrayBuffers - before.heapTotal).toBeLessThan(2 ** 28);
  });
});
