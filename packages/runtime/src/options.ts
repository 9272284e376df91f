/** Options of a runtime and of its pools: filled once, all mistakes reported together. */
import { availableParallelism } from 'node:os';
import { checkOptions } from './check-options.js';
import { findProjectRoot, findPython } from './environment.js';
import { ConfigError } from './errors.js';
import { eventPublisher, guarded, type RuntimeEvent } from './events.js';
import { local } from './placement/local.js';
import type { PlacementFactory } from './placement/placement.js';
import { shareOfMemory } from './sharing/host-memory.js';

/** Name of the pool that calls go to. @internal */
export const DEFAULT_POOL = 'default';
/** Of its hard limit of memory, the share from which on a worker is replaced. */
const RECYCLED_SHARE = 0.75;
/** Of the memory of the machine, the share that results of one worker may take. */
const WORKER_SHARE = 0.25;

/** How a pool of workers starts and behaves. Every field is optional. @public */
export interface PoolOptions {
  /** Number of worker processes, fixed; or `min` and `max`. @defaultValue the number of cores, at most 4 */
  readonly size?: number;
  /** Workers that are always there. @defaultValue 1, where `max` is given */
  readonly min?: number;
  /** Workers that there may be while calls wait. @defaultValue `min`, where that is given */
  readonly max?: number;
  /** Milliseconds without a call after which a worker beyond `min` ends, unless an object of it is held. @defaultValue 60000 */
  readonly idleMs?: number;
  /**
   * Workers that stand ready beside the pool's, and take the place of one that has died at once.
   * @defaultValue 0 where workers are forked off a zygote, 1 where a start takes long
   */
  readonly spares?: number;
  /** The interpreter, by path or by name. @defaultValue see {@link findPython} */
  readonly python?: string;
  /** Directories to import from, before those of the interpreter. @defaultValue none */
  readonly pythonPath?: readonly string[];
  /** Modules that are imported before the first call; with a zygote once for all workers. @defaultValue none */
  readonly preload?: readonly string[];
  /**
   * Environment variables of the workers, besides those of this process. Unless one of both says otherwise, the
   * threads of numerical libraries are limited (`OMP_NUM_THREADS` and its like) so that the workers share the cores.
   * @defaultValue none
   */
  readonly env?: Readonly<Record<string, string>>;
  /** What carries the calls: a socket with frames of msgpack, or gRPC, which costs several times as much. @defaultValue `socket` */
  readonly transport?: 'socket' | 'grpc';
  /**
   * Calls that a worker runs at the same time, on threads of its own; coroutines do not count, as they wait on the
   * worker's event loop. More than one costs a hand-over between threads for every call.
   * @defaultValue 1
   */
  readonly threads?: number;
  /**
   * Milliseconds after which a call without an answer rejects, those in which it waits for a worker included; Python is
   * interrupted. 0: none.
   * @defaultValue 300000
   */
  readonly timeoutMs?: number;
  /**
   * Milliseconds that a call which was timed out or aborted may take to stop; then its worker is ended and replaced.
   * @defaultValue 2000
   */
  readonly graceMs?: number;
  /** How calls wait that no worker has started. @defaultValue up to 100000 of them, for as long as their timeoutMs */
  readonly queue?: QueueOptions;
  /** When workers are replaced, and when they are ended. @defaultValue never */
  readonly limits?: LimitOptions;
  /** What happens to calls whose worker has died, and to what they call. */
  readonly crash?: CrashOptions;
  /** How sessions keep to their worker, unless one says so itself. @defaultValue `strict` */
  readonly affinity?: 'strict' | 'fail-fast' | 'hint';
  /** Objects of Python that may be held in each worker at once. @defaultValue 1000000 */
  readonly maxHandles?: number;
  /**
   * Whether both sides poll for a moment before they sleep: a call between two cores then costs a quarter, for up to
   * 50 microseconds of processor time after each answer.
   * @defaultValue true
   */
  readonly spin?: boolean;
  /** Milliseconds in which a worker must become ready. @defaultValue 60000 */
  readonly startTimeoutMs?: number;
  /**
   * Milliseconds after which a worker that a signal has stopped is ended and replaced; and six times as many for one
   * that has no call and is silent all the same. A call that takes long, with or without the GIL, is never mistaken for
   * that: only its own `timeoutMs` ends it. 0: nobody looks.
   * @defaultValue 5000
   */
  readonly livenessMs?: number;
  /** What calls may reach: a guard rail against mistakes, and no sandbox. @defaultValue everything */
  readonly allow?: AllowOptions;
  /** Where workers come from: `placement.local()` or `placement.static([...])`. @defaultValue `placement.local()` */
  readonly placement?: PlacementFactory;
  /**
   * How large values travel: `auto` shares memory where that is possible and copies where it is not, with an event; with
   * `require` whatever would have to be copied is a {@link ZeroCopyUnavailableError}; `off` shares nothing.
   * @defaultValue `auto`
   */
  readonly zeroCopy?: 'auto' | 'require' | 'off';
  /**
   * Whether NumPy takes the memory of arrays from 64 KiB on from what is shared, so that results of ordinary code need no
   * copy. Each of them takes about a microsecond longer to make: docs/zero-copy.md has the figures.
   * @defaultValue false
   */
  readonly numpyArena?: boolean;
  /** How much memory may be shared. */
  readonly sharedMemory?: SharedMemoryOptions;
  /** Level of Python's root logger, as in its logging module: 10 is debug, 20 info. @defaultValue Python's: 30, warnings */
  readonly logLevel?: number;
}

