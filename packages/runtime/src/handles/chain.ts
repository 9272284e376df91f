/**
 * Chains: what a handle, a wrapper or a pending result looks like from JavaScript.
 *
 * Reading an attribute sends nothing; it makes a lazy proxy. Calling makes a pending node, which is evaluated exactly
 * once: at the end of the tick, or as a part of the chain that goes on from it.
 */
import { inspect } from 'node:util';
import { atCaller, ChainConsumedError, HandleReleasedError } from '../errors.js';
import { CallType, ResultMode } from '../gen/messages.js';
import { EncodeContext, encodeArguments } from '../values/encode.js';
import { HANDLE, type HandleCore } from './core.js';
import {
  encodeGiven,
  evaluate,
  labelOf,
  splitKeywords,
  type Keywords,
  type Operation,
  type Root,
} from './expression.js';
import { REFERENCE } from './reference.js';

/** A handle of an object in Python. @internal */
export function makeHandle(core: HandleCore): object {
  return proxyOf(new ChainNode({ kind: 'handle', core }, []), []);
}

/**
 * A wrapper of a module's attribute.
 *
 * @param options - `keywordsFrom`: see {@link splitKeywords}; `isValue`: awaiting it reads the attribute.
 * @internal
 */
export function makeReference(
  root: Root & { kind: 'path' },
  options: { keywordsFrom?: number | undefined; isValue?: boolean } = {},
): object {
  return proxyOf(new ChainNode(root, [], options.keywordsFrom), [], options.isValue === true);
}

/** A root, or a result that is on its way. */
class ChainNode {
  readonly root: Root;
  readonly operations: readonly Operation[];
  readonly keywordsFrom: number | undefined;
  /** Where the operation was written: a promise that is awaited through a proxy has no async frames of its own. */
  readonly #site: { readonly stack?: string } = {};
  #isMoved = false;
  #result: Promise<unknown> | undefined;

