import { FrameBuffer } from '../../src/transport/frame-buffer.js';

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

const FRAMES = [Uint8Array.of(1, 2, 3), new Uint8Array(0), Uint8Array.of(9), new Uint8Array(0), Uint8Array.of(4, 5)];
const asLists = (frames: readonly Uint8Array[]): number[][] => frames.map((frame) => [...frame]);

describe('FrameBuffer', () => {
  test('gives the same frames for every way to cut the stream into three chunks', () => {
    const bytes = wire(FRAMES);
    for (let first = 0; first <= bytes.length; first += 1) {
      for (let second = first; second <= bytes.length; second += 1) {
        const buffer = new FrameBuffer();
        const chunks = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)];
        expect(asLists(chunks.flatMap((chunk) => buffer.push(chunk)))).toEqual(asLists(FRAMES));
      }
    }
  });

  test.each([1, 2, 3, 5, 7])('gives the same frames for chunks of %d bytes', (size) => {
    const bytes = wire(FRAMES);
    const buffer = new FrameBuffer();
    const frames: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += size) frames.push(...buffer.push(bytes.subarray(at, at + size)));
    expect(asLists(frames)).toEqual(asLists(FRAMES));
  });

  test('gives a frame as soon as its last byte has come, and no sooner', () => {
    const buffer = new FrameBuffer();
    const bytes = wire([Uint8Array.of(1, 2)]);
    expect(buffer.push(bytes.subarray(0, 5))).toEqual([]);
    expect(asLists(buffer.push(bytes.subarray(5)))).toEqual([[1, 2]]);
    expect(buffer.push(new Uint8Array(0))).toEqual([]);
  });

  test('hands its frames over: later chunks do not change them', () => {
    const buffer = new FrameBuffer();
    const chunk = wire([Uint8Array.of(1, 2)]);
    const [frame] = buffer.push(chunk);
    chunk.fill(0xff);
    buffer.push(wire([Uint8Array.of(3, 4)]));
    expect([...(frame ?? [])]).toEqual([1, 2]);
  });
});
