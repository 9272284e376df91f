import { closeSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { createArena, createLink, holdOf, isReleased, nextLease, releaseBuffer } from '../../src/internal.js';
import { sendDescriptor } from '../../src/descriptor-message.js';
import { type Libc, loadLibc } from '../../src/linux/libc.js';
import { createArenaWith } from '../../src/memory/arena.js';
import { createMemoryFile } from '../../src/memory-file.js';
import type { Borrowed, LentFields } from '../../src/memory/types.js';
import { describeOnLinux, expectError } from '../helpers.js';
import { collect, collectUntil } from './garbage.js';
import { type TwoEnds, lend, socketPair, twoEnds, withoutDescriptors } from './two-ends.js';

const MB = 2 ** 20;

function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ''; // the descriptor of the listing itself
  }
}

/** Pipes to whoever has started this process may be sockets. */
const inherited = readdirSync('/proc/self/fd').filter((fd) => targetOf(fd).startsWith('socket:')).length;

/** What this process has open: descriptors of segments, of sockets, and places at which segments are mapped. */
function census(): { segments: number; sockets: number; mappings: number } {
  const targets = readdirSync('/proc/self/fd').map(targetOf);
  return {
    segments: targets.filter((target) => target.startsWith('/memfd:hognose ')).length,
    sockets: targets.filter((target) => target.startsWith('socket:')).length - inherited,
    mappings: readFileSync('/proc/self/maps', 'utf8').split('/memfd:hognose ').length - 1,
  };
}