/** A pool with a name. @public */
export interface NamedPoolOptions extends PoolOptions {
  /** What calls, sessions and `bind` name it by. */
  readonly name: string;
}

/**
 * How a runtime starts. Every field is optional. Options of a pool that stand here hold for every pool that does not say
 * otherwise; `env` is merged.
 *
 * @public
 */
export interface RuntimeOptions extends PoolOptions {
  /**
   * The pools, when one is not enough. Calls go to the one named `default`, or else to the first, unless they name another.
   * @defaultValue one, named `default`
   */
  readonly pools?: readonly NamedPoolOptions[];
  /**
   * Whether arrays in shared memory are remembered: those that are still held when the runtime closes are told by warnings of
   * this process, with the stack of whoever has allocated them. For debugging: it takes time for each array.
   * @defaultValue false
   */
  readonly leakWarnings?: boolean;
  /** Where the project's `.venv` stands. @defaultValue see {@link findPython} */
  readonly projectRoot?: string;
  /** Gets what Python code prints, logs and warns of. @defaultValue writes it to this process's stderr */
  readonly onLog?: (event: LogEvent) => void;
  /**
   * Gets every change of state: workers that start, end and are replaced, calls that are tried again, targets that are
   * tainted. The same events are published on the channel {@link EVENT_CHANNEL} of `node:diagnostics_channel`.
   * @defaultValue nobody
   */
  readonly onEvent?: (event: RuntimeEvent) => void;
}

/** When a worker is replaced, its calls having ended; and when it is ended at once. @public */
export interface LimitOptions {
  /**
   * Bytes of memory of its own, without what it has mapped of files and shared memory, that a worker may have: beyond them
   * it is ended at once, under its call. By cgroup v2 where that may be used, else it is looked at ten times a second.
   * @defaultValue none
   */
  readonly maxRssBytes?: number;
  /** Bytes beyond which it is replaced when its calls have ended. @defaultValue three quarters of `maxRssBytes` */
  readonly recycleRssBytes?: number;
  /** Calls after which it is replaced. @defaultValue none */
  readonly maxRequests?: number;
  /** Milliseconds after which it is replaced, up to a tenth fewer, so that not all are at once. @defaultValue none */
  readonly ttlMs?: number;
}

/** How much memory may be shared; it is taken when it is needed. @public */
export interface SharedMemoryOptions {
  /**
   * Bytes that arrays of this process may take together, in all runtimes: the first runtime that shares memory says it.
   * @defaultValue half of the machine's, or of the container's
   */
  readonly hostBytes?: number;
  /** Bytes that results of one worker may take. @defaultValue a quarter of the machine's, or of the container's */
  readonly workerBytes?: number;
  /**
   * Milliseconds after which memory that nobody uses is given back; for that of this process the first runtime says it.
   * @defaultValue 30000
   */
  readonly idleMs?: number;
}

