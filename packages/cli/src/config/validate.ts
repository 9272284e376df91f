import { ConfigError } from '../errors.js';
import { parseRequirement } from '../environment/requirement.js';
import { parseVersionRange } from '../environment/python-version.js';
import type { HognoseConfig, RuntimeConfig } from './define.js';

/** A checked configuration in which every field that the commands read is filled. */
export interface ResolvedConfig {
  readonly packages: readonly string[];
  /** A range of versions; empty: the configuration names none. */
  readonly pythonVersion: string;
  readonly modules: readonly string[];
  readonly docs: 'short' | 'full' | 'none';
  readonly runtime: Readonly<RuntimeConfig>;
}

/** The fields of each object of the configuration, for the message about one that is not there. */
const FIELDS = {
  '': ['python', 'modules', 'docs', 'runtime'],
  python: ['packages', 'version'],
  runtime: ['size', 'preload', 'env', 'transport', 'timeoutMs'],
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
  const config = object(raw, '', mistakes) as HognoseConfig;
  const python = object(config.python, 'python', mistakes) as NonNullable<HognoseConfig['python']>;
  const runtime = object(config.runtime, 'runtime', mistakes) as RuntimeConfig;

  const packages = strings(python.packages, 'python.packages', mistakes);
  for (const [index, text] of packages.entries()) {
    const parsed = parseRequirement(text);
    if (typeof parsed === 'string') mistakes.push(`python.packages[${index}]: ${parsed}`);
  }
  for (const name of ['modules', 'runtime.preload'] as const) {
    const list = strings(name === 'modules' ? config.modules : runtime.preload, name, mistakes);
    for (const [index, text] of list.entries()) {
      if (!MODULE.test(text)) mistakes.push(`${name}[${index}]: ${show(text)} is not the name of a Python module`);
    }
  }
  oneOf(config.docs, 'docs', ['short', 'full', 'none'], mistakes);
  oneOf(runtime.transport, 'runtime.transport', ['socket', 'grpc'], mistakes);
  wholeNumber(runtime.size, 'runtime.size', 1, mistakes);
  wholeNumber(runtime.timeoutMs, 'runtime.timeoutMs', 0, mistakes);
  environment(runtime.env, mistakes);
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

function object(value: unknown, path: keyof typeof FIELDS, mistakes: string[]): object {
  if (value === undefined && path !== '') return {};
  const where = path === '' ? 'the default export' : path;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    mistakes.push(`${where}: expected an object, got ${show(value)}`);
    return {};
  }
  const known: readonly string[] = FIELDS[path];
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    const near = known.find((name) => distance(name.toLowerCase(), key.toLowerCase()) <= 2);
    const mend = near === undefined ? `the fields here are ${known.join(', ')}` : `did you mean ${near}?`;
    mistakes.push(`${path === '' ? key : `${path}.${key}`}: unknown field; ${mend}`);
  }
  return value;
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

function wholeNumber(value: unknown, path: string, least: number, mistakes: string[]): void {
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= least)) return;
  mistakes.push(`${path}: expected a whole number from ${least}, got ${show(value)}`);
}

function environment(value: unknown, mistakes: string[]): void {
  if (value === undefined) return;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    mistakes.push(`runtime.env: expected an object of strings, got ${show(value)}`);
    return;
  }
  for (const [name, text] of Object.entries(value)) {
    if (typeof text !== 'string') mistakes.push(`runtime.env.${name}: expected a string, got ${show(text)}`);
  }
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
