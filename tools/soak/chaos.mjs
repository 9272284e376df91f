/** The run: calls without end, killers among them, and then the look at what is left. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { clearTimeout } from 'node:timers';
import { setTimeout as pause } from 'node:timers/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { venvPython } from '../workspace/lib.mjs';
import { killer, KINDS, pickKind, probe } from './calls.mjs';
import { judge } from './judge.mjs';
import { checkKills, KILLERS, LIMITED, readKills } from './killers.mjs';
import {
  canSeeProcesses,
  commandOf,
  descriptors,
  growth,
  isMarked,
  MARK,
  markedProcesses,
  resources,
  socketDirectories,
} from './leaks.mjs';
import { ALL, Ledger, readEffects } from './ledger.mjs';
import { Random } from './random.mjs';
import { Witness } from './witness.mjs';

const PYTHON_PATH = fileURLToPath(new URL('./python/', import.meta.url));
const MIB = 1 << 20;
const MAX_RETRIES = 2;
const CLEAR_AFTER = 3;
const SIZE = 2;
/** So long an ordinary call may take: one that reaches it has been lost on the way. */
const CALL_MS = 60_000;

const COMMON = {
  size: SIZE,
  python: process.env.HOGNOSE_PYTHON ?? venvPython,
  pythonPath: [PYTHON_PATH],
  preload: ['soak_targets'],
  timeoutMs: CALL_MS,
  // Long enough for a busy machine: ended for being hung is only what was stopped.
  graceMs: 5_000,
  livenessMs: 500,
};
const POOLS = {
  // Nothing is tainted here, so that whatever ends its worker ends one of the pool's.
  plain: { crash: { maxRetries: MAX_RETRIES, taintAfter: 0 } },
  [LIMITED]: {
    crash: { maxRetries: MAX_RETRIES, clearAfter: CLEAR_AFTER },
    limits: { maxRssBytes: 176 * MIB, maxRequests: 50, ttlMs: 3_000 },
    queue: { max: 90, timeoutMs: 500 },
  },
};
/** Within which calls time out or are aborted, of those that are to: about as long as they wait and run. */
const EARLY_MS = 1_000;
/** Milliseconds between two killers. */
const KILL_EVERY_MS = [150, 500];
/** Calls that are made right before the end. */
const LAST_CALLS = 20;
/** How long the pools may take to be whole again, and to end. */
const RECOVERY_MS = 20_000;
const CLOSE_MS = 20_000;
/** How long what was closed may take to be gone. */
const GONE_MS = 5_000;

/**
 * What a run has found.
 *
 * @typedef {object} Report
 * @property {number} seed
 * @property {number} seconds
 * @property {string} transport
 * @property {number} inFlight
 * @property {number} medianInFlight What really was in flight whenever a killer struck.
 * @property {readonly object[]} calls The rows of the ledger.
 * @property {readonly { how: string, kills: number, right: number }[]} kills
 * @property {{ count: number, medianMs: number, worstMs: number, lastMs: number }} recovery
 * @property {object} workers
 * @property {object} host
 * @property {number} breachCount
 * @property {readonly string[]} breaches
 */

/**
 * Makes a run.
 *
 * @param {typeof import('@hognose/runtime')} hognose
 * @param {{ seconds: number, inFlight: number, seed: number, transport: 'socket' | 'grpc' }} options
 * @returns {Promise<Report>}
 */
export async function soak(hognose, options) {
  const run = new Soak(hognose, options);
  const stop = run.watchProcess();
  try {
    return await run.run();
  } finally {
    stop();
  }
}

