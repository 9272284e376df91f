/** A runtime: the entry point through which Python is called. */
import { ContextCaller, type PythonCaller } from './caller.js';
import type { Executor } from './call-request.js';
import { EXECUTOR, type CallContext } from './context.js';
import { globalState } from './global-state.js';
import { resolveOptions, type RuntimeOptions } from './options.js';
import type { CallCounts } from './pool/counts.js';
import { KeepAlive } from './pool/keep-alive.js';
import { Pool } from './pool/pool.js';
import { PoolCaller, type RuntimePool } from './pool/pool-caller.js';
import { PoolRouter } from './pool/router.js';
import type { WorkerRole } from './pool/supervisor.js';
import type { TaintedTarget } from './pool/taints.js';
import type { SessionOptions } from './sessions/pinned-session.js';
import type { Session } from './sessions/session.js';
import { allocate } from './sharing/allocate.js';
import type { HostLimits } from './sharing/host-memory.js';
import { LeakLog } from './sharing/leak-log.js';
import { zeroCopyStats, type ZeroCopyStats } from './sharing/stats.js';
import { Listener } from './transport/listener.js';
import type { DType, NDArray } from './values/types.js';
import type { WorkerMetrics } from './worker/worker-events.js';

/** What a runtime does at this moment. @public */
export interface RuntimeStats {
  /** By their names. */
  readonly pools: Readonly<Record<string, PoolStats>>;
  /** The workers of all pools. */
  readonly workers: readonly WorkerStats[];
  /** Calls that wait for a worker, or on one behind others. */
  readonly queued: number;
}

/** What a pool does at this moment, and what it has done. @public */
export interface PoolStats {
  readonly name: string;
  /**
   * `starting`: no worker is ready yet; `broken`: none is, and calls are rejected at once, while it is tried again ever more
   * slowly; `draining`: it takes no new calls.
   */
  readonly state: 'starting' | 'ready' | 'broken' | 'draining' | 'closed';
  readonly min: number;
  readonly max: number;
  /** Workers that take calls. */
  readonly ready: number;
  readonly starting: number;
  /** Workers that take no new calls, and live until what they run and hold is done with. */
  readonly retiring: number;
  /** Workers that stand ready beside the others. */
  readonly spares: number;
  /** Calls that wait for a worker, or on one behind others, or to be tried again. */
  readonly queued: number;
  /** Calls that a worker runs, streams and coroutines included. */
  readonly running: number;
  /** Where workers come from, such as `local: zygote 4711`. */
  readonly placement: string;
  readonly calls: CallCounts;
  /** Workers that were started, since the pool's start. */
  readonly started: number;
  /** Workers that did not become ready, or did not last. */
  readonly startFailures: number;
  /** Workers that have died, or had to be ended. */
  readonly crashes: number;
  /** Workers that were replaced by age, requests or memory. */
  readonly recycled: number;
  /** Targets that run apart, as workers have died under them; see {@link RuntimePool.clearTaint}. */
  readonly tainted: readonly TaintedTarget[];
  readonly workers: readonly WorkerStats[];
}

/** What a worker does at this moment. @public */
export interface WorkerStats {
  /** Its number, which is never given to another. */
  readonly id: number;
  /** Name of its pool. */
  readonly pool: string;
  readonly role: WorkerRole;
  readonly pid: number;
  readonly isReady: boolean;
  /** Ready, and without a call. */
  readonly isIdle: boolean;
  /** Calls that it has, on a thread or waiting for one; coroutines that wait and open streams do not count. */
  readonly calls: number;
  /** Calls that it has answered. */
  readonly answered: number;
  /** Objects of it that are held here. */
  readonly handles: number;
  readonly framesSent: number;
  readonly framesReceived: number;
  /** sha256 of its Python sources. */
  readonly sourceHash: string;
}

/**
 * Starts pools of Python workers; resolves when each has a worker that is ready, or has failed to get one.
 *
 * It does not keep the process alive: a script ends by itself after its last call. (On the gRPC lane, after `close`.)
 *
 * @throws {@link ConfigError} When options are wrong; the message names every mistake.
 * @throws {@link PythonEnvironmentError} When there is no usable interpreter.
 * @throws {@link WorkerStartError} When no pool gets a worker, with what it wrote to stderr; no process is left then.
 * @example
 * ```ts
 * await using runtime = await createRuntime({ size: 2 });
 * await runtime.call('math.sqrt', [16]); // 4
 * ```
 * @public
 */
export async function createRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  const resolved = resolveOptions(options);
  const listener = await Listener.open();
  const keepAlive = new KeepAlive();
  const pools: Pool[] = [];
  try {
    for (const pool of resolved) pools.push(new Pool(pool, listener, keepAlive));
  } catch (error) {
    // A placement of the user's may throw.
    await Promise.all(pools.map((pool) => pool.close()));
    listener.close();
    keepAlive.close();
    throw error;
  }
  if (options.leakWarnings === true) globalState().leaks ??= new LeakLog();
  const runtime = new PoolRuntime(listener, keepAlive, pools as [Pool, ...Pool[]], resolved[0].sharedMemory);
  await runtime.start();
  return runtime;
}