/** Waits for what a thread of libuv's pool closes. */
async function untilCensusIs(expected: ReturnType<typeof census>): Promise<void> {
  for (let round = 0; round < 1000 && JSON.stringify(census()) !== JSON.stringify(expected); round++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  expect(census()).toEqual(expected);
}

const troubled = (change: Partial<Libc>): Libc => ({ ...loadLibc(), ...change });

describeOnLinux('a link', () => {
  let ends: TwoEnds;

  beforeEach(async () => {
    // Nothing of the test before is left.
    const nothing = JSON.stringify({ segments: 0, sockets: 0, mappings: 0 });
    expect(await collectUntil(() => JSON.stringify(census()) === nothing)).toBe(true);
    ends = twoEnds();
  });

  afterEach(() => {
    ends[Symbol.dispose]();
  });

  it.each([70_000, 5 * MB])('lends %i bytes, which are the same memory on the other side', async (size) => {
    const { here, there } = ends;
    const block = await here.arena.obtain(size);
    block.bytes.fill(1);
    const borrowed = there.link.borrow(lend(here.link, block));
    block.release();
    expect(borrowed).toMatchObject({ byteLength: size, offset: block.offset, segment: block.segment });
    const view = new Uint8Array(borrowed.buffer);
    expect(view).toHaveLength(size);
    expect(view[size - 1]).toBe(1);
    view[0] = 2;
    expect(borrowed.buffer).toBe(borrowed.buffer);
    expect([here.link.lentCount, there.link.borrowedCount, there.link.borrowedSegmentBytes]).toEqual([
      1,
      1,
      block.segmentBytes,
    ]);
    expect(here.arena.stats.blocks).toBe(1);
  });

  it('sends a segment once', async () => {
    const { here, there } = ends;
    const blocks = await Promise.all([here.arena.obtain(70_000), here.arena.obtain(70_000)]);
    const views = blocks.map((block, index) => {
      block.bytes.fill(index + 1);
      return new Uint8Array(there.link.borrow(lend(here.link, block)).buffer);
    });
    expect(views.map((view) => view[0])).toEqual([1, 2]);
    expect(there.link.borrowedSegmentBytes).toBe(blocks[0].segmentBytes);
    expect(census()).toMatchObject({ segments: 2, mappings: 2 });
    for (const block of blocks) block.release();
  });

  it('returns a loan when the buffer and all views of it are collected, and tells once', async () => {
    const { here, there } = ends;
    const block = await here.arena.obtain(100_000);
    const leases: number[] = [];
    const borrow = (): Uint8Array => {
      const fields = lend(here.link, block);
      leases.push(fields[0]);
      return new Uint8Array(there.link.borrow(fields).buffer).subarray(5, 9);
    };
    const views = Array.from({ length: 20 }, borrow);
    block.release();
    await collect();
    // Loans of the same memory have one buffer, which needs only one of them.
    expect(new Set(views.map(({ buffer }) => buffer)).size).toBe(1);
    expect(there.link.borrowedCount).toBe(1);
    views.length = 0;
    expect(await collectUntil(() => there.link.borrowedCount === 0)).toBe(true);
    expect(there.flushes).toBe(1);
    const returns = there.link.takeReturns();
    expect(returns.leases.sort((a, b) => a - b)).toEqual(leases);
    expect(there.link.takeReturns()).toEqual({ leases: [], closedSegments: [] });
    here.link.returned([...returns.leases, ...returns.leases, 12345678]);
    expect([here.link.lentCount, here.arena.stats.blocks]).toEqual([0, 0]);
  });

  it('tells again after what was to be told was taken', async () => {
    const { here, there } = ends;
    const block = await here.arena.obtain(100_000);
    for (let round = 1; round <= 3; round++) {
      there.link.borrow(lend(here.link, block)).release();
      expect(there.flushes).toBe(round);
      ends.flush();
    }
    block.release();
    expect(here.link.lentCount).toBe(0);
  });

  it('S64 returns a large piece at once when its buffer is released, and leaves stale views harmless', async () => {
    const { here, there } = ends;
    const block = await here.arena.obtain(5 * MB);
    block.bytes.fill(1);
    const stale = new Uint8Array(there.link.borrow(lend(here.link, block)).buffer);
    block.release();
    releaseBuffer(stale.buffer);
    expect(isReleased(stale.buffer)).toBe(true);
    ends.flush();
    expect(here.arena.stats.blocks).toBe(0);
    const next = here.arena.take(5 * MB);
    next?.bytes.fill(2);
    expect(stale[0]).toBe(0);
    if (next === undefined) throw new Error('not free');
    const again = new Uint8Array(there.link.borrow(lend(here.link, next)).buffer);
    next.release();
    stale.fill(9);
    expect([again[0], again.at(-1)]).toEqual([2, 2]);
  });

  it('holds borrowed memory without a buffer until it is released or dropped, and never maps it', async () => {
    const { here, there } = ends;
    const block = await here.arena.obtain(5 * MB);
    const before = census();
    const borrowed = there.link.borrow(lend(here.link, block));
    const drop = (): void => void there.link.borrow(lend(here.link, block));
    drop();
    expect(there.link.borrowedCount).toBe(2);
    expect(await collectUntil(() => there.link.borrowedCount === 1)).toBe(true);
    borrowed.release();
    expect(there.link.borrowedCount).toBe(0);
    expect(() => {
      borrowed.release();
    }).toThrow('more often');
    expectError(() => borrowed.buffer, 'ZEROCOPY_CLOSED', 'nobody holds it');
    expect(census()).toEqual({ ...before, segments: before.segments + 1 });
    block.release();
  });

  it('counts how often borrowed memory is held, whoever lets go first', async () => {
    const { here, there } = ends;
    const block = await here.arena.obtain(5 * MB);
    const borrow = (): Borrowed => there.link.borrow(lend(here.link, block));
    const first = borrow();
    const { buffer } = first;
    first.release();
    expect(there.link.borrowedCount).toBe(1);
    releaseBuffer(buffer);
    expect(there.link.borrowedCount).toBe(0);
    expect(() => {
      first.release();
    }).toThrow('more often');

    const second = borrow();
    const hold = holdOf(second.buffer);
    hold?.retain();
    releaseBuffer(second.buffer);
    expect(there.link.borrowedCount).toBe(1);
    hold?.release();
    expect(there.link.borrowedCount).toBe(0);

    const third = borrow();
    third.retain();
    releaseBuffer(third.buffer);
    expect(there.link.borrowedCount).toBe(1);
    third.release();
    expect(there.link.borrowedCount).toBe(0);
    third.release(); // the first hold, which was over with the buffer
    expect(() => {
      third.release();
    }).toThrow('more often');
    block.release();
  });

  it('lends memory back to whoever it is from, within what was lent', async () => {
    const { here, there } = ends;
    const block = await here.arena.obtain(100_000);
    const borrowed = there.link.borrow(lend(here.link, block));
    const [lease] = lend(there.link, borrowed);
    borrowed.release();
    const part: LentFields = [lease, borrowed.via, block.segment, block.segmentBytes, block.offset + 64, 1000];
    const back = here.link.borrow(part);
    expect(back).toMatchObject({ via: 0, segment: block.segment, offset: block.offset + 64 });
    new Uint8Array(back.buffer).fill(3);
    expect([block.bytes[63], block.bytes[64], block.bytes[1063], block.bytes[1064]]).toEqual([0, 3, 3, 0]);
    block.release();
    expect(here.arena.stats.blocks).toBe(1);
    releaseBuffer(back.buffer);
    expect(await collectUntil(() => here.link.borrowedCount === 1)).toBe(true); // `back` still refers to it
    expect([here.link.lentCount, there.link.lentCount]).toEqual([1, 1]);
  });

  it('knows memory that came back by the loan, in either process, and nests', async () => {
    const { here, there } = ends;
    const block = await here.arena.obtain(5 * MB);
    const away = there.link.borrow(lend(here.link, block));
    const back = here.link.borrow(lend(there.link, away));
    const awayAgain = there.link.borrow(lend(here.link, back));
    block.bytes[0] = 6;
    expect(new Uint8Array(awayAgain.buffer)[0]).toBe(6);
    block.release();
    away.release();
    back.release();
    ends.flush();
    expect(here.arena.stats.blocks).toBe(1);
    releaseBuffer(awayAgain.buffer);
    for (let round = 0; round < 3; round++) ends.flush();
    expect(here.arena.stats.blocks).toBe(0);
    expect([here.link.lentCount, here.link.borrowedCount, there.link.lentCount, there.link.borrowedCount]).toEqual([
      0, 0, 0, 0,
    ]);
  });

  it('passes memory of one peer on to another without mapping it', async () => {
    const { here: hub, there: first } = ends;
    using others = twoEnds({ here: hub.arena });
    const { here: hubToSecond, there: second } = others;
    const block = await first.arena.obtain(5 * MB);
    block.bytes.fill(4);
    const before = census();
    const held = hub.link.borrow(lend(first.link, block));
    const passedOn = second.link.borrow(lend(hubToSecond.link, held));
    held.release();
    block.release();
    expect(census()).toEqual({ ...before, segments: before.segments + 2 });
    expect(new Uint8Array(passedOn.buffer)[0]).toBe(4);
    expect(first.arena.stats.blocks).toBe(1);

    // The first peer gets its memory back from the second by way of the hub.
    const returning = hubToSecond.link.borrow(lend(second.link, passedOn));
    const home = first.link.borrow(lend(hub.link, returning));
    expect(home).toMatchObject({ via: 0, segment: block.segment });
    expect(new Uint8Array(home.buffer)[0]).toBe(4);
    for (const released of [home, returning]) released.release();
    releaseBuffer(home.buffer);
    releaseBuffer(passedOn.buffer);
    passedOn.release();
    for (let round = 0; round < 4; round++) {
      ends.flush();
      others.flush();
    }
    expect(first.arena.stats.blocks).toBe(0);
  });

  it('forgets segments that the peer has closed, and tells others who were sent them', async () => {
    const { here: hub, there: first } = ends;
    using others = twoEnds({ here: hub.arena });
    const { here: hubToSecond, there: second } = others;
    const before = census();
    const block = await first.arena.obtain(5 * MB);
    const held = hub.link.borrow(lend(first.link, block));
    const passedOn = second.link.borrow(lend(hubToSecond.link, held));
    block.release();
    held.release();
    const stale = new Uint8Array(passedOn.buffer);
    passedOn.release();
    releaseBuffer(stale.buffer);
    others.flush();
    ends.flush();
    first.arena.trim(0);
    expect(first.link.takeReturns()).toEqual({ leases: [], closedSegments: [block.segment] });
    hub.link.segmentsClosed([block.segment, 99]);
    expect(hub.link.borrowedSegmentBytes).toBe(0);
    others.flush();
    expect(second.link.borrowedSegmentBytes).toBe(0);
    await untilCensusIs(before);
    stale.fill(1);
  });

  it('closes a segment that was sent and never asked for', async () => {
    const { here, there } = ends;
    const before = census();
    const block = await here.arena.obtain(5 * MB);
    const [lease] = lend(here.link, block);
    here.link.returned([lease]);
    block.release();
    here.arena.trim(0);
    ends.flush();
    expect(there.link.borrowedSegmentBytes).toBe(0);
    await untilCensusIs(before);
  });

  it('keeps what is still held of a segment that the peer has closed', async () => {
    const { here, there } = ends;
    const block = await here.arena.obtain(5 * MB);
    block.bytes.fill(8);
    const borrowed = there.link.borrow(lend(here.link, block));
    there.link.segmentsClosed([block.segment]);
    expect(new Uint8Array(borrowed.buffer)[0]).toBe(8);
    const fields = lend(here.link, block);
    expectError(() => there.link.borrow(fields), 'ZEROCOPY_RANGE', 'was closed');
    borrowed.release();
    releaseBuffer(borrowed.buffer);
    expect(there.link.borrowedSegmentBytes).toBe(0);
    block.release();
  });

  it('S65 releases what a peer held when it is gone, and keeps what was borrowed from it', async () => {
    const { here, there } = ends;
    const before = census();
    const mine = await here.arena.obtain(70_000);
    const theirs = await there.arena.obtain(5 * MB);
    theirs.bytes.fill(7);
    for (let count = 0; count < 10; count++) lend(here.link, mine);
    mine.release();
    const kept = here.link.borrow(lend(there.link, theirs));
    const dropped = here.link.borrow(lend(there.link, theirs));
    theirs.release();
    here.link.close();
    here.link.close();
    there.link.close();
    there.arena.close();
    expect([here.link.lentCount, here.arena.stats.blocks]).toEqual([0, 0]);
    const view = new Uint8Array(kept.buffer);
    expect(view.at(-1)).toBe(7);
    expect(here.link.borrowedCount).toBe(2);
    dropped.release();
    kept.release();
    releaseBuffer(view.buffer);
    expect([here.link.borrowedCount, here.link.borrowedSegmentBytes, here.flushes]).toEqual([0, 0, 0]);
    expectError(() => here.link.borrow([1, 0, 1, 1, 0, 1]), 'ZEROCOPY_CLOSED', 'the peer is gone');
    expectError(
      () => {
        here.link.lend(nextLease(), mine);
      },
      'ZEROCOPY_UNAVAILABLE',
      'the peer is gone',
    );
    here.arena.close();
    await untilCensusIs({ ...before, sockets: before.sockets - 2 });
  });

  it('undoes a loan when the socket is full or closed', async () => {
    const { here, there } = ends;
    const [fd, other] = socketPair();
    const link = createLink({ arena: here.arena, fd, wantsFlush: () => undefined });
    let error: unknown;
    const arena = createArena({ maxBytes: 2 ** 32 });
    const blocks = [];
    while (error === undefined && blocks.length < 2000) {
      const block = await arena.obtain(MB + 1);
      blocks.push(block);
      try {
        lend(link, block);
      } catch (thrown) {
        error = thrown;
      }
    }
    expect(error).toMatchObject({ code: 'ZEROCOPY_NO_SPACE' });
    const lent = link.lentCount;
    expect(lent).toBe(blocks.length - 1);
    for (const block of blocks) block.release();
    expect(arena.stats.blocks).toBe(lent);
    closeSync(other);
    const block = await here.arena.obtain(100);
    expectError(() => lend(link, block), 'ZEROCOPY_UNAVAILABLE', 'sendmsg: EPIPE');
    expect(link.lentCount).toBe(lent);
    link.close();
    expect(arena.stats.blocks).toBe(0);
    arena.close();
    block.release();
    expect(there.link.borrowedCount).toBe(0);
  });

  it('lends nothing under a number that is used, that nobody holds, or that another copy of this package has', async () => {
    const { here } = ends;
    const block = await here.arena.obtain(100);
    const [lease] = lend(here.link, block);
    expectError(
      () => {
        here.link.lend(lease, block);
      },
      'ZEROCOPY_RANGE',
      'has the number',
    );
    expectError(
      () => {
        here.link.lend(nextLease(), { ...block });
      },
      'ZEROCOPY_RANGE',
      'not held by this copy',
    );
    block.release();
    here.link.returned([lease]);
    expectError(
      () => {
        here.link.lend(nextLease(), block);
      },
      'ZEROCOPY_CLOSED',
      'nobody holds it',
    );
  });
});

describeOnLinux('bad input to a link', () => {
  let ends: TwoEnds;
  let fields: LentFields;

  beforeEach(async () => {
    ends = twoEnds();
    const block = await ends.here.arena.obtain(100_000);
    fields = lend(ends.here.link, block);
    block.release();
  });

  afterEach(() => {
    ends[Symbol.dispose]();
  });

  it.each<[string, (fields: LentFields) => unknown, string]>([
    ['nothing', () => undefined, 'it has no words'],
    ['too few words', (words) => words.slice(1), 'it has 5 words'],
    ['a lease that is none', ([, ...rest]) => [0, ...rest], 'its lease is 0'],
    ['a negative number', ([lease, , ...rest]) => [lease, -1, ...rest], 'its via is -1'],
    ['a fraction', (words) => [...words.slice(0, 5), 0.5], 'its byteLength is 0.5'],
    [
      'a number beyond the safe integers',
      (words) => [...words.slice(0, 5), 2 ** 60],
      'its byteLength is 1152921504606',
    ],
    ['a string', (words) => [...words.slice(0, 5), '8'], 'its byteLength is string'],
    ['a range beyond the segment', (words) => [...words.slice(0, 4), words[3] - 10, 11], 'do not lie within a segment'],
    ['another size of the segment', ([a, b, c, size, ...rest]) => [a, b, c, size + 4096, ...rest], 'and not'],
    ['an unknown segment', ([a, b, c, ...rest]) => [a, b, c + 1, ...rest], 'was not sent, or was closed'],
    [
      'a loan that the peer does not hold',
      ([a, , c, ...rest]) => [a, 77, c + 1, ...rest],
      'holds no loan 77 of segment',
    ],
    ['a huge range', ([a, b, c]) => [a, b, c, 2 ** 50, 0, 2 ** 50], 'more than an ArrayBuffer can have'],
  ])('is refused: %s', (_, change, message) => {
    const { there } = ends;
    expectError(() => there.link.borrow(change(fields) as LentFields), 'ZEROCOPY_RANGE', message);
    expect(there.link.borrowedCount).toBe(0);
    there.link.borrow([fields[0] + 1, ...fields.slice(1)] as unknown as LentFields).release();
  });

  it('is refused: a loan that is held already', () => {
    const { there } = ends;
    const borrowed = there.link.borrow(fields);
    expectError(() => there.link.borrow(fields), 'ZEROCOPY_RANGE', 'is held here already');
    borrowed.release();
    expect(there.link.takeReturns().leases).toEqual([fields[0]]);
  });

  it('returns the number of a loan that it refuses, as nobody else could', () => {
    const { there } = ends;
    const [lease, via, segment, size, offset, length] = fields;
    expectError(() => there.link.borrow([lease, via, segment, size + 1, offset, length]), 'ZEROCOPY_RANGE', 'and not');
    expect(there.link.takeReturns().leases).toEqual([lease]);
  });

  it('is refused: a part of own memory that was not lent, a stale loan, a forged one', async () => {
    const { here, there } = ends;
    const block = await here.arena.obtain(100_000);
    const [lease, , segment, size, offset, length] = lend(here.link, block);
    const back = (via: number, from: number, count: number, bytes = size): LentFields => [
      nextLease(),
      via,
      segment,
      bytes,
      from,
      count,
    ];
    for (const words of [back(lease, offset - 1, 10), back(lease, offset, length + 1), back(lease, 0, size)]) {
      expectError(() => here.link.borrow(words), 'ZEROCOPY_RANGE', /do not lie within (loan|a segment)/);
    }
    expectError(() => here.link.borrow(back(lease, offset, length, size + 4096)), 'ZEROCOPY_RANGE', 'and not');
    expectError(() => here.link.borrow(back(0, offset, length)), 'ZEROCOPY_RANGE', 'was not sent');
    expectError(() => here.link.borrow(back(lease + 1000, offset, length)), 'ZEROCOPY_RANGE', 'holds no loan');
    here.link.borrow(back(lease, offset, length)).release();
    here.link.returned([lease]);
    expectError(() => here.link.borrow(back(lease, offset, length)), 'ZEROCOPY_RANGE', 'holds no loan');
    block.release();
    expect(there.link.borrowedCount).toBe(0);
  });

  it('is refused: a loan to another peer', async () => {
    using others = twoEnds({ here: ends.here.arena });
    const block = await ends.here.arena.obtain(100_000);
    const [lease, , ...rest] = lend(ends.here.link, block);
    expectError(() => others.here.link.borrow([nextLease(), lease, ...rest]), 'ZEROCOPY_RANGE', 'holds no loan');
    block.release();
  });
});

describeOnLinux('the channel of segments', () => {
  const libc = loadLibc();
  const message = (number: number, byteLength: number, magic = 'HGSM'): Buffer => {
    const bytes = Buffer.alloc(24);
    bytes.write(magic);
    bytes.writeBigUInt64LE(BigInt(number), 8);
    bytes.writeBigUInt64LE(BigInt(byteLength), 16);
    return bytes;
  };

  it.each<[string, (send: (bytes: Uint8Array, fd: number) => void, fd: number) => void, string]>([
    [
      'a size that is untrue',
      (send, fd) => {
        send(message(5, 8192), fd);
      },
      'segment 5 has 4096 bytes',
    ],
    [
      'a file that is no memory',
      (send) => {
        send(message(5, 8192), 0);
      },
      'is no segment',
    ],
    [
      'another form',
      (send, fd) => {
        send(message(5, 4096, 'HGSX'), fd);
      },
      'carries something else',
    ],
    [
      'a number beyond the safe integers',
      (send, fd) => {
        send(message(2 ** 60, 4096), fd);
      },
      'carries something else',
    ],
    [
      'fewer bytes',
      (send, fd) => {
        send(message(5, 4096).subarray(0, 9), fd);
      },
      'carries something else',
    ],
    [
      'a number twice',
      (send, fd) => {
        send(message(4, 4096), fd);
        send(message(4, 4096), fd);
      },
      'under the number 4',
    ],
  ])('refuses %s', async (_, act, expected) => {
    await untilCensusIs({ segments: 0, sockets: 0, mappings: 0 });
    const [fd, peer] = socketPair();
    const arena = createArena({ maxBytes: MB });
    const link = createLink({ arena, fd, wantsFlush: () => undefined });
    const file = createMemoryFile(libc, 'test', 4096);
    act((bytes, sent) => {
      expect(sendDescriptor(libc, peer, bytes, sent)).toBe(0);
    }, file);
    expectError(() => link.borrow([1, 0, 5, 4096, 0, 4096]), 'ZEROCOPY_RANGE', expected);
    link.close();
    closeSync(file);
    closeSync(peer);
    arena.close();
    await untilCensusIs({ segments: 0, sockets: 0, mappings: 0 });
  });

  it('refuses a file that the peer could shrink, which would end this process by SIGBUS', () => {
    const [fd, peer] = socketPair();
    const link = createLink({ arena: createArena({ maxBytes: MB }), fd, wantsFlush: () => undefined });
    const file = libc.memfd_create?.('unsealed', 2) ?? -1;
    libc.ftruncate(file, 4096);
    expect(sendDescriptor(libc, peer, message(5, 4096), file)).toBe(0);
    expectError(() => link.borrow([1, 0, 5, 4096, 0, 4096]), 'ZEROCOPY_RANGE', 'neither a memfd whose size is sealed');
    for (const open of [file, peer]) closeSync(open);
    link.close();
  });

  it('takes no attempt to shrink what it has sent', async () => {
    using ends = twoEnds();
    const block = await ends.here.arena.obtain(5 * MB);
    const borrowed = ends.there.link.borrow(lend(ends.here.link, block));
    const fd = readdirSync('/proc/self/fd').find((name) => targetOf(name).startsWith('/memfd:hognose '));
    expect(libc.ftruncate(Number(fd), 4096)).toBe(-1);
    expect(libc.errno()).toBe(constants.errno.EPERM);
    expect(new Uint8Array(borrowed.buffer).at(-1)).toBe(0);
    block.release();
  });

  it('says that the peer is gone', () => {
    const [fd, peer] = socketPair();
    const link = createLink({ arena: createArena({ maxBytes: MB }), fd, wantsFlush: () => undefined });
    closeSync(peer);
    expectError(() => link.borrow([1, 0, 5, 4096, 0, 4096]), 'ZEROCOPY_UNAVAILABLE', 'peer has closed');
    link.close();
  });

  it('says so when this process may open no more files', () => {
    const [fd, peer] = socketPair();
    const link = createLink({ arena: createArena({ maxBytes: MB }), fd, wantsFlush: () => undefined });
    const file = createMemoryFile(libc, 'test', 4096);
    expect(sendDescriptor(libc, peer, message(5, 4096), file)).toBe(0);
    withoutDescriptors(() => {
      expectError(() => link.borrow([1, 0, 5, 4096, 0, 4096]), 'ZEROCOPY_NO_SPACE', 'limit of open files');
    });
    for (const open of [file, peer]) closeSync(open);
    link.close();
  });

  it('gives descriptors that are closed on exec', async () => {
    using ends = twoEnds();
    const block = await ends.here.arena.obtain(5 * MB);
    const borrowed = ends.there.link.borrow(lend(ends.here.link, block));
    const fds = readdirSync('/proc/self/fd').filter((name) => targetOf(name).startsWith('/memfd:hognose '));
    expect(fds.length).toBeGreaterThanOrEqual(2);
    for (const name of fds) {
      const flags = /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${name}`, 'utf8'))?.[1] ?? '';
      expect(parseInt(flags, 8) & 0o2000000).not.toBe(0);
    }
    borrowed.release();
    block.release();
  });

  it('S66 carries objects without a name where there is no memfd', async () => {
    let isRefused = false;
    const real = loadLibc();
    const sandboxed = troubled({
      memfd_create: () => {
        isRefused = true;
        return -1;
      },
      errno: () => (isRefused ? constants.errno.ENOSYS : real.errno()),
    });
    using ends = twoEnds({ libc: sandboxed, here: createArenaWith(sandboxed, { maxBytes: 64 * MB }) });
    const block = await ends.here.arena.obtain(5 * MB);
    block.bytes.fill(3);
    expect(new Uint8Array(ends.there.link.borrow(lend(ends.here.link, block)).buffer).at(-1)).toBe(3);
    block.release();
  });
});
