/** What runtimes and sessions have in common: calling by dotted path. */
import { inspect } from 'node:util';
import type { CallRequest, Executor } from './call-request.js';
import { currentContext, runWith, type CallContext } from './context.js';
import { DOTTED_PATH } from './dotted-path.js';
import { atCaller, ConfigError } from './errors.js';
import { CallType, ResultMode } from './gen/messages.js';
import { splitKeywords, type Keywords } from './handles/expression.js';
import { callLinked, makeModule } from './handles/chain.js';
import { EncodeContext, encodeArguments, encodeKeywords } from './values/encode.js';
import { isPlain, keywordsOf, type Kw } from './values/types.js';

/** How one call is made. @public */
export interface ReadOptions {
  /**
   * Milliseconds after which the call rejects, those in which it waits for a worker included; Python is interrupted.
   * 0: none. @defaultValue the runtime's
   */
  readonly timeoutMs?: number;
  /** Cancels the call: one that waits does not start, one that runs is interrupted in Python. */
  readonly signal?: AbortSignal;
  /**
   * Whether running it twice does no harm: it is tried again on another worker when its own dies (`crash.maxRetries`).
   * @defaultValue false
   */
  readonly idempotent?: boolean;
  /** Name of the pool that runs it. @defaultValue the pool `default`, or else the first */
  readonly pool?: string;
  /** W3C traceparent, which Python sees as `hognose.current_call().trace`. */
  readonly trace?: string;
  /**
   * How the result travels: `auto` sends plain data by value and leaves the rest in Python, `value` sends the plain form
   * (of an enum member its value, of a dataclass a dict) or fails, `handle` leaves it in Python whatever it is.
   * @defaultValue `auto`
   */
  readonly result?: 'auto' | 'value' | 'handle';
}

/** Options of one call. @public */
export interface CallOptions extends ReadOptions {
  /** Keyword arguments by name, or a `kw()`; one that is `undefined` is not passed. */
  readonly kwargs?: Readonly<Record<string, unknown>> | Kw;
}

/** Calls Python by dotted path. @public */
export interface PythonCaller {
  /**
   * Calls a function, constructs a class or calls a static method.
   *
   * @param target - Dotted path: `math.sqrt`, `pathlib.Path.cwd`. Must not come from untrusted input.
   * @param args - Positional arguments, and last, instead of `kwargs`, a `kw()`; trailing `undefined` means "not passed".
   * @returns Plain data by value, anything else as a {@link PyHandle}.
   * @throws {@link PythonError} When Python raises.
   * @throws {@link WorkerCrashedError} When the worker dies under the call.
   * @throws {@link CallTimeoutError} When there is no answer in time.
   * @throws {@link CallCancelledError} When the signal is aborted.
   * @throws {@link PoolSaturatedError} When more calls wait than may.
   * @throws {@link EncodeError} When an argument cannot travel.
   */
  call<R = unknown>(target: string, args?: readonly unknown[], options?: CallOptions): Promise<R>;
  /**
   * Reads a module's attribute, such as `math.pi`.
   *
   * @throws {@link PythonError} When there is none.
   */
  get<R = unknown>(target: string, options?: ReadOptions): Promise<R>;
  /**
   * A module, or anything in one, by its dotted path: `module('numpy').linalg.inv(x).dot(v).sum()` is one message.
   *
   * Reading an attribute sends nothing; calling and awaiting do.
   */
  module(path: string): PyDynamic;
  /** Runs a function in which wrappers and `py` use this runtime or session, also in what it awaits. */
  run<T>(action: () => T): T;
}

/**
 * Something in Python that TypeScript knows nothing of: every member may be read, called and awaited.
 *
 * @public
 */
export type PyDynamic = ((...args: readonly unknown[]) => PyDynamic) &
  Promise<unknown> &
  AsyncIterable<unknown> & { readonly [name: string]: PyDynamic };

const READ_OPTIONS = ['timeoutMs', 'signal', 'idempotent', 'pool', 'trace', 'result'] as const;
const CALL_OPTIONS = ['kwargs', ...READ_OPTIONS] as const;
const MODES = { auto: ResultMode.AUTO, value: ResultMode.VALUE, handle: ResultMode.HANDLE } as const;

/** Calls by dotted path, in a context of its own. @internal */
export abstract class ContextCaller implements PythonCaller {
  protected abstract readonly executor: Executor;
  /** What applies to every call that is made through it. */
  protected abstract readonly context: CallContext;

  // Async functions: an error carries the frames of whoever awaits.
  async call<R>(
    target: string,
    args: readonly unknown[] = NO_ARGUMENTS,
    options: CallOptions = NO_OPTIONS,
  ): Promise<R> {
    checkTarget(target);
    if (!Array.isArray(args)) throw new ConfigError(`call('${target}'): args must be an array`);
    const encoding = new EncodeContext();
    encoding.isOrdered = this.context.session !== undefined;
    let encodedArgs;
    let encodedKwargs = null;
    if (options === NO_OPTIONS && keywordsOf(args.at(-1)) === undefined) encodedArgs = encodeArguments(args, encoding);
    else {
      const [positional, keywords] = argumentsOf(target, args, options);
      encodedArgs = encodeArguments(positional, encoding);
      if (keywords !== undefined) encodedKwargs = encodeKeywords(keywords, encoding);
    }
    try {
      if (encoding.copying !== undefined) await encoding.copying;
      const context = this.#contextOf(options);
      const mode = MODES[options.result ?? 'auto'];
      const request = requestOf(CallType.FUNCTION, target, encodedArgs, encodedKwargs, encoding, mode, context);
      return (await (encoding.sources.length === 0
        ? this.executor.execute(request)
        : callLinked(this.executor, request, encoding))) as R;
    } catch (error) {
      encoding.drop(); // where the call was never made
      throw atCaller(error);
    }
  }

