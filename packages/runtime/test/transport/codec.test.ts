import fc from 'fast-check';
import { DecodeError } from '../../src/errors.js';
import {
  HOST_MESSAGE_KINDS,
  LAYOUT,
  WORKER_MESSAGE_KINDS,
  type Field,
  type HostMessage,
  type WorkerMessage,
} from '../../src/gen/messages.js';
import * as grpc from '../../src/transport/grpc-codec.js';
import { decodeFrame, decodeMessage, encodeInPieces, FrameWriter } from '../../src/transport/socket-codec.js';
import { MsgpackReader, NO_HANDLES } from '../../src/values/decode.js';
import { MsgpackWriter } from '../../src/values/msgpack-writer.js';

type Plain = Record<string, unknown>;

const layoutOf = (message: string): readonly Field[] => LAYOUT[message] ?? [];

/** Any value of a field; `depth` bounds messages that hold their own kind. */
function fieldValue([name, type, repeated, inner]: Field, depth: number): fc.Arbitrary<unknown> {
  if (repeated) return fc.array(fieldValue([name, type, false, inner], depth), { maxLength: depth > 2 ? 0 : 3 });
  switch (type) {
    case 'number':
      return fc.oneof(fc.constant(0), fc.maxSafeNat(), fc.nat(300));
    case 'string':
      return fc.oneof(fc.constant(''), fc.string({ unit: 'grapheme', maxLength: 40 }));
    case 'bool':
      return fc.boolean();
    case 'bytes':
      return fc.uint8Array({ maxLength: 300 });
    case 'value':
      return fc.option(fc.integer({ min: -1000, max: 100_000 }));
    case 'message':
      return depth > 2 ? fc.constant(null) : fc.option(messageOf(inner, depth + 1));
  }
}

function messageOf(message: string, depth = 0): fc.Arbitrary<Plain> {
  return fc.record(
    Object.fromEntries(
      layoutOf(message).map((field) => [
        field[0],
        fieldValue(field, depth).map((value) => (field[2] && Array.isArray(value) ? value.filter(isPresent) : value)),
      ]),
    ),
  );
}

const isPresent = (value: unknown): boolean => value !== null;

function unionOf(union: 'HostMessage' | 'WorkerMessage'): fc.Arbitrary<Plain> {
  return fc.oneof(
    ...layoutOf(union).map(([kind, , , message]) => messageOf(message).map((fields) => ({ kind, ...fields }))),
  );
}

/** With the values in it encoded, as lanes take it. */
function withEncodedValues(message: unknown, layout: readonly Field[]): Plain {
  const result: Plain = { ...(message as Plain) };
  for (const [name, type, repeated, inner] of layout) {
    const one = (value: unknown): unknown => {
      if (value === null) return null;
      if (type === 'message') return withEncodedValues(value, layoutOf(inner));
      if (type !== 'value') return value;
      const out = new MsgpackWriter();
      out.integer(value as number);
      return out.take();
    };
    result[name] = repeated ? (result[name] as unknown[]).map(one) : one(result[name]);
  }
  return result;
}

/** As it stands in a frame of the socket lane, without what may be left out. */
function asFields(message: unknown, layout: readonly Field[]): unknown[] {
  return layout.map(([name, type, repeated, inner]) => {
    const one = (value: unknown): unknown => {
      if (type === 'message' && value !== null) return asFields(value, layoutOf(inner));
      return value;
    };
    const value = (message as Plain)[name];
    return repeated ? (value as unknown[]).map(one) : one(value);
  });
}

const kindOf = (message: Plain): string => message['kind'] as string;

function hostLayout(message: Plain): readonly Field[] {
  return layoutOf(layoutOf('HostMessage').find(([kind]) => kind === kindOf(message))?.[3] ?? '');
}

function workerLayout(message: Plain): readonly Field[] {
  return layoutOf(layoutOf('WorkerMessage').find(([kind]) => kind === kindOf(message))?.[3] ?? '');
}

function encodeFields(value: unknown, out = new MsgpackWriter()): MsgpackWriter {
  if (typeof value === 'number') out.integer(value);
  else if (typeof value === 'string') out.string(value);
  else if (typeof value === 'boolean') out.boolean(value);
  else if (value instanceof Uint8Array) out.binary(value);
  else if (Array.isArray(value)) {
    out.arrayHeader(value.length);
    for (const item of value) encodeFields(item, out);
  } else out.nil();
  return out;
}

/** The fields without those at their end that hold their default, which a value has not but nil. */
function trimmed(fields: readonly unknown[], layout: readonly Field[]): unknown[] {
  const isDefault = (value: unknown, type: Field[1]): boolean =>
    value === null ||
    (type !== 'value' && (value === 0 || value === '' || value === false || (value as Uint8Array).length === 0));
  let end = fields.length;
  while (end > 0 && isDefault(fields[end - 1], layout[end - 1]?.[1] ?? 'value')) end -= 1;
  return fields.slice(0, end);
}

