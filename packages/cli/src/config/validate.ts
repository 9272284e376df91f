import { checkOptions } from '@hognose/runtime';
import { ConfigError } from '../errors.js';
import { parseRequirement } from '../environment/requirement.js';
import { parseVersionRange } from '../environment/python-version.js';
import type { HognoseConfig, PoolConfig, PythonConfig, RuntimeConfig } from './define.js';

/** A checked configuration in which every field that the commands read is filled. */
export interface ResolvedConfig {
  readonly packages: readonly string[];
  /** A range of versions; empty: the configuration names none. */
  readonly pythonVersion: string;
  readonly modules: readonly string[];
  readonly docs: 'short' | 'full' | 'none';
  readonly runtime: Readonly<RuntimeConfig>;
}

/** The fields of a pool, in the order in which they are written. */
const POOL_FIELDS = {
  ...{ name: true, size: true, min: true, max: true, idleMs: true, spares: true, preload: true, env: true },
  ...{ transport: true, threads: true, timeoutMs: true, graceMs: true, queue: true, limits: true, crash: true },
  ...{ affinity: true, maxHandles: true, spin: true, startTimeoutMs: true, livenessMs: true, allow: true },
  ...{ zeroCopy: true, numpyArena: true, sharedMemory: true, logLevel: true },
} satisfies Required<Record<keyof PoolConfig, true>>;

const { name: _, ...SHARED_FIELDS } = POOL_FIELDS;
const RUNTIME_FIELDS = { ...SHARED_FIELDS, leakWarnings: true, pools: true } satisfies Required<
  Record<keyof RuntimeConfig, true>
>;

/** The fields of each object of the configuration, for the message about one that is not there. */
const FIELDS = {
  config: ['python', 'modules', 'docs', 'runtime'],
  python: ['packages', 'version'],
  runtime: Object.keys(RUNTIME_FIELDS),
  pool: Object.keys(POOL_FIELDS),
} as const;

const MODULE = /^[\p{L}_][\p{L}\p{N}_]*(\.[\p{L}_][\p{L}\p{N}_]*)*$/u;

/**
 * Checks a configuration once and fills its defaults.
 *
 * @param raw What the configuration file exports.
 * @param file The file's name, for the message.
 * @throws {@link ConfigError} naming every mistake at once.
 */
export function resolveConfig(raw: unknown, file: string): ResolvedConfig {
  const mistakes: string[] = [];
  const config = object(raw, '', FIELDS.config, mistakes) as HognoseConfig;
  const python = object(
    config.python === undefined ? {} : config.python,
    'python',
    FIELDS.python,
    mistakes,
  ) as PythonConfig;

  const packages = strings(python.packages, 'python.packages', mistakes);
  for (const [index, text] of packages.entries()) {
    const parsed = parseRequirement(text);
    if (typeof parsed === 'string') mistakes.push(`python.packages[${index}]: ${parsed}`);
  }
  moduleNames(strings(config.modules, 'modules', mistakes), 'modules', mistakes);
  oneOf(config.docs, 'docs', ['short', 'full', 'none'], mistakes);
  const runtime = runtimeOf(config.runtime, mistakes);
  const version: unknown = python.version ?? '>=3.10';
  if (typeof version !== 'string' || parseVersionRange(version) === undefined) {
    mistakes.push(`python.version: expected a range of versions such as '>=3.10', got ${show(version)}`);
  }

  if (mistakes.length > 0) {
    throw new ConfigError(
      mistakes.length === 1
        ? `${file}: ${mistakes[0] ?? ''}`
        : `${file} has ${mistakes.length} mistakes:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`,
    );
  }
  return {
    packages: [...packages],
    pythonVersion: python.version ?? '',
    modules: [...new Set(config.modules ?? [])],
    docs: config.docs ?? 'short',
    runtime,
  };
}

/** The names of fields are checked here, as not every option can stand in a file; their values by the runtime itself. */
function runtimeOf(raw: unknown, mistakes: string[]): RuntimeConfig {
  const config = object(raw === undefined ? {} : raw, 'runtime', FIELDS.runtime, mistakes) as RuntimeConfig;
  const given: unknown = config.pools;
  const pools = Array.isArray(given)
    ? given.map((pool: unknown, index) =>
        isObject(pool) ? object(pool, `runtime.pools[${index}]`, FIELDS.pool, mistakes) : pool,
      )
    : given;
  const runtime = (pools === undefined ? config : { ...config, pools }) as RuntimeConfig;
  mistakes.push(...checkOptions(runtime).map((mistake) => `runtime.${mistake}`));
  moduleNames(runtime.preload, 'runtime.preload', mistakes);
  for (const [index, pool] of Array.isArray(pools) ? pools.entries() : [])
    if (isObject(pool)) moduleNames(pool['preload'], `runtime.pools[${index}].preload`, mistakes);
  return runtime;
}

/** What is wrong with the names in a list; whether it is one is asked elsewhere. */
function moduleNames(list: unknown, path: string, mistakes: string[]): void {
  if (!Array.isArray(list)) return;
  for (const [index, text] of list.entries()) {
    if (typeof text === 'string' && !MODULE.test(text))
      mistakes.push(`${path}[${index}]: ${show(text)} is not the name of a Python module`);
  }
}

/** The fields of an object that are known, in their order; the others are mistakes. */
function object(value: unknown, path: string, known: readonly string[], mistakes: string[]): object {
  const where = path === '' ? 'the default export' : path;
  if (!isObject(value)) {
    mistakes.push(`${where}: expected an object, got ${show(value)}`);
    return {};
  }
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    const near = known.find((name) => distance(name.toLowerCase(), key.toLowerCase()) <= 2);
    const mend = near === undefined ? `the fields here are ${known.join(', ')}` : `did you mean ${near}?`;
    mistakes.push(`${path === '' ? key : `${path}.${key}`}: unknown field; ${mend}`);
  }
  return Object.fromEntries(known.filter((key) => value[key] !== undefined).map((key) => [key, value[key]]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function strings(value: unknown, path: string, mistakes: string[]): readonly string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) {
    mistakes.push(`${path}: expected a list of strings, got ${show(value)}`);
    return [];
  }
  const list: readonly unknown[] = value;
  return list.filter((item, index): item is string => {
    if (typeof item !== 'string') mistakes.push(`${path}[${index}]: expected a string, got ${show(item)}`);
    return typeof item === 'string';
  });
}

function oneOf(value: unknown, path: string, allowed: readonly string[], mistakes: string[]): void {
  if (value === undefined || (typeof value === 'string' && allowed.includes(value))) return;
  mistakes.push(`${path}: expected ${allowed.map((name) => `'${name}'`).join(' or ')}, got ${show(value)}`);
}

/** A value as the reader wrote it, short enough for one line. */
function show(value: unknown): string {
  if (value === undefined || typeof value === 'function') return typeof value;
  const text = typeof value === 'bigint' ? `${value}n` : (JSON.stringify(value) as string | undefined);
  return text === undefined ? typeof value : text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** The Levenshtein distance, for "did you mean". */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      next.push(Math.min((row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1, (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