class Soak {
  #hognose;
  #options;
  #runtime;
  #directory = mkdtempSync(join(tmpdir(), 'hognose-soak-'));
  #mark = randomUUID();
  #ledger = new Ledger({
    maxAttempts: MAX_RETRIES + 1,
    exclusiveKinds: [...Object.keys(KINDS).filter((name) => !KINDS[name].isShared), ...Object.keys(KILLERS)],
  });
  #witness = new Witness((pool) => this.#isFull(pool));
  /** @type {import('./killers.mjs').Kill[]} */
  #kills = [];
  #random;
  #isStopping = false;
  #isClosing = false;
  #inFlight = [];
  #lines = 0;
  /** Calls beside those of the slots. @type {Set<Promise<void>>} */
  #others = new Set();

  constructor(hognose, options) {
    this.#hognose = hognose;
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  /** Has everything that the process complains of stand in the ledger; returns what ends that. */
  watchProcess() {
    const complain = (what) => (error) => this.#breach(`${what}: ${error?.stack ?? String(error)}`);
    const handlers = Object.entries({
      unhandledRejection: complain('a rejection that nobody can handle'),
      uncaughtException: complain('an exception outside of all calls'),
      warning: (warning) => {
        if (warning.name !== 'ExperimentalWarning') complain('a warning')(warning);
      },
    });
    for (const [event, handler] of handlers) process.on(event, handler);
    return () => {
      for (const [event, handler] of handlers) process.off(event, handler);
      rmSync(this.#directory, { recursive: true, force: true });
    };
  }

  async run() {
    await this.#warmUp();
    const before = look();
    this.#runtime = await this.#start(POOLS, this.#witness.take);
    let recoveryMs = Infinity;
    try {
      await Promise.all(Object.keys(POOLS).map((pool) => this.#runtime.pool(pool).ready()));
      await this.#storm();
      recoveryMs = await this.#recover();
      await this.#clearTaints();
      await this.#probe();
      await this.#releaseHandles();
      this.#checkCounts();
    } catch (error) {
      this.#breach(`it could not go on: ${error.stack}`);
    } finally {
      await this.#close();
    }
    await this.#checkGone(before);
    return this.#report(before, recoveryMs);
  }

  #start(pools, onEvent) {
    const env = { [MARK]: this.#mark, HOGNOSE_SOAK_DIRECTORY: this.#directory };
    return this.#hognose.createRuntime({
      ...COMMON,
      env,
      transport: this.#options.transport,
      pools: Object.entries(pools).map(([name, own]) => ({ name, ...own })),
      onEvent,
      onLog: () => (this.#lines += 1),
    });
  }

  /** What the first runtime of a process makes for all of them is no leak. */
  async #warmUp() {
    const runtime = await this.#start({ first: { size: 1 } }, () => undefined);
    await runtime.call('math.sqrt', [16]);
    await runtime.close();
  }

  /** Calls and killers, until the time is over and all have ended. */
  async #storm() {
    const { seconds, inFlight, seed } = this.#options;
    const over = new globalThis.AbortController();
    const timer = setTimeout(() => {
      this.#isStopping = true;
      over.abort();
    }, seconds * 1e3);
    const slots = Array.from({ length: inFlight }, (_, slot) => this.#slot(new Random(seed + 1 + slot)));
    await this.#strike(over.signal);
    await within(CALL_MS + 15_000, 'all calls have ended', async () => {
      await Promise.all(slots);
      await Promise.all(this.#others);
    }).catch((error) => this.#breach(error.message));
    clearTimeout(timer);
  }

  /** One call after the other. */
  async #slot(random) {
    let pool = random.pick(Object.keys(POOLS));
    while (!this.#isStopping) {
      const outcome = await this.#call(pickKind(random), pool, random);
      // What a full queue has refused goes elsewhere, or it would do nothing but ask again.
      pool = outcome === 'saturated' ? 'plain' : random.pick(Object.keys(POOLS));
    }
  }

  /** Kills in turn, in an order that the seed decides, until the signal comes. */
  async #strike(signal) {
    let rest = [];
    try {
      for (;;) {
        await pause(this.#random.integer(...KILL_EVERY_MS), undefined, { signal });
        this.#inFlight.push(this.#ledger.open);
        if (rest.length === 0) rest = this.#random.shuffled(Object.keys(KILLERS));
        const how = rest.pop();
        const pool = KILLERS[how].pool ?? this.#random.pick(Object.keys(POOLS));
        if (KILLERS[how].by === 'zygote') this.#killZygote(how, pool);
        else if (KILLERS[how].by === 'signal') this.#killWorker(how, pool);
        else this.#aside(this.#call(how, pool, this.#random, killer(how)));
      }
    } catch (error) {
      if (error.name !== 'AbortError') throw error;
    }
  }

  /** Keeps an eye on what no slot waits for. */
  #aside(promise) {
    const other = promise.finally(() => this.#others.delete(other));
    this.#others.add(other);
  }

  #killWorker(how, pool) {
    const pids = this.#runtime
      .stats()
      .workers.map(({ pid }) => pid)
      .filter((pid) => [...this.#witness.living.values()].some((living) => living.pid === pid && living.pool === pool));
    if (pids.length > 0) this.#send(how, this.#random.pick(pids));
  }

  #killZygote(how, pool) {
    const pid = this.#witness.zygotes.get(pool);
    if (pid !== undefined && this.#send(how, pid)) this.#witness.orphan(pool);
  }

  /** Sends a signal, after a look at whose process it is: numbers are used again. */
  #send(how, pid) {
    if (canSeeProcesses && !isMarked(pid, this.#mark)) return false;
    try {
      process.kill(pid, KILLERS[how].signal);
    } catch {
      return false; // it has just ended
    }
    this.#kills.push({ how, pid });
    return true;
  }

  /** Makes a call, and enters its end. Never rejects. */
  async #call(name, pool, random, kind = KINDS[name]) {
    const call = this.#ledger.submit(name, kind.isRepeatable === true && random.chance(0.5));
    const controller = kind.limit === 'abort' ? new globalThis.AbortController() : undefined;
    const timeoutMs = kind.limit === 'timeout' ? random.integer(5, EARLY_MS) : undefined;
    const abortion = controller && setTimeout(() => controller.abort(), random.integer(0, EARLY_MS));
    const start = performance.now();
    const terms = () => ({
      elapsedMs: performance.now() - start,
      timeoutMs: timeoutMs ?? 0,
      signal: controller?.signal,
      queue: { max: 0, timeoutMs: 0, ...POOLS[pool].queue },
      isClosing: this.#isClosing,
      mayRaise: name === 'refusal',
    });
    let outcome;
    const end = (how) => {
      outcome = how.outcome;
      this.#ledger.end(call, how);
    };
    const options = {
      idempotent: call.isIdempotent,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(controller === undefined ? {} : { signal: controller.signal }),
    };
    const breach = (text) => this.#ledger.breach(name, text);
    const site = { pool: this.#runtime.pool(pool), call, random, options, breach };
    await kind.run(site).then(
      () => end({ outcome: 'ok' }),
      (error) => end(judge(call, error, terms())),
    );
    clearTimeout(abortion);
    return outcome;
  }

  /** Nobody kills any more: milliseconds until both pools are whole and idle. */
  async #recover() {
    const start = performance.now();
    for (const pool of Object.keys(POOLS)) {
      const isWhole = () => {
        const { queued, running } = this.#stats(pool);
        return this.#isFull(pool) && queued === 0 && running === 0;
      };
      await this.#until(RECOVERY_MS, isWhole, () => {
        const { state, ready, starting, queued, running } = this.#stats(pool);
        return `pool ${pool} is not whole again: ${JSON.stringify({ state, ready, starting, queued, running })}`;
      });
    }
    return performance.now() - start;
  }

  /** What is tainted can be seen, and is trusted again after successes or when it is told to be. */
  async #clearTaints() {
    for (const pool of Object.keys(POOLS)) {
      const seen = this.#stats(pool).tainted.map(({ target }) => target);
      const told = [...this.#witness.tainted].filter((one) => one.startsWith(`${pool} `));
      if (seen.length !== told.length)
        this.#breach(`pool ${pool} has tainted targets ${seen.join()}, and has told of ${told.join()}`);
      for (const target of seen) {
        if (target.endsWith('.die')) {
          const harmless = killer('not at all');
          for (let time = 0; time < CLEAR_AFTER; time += 1)
            await this.#call('killer without effect', pool, this.#random, harmless);
        } else this.#runtime.pool(pool).clearTaint(target);
      }
      const { tainted } = this.#stats(pool);
      if (tainted.length > 0) this.#breach(`pool ${pool} still has tainted ${JSON.stringify(tainted)}`);
    }
  }

  /** Every worker answers. */
  async #probe() {
    for (const pool of Object.keys(POOLS)) {
      const answered = new Set();
      const kind = probe((pid) => answered.add(pid));
      const end = performance.now() + RECOVERY_MS;
      while (answered.size < SIZE && performance.now() < end)
        await Promise.all(Array.from({ length: 4 * SIZE }, () => this.#call('probe', pool, this.#random, kind)));
      if (answered.size < SIZE)
        this.#breach(`only ${answered.size} of ${SIZE} workers of pool ${pool} answer: ${[...answered].join()}`);
      // One may have retired since it answered.
      const known = [...this.#witness.living.values(), ...this.#witness.deaths].filter((one) => one.pool === pool);
      const strange = [...answered].find((pid) => !known.some((worker) => worker.pid === pid));
      if (strange !== undefined) this.#breach(`pool ${pool} has an answer of process ${strange}, which is none of it`);
    }
  }

  /** No object of Python is held for calls that are over. */
  async #releaseHandles() {
    const held = () => this.#runtime.stats().workers.filter(({ handles }) => handles > 0);
    await this.#until(
      GONE_MS,
      () => {
        collectGarbage();
        return held().length === 0;
      },
      () => `objects are held still: ${JSON.stringify(held())}`,
    );
  }

  /** The runtime's own counts agree with themselves. */
  #checkCounts() {
    for (const pool of Object.keys(POOLS)) {
      const { calls } = this.#stats(pool);
      const { submitted, ...ends } = { ...calls, retried: 0 };
      const ended = Object.values(ends).reduce((sum, count) => sum + count, 0);
      if (ended !== submitted)
        this.#breach(`pool ${pool} counts ${submitted} calls and ${ended} ends: ${JSON.stringify(ends)}`);
    }
  }

  /** Closes while calls are under way. */
  async #close() {
    const last = Array.from({ length: LAST_CALLS }, (_, index) =>
      this.#call(pickKind(this.#random), Object.keys(POOLS)[index % 2], this.#random),
    );
    this.#isClosing = true;
    try {
      await within(CLOSE_MS, 'the runtime is closed', () => this.#runtime.close());
      await within(CLOSE_MS, 'the last calls have ended', () => Promise.all(last));
    } catch (error) {
      this.#breach(error.message);
    }
  }

  async #checkGone(before) {
    if (canSeeProcesses) {
      await this.#until(
        GONE_MS,
        () => markedProcesses(this.#mark).length === 0,
        () => {
          const left = markedProcesses(this.#mark);
          return `${left.length} processes are left: ${left.map((pid) => `${pid} (${commandOf(pid)})`).join(', ')}`;
        },
      );
      await this.#until(
        GONE_MS,
        () => growth(before.descriptors, descriptors()).length === 0,
        () => `descriptors are left: ${growth(before.descriptors, descriptors()).join(', ')}`,
      );
    }
    await this.#until(
      GONE_MS,
      () => growth(before.resources, resources()).length === 0,
      () => `timers and handles are left: ${growth(before.resources, resources()).join(', ')}`,
    );
    const directories = socketDirectories();
    if (directories.length > 0) this.#breach(`directories are left: ${directories.join(', ')}`);
  }

  #report(before, recoveryMs) {
    const effects = new Map();
    this.#read('once', (text) => readEffects(text, effects));
    this.#read('again', (text) => readEffects(text, effects));
    this.#ledger.check(effects, this.#witness.deaths);
    const kills = checkKills(
      [...this.#kills, ...(this.#read('kills', readKills) ?? [])],
      this.#witness.deaths,
      this.#witness.endedZygotes,
      (text) => this.#breach(text),
    );
    for (const { pool, message } of this.#witness.failedStarts)
      this.#breach(`a worker of pool ${pool} did not start: ${message}`);
    for (const text of this.#witness.broken) this.#breach(`pool-broken: ${text}`);
    collectGarbage();
    const memory = process.memoryUsage();
    const { seed, seconds, inFlight, transport } = this.#options;
    return {
      seed,
      seconds,
      transport,
      inFlight,
      medianInFlight: medianOf(this.#inFlight),
      calls: this.#ledger.rows.filter((row) => row.submitted > 0 || row.kind === ALL),
      kills,
      recovery: {
        count: this.#witness.recoveries.length,
        medianMs: medianOf(this.#witness.recoveries),
        worstMs: Math.max(0, ...this.#witness.recoveries),
        lastMs: recoveryMs,
      },
      workers: {
        ended: this.#witness.deaths.length,
        retired: this.#witness.retirements,
        retries: this.#witness.retries,
        taints: this.#witness.taints,
        clearings: this.#witness.clearings,
        withoutZygote: Object.fromEntries(this.#witness.refusedZygotes),
        startMs: Object.fromEntries(
          Object.entries(this.#witness.starts).map(([how, taken]) => [
            how,
            { count: taken.length, medianMs: medianOf(taken) },
          ]),
        ),
        linesPrinted: this.#lines,
      },
      host: {
        rssMib: [before.memory.rss, memory.rss].map(toMib),
        heapMib: [before.memory.heapUsed, memory.heapUsed].map(toMib),
      },
      breachCount: this.#ledger.breachCount,
      breaches: this.#ledger.breaches,
    };
  }

  #read(name, parse) {
    let text;
    try {
      text = readFileSync(join(this.#directory, name), 'utf8');
    } catch {
      return undefined; // nobody has written any
    }
    try {
      return parse(text);
    } catch (error) {
      this.#breach(error.message);
      return undefined;
    }
  }

  #stats(pool) {
    return this.#runtime.stats().pools[pool];
  }

  #isFull(pool) {
    // The first events come before the runtime is handed out.
    return this.#runtime === undefined || this.#stats(pool).ready >= SIZE;
  }

  #breach(text) {
    this.#ledger.breach(ALL, text);
  }

  /** Waits for a condition; where it does not come true in time, that is a breach. */
  async #until(ms, condition, problem) {
    const end = performance.now() + ms;
    while (!condition()) {
      if (performance.now() > end) {
        this.#breach(problem());
        return;
      }
      await pause(10);
    }
  }
}

/** What this process has before the run. */
function look() {
  collectGarbage();
  return {
    descriptors: canSeeProcesses ? descriptors() : new Map(),
    resources: resources(),
    memory: process.memoryUsage(),
  };
}

async function within(ms, what, action) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: still not so after ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([action(), limit]);
  } finally {
    clearTimeout(timer);
  }
}

let collect;
/** Objects that nobody refers to any more are released now. */
function collectGarbage() {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc');
  }
  collect();
}

const toMib = (bytes) => Math.round(bytes / MIB);

function medianOf(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}