/** Running pools of workers. @public */
export interface Runtime extends PythonCaller {
  /**
   * Opens a session: its calls run on one worker.
   *
   * @throws {@link ConfigError} When options are wrong.
   * @example
   * ```ts
   * await using session = runtime.session();
   * const model = await session.call('mypackage.load');
   * await session.call('mypackage.train', [model]); // in the same process
   * ```
   */
  session(options?: RuntimeSessionOptions): Session;
  /**
   * One of the pools, to call it, and to change its size.
   *
   * @throws {@link ConfigError} When there is none of that name.
   */
  pool(name: string): RuntimePool;
  /** Resolves when all workers of all pools are ready. */
  ready(): Promise<void>;
  /** What the runtime does at this moment. */
  stats(): RuntimeStats;
  /** What the workers measure of themselves, also while calls run; one that holds the GIL delays it. */
  metrics(): Promise<readonly WorkerMetrics[]>;
  /**
   * Makes an array of zeros in shared memory: Python sees the same memory, whatever its size, and a call that gets it costs as
   * much as any other. The memory is found beside the event loop.
   *
   * @param shape - Length of each dimension.
   * @throws {@link ZeroCopyUnavailableError} Where memory cannot be shared, or is used up.
   * @example
   * ```ts
   * const samples = await runtime.allocate('float32', [1000, 64]);
   * samples.data.fill(0.5);
   * await runtime.call('mypackage.train', [samples]);
   * ```
   */
  allocate<D extends DType>(dtype: D, shape: readonly number[]): Promise<NDArray<D>>;
  /** What is shared with Python at this moment, and what was copied instead. */
  zeroCopyStats(): ZeroCopyStats;
  /** Takes no new calls; resolves when all that it has taken have ended. For a service that is told to stop: then `close`. */
  drain(): Promise<void>;
  /** Rejects what has not started, lets running calls end within 5 s, and ends every process. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Options of a session. @public */
export interface RuntimeSessionOptions extends SessionOptions {
  /** Name of the pool whose worker it gets. @defaultValue the pool `default`, or else the first */
  readonly pool?: string;
}

class PoolRuntime extends ContextCaller implements Runtime {
  protected readonly executor: PoolRouter;
  protected readonly context: CallContext = { runtime: this };
  readonly #listener: Listener;
  readonly #keepAlive: KeepAlive;
  readonly #callers: ReadonlyMap<string, PoolCaller>;
  readonly #default: PoolCaller;
  readonly #limits: HostLimits;
  #closing: Promise<void> | undefined;

  constructor(listener: Listener, keepAlive: KeepAlive, pools: readonly [Pool, ...Pool[]], limits: HostLimits) {
    super();
    this.#limits = limits;
    this.#listener = listener;
    this.#keepAlive = keepAlive;
    this.executor = new PoolRouter(pools);
    this.#default = new PoolCaller(this, this.executor, pools[0]);
    this.#callers = new Map(
      pools.map((pool) => [pool.name, pool === pools[0] ? this.#default : new PoolCaller(this, this.executor, pool)]),
    );
  }

  get [EXECUTOR](): Executor {
    return this.executor;
  }

  /** Resolves when each pool has a worker, or has failed to get one. */
  async start(): Promise<void> {
    const started = await Promise.allSettled([...this.executor.pools.values()].map((pool) => pool.ready(1)));
    const failed = started.filter((result) => result.status === 'rejected');
    const [first] = failed;
    if (first === undefined || failed.length < started.length) return;
    await this.close();
    throw first.reason;
  }

  session({ pool, ...options }: RuntimeSessionOptions = {}): Session {
    return (pool === undefined ? this.#default : this.pool(pool)).session(options);
  }

  pool(name: string): RuntimePool {
    return this.#callers.get(this.executor.named(name).name) ?? this.#default;
  }

  async ready(): Promise<void> {
    await Promise.all(this.#each((pool) => pool.ready()));
  }

  stats(): RuntimeStats {
    const pools = this.#each((pool) => pool.stats());
    return {
      pools: Object.fromEntries(pools.map((pool) => [pool.name, pool])),
      workers: pools.flatMap(({ workers }) => workers),
      queued: pools.reduce((sum, { queued }) => sum + queued, 0),
    };
  }

  async metrics(): Promise<readonly WorkerMetrics[]> {
    return (await Promise.all(this.#each((pool) => pool.metrics()))).flat();
  }

  async allocate<D extends DType>(dtype: D, shape: readonly number[]): Promise<NDArray<D>> {
    return await allocate(dtype, shape, this.#limits);
  }

  zeroCopyStats(): ZeroCopyStats {
    return zeroCopyStats([...this.executor.pools.values()].flatMap((pool) => pool.read().workers));
  }

  async drain(): Promise<void> {
    await Promise.all(this.#each((pool) => pool.drain()));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const state = globalState();
    if (state.defaultRuntime === this) state.defaultRuntime = undefined;
    await Promise.all([...this.executor.pools.values()].map((pool) => pool.close()));
    this.#listener.close();
    this.#keepAlive.close();
    // Memory that is kept warm is for calls that may come.
    if (state.memory?.links.size === 0) state.memory.arena.trim(0);
    await state.leaks?.report();
  }

  #each<T>(action: (pool: PoolCaller) => T): T[] {
    return [...this.#callers.values()].map(action);
  }
}
