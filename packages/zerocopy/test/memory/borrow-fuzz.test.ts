import { ZeroCopyError } from '../../src/errors.js';
import { holdOf, nextLease } from '../../src/internal.js';
import type { LentFields } from '../../src/memory/types.js';
import { describeOnLinux } from '../helpers.js';
import { collectUntil } from './garbage.js';
import { lend, twoEnds } from './two-ends.js';

const ROUNDS = 8_000;

/** Numbers that look random and are the same in every run (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What a hostile or broken peer may put in the place of a number. */
function strange(random: () => number, near: number): unknown {
  const choices: unknown[] = [
    0,
    -1,
    1,
    near + 1,
    near - 1,
    near * 2,
    near + 64,
    near + 0.5,
    Math.floor(random() * 2 ** 32),
    Math.floor(random() * 2 ** 53),
    2 ** 31,
    2 ** 32,
    2 ** 52,
    2 ** 53 - 1,
    2 ** 53,
    -(2 ** 53),
    1e300,
    NaN,
    Infinity,
    -0,
    '1',
    null,
    undefined,
    1n,
    [],
    {},
    { valueOf: () => 1 },
  ];
  return choices[Math.floor(random() * choices.length)];
}

describeOnLinux('words from a peer that lies', () => {
  it.each([1, 2, 3])('are refused, or name memory that was lent (seed %i)', async (seed) => {
    const random = randomNumbers(seed);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
    using ends = twoEnds();
    const { here, there } = ends;
    const theirs = await Promise.all([70_000, 5_000, 3_000_000].map((size) => there.arena.obtain(size)));
    const mine = await Promise.all([90_000, 2_000_000].map((size) => here.arena.obtain(size)));
    // What is known here, and what this side has lent: both may be named.
    const known = theirs.map((block) => lend(there.link, block));
    for (const block of mine) known.push(lend(here.link, block));
    for (const { bytes } of [...theirs, ...mine]) bytes.fill(1);

    let accepted = 0;
    let refused = 0;
    const held: ReturnType<typeof here.link.borrow>[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const words: unknown[] = [...pick(known)];
      const [lease] = words;
      words[0] = nextLease();
      if (round % 3 === 0) words[1] = lease; // a loan of this side, or of nobody
      if (round % 5 === 0) [words[4], words[5]] = [Math.floor(random() * 4e6), Math.floor(random() * 4e6)];
      for (let changes = Math.floor(random() * 3); changes > 0; changes--) {
        const index = Math.floor(random() * words.length);
        words[index] = strange(random, Number(words[index]));
      }
      if (random() < 0.01) words.length = Math.floor(random() * 8);
      try {
        const borrowed = here.link.borrow(words as unknown as LentFields);
        const view = new Uint8Array(borrowed.buffer);
        // A read outside of what is mapped would end the process.
        const sum = (view[0] ?? 0) + (view.at(-1) ?? 0) + (view[view.length >> 1] ?? 0);
        expect(sum).toBeLessThanOrEqual(3);
        expect(view.byteLength).toBe(Number(words[5]) + 0);
        expect(borrowed.offset + borrowed.byteLength).toBeLessThanOrEqual(borrowed.segmentBytes);
        expect(holdOf(borrowed.buffer)).toMatchObject({ segment: words[2], offset: Number(words[4]) + 0 });
        accepted++;
        if (random() < 0.1) held.push(borrowed);
        else borrowed.release();
      } catch (error) {
        if (!(error instanceof ZeroCopyError)) throw error;
        expect(['ZEROCOPY_RANGE', 'ZEROCOPY_CLOSED', 'ZEROCOPY_UNAVAILABLE']).toContain(error.code);
        refused++;
      }
    }
    expect(accepted).toBeGreaterThan(ROUNDS / 50);
    expect(refused).toBeGreaterThan(ROUNDS / 10);
    expect(here.link.borrowedCount).toBeGreaterThanOrEqual(held.length);
    held.length = 0;
    expect(await collectUntil(() => here.link.borrowedCount === 0)).toBe(true);
    for (const block of mine) block.release();
    for (const block of theirs) block.release();
  });
});
