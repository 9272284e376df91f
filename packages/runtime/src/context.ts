/** What applies to calls besides their arguments: bound by `run`, by a session, or by `bind`. */
import type { Executor } from './call-request.js';
import { ConfigError } from './errors.js';
import { globalState } from './global-state.js';
import type { HandleOwner } from './handles/core.js';
import type { Runtime } from './runtime.js';
import type { Session } from './sessions/session.js';

/** The context of a call, as it stood when the call was made. @internal */
export interface CallContext {
  readonly runtime?: Runtime | undefined;
  readonly session?: Session | undefined;
  /** Name of the pool; undefined: the one that calls go to unless they name another. */
  readonly pool?: string | undefined;
  /** Milliseconds; undefined: as the runtime's options say. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly idempotent?: boolean | undefined;
  /** W3C traceparent. */
  readonly trace?: string | undefined;
  /** The call whose callback makes this one: it runs on that worker, above the waiting one. */
  readonly parent?: { readonly worker: HandleOwner; readonly callId: number } | undefined;
}

/** A context in which nothing is said. @internal */
export const NO_CONTEXT: CallContext = {};

/** The context of the code that runs. @internal */
export function currentContext(): CallContext {
  return globalState().scope.getStore() ?? NO_CONTEXT;
}

/**
 * The context of a call that is made now.
 *
 * @param bound - What the module, wrapper or handle has bound to it; where that says where the call runs, `run` does not.
 * @internal
 */
export function contextWith(bound: CallContext | undefined): CallContext {
  const current = currentContext();
  if (bound === undefined || current === NO_CONTEXT) return bound ?? current;
  if (bound.runtime === undefined && bound.session === undefined) {
    // A pool that was bound is not that of the session around it.
    return bound.pool === undefined ? { ...current, ...bound } : { ...current, session: undefined, ...bound };
  }
  return current.parent === undefined ? bound : { ...bound, parent: current.parent };
}

/** Runs a function, and what it awaits, with more said than around it. @internal */
export function runWith<T>(context: CallContext, action: () => T): T {
  return globalState().scope.run({ ...currentContext(), ...context }, action);
}

/** Under this symbol a runtime tells what runs its calls. @internal */
export const EXECUTOR = Symbol.for('hognose/executor');

/** What runs the calls of a runtime, whichever copy of this package has made it. @internal */
export function executorOf(runtime: Runtime): Executor {
  const executor = (runtime as { readonly [EXECUTOR]?: Executor })[EXECUTOR];
  if (executor === undefined)
    throw new ConfigError('setDefaultRuntime: this is no runtime that createRuntime has made');
  return executor;
}
