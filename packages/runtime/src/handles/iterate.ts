/** Iterating what lives in Python: items come ahead of the consumer, and as a part of the chain that makes them. */
import type { Executor, StreamOptions, StreamRest } from '../call-request.js';
import { ResultMode } from '../gen/messages.js';
import type { View } from './chain.js';
import { compile, type Start } from './compile.js';
import { handleCoreOf, releasedError, type HandleCore } from './core.js';
import { encodeGiven, type Root } from './expression.js';
import { ChainNode, type NodeIteration } from './node.js';
import { executorOfPlace, ownerOf } from './place.js';

/** How items are taken. @public */
export interface IterationOptions {
  /**
   * How many items may be under way ahead of the consumer: at first a few, and more while it is faster than they come.
   * @defaultValue 4096
   */
  readonly prefetch?: number;
}

type Items = AsyncIterableIterator<unknown>;

/** Iterates an object, or the result of a chain; nothing is sent before the first item is asked for. @internal */
export function iterate(view: View, { prefetch }: IterationOptions = {}): Items {
  if (prefetch !== undefined && !(Number.isSafeInteger(prefetch) && prefetch >= 1)) {
    throw new RangeError(`$iter: prefetch must be an integer from 1, not ${prefetch}`);
  }
  const options: StreamOptions = prefetch === undefined ? {} : { prefetch };
  const { core, root } = view;
  if (core !== undefined) return new LazyItems(() => Promise.resolve(itemsOfHandle(root, core, options)));
  const iteration = new IterationOfNode(view.node(), options);
  return new LazyItems(() => iteration.open());
}

/** Items from somewhere that is opened when the first is asked for. */
class LazyItems implements Items {
  readonly #open: () => Promise<Items>;
  #opening: Promise<Items> | undefined;
  #items: Items | undefined;
  #hasEnded = false;

  constructor(open: () => Promise<Items>) {
    this.#open = open;
  }

  /** Not async: an item that the stream has already costs no further turn. */
  next(): Promise<IteratorResult<unknown>> {
    if (this.#hasEnded) return Promise.resolve({ value: undefined, done: true });
    return this.#items?.next() ?? this.#first();
  }

  async return(value?: unknown): Promise<IteratorResult<unknown>> {
    this.#hasEnded = true;
    const items = await this.#opening?.catch(() => undefined); // whoever has asked for the first item is told
    await items?.return?.();
    return { value, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #first(): Promise<IteratorResult<unknown>> {
    const items = await (this.#opening ??= (async () => this.#open())());
    this.#items = items;
    return items.next();
  }
}

/** The iteration of a result on its way. */
class IterationOfNode implements NodeIteration {
  readonly options: StreamOptions;
  isStarted = false;
  readonly #node: ChainNode;
  #isOfResult = false;
  #resolve: ((items: Items | Promise<Items>) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;

  constructor(node: ChainNode, options: StreamOptions) {
    this.#node = node;
    this.options = options;
    node.iteratedBy(this);
  }

  open(): Promise<Items> {
    this.isStarted = true;
    if (this.#isOfResult) return this.#itemsOfResult();
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#node.startIteration(this);
    });
  }

  opened(items: Items): void {
    this.#resolve?.(items);
  }

  failed(error: unknown): void {
    this.#reject?.(error);
  }

  followResult(): void {
    this.#isOfResult = true;
    this.#resolve?.(this.#itemsOfResult());
  }

  async #itemsOfResult(): Promise<Items> {
    const value = await this.#node.promise();
    const core = typeof value === 'function' ? handleCoreOf(value) : undefined;
    if (core !== undefined) return itemsOfHandle({ kind: 'handle', core }, core, this.options);
    // Plain data is given back to Python: what it is to iterate it is decided there.
    const root = { kind: 'path', path: 'builtins.iter' } as const;
    const given = encodeGiven([value]);
    return stream(new ChainNode(root, [], { kind: 'call', given }, { home: this.#node }), root, this.options);
  }
}

/** Items of an object: first those that an earlier iteration has had sent and not taken. */
function itemsOfHandle(root: Root, core: HandleCore, options: StreamOptions): Items {
  if (core.isReleased) throw releasedError(core);
  const ended = ({ leftover, isResumable }: StreamRest): void => {
    if (isResumable && leftover.length > 0) core.leftover = [...leftover, ...(core.leftover ?? [])];
  };
  const open = (): Items => stream(new ChainNode(root, []), { kind: 'handle', core }, { ...options, ended });
  if (core.leftover === undefined) return open();
  const rest = core.leftover;
  core.leftover = undefined;
  return new ResumedItems(core, rest, open);
}

/** Items that have arrived before, and then those that the object still has. */
class ResumedItems implements Items {
  readonly #core: HandleCore;
  readonly #rest: readonly unknown[];
  readonly #open: () => Items;
  #at = 0;
  #items: Items | undefined;

  constructor(core: HandleCore, rest: readonly unknown[], open: () => Items) {
    this.#core = core;
    this.#rest = rest;
    this.#open = open;
  }

  next(): Promise<IteratorResult<unknown>> {
    if (this.#at < this.#rest.length) return Promise.resolve({ value: this.#rest[this.#at++], done: false });
    try {
      return (this.#items ??= this.#open()).next();
    } catch (error) {
      const failure = error as Error;
      return Promise.reject(failure);
    }
  }

  async return(value?: unknown): Promise<IteratorResult<unknown>> {
    if (this.#items !== undefined) await this.#items.return?.();
    else if (this.#at < this.#rest.length) {
      this.#core.leftover = [...this.#rest.slice(this.#at), ...(this.#core.leftover ?? [])];
      this.#at = this.#rest.length;
    }
    return { value, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function stream(node: ChainNode, start: Start, options: StreamOptions): Items {
  if (node.failure !== undefined) throw node.failure.error;
  const core = start.kind === 'handle' ? start.core : undefined;
  const owner = ownerOf(node.label, [core?.owner ?? node.owner, node.operation?.given.owner]);
  const request = compile([node], start, { id: 0, uses: 0, result: ResultMode.AUTO, owner });
  const place = { executor: node.executor as Executor | undefined, session: node.context.session, owner };
  return executorOfPlace(place).stream(request, options);
}
