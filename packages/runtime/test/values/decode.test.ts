import { DecodeError } from '../../src/index.js';
import { decodeFrame } from '../../src/transport/socket-codec.js';
import { MsgpackReader, NO_HANDLES, Undecodable, type DecodeContext } from '../../src/values/decode.js';
import { encodeArguments, EncodeContext, encodeResult } from '../../src/values/encode.js';
import { float, ndarray, tuple, type NDArray } from '../../src/values/types.js';

const read = (bytes: Uint8Array): unknown => new MsgpackReader(bytes, NO_HANDLES).value();

/** A frame of a worker with every kind of value in it. */
function sampleFrame(): Buffer {
  const value = encodeArguments(
    [
      [null, true, 1, -1, 300, -300, 70_000, -70_000, 2 ** 40, 2n ** 70n, 1.5, float(2)],
      { text: 'é😀\ud800', bytes: Uint8Array.of(1, 2, 3), map: new Map([[1, tuple('a', tuple())]]) },
      ndarray(Float64Array.of(1, 2, 3, 4), [2, 2]),
      'x'.repeat(300),
    ],
    new EncodeContext(),
  );
  return Buffer.concat([Buffer.from([0x91, 0x93, 0x03, 0x07]), value ?? new Uint8Array(0)]);
}

describe('the decoder', () => {
  test('reads what it is given whole', () => {
    const [message] = decodeFrame(sampleFrame(), NO_HANDLES);
    expect(message).toMatchObject({ kind: 'result', id: 7 });
  });

  test('throws a DecodeError for every way to end a frame too early', () => {
    const frame = sampleFrame();
    for (let end = 0; end < frame.length; end += 1) {
      expect(() => decodeFrame(frame.subarray(0, end), NO_HANDLES)).toThrow(DecodeError);
    }
    expect(() => decodeFrame(Buffer.concat([frame, Uint8Array.of(0)]), NO_HANDLES)).toThrow('longer than its messages');
  });

  test.each<[string, number[], string]>([
    ['a length of 4 GiB', [0xdd, 0xff, 0xff, 0xff, 0xff], 'ends within a value'],
    ['a map of 4 GiB', [0xdf, 0xff, 0xff, 0xff, 0xff], 'ends within a value'],
    ['a string of 4 GiB', [0xdb, 0xff, 0xff, 0xff, 0xff], 'ends within a value'],
    ['the byte that msgpack never uses', [0xc1], '0xc1, which msgpack does not use'],
    ['an unknown extension', [0xd4, 0x63, 0x00], 'extension type 99 is unknown'],
    ['a handle where none can be', [0xc7, 0x04, 0x03, 0x92, 0x01, 0xa1, 0x78], 'a handle stands where none can be'],
    ['a tuple that is no array', [0xd4, 0x01, 0x01], 'an array was expected'],
    ['a tuple with something behind it', [0xd5, 0x01, 0x90, 0x00], 'is not as long as it says'],
    ['a set with an element twice', [0xc7, 0x03, 0x06, 0x92, 0x01, 0x01], 'two elements of a set are one'],
    ['a dict with a key twice', [0x82, 0x01, 0xc0, 0x01, 0xc0], 'two keys of a dict are one key'],
    [
      'a day that there is not',
      [0xc7, 0x06, 0x09, 0x93, 0xcd, 0x07, 0xe7, 0x02, 0x1d],
      'day must be an integer from 1 to 28',
    ],
    ['a date of no numbers', [0xc7, 0x04, 0x09, 0x93, 0xc0, 0xc0, 0xc0], 'cannot be read: PyDate: year must be'],
    ['a decimal that is none', [0xd5, 0x0c, 0x31, 0x78], 'is no decimal number'],
    ['a UUID of two bytes', [0xd5, 0x0e, 0x31, 0x78], 'is no UUID'],
    ['a fraction over 0', [0xc7, 0x03, 0x0d, 0x92, 0x01, 0x00], 'must not be 0'],
    ['numbers that are cut', [0xd5, 0x11, 0x00, 0x00], 'a packed list of numbers has 2 bytes'],
    ['records without keys', [0xc7, 0x02, 0x13, 0x91, 0x90], 'records must be of keys'],
    [
      'records of unequal columns',
      [0xc7, 0x09, 0x13, 0x93, 0x92, 0xa1, 0x61, 0xa1, 0x62, 0x91, 0x01, 0x90],
      'one length',
    ],
    ['an unknown codec', [0xc7, 0x04, 0x14, 0x92, 0xa1, 0x78, 0x01], "the codec 'x' is not registered here"],
    ['a function where none can be', [0xd5, 0x10, 0x91, 0x01], 'a function stands where none can be'],
    ['nothing', [], 'ends within a value'],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => read(Uint8Array.from(bytes))).toThrow(DecodeError);
    expect(() => read(Uint8Array.from(bytes))).toThrow(message);
  });

  test('bounds the depth of nesting instead of the stack', () => {
    expect(() => read(new Uint8Array(1_000_000).fill(0x91))).toThrow('nested more than');
  });

  test.each<[string, number[]]>([
    ['no array', [0xa1, 0x78]],
    ['a message that is no array', [0x91, 0x01]],
    ['a message of an unknown kind', [0x91, 0x91, 0x63]],
    ['a field of another type', [0x91, 0x93, 0x03, 0xa1, 0x78, 0xc0]],
  ])('refuses a frame of %s', (_, bytes) => {
    expect(() => decodeFrame(Uint8Array.from(bytes), NO_HANDLES)).toThrow(DecodeError);
  });
});

