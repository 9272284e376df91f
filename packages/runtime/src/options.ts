/** Options of a runtime: validated and filled once, all mistakes reported together. */
import { availableParallelism } from 'node:os';
import { inspect } from 'node:util';
import { findProjectRoot, findPython } from './environment.js';
import { ConfigError } from './errors.js';

/** How a runtime starts. Every field is optional. @public */
export interface RuntimeOptions {
  /** Number of worker processes. @defaultValue the number of cores, at most 4 */
  readonly size?: number;
  /** The interpreter, by path or by name. @defaultValue see {@link findPython} */
  readonly python?: string;
  /** Directories to import from, before those of the interpreter. @defaultValue none */
  readonly pythonPath?: readonly string[];
  /** Modules that a worker imports before its first call. @defaultValue none */
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
  /** Where the project's `.venv` stands. @defaultValue see {@link findPython} */
  readonly projectRoot?: string;
  /** Level of Python's root logger, as in its logging module: 10 is debug, 20 info. @defaultValue Python's: 30, warnings */
  readonly logLevel?: number;
  /** Gets what Python code prints, logs and warns of. @defaultValue writes it to this process's stderr */
  readonly onLog?: (event: LogEvent) => void;
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

/** Options after validation. @internal */
export type ResolvedOptions = Readonly<Required<Omit<RuntimeOptions, 'python' | 'queue' | 'logLevel'>>> & {
  readonly python: string;
  readonly queue: Required<QueueOptions>;
  readonly logLevel: number | undefined;
};

const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every((item) => typeof item === 'string');
const isDuration = (value: unknown): boolean =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 && value < 2 ** 31;

const isQueue = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  Object.entries(value).every(
    ([name, limit]) =>
      limit === undefined ||
      (name === 'max'
        ? Number.isSafeInteger(limit) && (limit as number) >= 0
        : name === 'timeoutMs' && isDuration(limit)),
  );

const RULES: Readonly<Record<keyof RuntimeOptions, readonly [test: (value: unknown) => boolean, expected: string]>> = {
  size: [
    (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 1024,
    'an integer from 1 to 1024',
  ],
  python: [(value) => typeof value === 'string' && value !== '', 'the path or name of an interpreter'],
  pythonPath: [isTexts, 'an array of directories'],
  preload: [isTexts, 'an array of module names'],
  env: [
    (value) => typeof value === 'object' && value !== null && isTexts(Object.values(value)),
    'an object of strings',
  ],
  transport: [(value) => value === 'socket' || value === 'grpc', `'socket' or 'grpc'`],
  threads: [
    (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 64,
    'an integer from 1 to 64',
  ],
  timeoutMs: [isDuration, 'milliseconds from 0 to 2147483647'],
  graceMs: [isDuration, 'milliseconds from 0 to 2147483647'],
  queue: [isQueue, 'an object of max, an integer from 0, and timeoutMs, milliseconds from 0 to 2147483647'],
  maxHandles: [(value) => Number.isSafeInteger(value) && (value as number) >= 1, 'an integer from 1'],
  spin: [(value) => typeof value === 'boolean', 'true or false'],
  startTimeoutMs: [(value) => isDuration(value) && value !== 0, 'milliseconds from 1 to 2147483647'],
  projectRoot: [(value) => typeof value === 'string', 'a directory'],
  logLevel: [
    (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 1000,
    'a level of Python, such as 20 for info',
  ],
  onLog: [(value) => typeof value === 'function', 'a function'],
};

/**
 * Validates options and fills what is left out.
 *
 * @throws {@link ConfigError} When fields are unknown or wrong; the message lists all of them.
 * @throws {@link PythonEnvironmentError} When there is no interpreter.
 * @internal
 */
export function resolveOptions(options: RuntimeOptions): ResolvedOptions {
  if (typeof options !== 'object' || (options as object | null) === null || Array.isArray(options)) {
    throw new ConfigError(`createRuntime: options must be an object, not ${inspect(options)}`);
  }
  const given = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as RuntimeOptions;
  const mistakes = Object.entries(given).flatMap(([name, value]) => {
    if (!Object.hasOwn(RULES, name)) return [`${name}: unknown; the options are ${Object.keys(RULES).join(', ')}`];
    const [test, expected] = RULES[name as keyof RuntimeOptions];
    return test(value) ? [] : [`${name}: must be ${expected}, not ${inspect(value)}`];
  });
  if (mistakes.length > 0) throw new ConfigError(`createRuntime: ${mistakes.join('; ')}`);
  const projectRoot = given.projectRoot ?? findProjectRoot(process.cwd());
  return {
    size: Math.min(availableParallelism(), 4),
    pythonPath: [],
    preload: [],
    env: {},
    transport: 'socket',
    threads: 1,
    timeoutMs: 300_000,
    graceMs: 2_000,
    maxHandles: 1_000_000,
    spin: true,
    startTimeoutMs: 60_000,
    logLevel: undefined,
    onLog: writeLog,
    ...given,
    queue: { max: given.queue?.max ?? 100_000, timeoutMs: given.queue?.timeoutMs ?? 0 },
    projectRoot,
    python: findPython(given.python === undefined ? { projectRoot } : { python: given.python, projectRoot }).path,
  };
}

function writeLog({ workerId, text, logger }: LogEvent): void {
  process.stderr.write(`[python ${workerId}] ${logger === undefined ? '' : `${logger}: `}${text}\n`);
}
