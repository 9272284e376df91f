/** Modules, wrappers and handles with a session, a deadline and the like bound to them. */
import { inspect, types } from 'node:util';
import { currentContext, type CallContext } from './context.js';
import { ConfigError } from './errors.js';
import { BIND } from './handles/chain.js';
import type { Session } from './sessions/session.js';
import { isPlain } from './values/types.js';

/** What applies to the calls of what was bound. @public */
export interface BindOptions {
  /** Calls run in this session. */
  readonly session?: Session;
  /** Calls run in the pool of this name. */
  readonly pool?: string;
  /** Milliseconds after which a call rejects. 0: none. @defaultValue the runtime's */
  readonly timeoutMs?: number;
  /** Cancels the calls. */
  readonly signal?: AbortSignal;
  /** Whether running a call twice does no harm. */
  readonly idempotent?: boolean;
  /** W3C traceparent. */
  readonly trace?: string;
}

/**
 * The same module, wrapper or handle, with options for every call that is made through it: call options never stand among
 * Python's own arguments. What was bound before stays unless it is bound anew. A chain and the handles that it begins with
 * have the options; handles that come back do not.
 *
 * @param target - An imported wrapper module, one of its functions or classes, `runtime.module(...)`, or a handle.
 * @throws {@link ConfigError} When the target is something else, or an option is wrong.
 * @example
 * ```ts
 * const quick = bind(np, { timeoutMs: 500, idempotent: true });
 * await quick.linalg.inv(m);
 * ```
 * @public
 */
export function bind<T extends object>(target: T, options: BindOptions): T {
  const bound = checked(options);
  const result = boundOf(target, bound) ?? (isNamespace(target) ? boundNamespace(target, bound) : undefined);
  if (result === undefined) {
    throw new ConfigError(
      `bind takes a module of wrappers, a wrapper, runtime.module(...) or a handle, not ${inspect(target)}; a result on its way has what its chain began with`,
    );
  }
  return result as T;
}

function boundOf(target: unknown, bound: CallContext): object | undefined {
  if (typeof target !== 'function') return undefined;
  return (target as { readonly [BIND]?: (bound: CallContext) => object | undefined })[BIND]?.(bound);
}

/** What `import * as np` gives: a namespace, or the plain object that a bundler or `require` makes of it. */
const isNamespace = (target: unknown): target is Readonly<Record<string, unknown>> =>
  types.isModuleNamespaceObject(target) || isPlain(target);

/** A module's wrappers, each bound when it is first asked for: a module may have a thousand. */
function boundNamespace(namespace: Readonly<Record<string, unknown>>, bound: CallContext): object {
  const known = new Map<string, unknown>();
  const member = (name: string): unknown => {
    if (!known.has(name)) {
      const value = namespace[name];
      const isNested = types.isModuleNamespaceObject(value);
      known.set(name, boundOf(value, bound) ?? (isNested ? boundNamespace(value as typeof namespace, bound) : value));
    }
    return known.get(name);
  };
  const has = (name: string | symbol): name is string => typeof name === 'string' && name in namespace;
  return new Proxy(Object.create(null) as object, {
    get: (_, name) => (has(name) ? member(name) : (namespace as Readonly<Record<symbol, unknown>>)[name]),
    has: (_, name) => name in namespace,
    ownKeys: () => Object.keys(namespace),
    getOwnPropertyDescriptor: (_, name) =>
      has(name) ? { value: member(name), enumerable: true, configurable: true } : undefined,
    set: (_, name) => {
      throw new TypeError(`a bound module cannot be changed: ${String(name)} is read-only`);
    },
  });
}

const TRACEPARENT = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}/;
const RULES: Readonly<Record<keyof BindOptions, readonly [isRight: (value: unknown) => boolean, expected: string]>> = {
  session: [isSession, 'a session of runtime.session()'],
  pool: [(value) => typeof value === 'string' && value !== '', 'the name of a pool'],
  timeoutMs: [
    (value) => typeof value === 'number' && value >= 0 && value < 2 ** 31,
    'milliseconds from 0 to 2147483647',
  ],
  signal: [(value) => typeof (value as Partial<AbortSignal> | null)?.addEventListener === 'function', 'an AbortSignal'],
  idempotent: [(value) => typeof value === 'boolean', 'true or false'],
  trace: [(value) => typeof value === 'string' && TRACEPARENT.test(value), 'a W3C traceparent'],
};

/** The options that are given, without those that are undefined. */
function checked(options: BindOptions): CallContext {
  if (!isPlain(options)) throw new ConfigError(`bind: options must be an object, not ${inspect(options)}`);
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const mistakes = given.flatMap(([name, value]) => {
    if (!Object.hasOwn(RULES, name)) return [`${name} is unknown; the options are ${Object.keys(RULES).join(', ')}`];
    const [isRight, expected] = RULES[name as keyof BindOptions];
    return isRight(value) ? [] : [`${name} must be ${expected}, not ${inspect(value)}`];
  });
  if (mistakes.length > 0) throw new ConfigError(`bind: ${mistakes.join('; ')}`);
  const bound = Object.fromEntries(given) as BindOptions;
  return bound.session === undefined ? bound : { ...bound, ...placeOf(bound.session) };
}

/** The session as its own calls have it, with its runtime. */
function placeOf(session: Session): CallContext {
  const { runtime, session: found } = session.run(currentContext);
  return { runtime, session: found };
}

function isSession(value: unknown): value is Session {
  return typeof (value as Partial<Session> | null)?.run === 'function' && placeOf(value as Session).session === value;
}
