import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { createArena, holdOf, isReleased, nextLease, releaseBuffer } from '../../src/internal.js';
import { type Libc, loadLibc } from '../../src/linux/libc.js';
import { createArenaWith } from '../../src/memory/arena.js';
import type { Arena, Block } from '../../src/memory/types.js';
import { describeOnLinux, expectError, mappingAt, rejection } from '../helpers.js';
import { collect, collectUntil } from './garbage.js';

const MB = 2 ** 20;

/** How many segments this process has a descriptor of. */
const openSegments = (): number =>
  readdirSync('/proc/self/fd').filter((fd) => targetOf(fd).includes(':hognose')).length;

function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ''; // the descriptor of the listing itself
  }
}

/** Kilobytes of addresses that this process has taken. */
const addressKilobytes = (): number => Number(/VmSize:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

describeOnLinux('an arena', () => {
  let arena: Arena;

  beforeEach(() => {
    arena = createArena({ maxBytes: 256 * MB });
  });

  afterEach(() => {
    arena.close();
  });

  it('has nothing at first, and gives what it has grown', async () => {
    expect(arena.take(100)).toBeUndefined();
    expect(arena.stats).toEqual({ segments: 0, bytes: 0, usedBytes: 0, blocks: 0, maxBytes: 256 * MB });
    expect(await arena.grow(100)).toBe(true);
    const block = arena.take(100);
    expect(block).toMatchObject({ byteLength: 100, via: 0, segmentBytes: 4 * MB });
    expect(arena.stats).toMatchObject({ segments: 1, bytes: 4 * MB, usedBytes: 100, blocks: 1 });
    block?.release();
    expect(arena.stats).toMatchObject({ segments: 1, usedBytes: 0, blocks: 0 });
  });

  it('gives pieces that do not overlap and begin at multiples of 64', async () => {
    const blocks: Block[] = [];
    for (let size = 0; size < 300_000; size = Math.ceil(size * 1.3) + 1) blocks.push(await arena.obtain(size));
    for (const [index, { bytes }] of blocks.entries()) bytes.fill(index);
    for (const [index, { bytes, byteLength, offset }] of blocks.entries()) {
      expect(bytes).toHaveLength(byteLength);
      expect(offset % 64).toBe(0);
      expect(bytes.every((byte) => byte === index)).toBe(true);
    }
    for (const block of blocks) block.release();
    expect(arena.stats.usedBytes).toBe(0);
  });

  it.each([4096, 4097, 10_000, 70_000, MB - 1, MB])('wastes at most a quarter on a piece of %i bytes', async (size) => {
    const first = await arena.obtain(size);
    const second = await arena.obtain(size);
    const taken = Math.abs(second.offset - first.offset);
    expect(taken).toBeGreaterThanOrEqual(size);
    expect(taken).toBeLessThanOrEqual(size * 1.25);
    first.release();
    second.release();
  });

  it.each([MB + 1, 3 * MB, 10_000_000, 100_000_000])(
    'gives a piece of %i bytes a segment of its own, an eighth larger at most',
    async (size) => {
      const block = await arena.obtain(size);
      expect(block.offset).toBe(0);
      expect(block.segmentBytes).toBeGreaterThanOrEqual(size);
      expect(block.segmentBytes).toBeLessThanOrEqual(size * 1.125);
      expect(block.segmentBytes % 4096).toBe(0);
      block.release();
    },
  );

  it('numbers segments by safe integers, each another', async () => {
    const other = createArena({ maxBytes: 64 * MB });
    const blocks = await Promise.all([
      arena.obtain(2 * MB),
      arena.obtain(3 * MB),
      other.obtain(2 * MB),
      other.obtain(1),
    ]);
    const numbers = blocks.map(({ segment }) => segment);
    expect(new Set(numbers).size).toBe(4);
    expect(numbers.every((number) => Number.isSafeInteger(number) && number > 0)).toBe(true);
    for (const block of blocks) block.release();
    other.close();
  });

  it('gives the warmest free segment that is at most a quarter larger', async () => {
    const [a, b, larger] = await Promise.all([arena.obtain(8 * MB), arena.obtain(7 * MB), arena.obtain(12 * MB)]);
    const again = await arena.obtain(8 * MB);
    for (const block of [again, larger, b, a]) block.release();
    const taken = [8, 7, 7, 7].map((size) => arena.take(size * MB));
    expect(taken.map((block) => block?.segment)).toEqual([a.segment, b.segment, again.segment, undefined]);
    expect(arena.stats.segments).toBe(4);
    for (const block of taken) block?.release();
  });

  it('cuts an empty slab anew for pieces of another size', async () => {
    const small = await arena.obtain(100);
    small.release();
    const block = arena.take(500_000);
    expect(block?.segment).toBe(small.segment);
    block?.bytes.fill(1);
    block?.release();
    const again = arena.take(100);
    expect(again?.segment).toBe(small.segment);
    again?.release();
  });

  it('gives back each slot once, whatever the order', async () => {
    const held = new Map<Block, number>();
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48271) % 0x7fffffff) % below;
    for (let round = 0; round < 3000; round++) {
      if (held.size > 0 && random(5) < 2) {
        const [block, mark] = [...held][random(held.size)] ?? [];
        if (block === undefined) throw new Error('none');
        expect(block.bytes[0]).toBe(mark);
        expect(block.bytes.at(-1)).toBe(mark);
        held.delete(block);
        block.release();
      } else {
        const block = await arena.obtain(1 + random(200_000));
        block.bytes[0] = round % 251;
        block.bytes[block.byteLength - 1] = round % 251;
        held.set(block, round % 251);
        for (const [old] of held.size > 150 ? [...held].slice(0, 50) : []) {
          held.delete(old);
          old.release();
        }
      }
    }
    for (const block of held.keys()) block.release();
    expect(arena.stats).toMatchObject({ usedBytes: 0, blocks: 0 });
    arena.trim(0);
    expect(arena.stats).toMatchObject({ bytes: 0, segments: 0 });
  });

  it('makes one segment for wishes of one size that come at once', async () => {
    const results = await Promise.all([arena.grow(5 * MB), arena.grow(5 * MB - 1), arena.grow(70_000), arena.grow(1)]);
    expect(results).toEqual([true, true, true, true]);
    expect(arena.stats.segments).toBe(2);
    expect(await arena.grow(5 * MB)).toBe(true);
    expect(arena.stats.segments).toBe(2);
  });

  it('gives each of several wishes a piece of its own', async () => {
    const blocks = await Promise.all(Array.from({ length: 5 }, () => arena.obtain(5 * MB)));
    expect(new Set(blocks.map(({ segment }) => segment)).size).toBe(5);
    for (const block of blocks) block.release();
  });

  it('S66 refuses at its limit, counting what is being made, and says so', async () => {
    const [first, second] = await Promise.all([arena.grow(128 * MB), arena.grow(112 * MB)]);
    expect([first, second]).toEqual([true, true]);
    const blocks = [arena.take(128 * MB), arena.take(112 * MB)];
    expect(await arena.grow(32 * MB)).toBe(false);
    expect(await rejection(arena.obtain(32 * MB))).toMatch(
      /^ZEROCOPY_NO_SPACE: no room for 33554432 bytes.*251658240 bytes are used.*may have 268435456/,
    );
    for (const block of blocks) block?.release();
  });

  it('puts a small piece into a larger slot where there can be no more slabs', async () => {
    const tiny = createArena({ maxBytes: 64 * 1024 });
    const large = await tiny.obtain(16_000);
    const small = await tiny.obtain(100);
    expect(small.segment).toBe(large.segment);
    expect(Math.abs(small.offset - large.offset)).toBe(16_384);
    small.bytes.fill(1);
    small.release();
    large.release();
    expect(tiny.stats).toMatchObject({ segments: 1, usedBytes: 0 });
    tiny.close();
  });

  it('gives idle memory back to make room, the longest idle first', async () => {
    const closed: number[] = [];
    const tight = createArena({ maxBytes: 32 * MB, closed: (segment) => closed.push(segment) });
    const [a, b] = [await tight.obtain(12 * MB), await tight.obtain(14 * MB)];
    b.release();
    a.release();
    const large = await tight.obtain(20 * MB);
    expect(closed).toEqual([b.segment]);
    expect(await tight.grow(13 * MB)).toBe(false);
    expect(closed).toEqual([b.segment]);
    large.release();
    tight.close();
    expect(closed).toEqual([b.segment, a.segment, large.segment]);
  });

  it('gives back what was idle for long enough, and keeps the rest', async () => {
    const held = await arena.obtain(2 * MB);
    const free = await arena.obtain(3 * MB);
    free.release();
    arena.trim(60_000);
    expect(arena.stats.segments).toBe(2);
    arena.trim(0);
    expect(arena.stats).toMatchObject({ segments: 1, bytes: 2 * MB });
    held.bytes.fill(1);
    held.release();
  });

  it('trims by itself', async () => {
    const { promise, resolve } = withResolvers<number>();
    const brief = createArena({ maxBytes: 8 * MB, idleMs: 1, closed: resolve });
    const keepAlive = setTimeout(() => undefined, 10_000);
    const block = await brief.obtain(2 * MB);
    block.release();
    expect(await promise).toBe(block.segment);
    clearTimeout(keepAlive);
    expect(brief.stats.bytes).toBe(0);
  });

  it('S66 turns a full memory into an error', async () => {
    const before = openSegments();
    const { ENOSPC } = constants.errno;
    const full = createArenaWith(
      troubled({ offLoop: { ...loadLibc().offLoop, posix_fallocate: () => Promise.resolve(ENOSPC) } }),
      { maxBytes: 256 * MB },
    );
    expect(await rejection(full.grow(2 * MB))).toMatch(/^ZEROCOPY_NO_SPACE: .*posix_fallocate: ENOSPC/);
    expect(await rejection(full.obtain(10))).toMatch(/^ZEROCOPY_NO_SPACE: /);
    expect(full.stats).toMatchObject({ segments: 0, bytes: 0 });
    await untilOpen(before);
    const huge = createArena({ maxBytes: 2 ** 50 });
    if (totalBytes() < 4e9) expect(await rejection(huge.grow(4e9))).toMatch(/^ZEROCOPY_NO_SPACE: .*are free/);
    huge.close();
  });

  it('reserves pages beside the event loop', async () => {
    const order: string[] = [];
    let isReserving = false;
    const real = loadLibc();
    const slow = createArenaWith(
      troubled({
        posix_fallocate: () => {
          throw new Error('blocks the event loop');
        },
        offLoop: {
          ...real.offLoop,
          posix_fallocate: async (...args) => {
            isReserving = true;
            const result = await real.offLoop.posix_fallocate(...args);
            isReserving = false;
            return result;
          },
        },
      }),
      { maxBytes: 256 * MB },
    );
    const growing = slow.grow(64 * MB).then(() => order.push('grown'));
    await new Promise<void>((resolve) => {
      setImmediate(() => {
        if (isReserving) order.push('event while pages are reserved');
        resolve();
      });
    });
    await growing;
    expect(order).toEqual(['event while pages are reserved', 'grown']);
    slow.close();
  });

  it.each([-1, 1.5, NaN, Infinity, 2 ** 53, '8', undefined])('refuses %p bytes', async (size) => {
    expectError(() => arena.take(size as number), 'ZEROCOPY_RANGE', 'byteLength is');
    expect(await rejection(arena.grow(size as number))).toMatch(/^ZEROCOPY_RANGE: byteLength is/);
    expect(await rejection(arena.obtain(size as number))).toMatch(/^ZEROCOPY_RANGE: byteLength is/);
  });

  it('refuses a limit that is none', () => {
    expectError(() => createArena({ maxBytes: NaN }), 'ZEROCOPY_RANGE', 'maxBytes is NaN');
  });

  it('serves small limits', async () => {
    const tiny = createArena({ maxBytes: 600_000 });
    const block = await tiny.obtain(10_000);
    expect(block.segmentBytes).toBe(65_536);
    const large = await tiny.obtain(300_000);
    large.bytes.fill(1);
    expect(await tiny.grow(300_000)).toBe(false);
    block.release();
    large.release();
    tiny.close();
    expect(tiny.stats.bytes).toBe(0);
    const none = createArena({ maxBytes: 0 });
    expect(await none.grow(1)).toBe(false);
  });

  it('gives everything back when it is closed, at once or when it is let go of', async () => {
    const before = openSegments();
    const held = await arena.obtain(2 * MB);
    (await arena.obtain(3 * MB)).release();
    const growing = arena.grow(9 * MB);
    arena.close();
    expect(await growing).toBe(false);
    expect(arena.stats).toMatchObject({ segments: 1, bytes: 2 * MB });
    expect(arena.take(3 * MB)).toBeUndefined();
    expect(await arena.grow(3 * MB)).toBe(false);
    expect(await rejection(arena.obtain(3 * MB))).toMatch(/^ZEROCOPY_CLOSED: /);
    held.bytes.fill(3);
    held.release();
    expect(arena.stats).toMatchObject({ segments: 0, bytes: 0 });
    await untilOpen(before);
  });
});