/** What happens when a worker dies under a call. @public */
export interface CrashOptions {
  /** How often an `idempotent` call is tried again on another worker. @defaultValue 2 */
  readonly maxRetries?: number;
  /** Milliseconds before it is tried again: doubled each time, and shortened by up to a half at random. @defaultValue 50 */
  readonly backoffMs?: number;
  /**
   * Crashes of one target, without `clearAfter` successes between them, after which it is tainted: its calls run one at a
   * time on a worker of their own. 0: never.
   * @defaultValue 3
   */
  readonly taintAfter?: number;
  /** Successes in a row after which a target is trusted again. @defaultValue 3 */
  readonly clearAfter?: number;
}

/** What calls may reach. @public */
export interface AllowOptions {
  /**
   * Modules, with their submodules; `*` for all. Each object that a call reaches must be of one of them, or plain data.
   */
  readonly modules: readonly string[];
  /** Whether inline code may run. @defaultValue false */
  readonly inline?: boolean;
}

/** How calls wait. @public */
export interface QueueOptions {
  /** Calls that may wait at once; a further one is a {@link PoolSaturatedError}. @defaultValue 100000 */
  readonly max?: number;
  /** Milliseconds within which a call must have started; then it is a {@link QueueTimeoutError}. 0: none. @defaultValue 0 */
  readonly timeoutMs?: number;
}

/** What Python code has printed, logged or warned of. @public */
export interface LogEvent {
  /** Name of the pool. */
  readonly pool: string;
  readonly workerId: number;
  readonly pid: number;
  /** `stdout` and `stderr`: one line, without its end; `logging` and `warnings`: one record of the module. */
  readonly source: 'stdout' | 'stderr' | 'logging' | 'warnings';
  readonly text: string;
  /** As in Python's logging module: 30 is a warning; undefined for what was printed. */
  readonly level?: number;
  /** Name of the logger; undefined for what was printed. */
  readonly logger?: string;
  /** Where in Python the record was made; undefined for what was printed. */
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
}

/** Options of one pool after validation. @internal */
export type ResolvedOptions = Readonly<
  Required<
    Omit<
      PoolOptions,
      'size' | 'python' | 'queue' | 'logLevel' | 'limits' | 'crash' | 'allow' | 'spares' | 'placement' | 'sharedMemory'
    >
  >
> & {
  readonly name: string;
  readonly python: string;
  readonly queue: Required<QueueOptions>;
  /** 0: none, each. */
  readonly limits: Required<LimitOptions>;
  readonly crash: Required<CrashOptions>;
  readonly allow: Required<AllowOptions> | null;
  readonly spares: number | undefined;
  readonly placement: PlacementFactory;
  readonly sharedMemory: {
    readonly hostBytes: number | undefined;
    readonly workerBytes: number;
    readonly idleMs: number;
  };
  readonly logLevel: number | undefined;
  readonly onLog: (event: LogEvent) => void;
  readonly publish: (event: RuntimeEvent) => void;
};

/**
 * Validates options and fills what is left out.
 *
 * @returns The options of each pool; the first is the one that calls go to unless they name another.
 * @throws {@link ConfigError} When fields are unknown or wrong; the message lists all of them.
 * @throws {@link PythonEnvironmentError} When there is no interpreter.
 * @internal
 */
