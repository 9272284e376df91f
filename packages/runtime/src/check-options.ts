/** What is wrong with the options of a runtime: every mistake, by its path. */
import { inspect } from 'node:util';
import { DOTTED_PATH } from './dotted-path.js';
import type { NamedPoolOptions, RuntimeOptions } from './options.js';
import type { SessionOptions } from './sessions/pinned-session.js';

type Check = (value: unknown, path: string) => readonly string[];

const is =
  (test: (value: unknown) => boolean, expected: string): Check =>
  (value, path) =>
    test(value) ? [] : [`${path}: must be ${expected}, not ${inspect(value, { depth: 1 })}`];

const integer = (least: number, most: number): Check =>
  is(
    (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
    most === Number.MAX_SAFE_INTEGER ? `an integer from ${least}` : `an integer from ${least} to ${most}`,
  );

const duration = (least = 0): Check =>
  is(
    (value) => typeof value === 'number' && Number.isFinite(value) && value >= least && value < 2 ** 31,
    `milliseconds from ${least} to 2147483647`,
  );

const texts = (what: string): Check =>
  is((value) => Array.isArray(value) && value.every((item) => typeof item === 'string'), `an array of ${what}`);
const text = (what: string): Check => is((value) => typeof value === 'string' && value !== '', what);
const flag = is((value) => typeof value === 'boolean', 'true or false');
const callable = is((value) => typeof value === 'function', 'a function');
const oneOf = (...names: readonly string[]): Check => {
  const quoted = names.map((name) => `'${name}'`);
  return is((value) => names.includes(value as string), `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1) ?? ''}`);
};
const bytes = integer(1, Number.MAX_SAFE_INTEGER);

/** An object with these fields and no others; a field that is undefined is not given. */
function fields(rules: Readonly<Record<string, Check>>, what = 'an object'): Check {
  return (value, path) => {
    if (!isObject(value))
      return [`${path}: must be ${what} of ${Object.keys(rules).join(', ')}, not ${inspect(value, { depth: 0 })}`];
    return Object.entries(value).flatMap(([name, field]) => {
      const at = path === '' ? name : `${path}.${name}`;
      const check = Object.hasOwn(rules, name) ? rules[name] : undefined;
      if (check === undefined) return [`${at}: unknown; the options are ${Object.keys(rules).join(', ')}`];
      return field === undefined ? [] : check(field, at);
    });
  };
}

/** One that is no name would permit nothing, unnoticed. */
const moduleNames = is(
  (value) =>
    Array.isArray(value) && value.every((name) => name === '*' || (typeof name === 'string' && DOTTED_PATH.test(name))),
  `an array of module names, such as 'numpy.linalg', or ['*']`,
);

const POOL: Readonly<Record<keyof Omit<NamedPoolOptions, 'name'>, Check>> = {
  size: integer(1, 1024),
  min: integer(1, 1024),
  max: integer(1, 1024),
  idleMs: duration(1),
  spares: integer(0, 64),
  python: text('the path or name of an interpreter'),
  pythonPath: texts('directories'),
  preload: texts('module names'),
  env: is(
    (value) =>
      typeof value === 'object' && value !== null && Object.values(value).every((item) => typeof item === 'string'),
    'an object of strings',
  ),
  transport: oneOf('socket', 'grpc'),
  threads: integer(1, 64),
  timeoutMs: duration(),
  graceMs: duration(),
  queue: fields({ max: integer(0, Number.MAX_SAFE_INTEGER), timeoutMs: duration() }),
  limits: fields({ maxRssBytes: bytes, recycleRssBytes: bytes, maxRequests: bytes, ttlMs: duration(1) }),
  crash: fields({
    maxRetries: integer(0, 100),
    backoffMs: duration(),
    taintAfter: integer(0, Number.MAX_SAFE_INTEGER),
    clearAfter: integer(1, Number.MAX_SAFE_INTEGER),
  }),
  affinity: oneOf('strict', 'fail-fast', 'hint'),
  maxHandles: integer(1, Number.MAX_SAFE_INTEGER),
  spin: flag,
  startTimeoutMs: duration(1),
  livenessMs: duration(),
  allow: (value, path) => [
    ...fields({ modules: moduleNames, inline: flag })(value, path),
    ...(typeof value === 'object' && value !== null && !('modules' in value)
      ? [`${path}.modules: is missing: the modules that calls may reach`]
      : []),
  ],
  placement: is((value) => typeof value === 'function', 'placement.local() or placement.static([...])'),
  zeroCopy: oneOf('auto', 'require', 'off'),
  numpyArena: flag,
  sharedMemory: fields({ hostBytes: bytes, workerBytes: bytes, idleMs: duration(1) }),
  logLevel: integer(0, 1000),
};

const checkNamedPool = fields({ name: text('a name'), ...POOL });
const checkSession = fields({
  affinity: POOL.affinity,
  ttlMs: duration(),
  maxHandles: POOL.maxHandles,
} satisfies Record<keyof SessionOptions, Check>);

const checkRuntime = fields(
  {
    ...POOL,
    projectRoot: is((value) => typeof value === 'string', 'a directory'),
    onLog: callable,
    onEvent: callable,
    leakWarnings: flag,
    pools: checkPools,
  } satisfies Record<keyof RuntimeOptions, Check>,
  'options must be an object',
);

/**
 * Finds what is wrong with options.
 *
 * @returns A line for each mistake; none where all is right.
 * @internal
 */
export function checkOptions(options: unknown): readonly string[] {
  return isObject(options) ? [...checkRuntime(options, ''), ...checkSizes(options, '')] : [noObject(options)];
}

/**
 * Finds what is wrong with the options of a session, in the same way.
 *
 * @internal
 */
export function checkSessionOptions(options: unknown): readonly string[] {
  return isObject(options) ? checkSession(options, '') : [noObject(options)];
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const noObject = (options: unknown): string => `options must be an object, not ${inspect(options)}`;

function checkPools(value: unknown, path: string): readonly string[] {
  if (!Array.isArray(value) || value.length === 0)
    return [`${path}: must be an array of pools with a name each, not ${inspect(value, { depth: 0 })}`];
  const names = new Set<unknown>();
  return value.flatMap((pool: unknown, index) => {
    const at = `${path}[${index}]`;
    const mistakes = [...checkNamedPool(pool, at)];
    if (!isObject(pool)) return mistakes;
    const { name } = pool as { readonly name?: unknown };
    if (name === undefined) mistakes.push(`${at}.name: is missing`);
    else if (names.has(name)) mistakes.push(`${at}.name: there is a pool named ${inspect(name)} already`);
    names.add(name);
    return [...mistakes, ...checkSizes(pool, `${at}.`)];
  });
}

/** What is wrong with sizes that are each right by themselves. */
function checkSizes(options: object, path: string): readonly string[] {
  const { size, min, max } = options as { readonly size?: unknown; readonly min?: unknown; readonly max?: unknown };
  if (size !== undefined && (min !== undefined || max !== undefined))
    return [`${path}size: says the same as min and max: give either`];
  if (typeof min === 'number' && typeof max === 'number' && min > max)
    return [`${path}min: must be at most max, which is ${max}, not ${min}`];
  return [];
}