describeOnLinux('a block', () => {
  let arena: Arena;

  beforeEach(() => {
    arena = createArena({ maxBytes: 256 * MB });
  });

  afterEach(() => {
    arena.close();
  });

  it('is free after the last of those who hold it has let go', async () => {
    const block = await arena.obtain(5 * MB);
    block.retain();
    block.release();
    expect(arena.take(5 * MB)).toBeUndefined();
    block.release();
    expect(arena.stats.blocks).toBe(0);
    expect(() => {
      block.release();
    }).toThrow('more often than it was held');
    for (const use of [
      () => {
        block.retain();
      },
      () => block.bytes,
      () => block.expose(),
      () => block.address,
    ]) {
      expectError(use, 'ZEROCOPY_CLOSED', 'nobody holds it');
    }
    const next = arena.take(5 * MB);
    expect(next?.segment).toBe(block.segment);
    next?.release();
  });

  it('is one memory by all its views', async () => {
    const block = await arena.obtain(70_000);
    const [one, other] = [new Uint8Array(block.expose()), new Uint8Array(block.expose())];
    expect(one.buffer).not.toBe(other.buffer);
    block.bytes[7] = 1;
    one[8] = 2;
    expect(Array.from(other.subarray(7, 9))).toEqual([1, 2]);
    expect(one.byteLength).toBe(70_000);
    expect(holdOf(one.buffer)).toBe(block);
    expect(holdOf(one.subarray(9).buffer)).toBe(block);
    expect(holdOf(new ArrayBuffer(8))).toBeUndefined();
    expect(mappingAt(block.address)?.text).toMatch(/memfd:hognose/);
    block.release();
  });

  it('of no bytes is a block', async () => {
    const block = await arena.obtain(0);
    const buffer = block.expose();
    expect([block.byteLength, block.bytes.length, buffer.byteLength]).toEqual([0, 0, 0]);
    expect(holdOf(buffer)).toBe(block);
    releaseBuffer(buffer);
    expect(isReleased(buffer)).toBe(true);
    block.release();
  });

  it.each([70_000, 5 * MB])('of %i bytes is held until its buffer and every view of it is collected', async (size) => {
    const block = await arena.obtain(size);
    const views = [new Uint8Array(block.expose()).fill(4).subarray(10, 20)];
    block.release();
    await collect();
    expect(arena.stats.blocks).toBe(1);
    expect(views[0]?.[0]).toBe(4);
    views.length = 0;
    expect(await collectUntil(() => arena.stats.blocks === 0)).toBe(true);
    const next = arena.take(size);
    expect([next?.segment, next?.offset, next?.address]).toEqual([block.segment, block.offset, next?.address]);
    next?.release();
  });

  it('stays mapped where it is for the next tenant, when its buffer was collected', async () => {
    const block = await arena.obtain(5 * MB);
    const { address } = block;
    const expose = (): void => void new Uint8Array(block.expose()).fill(1);
    expose();
    block.release();
    expect(await collectUntil(() => arena.stats.blocks === 0)).toBe(true);
    const next = arena.take(5 * MB);
    expect(next?.address).toBe(address);
    next?.release();
  });

  it('keeps no process alive and holds what many buffers share', async () => {
    const block = await arena.obtain(100_000);
    const buffers = Array.from({ length: 200 }, () => block.expose());
    block.release();
    expect(arena.stats).toMatchObject({ blocks: 1, usedBytes: 100_000 });
    expect(buffers).toHaveLength(200);
    buffers.length = 0;
    expect(await collectUntil(() => arena.stats.blocks === 0)).toBe(true);
  });
});