const asNumbers = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, item: unknown) => (item instanceof Uint8Array ? [...item] : item)));

describe('the socket lane', () => {
  const writer = new FrameWriter();

  test('writes every message of a host with its fields in order, without defaults at its end', () => {
    fc.assert(
      fc.property(fc.array(unionOf('HostMessage'), { maxLength: 4 }), (messages) => {
        const encoded = messages.map((message) => withEncodedValues(message, hostLayout(message)));
        const frame = writer.frame(encoded as unknown as HostMessage[]);
        expect(Buffer.from(frame).readUInt32LE(0)).toBe(frame.length - 4);
        const read = new MsgpackReader(frame.subarray(4), NO_HANDLES).value() as unknown[][];
        const expected = messages.map((message) => {
          const fields = trimmed(asFields(message, hostLayout(message)), hostLayout(message));
          return [HOST_MESSAGE_KINDS[kindOf(message) as HostMessage['kind']], ...fields];
        });
        expect(asNumbers(read)).toEqual(asNumbers(expected));
      }),
      { numRuns: 300 },
    );
  });

  test('writes a message in pieces as it writes it whole', () => {
    fc.assert(
      fc.property(unionOf('HostMessage'), fc.integer({ min: 0, max: 200_000 }), (message, size) => {
        const encoded = withEncodedValues(message, hostLayout(message));
        if ('args' in encoded) encoded['args'] = encodeFields(new Uint8Array(size)).take();
        const whole = writer.frame([encoded as unknown as HostMessage]).subarray(5);
        expect(Buffer.concat(encodeInPieces(encoded as unknown as HostMessage)).equals(whole)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  test('reads every message of a worker, however many defaults are left out at its end', () => {
    fc.assert(
      fc.property(unionOf('WorkerMessage'), fc.boolean(), (message, isTrimmed) => {
        const whole = asFields(message, workerLayout(message));
        const fields = isTrimmed ? trimmed(whole, workerLayout(message)) : whole;
        const number = WORKER_MESSAGE_KINDS[kindOf(message) as WorkerMessage['kind']];
        const bytes = encodeFields([number, ...fields]).take();
        expect(asNumbers(decodeMessage(bytes, NO_HANDLES))).toEqual(asNumbers(message));
        const frame = Buffer.concat([Uint8Array.of(0x92), bytes, bytes]);
        expect(asNumbers(decodeFrame(frame, NO_HANDLES))).toEqual(asNumbers([message, message]));
      }),
      { numRuns: 300 },
    );
  });
});

const workerFrame = fc
  .array(unionOf('WorkerMessage'), { maxLength: 3 })
  .map((messages) =>
    encodeFields(
      messages.map((message) => [
        WORKER_MESSAGE_KINDS[kindOf(message) as WorkerMessage['kind']],
        ...asFields(message, workerLayout(message)),
      ]),
    ).take(),
  );

/** Bytes with some of them changed, and cut off somewhere. */
const mutated = (bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(bytes, fc.array(fc.tuple(fc.nat(10_000), fc.nat(255)), { maxLength: 4 }), fc.nat(10_000))
    .map(([original, changes, end]) => {
      const copy = original.slice();
      for (const [at, value] of changes) if (copy.length > 0) copy[at % copy.length] = value;
      return copy.subarray(0, end % 3 === 0 ? end % (copy.length + 1) : copy.length);
    });

/** What decoding gives: the messages, or a DecodeError; anything else fails the test. */
function outcome(decode: () => readonly WorkerMessage[]): void {
  try {
    for (const message of decode()) expect(WORKER_MESSAGE_KINDS).toHaveProperty(message.kind);
  } catch (error) {
    expect(error).toBeInstanceOf(DecodeError);
  }
}

describe('whatever a worker sends, a host reads messages or has a DecodeError', () => {
  test.each<[string, (bytes: Uint8Array) => readonly WorkerMessage[]]>([
    ['socket', (bytes) => decodeFrame(bytes, NO_HANDLES, true)],
    ['grpc', (bytes) => grpc.decodeFrame(bytes, NO_HANDLES)],
  ])('in any bytes over %s', (_, decode) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        outcome(() => decode(bytes));
      }),
      { numRuns: 1000 },
    );
  });

  test('in frames with some bytes changed', () => {
    fc.assert(
      fc.property(mutated(workerFrame), (bytes) => {
        outcome(() => decodeFrame(bytes, NO_HANDLES));
      }),
      { numRuns: 1000 },
    );
  });
});
