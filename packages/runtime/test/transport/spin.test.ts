import { Spinner } from '../../src/transport/spin.js';

const EPOCH_CALLS = 32;

/** A time that the tests move. */
const clock = { time: 1000, now: (): number => clock.time };

/** Makes a spinner, and the way to make one call that takes so long, without or with polling. */
function makeSpinner(
  without: number,
  withSpin: number,
): {
  call: () => boolean;
  turns: () => number;
} {
  const pending: (() => void)[] = [];
  const spinner = new Spinner((act) => pending.push(act), clock);
  let turns = 0;
  return {
    turns: () => turns,
    call: () => {
      const start = clock.time;
      spinner.start();
      const spins = pending.length > 0;
      const latency = spins ? withSpin : without;
      while (pending.length > 0 && clock.time - start < latency) {
        turns += 1;
        clock.time += 0.002;
        pending.shift()?.();
      }
      clock.time = start + latency;
      spinner.stop();
      while (pending.length > 0) pending.shift()?.();
      return spins;
    },
  };
}

const calls = (call: () => boolean, count: number): boolean[] => Array.from({ length: count }, call);

test('polls where that makes calls faster, and tries the other way now and then', () => {
  const { call } = makeSpinner(0.055, 0.014);
  const spins = calls(call, 100 * EPOCH_CALLS).slice(2 * EPOCH_CALLS);
  const without = spins.filter((spin) => !spin).length;
  expect(without).toBeGreaterThan(0);
  expect(without).toBeLessThan(spins.length / 100);
});

test('does not poll where that makes calls slower, but for one call in some hundreds', () => {
  const { call } = makeSpinner(0.017, 0.11);
  const spins = calls(call, 100 * EPOCH_CALLS);
  expect(spins.slice(0, EPOCH_CALLS)).not.toContain(true);
  expect(spins).toContain(true);
  expect(spins.filter(Boolean).length).toBeLessThan(spins.length / 200);
});

test('does not poll for slow calls, whatever the way', () => {
  const { call, turns } = makeSpinner(30, 30);
  const spins = calls(call, 20 * EPOCH_CALLS);
  expect(spins.filter(Boolean).length).toBeLessThan(EPOCH_CALLS);
  expect(turns()).toBeLessThanOrEqual(EPOCH_CALLS * 30);
});

test('follows when the other way becomes the better one', () => {
  const times: [number, number] = [0.017, 0.11];
  const pending: (() => void)[] = [];
  const spinner = new Spinner((act) => pending.push(act), clock);
  const spins: boolean[] = [];
  for (let call = 0; call < 200 * EPOCH_CALLS; call += 1) {
    if (call === 40 * EPOCH_CALLS) times[1] = 0.005;
    spinner.start();
    spins.push(pending.length > 0);
    clock.time += times[pending.length > 0 ? 1 : 0];
    spinner.stop();
    while (pending.length > 0) pending.shift()?.();
  }
  expect(spins.at(30 * EPOCH_CALLS)).toBe(false);
  expect(spins.at(-1)).toBe(true);
});

test('a call that is no longer alone counts for nothing', () => {
  const pending: (() => void)[] = [];
  const spinner = new Spinner((act) => pending.push(act), clock);
  for (let call = 0; call < 10 * EPOCH_CALLS; call += 1) {
    spinner.start();
    spinner.abandon();
    spinner.stop();
  }
  expect(pending).toEqual([]);
});
