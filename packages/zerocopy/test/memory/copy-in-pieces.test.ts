import { copyInPieces, createArena } from '../../src/internal.js';
import { describeOnLinux } from '../helpers.js';
import { collect } from './garbage.js';

const pattern = (byteLength: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(byteLength).map((_, index) => index * 31 + (index >> 8));

describeOnLinux('copyInPieces', () => {
  it.each([0, 1, 1000, 300_000, 40_000_001])('copies %i bytes, to where they are wanted', async (size) => {
    const source = pattern(size + 5).subarray(5);
    const whole = new Uint8Array(size + 10).fill(255);
    await copyInPieces(whole.subarray(3, 3 + size), source);
    expect(Buffer.compare(whole.subarray(3, 3 + size), source)).toBe(0);
    expect([...whole.subarray(0, 3), ...whole.subarray(3 + size)]).toEqual(Array(10).fill(255));
  });

  it('copies into shared memory while events go on', async () => {
    const arena = createArena({ maxBytes: 2 ** 27 });
    const block = await arena.obtain(60_000_000);
    const source = pattern(60_000_000);
    const order: string[] = [];
    const copied = copyInPieces(block.bytes, source).then(() => order.push('copied'));
    await new Promise<void>((resolve) => {
      setImmediate(() => {
        order.push('event');
        resolve();
      });
    });
    await copied;
    expect(order).toEqual(['event', 'copied']);
    expect(Buffer.compare(block.bytes, source)).toBe(0);
    block.release();
    arena.close();
  });

  it('keeps both from being collected meanwhile', async () => {
    const copies = Array.from({ length: 8 }, () =>
      copyInPieces(new Uint8Array(20_000_000), new Uint8Array(20_000_000)),
    );
    await collect();
    await expect(Promise.all(copies)).resolves.toHaveLength(8);
  });

  it.each([
    ['a SharedArrayBuffer', new SharedArrayBuffer(1_000_000)],
    ['a resizable buffer', Reflect.construct(ArrayBuffer, [1_000_000, { maxByteLength: 2_000_000 }]) as ArrayBuffer],
  ])('copies from %s', async (_, buffer) => {
    const source = new Uint8Array(buffer).fill(3);
    const target = new Uint8Array(1_000_000);
    await copyInPieces(target, source);
    expect(target.every((byte) => byte === 3)).toBe(true);
  });

  it('notices that memory was transferred', async () => {
    const source = new Uint8Array(64_000_000);
    const copying = copyInPieces(new Uint8Array(64_000_000), source);
    const moved = structuredClone(source.buffer, { transfer: [source.buffer] });
    await expect(copying).rejects.toMatchObject({ code: 'ZEROCOPY_CLOSED' });
    expect(moved.byteLength).toBe(64_000_000);
  });

  it('refuses a target that is too short', async () => {
    await expect(copyInPieces(new Uint8Array(3), new Uint8Array(4))).rejects.toMatchObject({ code: 'ZEROCOPY_RANGE' });
  });
});
