/**
 * Rounds of measurements. Every measurement is made in every round, in turn, so that a ratio is of two figures from
 * the same second: a shared machine drifts by more between minutes than what is compared differs.
 */
import { clearTimeout } from 'node:timers';
import { closeLeftovers } from './peers/python-process.mjs';

/** @typedef {import('./placement.mjs').Mode} Mode */

/**
 * Something that answers calls in Python.
 *
 * @typedef {object} Peer
 * @property {() => Promise<RunningPeer>} start
 */

/**
 * @typedef {object} RunningPeer
 * @property {() => number[]} pids Of its Python processes.
 * @property {() => Promise<void>} close Ends them.
 */

/**
 * One figure of one peer in one mode.
 *
 * @typedef {object} Measurement
 * @property {string} name
 * @property {string} peer Name of the peer.
 * @property {Mode} mode
 * @property {(peer: any, ms: number) => Promise<number>} run Takes about so many milliseconds.
 */

/**
 * What is reported: the figure of one measurement, the ratio of two, or what is made of several.
 *
 * @typedef {object} Benchmark
 * @property {string} name
 * @property {string} unit
 * @property {readonly string[]} of Names of the measurement, of numerator and denominator, or of all that is combined.
 * @property {(...figures: (number | undefined)[]) => number} [combine] Makes one of all figures of a round.
 * @property {readonly string[]} [mayLack] Of the names, those whose figures may be missing: `combine` gets undefined.
 * @property {boolean} [isWorst] The largest of all rounds counts, and not the median.
 * @property {Goal} [goal] None: for information.
 */

/** @typedef {{ readonly atMost: number } | { readonly atLeast: number }} Goal */

/**
 * @typedef {object} Suite
 * @property {Readonly<Record<string, Peer>>} peers
 * @property {(modes: readonly Mode[]) => Measurement[]} measurements
 * @property {(modes: readonly Mode[]) => Benchmark[]} benchmarks
 * @property {(rows: readonly import('./report.mjs').Row[]) => string} chart An SVG.
 */

/** Figures of a measurement, one a round, or why there are none. @typedef {{ values: number[], error?: string }} Result */

/**
 * Makes all measurements.
 *
 * @param {readonly Measurement[]} measurements
 * @param {Readonly<Record<string, Peer>>} peers
 * @param {{ rounds: number, effort: { ms: number, warmUpMs: number, limitMs: number }, placement: import('./placement.mjs').Placement }} options
 * @returns {Promise<Map<string, Result>>} By name of the measurement.
 */
export async function measure(measurements, peers, { rounds, effort, placement }) {
  /** @type {Map<string, Result>} */
  const results = new Map(measurements.map(({ name }) => [name, { values: [] }]));
  const running = new RunningPeers(peers, placement);
  const stop = (signal) => {
    closeLeftovers();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    for (const mode of placement.modes) {
      const turn = measurements.filter((measurement) => measurement.mode === mode);
      if (turn.length === 0) continue;
      placement.pinNode(mode);
      for (let round = 0; round < rounds; round += 1) {
        console.error(`${mode}: round ${round + 1} of ${rounds}`);
        for (const { name, peer, run } of turn) {
          const result = results.get(name);
          if (result.error !== undefined) continue;
          try {
            const value = await withLimit(effort.limitMs, async () => {
              const subject = await running.get(peer, mode);
              if (round === 0) await run(subject, effort.warmUpMs);
              return run(subject, effort.ms);
            });
            result.values.push(value);
          } catch (error) {
            result.error = firstLine(error);
            // Whatever it still does must not disturb the others.
            await running.close(peer);
          }
        }
      }
    }
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    await running.closeAll();
    placement.unpin();
  }
  return results;
}

/** Peers are started when they are first needed, and stay until the end: their start is no part of any figure. */
class RunningPeers {
  #peers;
  #placement;
  /** @type {Map<string, RunningPeer>} */
  #running = new Map();
  /** Why a peer cannot be started: it is not tried again for each of its measurements. */
  #startErrors = new Map();
  /** Where the processes of a peer were put. */
  #placed = new Map();

  constructor(peers, placement) {
    this.#peers = peers;
    this.#placement = placement;
  }

  async get(name, mode) {
    const startError = this.#startErrors.get(name);
    if (startError !== undefined) throw startError;
    let peer = this.#running.get(name);
    if (peer === undefined) {
      try {
        peer = await this.#peers[name].start();
      } catch (error) {
        this.#startErrors.set(name, error);
        throw error;
      }
      this.#running.set(name, peer);
    }
    // A worker may have been replaced since the last round.
    const pids = peer.pids();
    const place = `${mode} ${pids.join()}`;
    if (this.#placed.get(name) !== place) this.#placement.pinPython(pids, mode);
    this.#placed.set(name, place);
    return peer;
  }

  async close(name) {
    const peer = this.#running.get(name);
    this.#running.delete(name);
    this.#placed.delete(name);
    try {
      await withLimit(10_000, async () => peer?.close());
    } catch (error) {
      console.error(`${name} did not close: ${firstLine(error)}`);
    }
  }

  async closeAll() {
    await Promise.all([...this.#running.keys()].map((name) => this.close(name)));
    closeLeftovers();
  }
}

async function withLimit(limitMs, action) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([action(), limit]);
  } finally {
    clearTimeout(timer);
  }
}

const firstLine = (error) => (error instanceof Error ? error.message : String(error)).split('\n', 1)[0];

/** The middle of numbers; of an even count the mean of the two in the middle. */
export function median(values) {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Microseconds that half of all sequential calls stay below. */
export async function sequentialP50Us(call, ms) {
  return median(await durations(call, ms)) * 1e3;
}

/** Milliseconds of each call, one after the other. */
export async function durations(call, ms, least = 3) {
  const taken = [];
  const end = performance.now() + ms;
  let before;
  do {
    before = performance.now();
    await call();
    taken.push(performance.now() - before);
  } while (before < end || taken.length < least);
  return taken;
}

/** Calls in a second, one after the other. */
export function sequentialRate(call, ms) {
  return concurrentRate(call, ms, 1);
}

/** Calls in a second with so many under way at any time. */
export async function concurrentRate(call, ms, inFlight) {
  let count = 0;
  const start = performance.now();
  const end = start + ms;
  const caller = async () => {
    do {
      await call();
      count += 1;
    } while (performance.now() < end);
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  return (count / (performance.now() - start)) * 1e3;
}
