/** What the runtime tells of itself by its events, as evidence against which the calls' errors are held. */
import { setImmediate } from 'node:timers';

/** @typedef {{ pool: string, workerId: number, pid: number, how: string, isOrphan: boolean }} LivingWorker */

export class Witness {
  /** Deaths of workers, those included that the runtime has wanted. @type {(import('./ledger.mjs').Death & { calls: number })[]} */
  deaths = [];
  /** Workers that are ready, by number. @type {Map<number, LivingWorker>} */
  living = new Map();
  /** Workers that are not ready yet, by number: their pool, and whether the zygote may have died that has forked them. */
  starting = new Map();
  /** The zygote of each pool that has one. @type {Map<string, number>} */
  zygotes = new Map();
  /** Zygotes that have ended, by process. @type {Map<number, string>} */
  endedZygotes = new Map();
  /** Why pools do without a zygote. @type {Map<string, string>} */
  refusedZygotes = new Map();
  retries = 0;
  /** Milliseconds from the first worker that was missing until a pool was full again. @type {number[]} */
  recoveries = [];
  /** Milliseconds until a worker was ready. @type {Record<string, number[]>} */
  starts = {};
  /** @type {{ pool: string, message: string }[]} */
  failedStarts = [];
  /** Targets that are tainted, as `pool target`. @type {Set<string>} */
  tainted = new Set();
  taints = 0;
  clearings = 0;
  retirements = 0;
  /** @type {string[]} */
  broken = [];
  #incompleteSince = new Map();
  #isFull;

  /** @param {(pool: string) => boolean} isFull Whether a pool has all its workers. */
  constructor(isFull) {
    this.#isFull = isFull;
  }

  /** Takes an event of the runtime. */
  take = (event) => {
    HANDLERS[event.type]?.(this, event);
    if (event.type.startsWith('worker-')) setImmediate(() => this.#watch(event.pool));
  };

  /** A pool's zygote was killed: nobody can tell how workers end that it has forked. */
  orphan(pool) {
    for (const worker of this.living.values()) {
      if (worker.pool === pool && worker.how === 'forked') worker.isOrphan = true;
    }
    for (const worker of this.starting.values()) if (worker.pool === pool) worker.mayBeOrphan = true;
  }

  #watch(pool) {
    const since = this.#incompleteSince.get(pool);
    const isFull = this.#isFull(pool);
    if (since === undefined && !isFull) this.#incompleteSince.set(pool, performance.now());
    if (since === undefined || !isFull) return;
    this.#incompleteSince.delete(pool);
    this.recoveries.push(performance.now() - since);
  }
}

const HANDLERS = {
  'worker-starting': (witness, { pool, workerId }) => witness.starting.set(workerId, { pool, mayBeOrphan: false }),
  'worker-ready': (witness, { pool, workerId, pid, how, startMs }) => {
    const isOrphan = how === 'forked' && witness.starting.get(workerId)?.mayBeOrphan === true;
    witness.starting.delete(workerId);
    witness.living.set(workerId, { pool, workerId, pid, how, isOrphan });
    (witness.starts[how] ??= []).push(startMs);
  },
  'worker-retiring': (witness) => (witness.retirements += 1),
  'worker-ended': (witness, { pool, workerId, pid, reason, signal, exitCode, calls }) => {
    const mayBeUnknown = witness.living.get(workerId)?.isOrphan ?? witness.starting.get(workerId)?.mayBeOrphan ?? false;
    witness.living.delete(workerId);
    witness.starting.delete(workerId);
    witness.deaths.push({ pool, workerId, pid, reason, signal, exitCode, calls, mayBeUnknown });
  },
  'worker-start-failed': (witness, { pool, workerId, error }) => {
    witness.starting.delete(workerId);
    witness.failedStarts.push({ pool, message: error.message });
  },
  'call-retried': (witness) => (witness.retries += 1),
  'target-tainted': (witness, { pool, target }) => {
    witness.tainted.add(`${pool} ${target}`);
    witness.taints += 1;
  },
  'target-cleared': (witness, { pool, target }) => {
    witness.tainted.delete(`${pool} ${target}`);
    witness.clearings += 1;
  },
  'pool-broken': (witness, { pool, error }) => witness.broken.push(`${pool}: ${error.message}`),
  'zygote-ready': (witness, { pool, pid }) => witness.zygotes.set(pool, pid),
  'zygote-ended': (witness, { pool, pid, reason }) => {
    witness.endedZygotes.set(pid, reason);
    if (witness.zygotes.get(pool) === pid) witness.zygotes.delete(pool);
    witness.orphan(pool);
  },
  'zygote-refused': (witness, { pool, reason }) => witness.refusedZygotes.set(pool, reason),
};