  constructor(root: Root, operations: readonly Operation[], keywordsFrom?: number) {
    this.root = root;
    this.operations = operations;
    this.keywordsFrom = keywordsFrom;
    if (operations.length > 0) Error.captureStackTrace(this.#site);
  }

  /** Whether this is a root itself and no result. */
  get isRoot(): boolean {
    return this.operations.length === 0;
  }

  get label(): string {
    return labelOf(this.root, this.operations);
  }

  /** Evaluates at the end of the tick unless a chain has gone on from this node by then. */
  sendSoon(): void {
    process.nextTick(() => {
      if (!this.#isMoved) void this.send();
    });
  }

  /** The result; the first call sends. */
  send(): Promise<unknown> {
    if (this.#isMoved) return Promise.reject(this.#consumed());
    this.#result ??= evaluate(this.root, this.operations).catch((error: unknown) => {
      throw atCaller(error, this.#site);
    });
    return this.#result;
  }

  /** Where a chain that goes on from here starts. */
  continuation(): { readonly root: Root; readonly operations: readonly Operation[] } {
    if (this.isRoot) return this;
    if (this.#isMoved) throw this.#consumed();
    if (this.#result !== undefined)
      return { root: { kind: 'result', label: this.label, result: this.#result }, operations: [] };
    this.#isMoved = true;
    return this;
  }

  #consumed(): ChainConsumedError {
    return new ChainConsumedError(
      `the result of ${this.label} has moved into the chain that went on from it: await it first to use it twice`,
    );
  }
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
const RESERVED = new Set(RESERVED_MEMBERS);

/** Bound, it is a constructor without a `prototype`, which a proxy would have to show. */
const CALLABLE = function (this: unknown): undefined {
  return undefined;
};

function proxyOf(node: ChainNode, attributes: readonly string[], isValue = false): object {
  const isObject = node.isRoot && attributes.length === 0 && !isValue;
  const path = attributes.map((name): Operation => ({ kind: 'attribute', name }));
  let read: Promise<unknown> | undefined;

  const goOn = (operation: Operation | undefined): ChainNode => {
    const { root, operations } = node.continuation();
    return new ChainNode(
      root,
      operation === undefined ? [...operations, ...path] : [...operations, ...path, operation],
    );
  };
  const result = (): Promise<unknown> => {
    if (attributes.length === 0 && !isValue) return node.send();
    // A module's attribute is read anew by each await, what hangs on a result once.
    if (isValue) return evaluate(node.root, path);
    read ??= (async () => goOn(undefined).send())();
    return read;
  };
  const operate = (kind: 'call' | 'item', args: readonly unknown[], keywords?: Keywords): object => {
    try {
      const next = goOn({ kind, given: encodeGiven(args, keywords) });
      next.sendSoon();
      return proxyOf(next, []);
    } catch (error) {
      return rejected(error);
    }
  };
  const attribute = (name: string): object => proxyOf(node, [...attributes, name]);
  const describe = (): string => {
    const label = labelOf(node.root, [...node.operations, ...path]);
    if (!isObject) return `Pending<${label}>`;
    return node.root.kind === 'handle' ? `PyHandle<${node.root.core.type} #${node.root.core.id}>` : `[Python ${label}]`;
  };
  const core = isObject && node.root.kind === 'handle' ? node.root.core : undefined;

  const member = (name: string): unknown => {
    switch (name) {
      case '$get':
        return attribute;
      case '$item':
        return (key: unknown) => operate('item', [key]);
      case '$call':
        return (...args: readonly unknown[]) => operate('call', ...splitKeywords(args));
      case '$set':
        return async (key: string, value: unknown) => {
          try {
            await assign(goOn(undefined), key, value);
          } catch (error) {
            throw atCaller(error);
          }
        };
      case '$name':
        return node.root.kind === 'path' && isObject ? node.root.path : undefined;
      case '$str':
      case '$repr':
      case '$len':
        // Of a result on its way they are part of the chain.
        if (!isObject) return attribute(`__${name.slice(1)}__`);
        break;
    }
    return core === undefined ? undefined : handleMember(core, name);
  };

  const target = Object.defineProperty(CALLABLE.bind(null), inspect.custom, { value: describe, configurable: true });
  return new Proxy(target, {
    get(_, key) {
      if (typeof key === 'symbol') {
        if (key === HANDLE) return core;
        if (key === REFERENCE && node.isRoot && node.root.kind === 'path')
          return [node.root.path, ...attributes].join('.');
        if (key === Symbol.toPrimitive) return describe;
        if (key === Symbol.asyncDispose) return member('$release');
        return undefined;
      }
      if (key === '$type' && !isObject) throw new TypeError(`${describe()} has no $type yet: await it first`);
      if (key.startsWith('$')) return member(key);
      if (key === 'then' || key === 'catch' || key === 'finally') {
        if (isObject) return undefined; // an object in Python is never a promise
        return (...callbacks: readonly unknown[]): unknown => {
          const promise: unknown = result();
          return (promise as Record<string, (...all: readonly unknown[]) => unknown>)[key]?.(...callbacks);
        };
      }
      if (key === 'then_' || key === 'catch_') return attribute(key.slice(0, -1));
      if (key === 'toString' || key === 'toJSON') return describe;
      return RESERVED.has(key) || key.startsWith('@@') ? undefined : attribute(key);
    },
    apply: (_, __, args: unknown[]) =>
      operate('call', ...splitKeywords(args, attributes.length === 0 ? node.keywordsFrom : undefined)),
    construct: () => {
      throw new TypeError(
        `${labelOf(node.root, [...node.operations, ...path])}: classes of Python are called without \`new\``,
      );
    },
    set(_, key) {
      throw new TypeError(
        `${describe()}: an attribute in Python is set by $set('${String(key)}', value), which can be awaited`,
      );
    },
    has: (_, key) =>
      (key === HANDLE && core !== undefined) ||
      (typeof key === 'string' && key.startsWith('$') && member(key) !== undefined),
    ownKeys: () => [],
    getOwnPropertyDescriptor: () => undefined,
  });
}

function handleMember(core: HandleCore, name: string): unknown {
  switch (name) {
    case '$type':
      return core.type;
    case '$str':
    case '$repr':
    case '$len': {
      const builtin = makeReference({ kind: 'path', path: `builtins.${name.slice(1)}`, executor: () => core.owner });
      return () => (builtin as (value: object) => object)(makeHandle(core));
    }
    case '$release':
      return () => {
        if (!core.isReleased) {
          core.isReleased = true;
          core.owner.release(core.held);
        }
        return Promise.resolve();
      };
    default:
      return undefined;
  }
}

/** Assigns an attribute of the object that an expression stands for. */
async function assign(owner: ChainNode, name: string, value: unknown): Promise<void> {
  const settled = await value;
  const holder = owner.isRoot ? owner.root : ({ kind: 'result', label: owner.label, result: owner.send() } as const);
  const object: unknown = holder.kind === 'result' ? await holder.result : undefined;
  const core = holder.kind === 'handle' ? holder.core : (object as { [HANDLE]?: HandleCore } | undefined)?.[HANDLE];
  const context = new EncodeContext();
  if (core?.isReleased === true)
    throw new HandleReleasedError(`the handle of a ${core.type} was released, and its attribute ${name} is set`);
  if (core !== undefined) context.refer(core);
  const executor = holder.kind === 'path' ? await holder.executor() : core?.owner;
  if (executor === undefined)
    throw new TypeError(`${owner.label} is plain data: it has no attributes in Python to set`);
  await executor.execute({
    callType: CallType.SET_ATTR,
    target: holder.kind === 'path' ? `${holder.path}.${name}` : name,
    handle: core?.id ?? 0,
    args: encodeArguments([settled], context),
    kwargs: null,
    steps: [],
    result: ResultMode.AUTO,
    owner: context.owner,
    objects: context.objects,
    label: `${owner.label}.${name} = …`,
  });
}

/** A pending result that has failed before anything was sent. */
function rejected(error: unknown): object {
  const failed = Promise.resolve().then(() => {
    throw error;
  });
  return proxyOf(
    new ChainNode({ kind: 'result', label: 'a failed call', result: failed }, [{ kind: 'attribute', name: '' }]),
    [],
  );
}
