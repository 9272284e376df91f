/**
 * What a handle, a wrapper or a pending result looks like from JavaScript.
 *
 * Reading an attribute sends nothing; it makes a lazy proxy. Calling makes a pending node, which is evaluated exactly
 * once: at the end of the tick, or as a part of what uses it.
 */
import { inspect } from 'node:util';
import type { CallRequest, Executor } from '../call-request.js';
import { contextWith, type CallContext } from '../context.js';
import { ResultMode } from '../gen/messages.js';
import type { EncodeContext } from '../values/encode.js';
import { HANDLE, PENDING, type HandleCore } from './core.js';
import { encodeGiven, labelOf, splitKeywords, VIEW, Given, type Keywords, type Root } from './expression.js';
import { iterate } from './iterate.js';
import { memberOf, MEMBERS } from './members.js';
import { ChainNode, homeOf, NodeUse, type Home } from './node.js';
import { REFERENCE } from './reference.js';
import { releaseSoon } from './schedule.js';

/** Under this symbol a module, a wrapper or a handle makes another that has more bound to it. @internal */
export const BIND = Symbol.for('hognose/bind');

/** A handle of an object in Python. @internal */
export function makeHandle(core: HandleCore): object {
  return new View({ kind: 'handle', core }, NO_NAMES).proxy;
}

/**
 * A wrapper of a module's attribute.
 *
 * @param options - `keywordsFrom`: see {@link splitKeywords}; `isValue`: awaiting it reads the attribute.
 * @internal
 */
export function makeReference(path: string, options: ReferenceOptions = {}): object {
  return new View({ kind: 'path', path, bound: options.bound }, NO_NAMES, options).proxy;
}

/** How a wrapper behaves. @internal */
export interface ReferenceOptions {
  readonly keywordsFrom?: number | undefined;
  readonly isValue?: boolean | undefined;
  readonly bound?: CallContext | undefined;
}

/**
 * A module, or anything in one, by its path.
 *
 * @param bound - Says at least which runtime it belongs to.
 * @internal
 */
export function makeModule(path: string, bound: CallContext): object {
  return makeReference(path, { bound });
}

/**
 * Runs a call that another part of this package has made, where `sources` of its encoding say that its arguments refer to
 * results on their way.
 *
 * @internal
 */
export function callLinked(executor: Executor, request: CallRequest, encoding: EncodeContext): Promise<unknown> {
  const { target, args, kwargs, context, result } = request;
  const given = Object.assign(new Given(), encoding, { args, kwargs });
  const home = { context, executor, owner: undefined };
  return new ChainNode({ kind: 'path', path: target }, NO_NAMES, { kind: 'call', given }, { home, result }).promise();
}

/**
 * Names that JavaScript's own machinery reads of any object: promises, JSON, texts, comparisons in tests. Python's
 * attributes of these names need `$get`.
 *
 * @internal
 */
export const RESERVED_MEMBERS: readonly string[] = [
  'then',
  'catch',
  'finally',
  'constructor',
  'toString',
  'toJSON',
  'asymmetricMatch',
];

const NO_NAMES: readonly string[] = [];
const NO_OPTIONS: ReferenceOptions = {};

/** Bound, it is a constructor without a `prototype`, which a proxy would have to show. All proxies share it. */
const CALLABLE = Object.defineProperty(
  function (this: unknown): undefined {
    return undefined;
  }.bind(null),
  inspect.custom,
  {
    // Node looks for this in what a proxy stands before, and calls it on the proxy.
    value(this: { readonly [Symbol.toPrimitive]?: () => string }) {
      return this[Symbol.toPrimitive]?.() ?? '[Python]';
    },
    configurable: true,
  },
);

/** The handler of one proxy: a root, and the attributes that were read from there on. @internal */
export class View implements ProxyHandler<object> {
  readonly root: Root;
  readonly names: readonly string[];
  readonly proxy: object;
  readonly #options: ReferenceOptions;
  #reading: ChainNode | undefined;

  constructor(root: Root, names: readonly string[], options = NO_OPTIONS) {
    this.root = root;
    this.names = names;
    this.#options = options;
    this.proxy = new Proxy(CALLABLE, this);
  }

  /** The object behind a handle; undefined for anything else. */
  get core(): HandleCore | undefined {
    return this.root.kind === 'handle' && this.names.length === 0 ? this.root.core : undefined;
  }

  /** What is there already: a handle, or a wrapper of what is called rather than awaited. */
  get isObject(): boolean {
    return this.names.length === 0 && this.root.kind !== 'node' && this.#options.isValue !== true;
  }

  /** The dotted path of a wrapper; undefined for anything else. */
  get path(): string | undefined {
    return this.root.kind === 'path' ? [this.root.path, ...this.names].join('.') : undefined;
  }

  /** A text that tells what it is. */
  describe(): string {
    const { core } = this;
    if (core !== undefined) {
      const text = core.repr === null ? `PyHandle<${core.type} #${core.id}>` : `PyHandle<${core.type}> ${core.repr}`;
      return core.isReleased ? `${text} (released)` : text;
    }
    const label = labelOf(this.root, this.names);
    return this.isObject ? `[Python ${label}]` : `Pending<${label}>`;
  }

