/** A runtime: the entry point through which Python is called. */
import { inspect } from 'node:util';
import type { CallRequest, Executor } from './call-request.js';
import { CallType, ResultMode } from './gen/messages.js';
import { globalState } from './global-state.js';
import { EncodeContext, encodeArguments, encodeKeywords } from './values/encode.js';
import { atCaller, ConfigError } from './errors.js';
import { resolveOptions, type RuntimeOptions } from './options.js';
import { Pool } from './pool/pool.js';
import { splitKeywords, type Keywords } from './handles/expression.js';
import { isPlain, keywordsOf, type Kw } from './values/types.js';

/** Options of one call. @public */
export interface CallOptions {
  /** Keyword arguments by name, or a `kw()`; one that is `undefined` is not passed. */
  readonly kwargs?: Readonly<Record<string, unknown>> | Kw;
  /**
   * Milliseconds after which the call rejects, those in which it waits for a worker included; a worker that runs it is
   * replaced. 0: none. @defaultValue the runtime's
   */
  readonly timeoutMs?: number;
}

/** What a runtime does at this moment. @public */
export interface RuntimeStats {
  readonly workers: readonly WorkerStats[];
  /** Calls that wait for a worker. */
  readonly queued: number;
}

/** What a worker does at this moment. @public */
export interface WorkerStats {
  readonly id: number;
  readonly pid: number;
  readonly isReady: boolean;
  /** Ready, and without a call. */
  readonly isIdle: boolean;
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
export interface Runtime {
  /**
   * Calls a function, constructs a class or calls a static method.
   *
   * @param target - Dotted path: `math.sqrt`, `pathlib.Path.cwd`. Must not come from untrusted input.
   * @param args - Positional arguments, and last, instead of `kwargs`, a `kw()`; trailing `undefined` means "not passed".
   * @returns Plain data by value, anything else as a {@link PyHandle}.
   * @throws {@link PythonError} When Python raises.
   * @throws {@link WorkerCrashedError} When the worker dies under the call.
   * @throws {@link CallTimeoutError} When there is no answer in time.
   * @throws {@link EncodeError} When an argument cannot travel.
   */
  call<R = unknown>(target: string, args?: readonly unknown[], options?: CallOptions): Promise<R>;
  /**
   * Reads a module's attribute, such as `math.pi`.
   *
   * @throws {@link PythonError} When there is none.
   */
  get<R = unknown>(target: string, options?: Pick<CallOptions, 'timeoutMs'>): Promise<R>;
  /** Resolves when all workers are ready. */
  ready(): Promise<void>;
  /** What the runtime does at this moment. */
  stats(): RuntimeStats;
  /** Runs a function in which wrappers and `py` use this runtime, also in what it awaits. */
  run<T>(action: () => T): T;
  /** Rejects what has not started, lets running calls end within 5 s, and ends every process. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Under this symbol a runtime tells what runs its calls. */
const EXECUTOR = Symbol.for('hognose/executor');

/** What runs the calls of a runtime, whichever copy of this package has made it. @internal */
export function executorOf(runtime: Runtime): Executor {
  const executor = (runtime as { readonly [EXECUTOR]?: Executor })[EXECUTOR];
  if (executor === undefined)
    throw new ConfigError('setDefaultRuntime: this is no runtime that createRuntime has made');
  return executor;
}

class PoolRuntime implements Runtime {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  // Async functions: an error carries the frames of whoever awaits.
  async call<R>(target: string, args: readonly unknown[] = [], options: CallOptions = {}): Promise<R> {
    checkTarget(target);
    if (!Array.isArray(args)) throw new ConfigError(`call('${target}'): args must be an array`);
    const [positional, keywords] = argumentsOf(target, args, options);
    const context = new EncodeContext();
    return (await this.#run({
      callType: CallType.FUNCTION,
      target,
      handle: 0,
      args: encodeArguments(positional, context),
      kwargs: encodeKeywords(keywords, context),
      steps: [],
      result: ResultMode.AUTO,
      owner: context.owner,
      objects: context.objects,
      label: target,
      timeoutMs: checkTimeout(options.timeoutMs),
    })) as R;
  }

  async get<R>(target: string, options: Pick<CallOptions, 'timeoutMs'> = {}): Promise<R> {
    checkTarget(target);
    checkOptions(`get('${target}')`, options, ['timeoutMs']);
    return (await this.#run({
      callType: CallType.GET_ATTR,
      target,
      handle: 0,
      args: null,
      kwargs: null,
      steps: [],
      result: ResultMode.AUTO,
      owner: undefined,
      objects: [],
      label: target,
      timeoutMs: checkTimeout(options.timeoutMs),
    })) as R;
  }

  get [EXECUTOR](): Executor {
    return this.#pool;
  }

  async #run(request: CallRequest): Promise<unknown> {
    try {
      return await this.#pool.execute(request);
    } catch (error) {
      throw atCaller(error);
    }
  }

  ready(): Promise<void> {
    return this.#pool.ready();
  }

  stats(): RuntimeStats {
    return this.#pool.stats();
  }

  run<T>(action: () => T): T {
    return globalState().scope.run(this, action);
  }

  async close(): Promise<void> {
    const state = globalState();
    if (state.defaultRuntime === this) state.defaultRuntime = undefined;
    await this.#pool.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function checkTarget(target: unknown): void {
  if (
    typeof target !== 'string' ||
    !/^[\p{ID_Start}_][\p{ID_Continue}]*(\.[\p{ID_Start}_][\p{ID_Continue}]*)*$/u.test(target)
  ) {
    throw new ConfigError(`${inspect(target)} is no target: it must be a dotted path, such as 'numpy.linalg.inv'`);
  }
}

/** Positional and keyword arguments of a call; the latter stand in `kwargs`, or in a last `kw()`. */
function argumentsOf(
  target: string,
  args: readonly unknown[],
  options: CallOptions,
): readonly [positional: readonly unknown[], keywords: Keywords | undefined] {
  const call = `call('${target}')`;
  checkOptions(call, options, ['kwargs', 'timeoutMs']);
  const { kwargs } = options;
  const [positional, keywords] = splitKeywords(args);
  if (kwargs === undefined) return [positional, keywords];
  if (keywords !== undefined) throw new ConfigError(`${call}: keywords stand in kwargs or in a last kw(), not in both`);
  const given = keywordsOf(kwargs) ?? kwargs;
  if (!isPlain(given)) throw new ConfigError(`${call}: kwargs must be a plain object, not ${inspect(kwargs)}`);
  return [positional, given];
}

/** Refuses what would be ignored. */
function checkOptions(call: string, options: unknown, known: readonly string[]): void {
  if (!isPlain(options) || keywordsOf(options) !== undefined) {
    throw new ConfigError(`${call}: options must be an object of ${known.join(', ')}, not ${inspect(options)}`);
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new ConfigError(`${call}: ${unknown} is no option: there are ${known.join(', ')}`);
}

function checkTimeout(timeoutMs: number | undefined): number | undefined {
  if (timeoutMs === undefined || (Number.isFinite(timeoutMs) && timeoutMs >= 0 && timeoutMs < 2 ** 31))
    return timeoutMs;
  throw new ConfigError(`timeoutMs must be milliseconds from 0 to 2147483647, not ${timeoutMs}`);
}