describeOnLinux('releaseBuffer', () => {
  let arena: Arena;

  beforeEach(() => {
    arena = createArena({ maxBytes: 256 * MB });
  });

  afterEach(() => {
    arena.close();
  });

  it('S64 frees a large piece at once, and a stale view never sees what the next tenant writes', async () => {
    const block = await arena.obtain(5 * MB);
    const stale = new Uint8Array(block.expose()).fill(7);
    block.release();
    releaseBuffer(stale.buffer);
    expect(isReleased(stale.buffer)).toBe(true);
    expect(arena.stats.blocks).toBe(0);
    const next = arena.take(5 * MB);
    expect(next?.segment).toBe(block.segment);
    next?.bytes.fill(9);
    expect([stale[0], stale.at(-1)]).toEqual([0, 0]);
    stale.fill(1);
    expect([next?.bytes[0], next?.bytes.at(-1)]).toEqual([9, 9]);
    expect(next?.address).not.toBe(addressOf(stale));
    next?.release();
  });

  it('only marks a small piece, which is free when its buffer is collected', async () => {
    const block = await arena.obtain(70_000);
    const views = [new Uint8Array(block.expose()).fill(7)];
    block.release();
    views.forEach((stale) => {
      releaseBuffer(stale.buffer);
      expect([isReleased(stale.buffer), arena.stats.blocks, stale[0]]).toEqual([true, 1, 7]);
    });
    views.length = 0;
    expect(await collectUntil(() => arena.stats.blocks === 0)).toBe(true);
  });

  it('waits for the other buffers of the piece', async () => {
    const block = await arena.obtain(5 * MB);
    const [first, second] = [new Uint8Array(block.expose()), new Uint8Array(block.expose())];
    block.release();
    first.fill(3);
    releaseBuffer(first.buffer);
    expect([second[0], arena.stats.blocks]).toEqual([3, 1]);
    releaseBuffer(second.buffer);
    expect([first[0], second[0], arena.stats.blocks]).toEqual([0, 0, 0]);
  });

  it('leaves the piece to others who hold it', async () => {
    const block = await arena.obtain(5 * MB);
    block.bytes.fill(5);
    const buffer = block.expose();
    releaseBuffer(buffer);
    expect(new Uint8Array(buffer)[0]).toBe(0);
    expect(arena.stats.blocks).toBe(1);
    expect(block.bytes[0]).toBe(5);
    expect(new Uint8Array(block.expose()).at(-1)).toBe(5);
    block.release();
  });

  it('does nothing the second time, and refuses an ordinary buffer', async () => {
    const block = await arena.obtain(5 * MB);
    const buffer = block.expose();
    releaseBuffer(buffer);
    releaseBuffer(buffer);
    expect(arena.stats.blocks).toBe(1);
    block.release();
    expectError(
      () => {
        releaseBuffer(new ArrayBuffer(8));
      },
      'ZEROCOPY_RANGE',
      'ordinary',
    );
  });

  it('uses the addresses of stale views again once these are collected', async () => {
    const tenancy = async (): Promise<void> => {
      const block = await arena.obtain(16 * MB);
      const buffer = block.expose();
      block.release();
      releaseBuffer(buffer);
    };
    await tenancy();
    const before = addressKilobytes();
    for (let round = 0; round < 60; round++) {
      await tenancy();
      if (round % 10 === 9) await collect();
    }
    await collect();
    // Each round would take 16 MiB of addresses more.
    expect(addressKilobytes() - before).toBeLessThan(30 * 16 * 1024);
    expect(arena.stats).toMatchObject({ segments: 1, blocks: 0 });
  });

  it('leaves the memory to the garbage collector when the kernel cannot book the release', async () => {
    const real = loadLibc();
    let isFull = false;
    const libc = troubled({ mmap: (...args) => (isFull ? 2n ** 64n - 1n : real.mmap(...args)) });
    const troubledArena = createArenaWith(libc, { maxBytes: 64 * MB });
    const block = await troubledArena.obtain(5 * MB);
    const views = [new Uint8Array(block.expose()).fill(6)];
    block.release();
    isFull = true;
    views.forEach((stale) => {
      releaseBuffer(stale.buffer);
      expect([stale[0], troubledArena.stats.blocks]).toEqual([6, 1]);
    });
    isFull = false;
    views.length = 0;
    expect(await collectUntil(() => troubledArena.stats.blocks === 0)).toBe(true);
    troubledArena.close();
  });

  it('S64 does the same on a kernel that cannot move memory', async () => {
    const old = createArenaWith(troubled({ mremap: undefined as never }), { maxBytes: 64 * MB });
    const block = await old.obtain(5 * MB);
    const stale = new Uint8Array(block.expose()).fill(7);
    block.release();
    releaseBuffer(stale.buffer);
    const next = old.take(5 * MB);
    expect(next?.segment).toBe(block.segment);
    next?.bytes.fill(9);
    stale.fill(1);
    expect([stale[0], next?.bytes[0], next?.address === addressOf(stale)]).toEqual([1, 9, false]);
    next?.release();
    old.close();
  });

  it('leaves stale views of a closed arena harmless', async () => {
    const block = await arena.obtain(70_000);
    const bytes = block.bytes.fill(1);
    block.release();
    arena.close();
    expect(bytes[0]).toBe(0);
    bytes.fill(2);
  });
});

