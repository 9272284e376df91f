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
   * Milliseconds after which a call without an answer rejects, those in which it waits for a worker included; a worker
   * that runs it is replaced. 0: none.
   * @defaultValue 300000
   */
  readonly timeoutMs?: number;
  /** Milliseconds in which a worker must become ready. @defaultValue 60000 */
  readonly startTimeoutMs?: number;
  /** Where the project's `.venv` stands. @defaultValue see {@link findPython} */
  readonly projectRoot?: string;
  /** Gets every line that Python code writes to stdout or stderr. @defaultValue writes it to this process's stderr */
  readonly onOutput?: (line: WorkerOutput) => void;
}

/** A line that a worker wrote. @public */
export interface WorkerOutput {
  readonly workerId: number;
  readonly pid: number;
  readonly stream: 'stdout' | 'stderr';
  /** Without its end of line. */
  readonly text: string;
}

/** Options after validation. @internal */
export type ResolvedOptions = Readonly<Required<Omit<RuntimeOptions, 'python'>>> & { readonly python: string };

const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every((item) => typeof item === 'string');
const isDuration = (value: unknown): boolean =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 && value < 2 ** 31;

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
  timeoutMs: [isDuration, 'milliseconds from 0 to 2147483647'],
  startTimeoutMs: [(value) => isDuration(value) && value !== 0, 'milliseconds from 1 to 2147483647'],
  projectRoot: [(value) => typeof value === 'string', 'a directory'],
  onOutput: [(value) => typeof value === 'function', 'a function'],
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
    timeoutMs: 300_000,
    startTimeoutMs: 60_000,
    onOutput: writeOutput,
    ...given,
    projectRoot,
    python: findPython(given.python === undefined ? { projectRoot } : { python: given.python, projectRoot }).path,
  };
}

function writeOutput(line: WorkerOutput): void {
  process.stderr.write(`[python ${line.workerId}] ${line.text}\n`);
}
