import { DecodeError } from '../../src/index.js';
import { decodeFrame } from '../../src/transport/socket-codec.js';
import { MsgpackReader, NO_HANDLES } from '../../src/values/decode.js';
import { encodeArguments, EncodeContext } from '../../src/values/encode.js';
import { float, ndarray, tuple } from '../../src/values/types.js';

/** A generator of the same numbers in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const read = (bytes: Uint8Array): unknown => new MsgpackReader(bytes, NO_HANDLES).value();

/** Reads, and lets nothing pass but a value or a DecodeError. */
function tryTo(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
}

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

  test('throws nothing but a DecodeError, whatever the bytes are', () => {
    const random = seeded(20_251);
    for (let round = 0; round < 20_000; round += 1) {
      const bytes = Uint8Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256));
      tryTo(() => read(bytes));
      tryTo(() => decodeFrame(bytes, NO_HANDLES));
    }
  });

  test('throws nothing but a DecodeError for frames with changed, missing or doubled bytes', () => {
    const random = seeded(7);
    const frame = sampleFrame();
    for (let round = 0; round < 20_000; round += 1) {
      let bytes = Buffer.from(frame);
      for (let count = 1 + Math.floor(random() * 3); count > 0; count -= 1) {
        const at = Math.floor(random() * bytes.length);
        const choice = random();
        if (choice < 0.6) bytes[at] = Math.floor(random() * 256);
        else if (choice < 0.8) bytes = bytes.subarray(0, at);
        else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at - 8 < 0 ? 0 : at - 8)]);
        if (bytes.length === 0) break;
      }
      tryTo(() => decodeFrame(bytes, NO_HANDLES));
    }
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
    ['a message with too few fields', [0x91, 0x92, 0x03, 0x01]],
    ['a field of another type', [0x91, 0x93, 0x03, 0xa1, 0x78, 0xc0]],
    ['a kind that is an object', [0x91, 0x91, 0x81, 0xa9, ...Buffer.from('__proto__'), 0x00]],
  ])('refuses a frame of %s', (_, bytes) => {
    expect(() => decodeFrame(Uint8Array.from(bytes), NO_HANDLES)).toThrow(DecodeError);
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