  /** What it stands for as the result of a call: for an attribute, of reading it. */
  node(): ChainNode {
    if (this.root.kind === 'node' && this.names.length === 0) return this.root;
    // A module's attribute is read anew by each await, what hangs on a result once.
    if (this.#options.isValue === true) return this.#read();
    return (this.#reading ??= this.#read());
  }

  /** Calls or indexes it. */
  operate(kind: 'call' | 'item', args: readonly unknown[], keywords?: Keywords): object {
    return this.#make((given) => new ChainNode(this.root, this.names, { kind, given }), args, keywords).proxy;
  }

  /** Assigns one of its attributes. */
  async assign(name: string, value: unknown): Promise<void> {
    const given = encodeGiven([value]);
    await new ChainNode(this.root, this.names, { kind: 'set', name, given }).promise();
  }

  /** Calls a function by its path, where this is. */
  callAt(path: string, args: readonly unknown[], home?: Home): View {
    return this.#make(
      (given) =>
        new ChainNode({ kind: 'path', path }, NO_NAMES, { kind: 'call', given }, { home: home ?? homeOf(this.root) }),
      args,
    );
  }

  /** Calls a function by its path with this as its first argument. */
  passTo(path: string, args: readonly unknown[] = []): View {
    return this.callAt(path, [this.proxy, ...args]);
  }

  /** A handle itself; for anything else, its result. */
  result(): View {
    return this.core === undefined ? new View(this.node().submit(), NO_NAMES) : this;
  }

  /** Keeps the result, whatever goes on from it. */
  keep(): object {
    if (this.isObject) return this.proxy;
    const node = this.node();
    node.isKept = true;
    return new View(node.submit(), NO_NAMES).proxy;
  }

  /** The result in its plain form. */
  plain(): Promise<unknown> {
    return new ChainNode(this.root, this.names, undefined, { result: ResultMode.VALUE }).promise();
  }

  attribute(name: string): object {
    return new View(this.root, [...this.names, name]).proxy;
  }

  get(_: object, key: string | symbol): unknown {
    if (typeof key === 'symbol') return this.#symbol(key);
    if (key.startsWith('$')) return memberOf(this, key);
    switch (key) {
      case 'then':
      case 'catch':
      case 'finally':
        return this.isObject ? undefined : this.#promised(key); // an object in Python is never a promise
      case 'then_':
      case 'catch_':
        return this.attribute(key.slice(0, -1));
      case 'toString':
      case 'toJSON':
        return () => this.describe();
      case 'constructor':
      case 'asymmetricMatch':
        return undefined;
      default:
        return key.startsWith('@@') ? undefined : this.attribute(key);
    }
  }

  apply(_: object, __: unknown, args: unknown[]): object {
    const keywordsFrom = this.names.length === 0 ? this.#options.keywordsFrom : undefined;
    return this.operate('call', ...splitKeywords(args, keywordsFrom));
  }

  construct(): never {
    throw new TypeError(`${labelOf(this.root, this.names)}: classes of Python are called without \`new\``);
  }

  set(_: object, key: string | symbol): never {
    throw new TypeError(
      `${this.describe()}: an attribute in Python is set by $set('${String(key)}', value), which can be awaited`,
    );
  }

  has(_: object, key: string | symbol): boolean {
    if (key === Symbol.asyncIterator) return true;
    if (key === HANDLE || key === Symbol.asyncDispose) return this.core !== undefined;
    return typeof key === 'string' && MEMBERS.has(key);
  }

  ownKeys(): [] {
    return [];
  }

  getOwnPropertyDescriptor(): undefined {
    return undefined;
  }

  #symbol(key: symbol): unknown {
    switch (key) {
      case HANDLE:
        return this.core;
      case REFERENCE:
        return this.path;
      case PENDING:
        return this.core === undefined && this.root.kind !== 'path' ? new NodeUse(this.node()) : undefined;
      case VIEW:
        return true;
      case BIND:
        return (bound: CallContext) => this.#bind(bound);
      case Symbol.toPrimitive:
        return () => this.describe();
      case Symbol.asyncIterator:
        return () => iterate(this);
      case Symbol.asyncDispose: {
        const { core } = this;
        return core === undefined ? undefined : () => releaseSoon(core);
      }
      default:
        return undefined;
    }
  }

  #promised(key: 'then' | 'catch' | 'finally') {
    return (...callbacks: readonly unknown[]): unknown => {
      const promise: unknown = this.node().promise();
      return (promise as Record<string, (...all: readonly unknown[]) => unknown>)[key]?.(...callbacks);
    };
  }

  #bind(bound: CallContext): object | undefined {
    const { root } = this;
    if (root.kind !== 'path' && root.kind !== 'handle') return undefined;
    return new View({ ...root, bound: { ...root.bound, ...bound } }, this.names, this.#options).proxy;
  }

  #read(): ChainNode {
    return new ChainNode(this.root, this.names);
  }

  /** Whether a call may be one of several on an object or in a session, which keep their order. */
  get #isOrdered(): boolean {
    const { root } = this;
    return root.kind !== 'path' || contextWith(root.bound).session !== undefined;
  }

  /** Makes a node and has it sent; where arguments cannot travel, it fails in its turn. */
  #make(make: (given: Given) => ChainNode, args: readonly unknown[], keywords?: Keywords): View {
    let node: ChainNode;
    try {
      node = make(encodeGiven(args, keywords, this.#isOrdered));
    } catch (error) {
      node = this.#read();
      node.failure ??= { error };
    }
    return new View(node.submit(), NO_NAMES);
  }
}
