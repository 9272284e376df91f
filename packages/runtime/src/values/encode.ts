/** Values of JavaScript to msgpack: total, or an EncodeError that names the path of what cannot travel. */
import { inspect } from 'node:util';
import { EncodeError, HandleAffinityError, HandleReleasedError } from '../errors.js';
import type { EncodedValue } from '../gen/messages.js';
import { handleCoreOf, type HandleCore, type HandleOwner } from '../handles/core.js';
import { referencePathOf } from '../handles/reference.js';
import { Extension, MAX_DEPTH, MAX_TUPLE_DEPTH } from './extensions.js';
import { MsgpackWriter } from './msgpack-writer.js';
import { dtypeOf, isFloat, isNDArray, isPlain, isTuple, keywordsOf, type NDArray } from './types.js';

const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;

/** What encoding has found out about the arguments besides their bytes. @internal */
export class EncodeContext {
  /** The worker whose objects stand in the arguments. */
  owner: HandleOwner | undefined;
  /** Those objects. */
  readonly objects: HandleCore[] = [];

  /** Notes that an object is referred to. */
  refer(core: HandleCore): void {
    this.objects.push(core);
    this.owner ??= core.owner;
    if (this.owner !== core.owner) {
      throw new HandleAffinityError(
        `a ${core.type} lives on worker ${core.owner.id} and another argument on worker ${this.owner.id}: one call ` +
          'runs on one worker, so make both there, or pass one of them as plain data',
      );
    }
  }
}

/** A failure on its way up, gathering the path. */
class Problem extends Error {
  path = '';
}

/**
 * Encodes positional arguments; trailing `undefined` means "not passed".
 *
 * @throws {@link EncodeError} When a value cannot travel.
 * @internal
 */
export function encodeArguments(args: readonly unknown[], context: EncodeContext): EncodedValue | null {
  let count = args.length;
  while (count > 0 && args[count - 1] === undefined) count -= 1;
  if (count === 0) return null;
  return encodeWith('args', context, (encoder) => {
    encoder.array(count === args.length ? args : args.slice(0, count), 0);
  });
}

/**
 * Encodes keyword arguments; a keyword that is `undefined` is not passed.
 *
 * @throws {@link EncodeError} When a value cannot travel.
 * @internal
 */
export function encodeKeywords(
  keywords: Readonly<Record<string, unknown>> | undefined,
  context: EncodeContext,
): EncodedValue | null {
  if (keywords === undefined) return null;
  const entries = Object.entries(keywords).filter(([, value]) => value !== undefined);
  if (entries.length === 0 && symbolIn(keywords) === undefined) return null;
  return encodeWith('kwargs', context, (encoder) => {
    refuseSymbols(keywords);
    encoder.entries(entries, 0);
  });
}

/** A value that was encoded before the others; it stands among them as it is. */
class Snapshot {
  readonly bytes: EncodedValue;

  constructor(bytes: EncodedValue) {
    this.bytes = bytes;
  }
}

/**
 * Encodes one value ahead of the others, so that what the caller changes later does not change it.
 *
 * @param path - Where it will stand, such as `args[0]`.
 * @returns What stands for it in `encodeArguments` and `encodeKeywords` with the same context.
 * @throws {@link EncodeError} When it cannot travel.
 * @internal
 */
export function encodeValue(value: unknown, path: string, context: EncodeContext): unknown {
  return new Snapshot(
    encodeWith(path, context, (encoder) => {
      encoder.value(value, 1);
    }),
  );
}

function encodeWith(root: string, context: EncodeContext, write: (encoder: Encoder) => void): EncodedValue {
  const encoder = idle.pop() ?? new Encoder();
  encoder.context = context;
  encoder.tupleDepth = 0;
  try {
    write(encoder);
    return encoder.out.take();
  } catch (error) {
    encoder.out.reset();
    if (error instanceof Problem) throw new EncodeError(root + abbreviate(error.path), error.message);
    throw error;
  } finally {
    encoder.context = NO_CONTEXT; // or the handles of this call were held until the next
    idle.push(encoder);
  }
}

/** The context of an encoder that waits for its next use. */
const NO_CONTEXT = new EncodeContext();

