/** Workers that are processes of this machine, started by this one. */
import { isMainThread } from 'node:worker_threads';
import { WorkerStartError } from '../errors.js';
import { startErrorOf } from '../worker/worker-end.js';
import type { PlacedWorker, Placement, PlacementEvent, PlacementFactory, WorkerExit, WorkerSpec } from './placement.js';
import { spawnWorker } from './spawned-worker.js';
import { LocalMemory } from './worker-memory.js';
import { Zygote, ZygoteGoneError } from './zygote.js';

/** How long a zygote must have lived for a new one to be started before it is needed. */
const LASTING_MS = 1_000;
/** How many zygotes are tried for one worker. */
const MOST_ZYGOTES = 2;

/** How workers are started here. @public */
export interface LocalOptions {
  /**
   * Whether workers are forked off a process that has imported what is preloaded, the zygote, instead of starting an
   * interpreter each: ready in milliseconds, with memory in common. Only on Linux; where what is preloaded has started
   * threads or opened an accelerator, workers are spawned all the same.
   * @defaultValue true on Linux
   */
  readonly zygote?: boolean;
}

/**
 * Starts workers on this machine.
 *
 * @public
 */
export function local(options: LocalOptions = {}): PlacementFactory {
  const reason =
    process.platform !== 'linux'
      ? `${process.platform} has no zygote`
      : !isMainThread
        ? // The FIFOs of workers are opened by number, which Node.js closes again when a thread ends, whatever it names by then.
          'this is a worker thread'
        : options.zygote === false
          ? 'zygote: false'
          : undefined;
  return (report) => new LocalPlacement(reason, report);
}

/** A zygote, from its start on. */
interface Current {
  /** Resolves when it is ready; to undefined where workers are to be spawned. */
  readonly ready: Promise<Zygote | undefined>;
  zygote: Zygote | undefined;
  isReady: boolean;
  /** How many workers wait for it to become ready. */
  waiting: number;
}

class LocalPlacement implements Placement {
  readonly name = 'local';
  readonly #report: (event: PlacementEvent) => void;
  readonly #memory = new LocalMemory();
  /** Why workers are spawned; undefined: they are forked. */
  #coldReason: string | undefined;
  #current: Current | undefined;
  /** All that have not ended. */
  readonly #zygotes = new Set<Zygote>();
  /** The last that was asked for: all of a pool are started alike. */
  #spec: WorkerSpec | undefined;
  #isClosed = false;

  constructor(coldReason: string | undefined, report: (event: PlacementEvent) => void) {
    this.#coldReason = coldReason;
    this.#report = report;
  }

  get isSlow(): boolean {
    return this.#coldReason !== undefined;
  }

