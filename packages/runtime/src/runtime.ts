/** A runtime: the entry point through which Python is called. */
import { inspect } from 'node:util';
import type { Executor } from './call-request.js';
import { ContextCaller, type PythonCaller } from './caller.js';
import { EXECUTOR, type CallContext } from './context.js';
import { globalState } from './global-state.js';
import { ConfigError } from './errors.js';
import { resolveOptions, type RuntimeOptions } from './options.js';
import { Pool } from './pool/pool.js';
import type { SessionOptions } from './sessions/pinned-session.js';
import { RuntimeSession, type Session } from './sessions/session.js';
import type { WorkerMetrics } from './worker/worker.js';

/** What a runtime does at this moment. @public */
export interface RuntimeStats {
  readonly workers: readonly WorkerStats[];
  /** Calls that wait for a worker, or on one behind others. */
  readonly queued: number;
}

/** What a worker does at this moment. @public */
export interface WorkerStats {
  readonly id: number;
  readonly pid: number;
  readonly isReady: boolean;
  /** Ready, and without a call. */
  readonly isIdle: boolean;
  /** Calls that it has, on a thread or waiting for one; coroutines that wait and open streams do not count. */
  readonly calls: number;
  /** Objects of it that are held here. */
  readonly handles: number;
  readonly framesSent: number;
  readonly framesReceived: number;
  /** sha256 of its Python sources. */
  readonly sourceHash: string;
}

/**
 * Starts a pool of Python workers; resolves when the first is ready.
 *
 * It does not keep the process alive: a script ends by itself after its last call. (On the gRPC lane, after `close`.)
 *
 * @throws {@link ConfigError} When options are wrong.
 * @throws {@link PythonEnvironmentError} When there is no usable interpreter.
 * @throws {@link WorkerStartError} When a worker does not start, with what it wrote to stderr.
 * @example
 * ```ts
 * await using runtime = await createRuntime({ size: 2 });
 * await runtime.call('math.sqrt', [16]); // 4
 * ```
 * @public
 */
export async function createRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  return new PoolRuntime(await Pool.start(resolveOptions(options)));
}

/** A running pool of workers. @public */
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
  session(options?: SessionOptions): Session;
  /** Resolves when all workers are ready. */
  ready(): Promise<void>;
  /** What the runtime does at this moment. */
  stats(): RuntimeStats;
  /** What the workers measure of themselves, whatever they run. */
  metrics(): Promise<readonly WorkerMetrics[]>;
  /** Rejects what has not started, lets running calls end within 5 s, and ends every process. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

class PoolRuntime extends ContextCaller implements Runtime {
  protected readonly executor: Pool;
  protected readonly context: CallContext = { runtime: this };

  constructor(pool: Pool) {
    super();
    this.executor = pool;
  }

  get [EXECUTOR](): Executor {
    return this.executor;
  }

  session(options: SessionOptions = {}): Session {
    checkSession(options);
    return new RuntimeSession(this, this.executor, this.executor.openSession(options));
  }

  ready(): Promise<void> {
    return this.executor.ready();
  }

  stats(): RuntimeStats {
    const { workers, queued } = this.executor.stats();
    return {
      workers: workers.map(({ id, pid, isReady, isIdle, active, counts, sourceHash }) => ({
        id,
        pid,
        isReady,
        isIdle,
        calls: active,
        ...counts,
        sourceHash,
      })),
      queued,
    };
  }

  async metrics(): Promise<readonly WorkerMetrics[]> {
    return this.executor.metrics();
  }

  async close(): Promise<void> {
    const state = globalState();
    if (state.defaultRuntime === this) state.defaultRuntime = undefined;
    await this.executor.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function checkSession(options: SessionOptions): void {
  const rules: Readonly<Record<keyof SessionOptions, readonly [(value: unknown) => boolean, string]>> = {
    affinity: [(value) => ['strict', 'fail-fast', 'hint'].includes(value as string), `'strict', 'fail-fast' or 'hint'`],
    ttlMs: [(value) => typeof value === 'number' && value >= 0 && value < 2 ** 31, 'milliseconds from 0 to 2147483647'],
    maxHandles: [(value) => Number.isSafeInteger(value) && (value as number) >= 1, 'an integer from 1'],
  };
  if (typeof options !== 'object' || (options as object | null) === null)
    throw new ConfigError(`session: options must be an object, not ${inspect(options)}`);
  const mistakes = Object.entries(options).flatMap(([name, value]) => {
    if (!Object.hasOwn(rules, name)) return [`${name}: unknown; the options are ${Object.keys(rules).join(', ')}`];
    const [test, expected] = rules[name as keyof SessionOptions];
    return value === undefined || test(value) ? [] : [`${name}: must be ${expected}, not ${inspect(value)}`];
  });
  if (mistakes.length > 0) throw new ConfigError(`session: ${mistakes.join('; ')}`);
}
