import fc from 'fast-check';
import { DecodeError } from '../../src/errors.js';
import { FrameBuffer } from '../../src/transport/frame-buffer.js';
import { MAX_FRAME_BYTES } from '../../src/transport/socket-codec.js';

/** A stream of frames as it stands on the wire. */
function wire(frames: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    frames.flatMap((frame) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(frame.length);
      return [length, frame];
    }),
  );
}

/** The frames that a stream makes, cut into these chunks. */
function framesOf(chunks: readonly Buffer[]): { readonly bytes: number[]; readonly owned: boolean }[] {
  const frames: { bytes: number[]; owned: boolean }[] = [];
  const buffer = new FrameBuffer((frame, owned) => frames.push({ bytes: [...frame], owned }));
  for (const chunk of chunks) buffer.push(chunk);
  return frames;
}

const asLists = (chunks: readonly Buffer[]): number[][] => framesOf(chunks).map(({ bytes }) => bytes);

const FRAMES = [Uint8Array.of(1, 2, 3), new Uint8Array(0), Uint8Array.of(9), new Uint8Array(0), Uint8Array.of(4, 5)];
const LISTS = FRAMES.map((frame) => [...frame]);

describe('FrameBuffer', () => {
  test('gives the same frames for every way to cut the stream into three chunks', () => {
    const bytes = wire(FRAMES);
    for (let first = 0; first <= bytes.length; first += 1) {
      for (let second = first; second <= bytes.length; second += 1) {
        expect(asLists([bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)])).toEqual(
          LISTS,
        );
      }
    }
  });

  test('gives the same frames for any frames in any chunks', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 40 }),
        (frames, sizes) => {
          const bytes = wire(frames);
          const chunks: Buffer[] = [];
          for (let at = 0, index = 0; at < bytes.length; index += 1) {
            const size = sizes[index % sizes.length] ?? 1;
            chunks.push(bytes.subarray(at, at + size));
            at += size;
          }
          expect(asLists(chunks)).toEqual(frames.map((frame) => [...frame]));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('gives a frame as soon as its last byte has come, and no sooner', () => {
    const bytes = wire([Uint8Array.of(1, 2)]);
    expect(asLists([bytes.subarray(0, 5)])).toEqual([]);
    expect(asLists([bytes.subarray(0, 5), bytes.subarray(5)])).toEqual([[1, 2]]);
    expect(asLists([Buffer.alloc(0)])).toEqual([]);
  });

  test('gives a view of a frame that came whole, and a buffer of its own for another', () => {
    const bytes = wire([Uint8Array.of(1, 2), Uint8Array.of(3, 4)]);
    expect(framesOf([bytes.subarray(0, 8), bytes.subarray(8)])).toEqual([
      { bytes: [1, 2], owned: false },
      { bytes: [3, 4], owned: true },
    ]);
    const frames: Uint8Array[] = [];
    const buffer = new FrameBuffer((frame) => frames.push(frame));
    buffer.push(bytes.subarray(0, 8));
    const second = Buffer.from(bytes.subarray(8));
    buffer.push(second);
    second.fill(0xff);
    expect(frames[0]?.buffer).toBe(bytes.buffer);
    expect([...(frames[1] ?? [])]).toEqual([3, 4]);
  });

  test('refuses a length that no frame has, before it takes memory for it', () => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(MAX_FRAME_BYTES + 1);
    expect(() => framesOf([length])).toThrow(DecodeError);
    expect(() => framesOf([length.subarray(0, 3), length.subarray(3)])).toThrow(
      `a frame of ${MAX_FRAME_BYTES + 1} bytes, and ${MAX_FRAME_BYTES} is the limit`,
    );
  });
});