  async get<R>(target: string, options: ReadOptions = NO_OPTIONS): Promise<R> {
    checkTarget(target);
    if (options !== NO_OPTIONS) checkOptions(`get('${target}')`, options, READ_OPTIONS);
    try {
      const context = this.#contextOf(options);
      const mode = MODES[options.result ?? 'auto'];
      return (await this.executor.execute(
        requestOf(CallType.GET_ATTR, target, null, null, NOTHING_ENCODED, mode, context),
      )) as R;
    } catch (error) {
      throw atCaller(error);
    }
  }

  module(path: string): PyDynamic {
    checkTarget(path);
    return makeModule(path, this.context) as PyDynamic;
  }

  run<T>(action: () => T): T {
    return runWith(this.context, action);
  }

  #contextOf(options: ReadOptions): CallContext {
    const { parent } = currentContext();
    if (options === NO_OPTIONS && parent === undefined) return this.context;
    const { timeoutMs, signal, idempotent, pool = this.context.pool, trace } = options;
    return { ...this.context, timeoutMs, signal, idempotent, pool, trace, parent };
  }
}

/** In one piece, as it is made for every call. */
function requestOf(
  callType: CallType,
  target: string,
  args: CallRequest['args'],
  kwargs: CallRequest['kwargs'],
  encoding: EncodeContext,
  result: ResultMode,
  context: CallContext,
): CallRequest {
  return {
    id: 0,
    callType,
    target,
    handle: 0,
    args,
    kwargs,
    steps: NO_STEPS,
    result,
    sourceCall: 0,
    uses: 0,
    owner: encoding.owner,
    objects: encoding.objects,
    functions: encoding.functions,
    errors: encoding.errors,
    loans: encoding.loans,
    copied: encoding.copied,
    label: target,
    context,
    inline: undefined,
  };
}

const NO_ARGUMENTS: readonly unknown[] = [];
const NO_OPTIONS: CallOptions = {};
const NO_STEPS: CallRequest['steps'] = [];
const NOTHING_ENCODED = new EncodeContext();

/** Targets that were found to be right: those of a service are few, and the test is not cheap. */
const knownTargets = new Set<string>();

function checkTarget(target: unknown): void {
  if (knownTargets.has(target as string)) return;
  if (typeof target !== 'string' || !DOTTED_PATH.test(target)) {
    throw new ConfigError(`${inspect(target)} is no target: it must be a dotted path, such as 'numpy.linalg.inv'`);
  }
  if (knownTargets.size < 10_000) knownTargets.add(target);
}

/** Positional and keyword arguments of a call; the latter stand in `kwargs`, or in a last `kw()`. */
function argumentsOf(
  target: string,
  args: readonly unknown[],
  options: CallOptions,
): readonly [positional: readonly unknown[], keywords: Keywords | undefined] {
  const [positional, keywords] = splitKeywords(args);
  if (options === NO_OPTIONS) return [positional, keywords];
  const call = `call('${target}')`;
  checkOptions(call, options, CALL_OPTIONS);
  const { kwargs } = options;
  if (kwargs === undefined) return [positional, keywords];
  if (keywords !== undefined) throw new ConfigError(`${call}: keywords stand in kwargs or in a last kw(), not in both`);
  const given = keywordsOf(kwargs) ?? kwargs;
  if (!isPlain(given)) throw new ConfigError(`${call}: kwargs must be a plain object, not ${inspect(kwargs)}`);
  return [positional, given];
}

/** Refuses what would be ignored. */
function checkOptions(call: string, options: CallOptions, known: readonly string[]): void {
  if (!isPlain(options) || keywordsOf(options) !== undefined) {
    throw new ConfigError(`${call}: options must be an object of ${known.join(', ')}, not ${inspect(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new ConfigError(`${call}: ${name} is no option: there are ${known.join(', ')}`);
  }
  const { timeoutMs, signal, idempotent, pool, trace, result }: CallOptions = options;
  if (idempotent !== undefined && typeof idempotent !== 'boolean')
    throw new ConfigError(`${call}: idempotent must be true or false, not ${inspect(idempotent)}`);
  if (pool !== undefined && typeof pool !== 'string')
    throw new ConfigError(`${call}: pool must be the name of a pool, not ${inspect(pool)}`);
  if (timeoutMs !== undefined && !(Number.isFinite(timeoutMs) && timeoutMs >= 0 && timeoutMs < 2 ** 31))
    throw new ConfigError(`${call}: timeoutMs must be milliseconds from 0 to 2147483647, not ${inspect(timeoutMs)}`);
  if (signal !== undefined && typeof (signal as Partial<AbortSignal> | null)?.addEventListener !== 'function')
    throw new ConfigError(`${call}: signal must be an AbortSignal, not ${inspect(signal)}`);
  if (
    trace !== undefined &&
    (typeof trace !== 'string' || !/^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}/.test(trace))
  )
    throw new ConfigError(`${call}: trace must be a W3C traceparent, not ${inspect(trace)}`);
  if (result !== undefined && !Object.hasOwn(MODES, result))
    throw new ConfigError(`${call}: result must be 'auto', 'value' or 'handle', not ${inspect(result)}`);
}
