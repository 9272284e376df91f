/** Looks after workers from outside, whatever Python does: their memory, their age, and whether they live. */
import type { ResolvedOptions } from '../options.js';
import type { Worker } from '../worker/worker.js';

/** How often memory is looked at where it has a limit: a leak in a loop takes a gigabyte a second. */
const MEMORY_TICK_MS = 100;
const TICK_MS = 1_000;
/** A worker that has no call may be slow to answer on a busy machine: so many times `livenessMs`. */
const SILENCE = 6;
/** Of its time to live, what a worker's number takes off: not all of a pool's are replaced at once. */
const JITTER = 0.1;

interface Watched {
  /** Since when it was seen stopped. */
  stoppedSince: number | undefined;
  /** When it was asked for a sign of life. */
  askedAt: number | undefined;
  /** When it last gave one. */
  heardAt: number;
  /** Whether it is being asked for its memory. */
  isMeasuring: boolean;
  /** When it was last asked to give back shared memory. */
  trimmedAt: number;
}

/** @internal */
export class Watchdog {
  readonly #options: ResolvedOptions;
  readonly #workers: () => Iterable<Worker>;
  readonly #tick: () => void;
  readonly #watched = new WeakMap<Worker, Watched>();
  readonly #everyMs: number;
  readonly #timer: NodeJS.Timeout;
  #lookedAt = performance.now();

  /**
   * @param workers - All workers there are.
   * @param tick - Called after each look.
   */
  constructor(options: ResolvedOptions, workers: () => Iterable<Worker>, tick: () => void) {
    this.#options = options;
    this.#workers = workers;
    this.#tick = tick;
    const { limits, livenessMs, idleMs } = options;
    const wanted = [TICK_MS, idleMs / 2, ...(limits.ttlMs > 0 ? [limits.ttlMs / 10] : [])];
    if (livenessMs > 0) wanted.push(livenessMs / 4);
    if (limits.recycleRssBytes > 0 || limits.maxRssBytes > 0) wanted.push(MEMORY_TICK_MS);
    this.#everyMs = Math.max(10, Math.min(...wanted));
    this.#timer = setInterval(this.#look, this.#everyMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  readonly #look = (): void => {
    const now = performance.now();
    // What the workers have said meanwhile was not read while this process itself stood still.
    const stalledMs = Math.max(0, now - this.#lookedAt - 2 * this.#everyMs);
    this.#lookedAt = now;
    for (const worker of this.#workers()) {
      if (worker.hasEnded) continue;
      let watched = this.#watched.get(worker);
      if (watched === undefined) {
        watched = { stoppedSince: undefined, askedAt: undefined, heardAt: now, isMeasuring: false, trimmedAt: now };
        this.#watched.set(worker, watched);
      }
      if (stalledMs > 0) watched.askedAt = watched.askedAt === undefined ? undefined : watched.askedAt + stalledMs;
      if (!worker.isReady) {
        this.#lookForStop(worker, watched, now);
        continue;
      }
      this.#lookAtAge(worker);
      this.#trim(worker, watched, now);
      this.#lookAtMemory(worker, watched);
      this.#lookForLife(worker, watched, now);
    }
    this.#tick();
  };

  /** Shared memory that is not used any more is given back now and then, also by a worker that has nothing to do. */
  #trim(worker: Worker, watched: Watched, now: number): void {
    const { idleMs } = this.#options.sharedMemory;
    if (now - watched.trimmedAt < idleMs / 2) return;
    watched.trimmedAt = now;
    worker.trim(idleMs);
  }

  #lookAtAge(worker: Worker): void {
    const { ttlMs } = this.#options.limits;
    if (ttlMs > 0 && worker.ageMs >= ttlMs * (1 - JITTER * ((worker.id * 0.618) % 1))) worker.due ??= 'age';
  }

  #lookAtMemory(worker: Worker, watched: Watched): void {
    const { maxRssBytes, recycleRssBytes } = this.#options.limits;
    if (maxRssBytes === 0 && recycleRssBytes === 0) return;
    const bytes = worker.readMemory();
    if (bytes !== undefined) {
      this.#judgeMemory(worker, bytes);
      return;
    }
    if (watched.isMeasuring) return;
    watched.isMeasuring = true; // only the worker itself can tell
    void worker.measure().then((metrics) => {
      watched.isMeasuring = false;
      if (metrics !== undefined) this.#judgeMemory(worker, metrics.rssBytes);
    });
  }

  #judgeMemory(worker: Worker, bytes: number): void {
    const { maxRssBytes, recycleRssBytes } = this.#options.limits;
    if (maxRssBytes > 0 && bytes > maxRssBytes) {
      worker.end(
        'memory-limit',
        `was ended, as it had ${mebibytes(bytes)} of memory and may have ${mebibytes(maxRssBytes)} (limits.maxRssBytes),`,
      );
    } else if (recycleRssBytes > 0 && bytes > recycleRssBytes) worker.due ??= 'memory';
  }

  /** Whether a signal has stopped a worker; one that stays so is ended. */
  #lookForStop(worker: Worker, watched: Watched, now: number): boolean {
    const { livenessMs } = this.#options;
    if (livenessMs === 0 || !worker.isStopped) {
      watched.stoppedSince = undefined;
      return false;
    }
    watched.stoppedSince ??= now;
    if (now - watched.stoppedSince >= livenessMs)
      worker.end('frozen', `was ended, as a signal had stopped it for ${Math.round(now - watched.stoppedSince)} ms,`);
    return true;
  }

  #lookForLife(worker: Worker, watched: Watched, now: number): void {
    const { livenessMs } = this.#options;
    if (livenessMs === 0 || this.#lookForStop(worker, watched, now)) return;
    // A call may hold the GIL for as long as it likes: only who has nothing to do must answer.
    if (worker.calls > 0) {
      watched.askedAt = undefined;
      watched.heardAt = now;
    } else if (watched.askedAt === undefined) {
      if (now - watched.heardAt < livenessMs) return;
      watched.askedAt = now;
      void worker.measure().then(() => {
        watched.askedAt = undefined;
        watched.heardAt = performance.now();
      });
    } else if (now - watched.askedAt >= livenessMs * SILENCE)
      worker.end(
        'frozen',
        `was ended, as it had no call and did not answer for ${Math.round(now - watched.askedAt)} ms,`,
      );
  }
}

const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
