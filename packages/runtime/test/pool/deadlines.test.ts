import { Deadlines, type Timed } from '../../src/pool/deadlines.js';

const entry = (expired: () => void): Timed => ({
  deadline: 0,
  list: undefined,
  previous: undefined,
  next: undefined,
  expired,
});

/** Adds entries of these durations and returns the order in which they expire. */
async function expiries(durations: readonly number[], removed: readonly number[] = []): Promise<number[]> {
  const deadlines = new Deadlines();
  const order: number[] = [];
  let limit: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve) => {
    const entries = durations.map((duration, index) => {
      const one = entry(() => {
        order.push(index);
        if (order.length === durations.length - removed.length) resolve();
      });
      deadlines.add(one, duration, performance.now());
      return one;
    });
    for (const index of removed) {
      const one = entries[index];
      if (one !== undefined) deadlines.remove(one);
    }
    limit = setTimeout(resolve, 2000); // the lists' own timers keep no process alive
  });
  clearTimeout(limit);
  return order;
}

test('entries of different durations expire in the order of their deadlines', async () => {
  expect(await expiries([60, 10, 30])).toEqual([1, 2, 0]);
});

test('entries of one duration expire in the order in which they were added, with one timer', async () => {
  expect(await expiries([20, 20, 20])).toEqual([0, 1, 2]);
});

test('a removed entry never expires, wherever in its list it stood', async () => {
  expect(await expiries([20, 20, 20, 20], [0])).toEqual([1, 2, 3]);
  expect(await expiries([20, 20, 20, 20], [1, 2])).toEqual([0, 3]);
  expect(await expiries([20, 20, 20, 20], [3])).toEqual([0, 1, 2]);
});

test('an entry is on time also where it comes after its list has run empty', async () => {
  const deadlines = new Deadlines();
  for (let round = 0; round < 3; round += 1) {
    const before = performance.now();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 2000);
      deadlines.add(
        entry(() => {
          clearTimeout(timer);
          resolve();
        }),
        20,
        before,
      );
    });
    expect(performance.now() - before).toBeLessThan(1000);
  }
});