describeOnLinux('without memfd_create', () => {
  it('S66 memory is shared all the same, in objects without a name', async () => {
    const { EPERM } = constants.errno;
    const real = loadLibc();
    let isRefused = false;
    const libc = troubled({
      memfd_create: () => {
        isRefused = true;
        return -1;
      },
      errno: () => (isRefused ? EPERM : real.errno()),
    });
    const arena = createArenaWith(libc, { maxBytes: 64 * MB });
    const block = await arena.obtain(5 * MB);
    expect(mappingAt(block.address)?.text).toMatch(/\/dev\/shm\/hognose-[0-9a-f]{16} \(deleted\)/);
    const stale = new Uint8Array(block.expose()).fill(3);
    block.release();
    releaseBuffer(stale.buffer);
    expect(stale[0]).toBe(0);
    arena.close();
  });
});

describe('nextLease', () => {
  it('never gives a number twice', () => {
    const leases = Array.from({ length: 1000 }, nextLease);
    expect(new Set(leases).size).toBe(1000);
    expect(leases.every((lease) => Number.isSafeInteger(lease) && lease > 0)).toBe(true);
  });
});

function troubled(change: Partial<Libc>): Libc {
  return { ...loadLibc(), ...change };
}

const addressOf = (view: Uint8Array): bigint => loadLibc().addressOf(view);

const totalBytes = (): number => Number(/MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024;

/** Descriptors are closed by a thread of libuv's pool. */
async function untilOpen(expected: number): Promise<void> {
  for (let round = 0; round < 1000 && openSegments() > expected; round++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  expect(openSegments()).toBeLessThanOrEqual(expected);
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((fulfil) => (resolve = fulfil));
  return { promise, resolve };
}