class Encoder {
  readonly out = new MsgpackWriter();
  context = NO_CONTEXT;
  tupleDepth = 0;

  value(value: unknown, depth: number): void {
    switch (typeof value) {
      case 'number':
        if (Number.isSafeInteger(value) && !Object.is(value, -0)) this.out.integer(value);
        else this.out.float(value);
        return;
      case 'string':
        this.out.string(value);
        return;
      case 'boolean':
        this.out.boolean(value);
        return;
      case 'bigint':
        this.#bigint(value);
        return;
      case 'object':
        if (value === null) this.out.nil();
        else this.#object(value, depth);
        return;
      case 'function':
        this.#function(value);
        return;
      case 'undefined':
        throw new Problem('undefined has no counterpart in Python: leave it out, or use null for None');
      default:
        throw new Problem('a symbol cannot travel to Python');
    }
  }

  array(items: readonly unknown[], depth: number): void {
    const { length } = items;
    this.out.arrayHeader(length);
    let index = 0;
    try {
      for (; index < length; index += 1) this.value(items[index], depth + 1);
    } catch (error) {
      throw within(error, `[${index}]`);
    }
  }

  entries(entries: readonly (readonly [string, unknown])[], depth: number): void {
    this.out.mapHeader(entries.length);
    for (const [key, value] of entries) {
      this.out.string(key);
      try {
        this.value(value, depth + 1);
      } catch (error) {
        throw within(
          error,
          /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`,
        );
      }
    }
  }

  #bigint(value: bigint): void {
    if (value >= INT64_MIN && value <= UINT64_MAX) {
      this.out.integer64(value);
      return;
    }
    this.out.extension(Extension.BIG_INTEGER, () => {
      this.out.raw(twosComplement(value));
    });
  }

  #function(value: object): void {
    if (this.#handle(value)) return;
    const path = referencePathOf(value);
    if (path === undefined) {
      throw new Problem(isPromise(value) ? UNAWAITED : 'a JavaScript function cannot travel to Python');
    }
    this.out.extension(Extension.REFERENCE, () => {
      this.out.raw(Buffer.from(path));
    });
  }

  #object(value: object, depth: number): void {
    if (depth > MAX_DEPTH) {
      throw new Problem(`nested more than ${MAX_DEPTH} deep, or contains itself`);
    }
    if (Array.isArray(value)) {
      if (isTuple(value)) {
        if (++this.tupleDepth > MAX_TUPLE_DEPTH)
          throw new Problem(`tuples are nested more than ${MAX_TUPLE_DEPTH} deep`);
        this.out.extension(Extension.TUPLE, () => {
          this.array(value, depth);
        });
        this.tupleDepth -= 1;
      } else this.array(value, depth);
    } else if (ArrayBuffer.isView(value)) this.#view(value);
    else if (isPlainObject(value)) {
      refuseSymbols(value);
      this.entries(Object.entries(value), depth);
    } else if (this.#handle(value)) return;
    else if (isNDArray(value)) this.#ndarray(value);
    else if (isFloat(value)) this.out.float(value.value);
    else if (value instanceof Snapshot) this.out.raw(value.bytes);
    else if (Object.prototype.toString.call(value) === '[object Map]')
      this.#map(value as ReadonlyMap<unknown, unknown>, depth);
    else throw new Problem(describe(value));
  }

  /** Writes a handle; false for anything else. */
  #handle(value: object): boolean {
    const core = handleCoreOf(value);
    if (core === undefined) return false;
    if (core.isReleased)
      throw new HandleReleasedError(`the handle of a ${core.type} was released, and is used again as an argument`);
    this.context.refer(core);
    this.out.extension(Extension.HANDLE, () => {
      this.out.arrayHeader(1);
      this.out.integer(core.id);
    });
    return true;
  }

  #view(view: ArrayBufferView): void {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const dtype = dtypeOf(view);
    if (dtype === 'uint8' && !isClamped(view)) this.out.binary(bytes);
    else if (dtype === undefined) throw new Problem(describe(view));
    else this.#arrayOf(dtype, [bytes.byteLength / (view as Uint8Array).BYTES_PER_ELEMENT], bytes);
  }

  #ndarray(array: NDArray): void {
    const { data } = array;
    this.#arrayOf(array.dtype, array.shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  #arrayOf(dtype: string, shape: readonly number[], bytes: Uint8Array): void {
    this.out.extension(Extension.NDARRAY, () => {
      this.out.arrayHeader(3);
      this.out.string(dtype);
      this.out.arrayHeader(shape.length);
      for (const length of shape) this.out.integer(length);
      this.out.binary(bytes);
    });
  }

  #map(map: ReadonlyMap<unknown, unknown>, depth: number): void {
    this.out.mapHeader(map.size);
    const numbers = new Set<number | bigint>();
    for (const [key, value] of map) {
      try {
        const number = asNumber(key);
        if (number !== undefined && numbers.size === numbers.add(number).size) {
          throw new Problem('an earlier key equals it in Python, where 1 and True are one key');
        }
        if (typeof key === 'object' && key !== null && handleCoreOf(key) === undefined && !isTuple(key)) {
          throw new Problem('a key of a dict must be hashable in Python: use a string, a number or a tuple');
        }
        this.value(key, depth + 1);
        this.value(value, depth + 1);
      } catch (error) {
        throw within(error, `.get(${typeof key === 'string' ? JSON.stringify(key) : inspect(key)})`);
      }
    }
  }
}

const idle: Encoder[] = [];

/** What a key is compared by in Python: True equals 1, whatever the type of either. */
function asNumber(key: unknown): number | bigint | undefined {
  if (typeof key === 'boolean') return Number(key);
  if (typeof key === 'bigint') return Number.isSafeInteger(Number(key)) ? Number(key) : key;
  return typeof key === 'number' ? key : undefined;
}

const isClamped = (view: ArrayBufferView): boolean =>
  Object.prototype.toString.call(view) === '[object Uint8ClampedArray]';

/** A plain object that is no value of this package. */
const isPlainObject = (value: object): value is Readonly<Record<string, unknown>> =>
  isPlain(value) && !isBranded(value);

/** Values of this package that are plain objects with a brand. */
const isBranded = (value: object): boolean => isFloat(value) || keywordsOf(value) !== undefined;

/** A path of hundreds of steps without its middle, which tells nobody anything. */
const abbreviate = (path: string): string => (path.length > 200 ? `${path.slice(0, 60)}…${path.slice(-60)}` : path);

const symbolIn = (object: object): symbol | undefined =>
  Object.getOwnPropertySymbols(object).find((key) => Object.prototype.propertyIsEnumerable.call(object, key));

function refuseSymbols(object: object): void {
  const symbol = symbolIn(object);
  if (symbol !== undefined) throw new Problem(`the key ${String(symbol)} is a symbol, which cannot travel to Python`);
}

function within(error: unknown, segment: string): unknown {
  if (error instanceof Problem) error.path = segment + error.path;
  return error;
}

const UNAWAITED = 'a promise cannot travel to Python: await it first';

const isPromise = (value: object): boolean => typeof (value as { then?: unknown }).then === 'function';

function describe(value: object): string {
  if (keywordsOf(value) !== undefined) return 'keyword arguments stand last, and only once';
  if (isPromise(value)) return UNAWAITED;
  const name = Object.prototype.toString.call(value).slice(8, -1);
  const constructor: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name;
  const type = name === 'Object' && typeof constructor === 'string' && constructor !== '' ? constructor : name;
  return (
    `${/^[AEIOU]/.test(type) ? 'an' : 'a'} ${type} cannot travel to Python: send plain data (null, booleans, numbers, bigints, strings, Uint8Array, typed ` +
    'arrays, arrays, tuples, plain objects, Maps) or a handle'
  );
}

/** Little-endian bytes of an integer, as few as hold its sign. */
function twosComplement(value: bigint): Uint8Array {
  const magnitude = value < 0n ? ~value : value;
  const size = Math.floor(magnitude.toString(16).length / 2) + 1;
  const hex = BigInt.asUintN(size * 8, value)
    .toString(16)
    .padStart(size * 2, '0');
  return Buffer.from(hex, 'hex').reverse();
}