  get state(): string {
    if (this.#coldReason !== undefined) return `cold: ${this.#coldReason}`;
    const { zygote, isReady } = this.#current ?? {};
    return zygote === undefined ? 'no zygote' : `zygote ${zygote.pid}${isReady === true ? '' : ' (starting)'}`;
  }

  async place(spec: WorkerSpec): Promise<PlacedWorker> {
    this.#spec = spec;
    for (let tried = 1; ; tried += 1) {
      if (spec.signal.aborted || this.#isClosed) throw notWanted(spec);
      if (this.#coldReason !== undefined) return this.#placeFrom(spec, spawnWorker(spec, this.#memory));
      const current = (this.#current ??= this.#start(spec));
      const zygote = await this.#waitFor(current, spec);
      if (zygote === undefined) continue;
      try {
        return await this.#placeFrom(spec, zygote.fork(spec));
      } catch (error) {
        if (!(error instanceof ZygoteGoneError)) throw error;
        if (this.#current === current) this.#current = undefined;
        if (tried >= MOST_ZYGOTES) {
          throw new WorkerStartError(
            `worker ${spec.epoch} did not start: ${MOST_ZYGOTES} zygotes in turn did not fork it; the last: ${error.message}`,
            { cause: error },
          );
        }
      }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#current?.isReady === false) this.#current.zygote?.kill();
    await Promise.all([...this.#zygotes].map((zygote) => zygote.close()));
    await this.#current?.ready.catch(() => undefined);
    this.#memory.close();
  }

  kill(): void {
    this.#isClosed = true;
    for (const zygote of this.#zygotes) zygote.kill();
  }

  /** A worker that is not wanted any more when it is there at last is ended. */
  #placeFrom(spec: WorkerSpec, placing: Promise<PlacedWorker>): Promise<PlacedWorker> {
    return unlessAborted(spec, placing, (worker) => {
      worker.kill('SIGKILL');
    });
  }

  async #waitFor(current: Current, spec: WorkerSpec): Promise<Zygote | undefined> {
    const { python, epoch } = spec;
    const start = { worker: `worker ${epoch}`, python, wasReady: false };
    current.waiting += 1;
    try {
      return await unlessAborted(spec, current.ready);
    } catch (error) {
      if (error instanceof FailedStart) throw startErrorOf(error.exit, { ...start, problem: undefined });
      if (!spec.signal.aborted || current.isReady) throw error;
      // Whoever wanted it last has lost patience, and it may hang: the next gets a new one.
      if (current.waiting === 1) await this.#abandon(current);
      const stderrTail = current.zygote?.stderrTail ?? '';
      throw startErrorOf({ code: null, signal: null, stderrTail }, { ...start, problem: whyNotWanted(spec) });
    } finally {
      current.waiting -= 1;
    }
  }

  async #abandon(current: Current): Promise<void> {
    if (this.#current === current) this.#current = undefined;
    const { zygote } = current;
    zygote?.kill();
    await zygote?.close();
  }

  #start(spec: WorkerSpec): Current {
    const current: Current = {
      ready: Promise.resolve().then(() => this.#run(current, spec)),
      zygote: undefined,
      isReady: false,
      waiting: 0,
    };
    current.ready.catch(() => {
      // Who waits for it is told.
      if (this.#current === current) this.#current = undefined;
    });
    return current;
  }

  async #run(current: Current, spec: WorkerSpec): Promise<Zygote | undefined> {
    const zygote = await Zygote.start(spec, this.#memory);
    current.zygote = zygote;
    this.#zygotes.add(zygote);
    void zygote.ended.then((reason) => {
      this.#zygotes.delete(zygote);
      if (current.isReady) this.#ended(current, zygote, reason);
    });
    if (this.#isClosed || this.#current !== current) {
      zygote.kill();
      await zygote.close();
    }
    const start = await zygote.started;
    if (start.kind === 'failed') throw new FailedStart(start.exit);
    if (start.kind === 'refused') {
      this.#coldReason = start.reason;
      this.#report({ type: 'zygote-refused', reason: start.reason });
      return undefined;
    }
    current.isReady = true;
    this.#report({ type: 'zygote-ready', pid: zygote.pid, startMs: start.startMs });
    return zygote;
  }

  #ended(current: Current, zygote: Zygote, reason: string): void {
    if (this.#isClosed) return;
    this.#report({ type: 'zygote-ended', pid: zygote.pid, reason });
    if (this.#current !== current) return;
    // At once, so that the next worker need not wait for it; but not again and again where none lasts.
    this.#current = zygote.ageMs < LASTING_MS || this.#spec === undefined ? undefined : this.#start(this.#spec);
  }
}

/** A zygote has ended before it was ready; each worker that waits for it makes an error of its own of this. */
class FailedStart extends Error {
  constructor(readonly exit: WorkerExit) {
    super('a zygote has not become ready');
  }
}

/**
 * Settles as a promise does, unless the worker is not wanted any more before that.
 *
 * @param drop - Gets what comes too late.
 */
function unlessAborted<T>(spec: WorkerSpec, promise: Promise<T>, drop?: (late: T) => void): Promise<T> {
  const { signal } = spec;
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(notWanted(spec));
    };
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    promise
      .then((value) => {
        if (signal.aborted) drop?.(value);
        else resolve(value);
      }, reject)
      .finally(() => {
        signal.removeEventListener('abort', abort);
      });
  });
}

function notWanted(spec: WorkerSpec): WorkerStartError {
  return new WorkerStartError(`worker ${spec.epoch} did not start: ${whyNotWanted(spec)}`);
}

/** The reason that was given to `abort`, where it is a text. */
function whyNotWanted({ signal }: WorkerSpec): string {
  return typeof signal.reason === 'string' ? signal.reason : 'it was not wanted any more';
}