export function resolveOptions(options: RuntimeOptions): readonly [ResolvedOptions, ...ResolvedOptions[]] {
  const mistakes = checkOptions(options);
  if (mistakes.length > 0) throw new ConfigError(`createRuntime: ${mistakes.join('; ')}`);
  const {
    pools = [{ name: DEFAULT_POOL }],
    projectRoot: givenRoot,
    onLog = writeLog,
    onEvent,
    leakWarnings: _,
    ...common
  } = options;
  const projectRoot = givenRoot ?? findProjectRoot(process.cwd());
  const publish = eventPublisher(onEvent ?? (() => undefined));
  const resolved = pools.map(({ name, ...own }): ResolvedOptions => {
    const given = merge(common, own);
    checkAttached(name, given);
    const { size, min, max, limits = {}, crash = {}, allow, spares, logLevel, python, sharedMemory = {} } = given;
    const maxRssBytes = limits.maxRssBytes ?? 0;
    const fixed = size ?? (min === undefined && max === undefined ? Math.min(availableParallelism(), 4) : undefined);
    return {
      pythonPath: [],
      preload: [],
      env: {},
      transport: 'socket',
      threads: 1,
      timeoutMs: 300_000,
      graceMs: 2_000,
      idleMs: 60_000,
      maxHandles: 1_000_000,
      spin: true,
      startTimeoutMs: 60_000,
      livenessMs: 5_000,
      affinity: 'strict',
      placement: local(),
      zeroCopy: 'auto',
      numpyArena: false,
      ...given,
      name,
      min: fixed ?? min ?? 1,
      max: fixed ?? max ?? min ?? 1,
      spares,
      logLevel,
      queue: { max: 100_000, timeoutMs: 0, ...given.queue },
      limits: {
        maxRssBytes,
        recycleRssBytes: limits.recycleRssBytes ?? Math.floor(maxRssBytes * RECYCLED_SHARE),
        maxRequests: limits.maxRequests ?? 0,
        ttlMs: limits.ttlMs ?? 0,
      },
      crash: { maxRetries: 2, backoffMs: 50, taintAfter: 3, clearAfter: 3, ...crash },
      sharedMemory: {
        hostBytes: sharedMemory.hostBytes,
        workerBytes: sharedMemory.workerBytes ?? shareOfMemory(WORKER_SHARE),
        idleMs: sharedMemory.idleMs ?? 30_000,
      },
      allow: allow === undefined ? null : { modules: allow.modules, inline: allow.inline ?? false },
      python: findPython(python === undefined ? { projectRoot } : { python, projectRoot }).path,
      onLog: guarded('onLog', onLog, ({ source }) => source),
      publish,
    };
  });
  const [first, ...rest] = [...resolved].sort(
    (a, b) => Number(b.name === DEFAULT_POOL) - Number(a.name === DEFAULT_POOL),
  );
  if (first === undefined) throw new ConfigError('createRuntime: pools: there must be one'); // which was checked
  return [first, ...rest];
}

/** What would have no effect on workers that others start is refused: that of `allow` would be missed too late. */
function checkAttached(pool: string, given: PoolOptions): void {
  if (given.placement?.attaches !== true) return;
  const idle = (['python', 'pythonPath', 'preload', 'env', 'allow', 'logLevel', 'numpyArena'] as const).filter(
    (name) => {
      const value = given[name];
      return value !== undefined && (typeof value !== 'object' || Object.keys(value).length > 0);
    },
  );
  if (idle.length > 0)
    throw new ConfigError(
      `createRuntime: pool ${pool}: ${idle.join(', ')}: of no effect, as its workers are started elsewhere: give it to \`python -m hognose serve\``,
    );
}

/** Pool options of a runtime with those of one pool, which count first; what is undefined is not given. */
function merge(common: PoolOptions, own: PoolOptions): PoolOptions {
  const [left, right] = [common, own].map(withoutUndefined) as [PoolOptions, PoolOptions];
  // Two ways to say the same: where a pool says one, the other of the runtime's does not count.
  const { size: _, min: __, max: ___, ...unsized } = left;
  const isSized = right.size !== undefined || right.min !== undefined || right.max !== undefined;
  const both = <T extends object>(a: T | undefined, b: T | undefined): Partial<T> => ({
    ...withoutUndefined(a ?? {}),
    ...withoutUndefined(b ?? {}),
  });
  return {
    ...(isSized ? unsized : left),
    ...right,
    env: { ...left.env, ...right.env },
    queue: both(left.queue, right.queue),
    limits: both(left.limits, right.limits),
    crash: both(left.crash, right.crash),
    sharedMemory: both(left.sharedMemory, right.sharedMemory),
  };
}

const withoutUndefined = (options: object): object =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

function writeLog({ workerId, text, logger }: LogEvent): void {
  process.stderr.write(`[python ${workerId}] ${logger === undefined ? '' : `${logger}: `}${text}\n`);
}