describe('a value that cannot be decoded', () => {
  const bad = [0xd4, 0x63, 0x00];
  const handle = (id: number): number[] => [0xc7, 0x04, 0x03, 0x92, id, 0xa1, 0x78];
  const made: number[] = [];
  const context: DecodeContext = {
    ...NO_HANDLES,
    handle(id) {
      made.push(id);
      return { id };
    },
  };
  const messages = (...bytes: number[]): unknown[][] => new MsgpackReader(Uint8Array.from(bytes), context).messages();

  beforeEach(() => {
    made.length = 0;
  });

  test('stands in its message as Undecodable, and spoils nothing else', () => {
    const [first, second] = messages(0x92, 0x93, 0x03, 0x01, 0x92, 0x01, ...bad, 0x93, 0x03, 0x02, 0x07);
    expect(first?.slice(0, 2)).toEqual([3, 1]);
    expect(first?.[2]).toBeInstanceOf(Undecodable);
    expect((first?.[2] as Undecodable).error).toMatchObject({ message: expect.stringContaining('type 99') as string });
    expect(second).toEqual([3, 2, 7]);
  });

  test('leaves the depth as it was', () => {
    const rows = Array.from({ length: 1_500 }, () => [0x93, 0x03, 0x01, 0x91, 0x91, ...bad]).flat();
    const frame = messages(0xdc, 1_500 >> 8, 1_500 & 0xff, ...rows);
    expect(frame.every((fields) => fields[2] instanceof Undecodable)).toBe(true);
  });

  test('has each of its handles made once, so that none is held for ever', () => {
    const tupleOf = (...inner: number[]): number[] => [0xc7, inner.length + 1, 0x01, 0x91, ...inner];
    messages(0x91, 0x93, 0x03, 0x01, 0x95, ...handle(1), ...bad, ...handle(2), ...tupleOf(...handle(3)), 0xc0);
    expect(made).toEqual([1, 2, 3]);
    made.length = 0;
    const spoilt = tupleOf(...handle(2), ...bad);
    spoilt[1] = spoilt.length - 3;
    spoilt[3] = 0x92;
    messages(0x91, 0x93, 0x03, 0x01, 0x93, ...handle(1), ...spoilt, ...handle(3));
    expect(made).toEqual([1, 2, 3]);
  });

  test('may be too deep, or too deep within extensions', () => {
    const deep = [...new Array<number>(2_000).fill(0x91), 0xc0];
    const [fields] = messages(0x91, 0x93, 0x03, 0x01, ...deep);
    expect((fields?.[2] as Undecodable).error).toMatchObject({ message: expect.stringContaining('deep') as string });
  });

  test('is no excuse for bytes that are no msgpack', () => {
    expect(() => messages(0x91, 0x93, 0x03, 0x01, 0x92, ...bad, 0xc1)).toThrow(DecodeError);
    expect(() => messages(0x91, 0x93, 0x03, 0x01, 0x92, ...bad)).toThrow('ends within a value');
  });
});

describe('a large binary', () => {
  const frame = (length: number): Uint8Array => encodeResult([new Uint8Array(length).fill(7)], new EncodeContext());

  test('is a view of bytes that nobody else uses, and a copy of all others', () => {
    for (const [length, owned, isView] of [
      [100_000, true, true],
      [100_000, false, false],
      [1_000, true, false],
    ] as const) {
      const bytes = frame(length);
      const [value] = new MsgpackReader(bytes, NO_HANDLES, { owned }).value() as [Uint8Array];
      expect(value.buffer === bytes.buffer).toBe(isView);
      expect(value).toEqual(new Uint8Array(length).fill(7));
    }
  });

  test('may hold an array at any place', () => {
    for (const prefix of ['', 'a', 'ab', 'abc']) {
      const data = Float64Array.from({ length: 20_000 }, (_, index) => index);
      const bytes = encodeResult([prefix, ndarray(data, [200, 100])], new EncodeContext());
      const [, array] = new MsgpackReader(bytes, NO_HANDLES, { owned: true }).value() as [string, NDArray];
      expect(array.shape).toEqual([200, 100]);
      expect(array.data).toEqual(data);
    }
  });
});

test('a dict with keys of several types keeps its order, keys like numbers included', () => {
  const map = new Map<unknown, unknown>([
    ['b', 1],
    ['7', 2],
    ['a', 3],
    [5, 4],
    ['1', 5],
  ]);
  const [decoded] = read(encodeArguments([map], new EncodeContext()) ?? new Uint8Array(0)) as [Map<unknown, unknown>];
  expect([...decoded]).toEqual([...map]);
});
