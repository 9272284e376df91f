/** Codecs that users register for classes of their own. */
import { inspect } from 'node:util';
import { ConfigError } from '../errors.js';

/** How the instances of a class travel. @public */
export interface ValueCodec<T> {
  /** The same on both sides, such as `geo.Point`. */
  readonly name: string;
  /** The class, of which exactly the instances are concerned: not those of a derived class. */
  readonly type: abstract new (...args: never[]) => T;
  /** Gives what stands for an instance: anything that travels, such as an object of its fields. */
  readonly encode: (value: T) => unknown;
  /** Makes an instance of what the other side's `encode` gave. */
  readonly decode: (plain: never) => T;
}

/** A codec as it is kept. @internal */
export interface RegisteredCodec {
  readonly name: string;
  readonly type: object;
  readonly encode: (value: unknown) => unknown;
  readonly decode: (plain: unknown) => unknown;
}

interface Registry {
  readonly byName: Map<string, RegisteredCodec>;
  readonly byPrototype: Map<object, RegisteredCodec>;
}

/** Their values travel by rules of their own, which no codec changes. */
const BUILT_IN: ReadonlySet<unknown> = new Set([
  ...[Object, Array, Function, Map, Set, Date, Promise, Error, Number, String, Boolean, Symbol, BigInt],
  ...[Buffer, Uint8Array, Uint8ClampedArray, Int8Array, Int16Array, Uint16Array, Int32Array, Uint32Array],
  ...[BigInt64Array, BigUint64Array, Float32Array, Float64Array],
]);

/**
 * Makes the instances of a class travel to Python and back, where `hognose.register_codec` names a class for them.
 *
 * A codec counts for the whole process. Registered again with the same name and class it replaces the earlier one.
 *
 * @throws {@link ConfigError} When the name or the class is registered already, with something else, or the class is
 *   one that travels by a rule of its own.
 * @example
 * ```ts
 * registerCodec({ name: 'geo.Point', type: Point, encode: ({ x, y }) => tuple(x, y), decode: ([x, y]: number[]) => new Point(x, y) });
 * ```
 * @public
 */
export function registerCodec<T>(codec: ValueCodec<T>): void {
  const { name, type } = codec;
  if (typeof name !== 'string' || name === '') throw new ConfigError('registerCodec: a codec needs a name');
  if (typeof type !== 'function' || BUILT_IN.has(type)) {
    throw new ConfigError(`registerCodec: a codec is for a class of your own, and ${inspect(type)} is none`);
  }
  for (const part of ['encode', 'decode'] as const) {
    if (typeof codec[part] !== 'function')
      throw new ConfigError(`registerCodec: ${part} of ${name} must be a function`);
  }
  const prototype = type.prototype as object;
  const { byName, byPrototype } = registry();
  for (const known of [byName.get(name), byPrototype.get(prototype)]) {
    if (known !== undefined && (known.name !== name || known.type !== type)) {
      throw new ConfigError(
        `registerCodec: the codec ${known.name} is registered for ${nameOf(known.type)}; choose another name than ` +
          `${name}, or register ${nameOf(type)} once`,
      );
    }
  }
  const kept = codec as unknown as RegisteredCodec;
  byName.set(name, kept);
  byPrototype.set(prototype, kept);
}

/** The codec of exactly the class of an object. @internal */
export function codecOf(value: object): RegisteredCodec | undefined {
  const { byPrototype } = registry();
  return byPrototype.size === 0 ? undefined : byPrototype.get(Object.getPrototypeOf(value) as object);
}

/** The codec of a name. @internal */
export function codecOfName(name: string): RegisteredCodec | undefined {
  return registry().byName.get(name);
}

const nameOf = (type: object): string => (type as { readonly name?: string }).name ?? 'a class';

const KEY = Symbol.for('hognose/codecs');

let own: Registry | undefined;

/** One for every copy of this package in the process. */
function registry(): Registry {
  if (own !== undefined) return own;
  own = Reflect.get(globalThis, KEY) as Registry | undefined;
  if (own === undefined) {
    own = { byName: new Map(), byPrototype: new Map() };
    Reflect.set(globalThis, KEY, own);
  }
  return own;
}
