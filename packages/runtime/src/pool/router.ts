/** Finds the pool that a call belongs to. */
import type { CallRequest, Executor, StreamOptions } from '../call-request.js';
import { ConfigError, HandleAffinityError, type HognoseError } from '../errors.js';
import { pinnedSessionOf } from '../sessions/pinned-session.js';
import type { Pool } from './pool.js';

/** @internal */
export class PoolRouter implements Executor {
  readonly pools: ReadonlyMap<string, Pool>;
  readonly #default: Pool;

  /** @param pools - The first is the one that calls go to unless they name another. */
  constructor(pools: readonly [Pool, ...Pool[]]) {
    this.pools = new Map(pools.map((pool) => [pool.name, pool]));
    [this.#default] = pools;
  }

  /**
   * The pool of a name.
   *
   * @throws {@link ConfigError} When there is none.
   */
  named(name: string): Pool {
    const pool = this.pools.get(name);
    if (pool === undefined) throw this.#unknown(name);
    return pool;
  }

  // A wrong name rejects, as everything that is wrong with a call does.
  execute(request: CallRequest): Promise<unknown> {
    const pool = this.#poolOf(request);
    return pool instanceof Error ? Promise.reject(pool) : pool.execute(request);
  }

  executeAll(requests: readonly CallRequest[]): readonly Promise<unknown>[] {
    // One worker runs them all: that of the objects which any of them refers to.
    const leading = requests.find(({ owner }) => owner !== undefined) ?? requests[0];
    const pool = leading === undefined ? this.#default : this.#poolOf(leading);
    return pool instanceof Error ? requests.map(() => Promise.reject(pool)) : pool.executeAll(requests);
  }

  stream(request: CallRequest, options?: StreamOptions): AsyncIterableIterator<unknown> {
    const pool = this.#poolOf(request);
    if (pool instanceof Error) throw pool;
    return pool.stream(request, options);
  }

  /** The pool of a call, or what is wrong with it. */
  #poolOf(request: CallRequest): Pool | HognoseError {
    const { context, owner, handle, label } = request;
    const { pool: name, session, parent } = context;
    if (this.pools.size === 1 && name === undefined) return this.#default;
    const named = name === undefined ? undefined : this.pools.get(name);
    if (name !== undefined && named === undefined) return this.#unknown(name);
    const own = owner === undefined ? undefined : this.#holderOf(owner);
    // A method of an object runs where the object is, whatever is bound around it.
    if (own !== undefined && (handle !== 0 || named === undefined || named === own)) return own;
    if (own !== undefined)
      return new HandleAffinityError(
        `${label}: it is to run in the pool ${named?.name ?? ''}, and refers to an object on worker ${owner?.id ?? 0} of the pool ${own.name}: make the object there, or pass plain data`,
      );
    if (session !== undefined) return this.named(pinnedSessionOf(session).pool);
    // What a callback calls runs above the call that waits for it, unless it names another pool.
    return named ?? (parent === undefined ? undefined : this.#holderOf(parent.worker)) ?? this.#default;
  }

  #unknown(name: string): ConfigError {
    return new ConfigError(`there is no pool named '${name}': the pools are ${[...this.pools.keys()].join(', ')}`);
  }

  #holderOf(worker: NonNullable<CallRequest['owner']>): Pool | undefined {
    for (const pool of this.pools.values()) if (pool.has(worker)) return pool;
    return undefined;
  }
}
