/** Writes values of JavaScript as msgpack; what cannot travel is a Problem that knows its place. */
import { inspect, types } from 'node:util';
import { originOf, writeArrayFields, ZeroCopyError } from '@hognose/zerocopy';
import type { LentFields } from '@hognose/zerocopy/internal';
import { HandleReleasedError } from '../errors.js';
import type { EncodedValue } from '../gen/messages.js';
import { handleCoreOf, PENDING } from '../handles/core.js';
import { referencePathOf } from '../handles/reference.js';
import { writeInline, writeInlineTable } from '../sharing/inline-loans.js';
import { shareBytes, SharedSource, shareHold, shareTable } from '../sharing/place.js';
import { isRecordBatch, isTable } from './arrow/table-brand.js';
import { kindOf } from './brand.js';
import { PyDateTime } from './datetime.js';
import { EncodeContext, type ResultSource } from './encode-context.js';
import { Extension, MAX_DEPTH, MAX_EXTENSION_DEPTH, MIN_PACKED_LENGTH, SharedKind } from './extensions.js';
import { hashKeyOf, type HashKey } from './hash-key.js';
import { functionOf, hostErrorOf } from './host-functions.js';
import { iterationOf } from './host-iterables.js';
import { MsgpackWriter } from './msgpack-writer.js';
import { isInteger, keysOfRecords, numbersIn } from './packing.js';
import { Problem, property, within } from './problem.js';
import { codecOf, type RegisteredCodec } from './registry.js';
import {
  dtypeOf,
  isFloat,
  isNDArray,
  isPlain,
  isTuple,
  keywordsOf,
  ndarray,
  type NDArray,
  type TypedArray,
} from './types.js';
import { bigInteger, writeValue } from './write-values.js';

/** Records are packed only up to here, so that a tree of lists of objects does not run into the limit of extensions. */
const MAX_PACKED_DEPTH = 4;

/** A value that was encoded before the others; it stands among them as it is. @internal */
export class Snapshot {
  readonly bytes: EncodedValue;

  constructor(bytes: EncodedValue) {
    this.bytes = bytes;
  }
}

/** The context of an encoder that waits for its next use. @internal */
export const NO_CONTEXT = new EncodeContext();

/** @internal */
export class Encoder {
  readonly out = new MsgpackWriter();
  context = NO_CONTEXT;
  /** How many tuples, sets and the like are around the value that is being written. */
  #extensionDepth = 0;
  /** Whether the value must be hashable in Python, as part of a key or of an element of a set. */
  #isKey = false;

  reset(): void {
    this.#extensionDepth = 0;
    this.#isKey = false;
  }

  value(value: unknown, depth: number): void {
    switch (typeof value) {
      case 'number':
        if (isInteger(value)) this.out.integer(value);
        else this.out.float(value);
        return;
      case 'string':
        this.out.string(value);
        return;
      case 'boolean':
        this.out.boolean(value);
        return;
      case 'bigint':
        bigInteger(this.out, value);
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

  /** An array of msgpack. */
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

  /** A map of msgpack with the values under these keys. */
  properties(object: Readonly<Record<string, unknown>>, keys: readonly string[], depth: number): void {
    const { length } = keys;
    this.out.mapHeader(length);
    let index = 0;
    try {
      for (; index < length; index += 1) {
        const key = keys[index] as string;
        this.out.string(key);
        this.value(object[key], depth + 1);
      }
    } catch (error) {
      throw within(error, property(keys[index]));
    }
  }

  #function(value: object): void {
    if (this.#fromPython(value)) return;
    const path = referencePathOf(value);
    if (path !== undefined) {
      this.#text(Extension.REFERENCE, path);
      return;
    }
    if (isPromise(value)) throw new Problem(UNAWAITED);
    if (/^class\b/.test(Function.prototype.toString.call(value))) {
      throw new Problem('a class of JavaScript cannot travel to Python: send a function that makes an instance');
    }
    const host = functionOf(value);
    this.context.functions.push(host);
    const name: unknown = (value as { name?: unknown }).name;
    const start = this.out.startExtension(Extension.FUNCTION);
    this.out.arrayHeader(2);
    this.out.integer(host.id);
    this.out.string(typeof name === 'string' ? name : '');
    this.out.endExtension(start);
  }

  #object(value: object, depth: number): void {
    if (depth > MAX_DEPTH) throw new Problem(`nested more than ${MAX_DEPTH} deep, or contains itself`);
    if (Array.isArray(value)) {
      if (isTuple(value)) this.#items(Extension.TUPLE, value, depth);
      else this.#list(value, depth);
    } else if (isPlain(value)) this.#plain(value, depth);
    else if (ArrayBuffer.isView(value)) this.#view(value);
    else if (this.#fromPython(value)) return;
    else this.#instance(value, depth);
  }

  /** A list; packed where that is shorter to read. */
  #list(items: readonly unknown[], depth: number): void {
    if (items.length < MIN_PACKED_LENGTH) {
      this.array(items, depth);
      return;
    }
    const numbers = numbersIn(items);
    if (numbers !== undefined) {
      this.out.extensionHeader(numbers === 'int' ? Extension.INTEGERS : Extension.FLOATS, items.length * 8);
      if (numbers === 'int') this.out.integers(items as readonly number[]);
      else this.out.floats(items as readonly number[]);
      return;
    }
    const keys = this.#extensionDepth < MAX_PACKED_DEPTH ? keysOfRecords(items) : undefined;
    if (keys === undefined) this.array(items, depth);
    else this.#records(items as readonly Readonly<Record<string, unknown>>[], keys, depth);
  }

  #records(items: readonly Readonly<Record<string, unknown>>[], keys: readonly string[], depth: number): void {
    const start = this.#enter(Extension.RECORDS);
    this.out.arrayHeader(keys.length + 1);
    this.out.arrayHeader(keys.length);
    for (const key of keys) this.out.string(key);
    for (const key of keys) {
      const column = items.map((item) => item[key]);
      try {
        this.#list(column, depth + 1);
      } catch (error) {
        // The column has named the row.
        if (error instanceof Problem) error.path = error.path.replace(/^\[\d+\]/, (row) => row + property(key));
        throw error;
      }
    }
    this.#leave(start);
  }

  #plain(value: Readonly<Record<string, unknown>>, depth: number): void {
    const symbols = Object.getOwnPropertySymbols(value);
    if (symbols.length === 0) this.properties(value, Object.keys(value), depth);
    else if (this.#fromPython(value)) return;
    else if (isFloat(value)) this.out.float(value.value);
    else if (keywordsOf(value) !== undefined) throw new Problem('keyword arguments stand last, and only once');
    else if (iterationOf(value) !== undefined) this.#iterable(value);
    else {
      refuseSymbols(value);
      this.properties(value, Object.keys(value), depth);
    }
  }

  /** What has a class of its own. */
  #instance(value: object, depth: number): void {
    const codec = codecOf(value);
    if (codec !== undefined) {
      this.#registered(codec, value, depth);
      return;
    }
    const kind = kindOf(value);
    if (kind !== undefined) writeValue(this.out, kind, value);
    else if (isNDArray(value)) this.#ndarray(value);
    else if (isTable(value)) this.#table(value, SharedKind.TABLE);
    else if (isRecordBatch(value)) this.#table(value, SharedKind.BATCH);
    else if (value instanceof Snapshot) this.out.raw(value.bytes);
    else if (types.isMap(value)) this.#map(value, depth);
    else if (types.isSet(value)) this.#set(value, depth);
    else if (types.isDate(value)) writeValue(this.out, 'datetime', fromDate(value));
    else if (isError(value)) this.#error(value);
    else if (isPromise(value) || types.isBoxedPrimitive(value)) throw new Problem(describe(value));
    else if (iterationOf(value) !== undefined) this.#iterable(value);
    else throw new Problem(describe(value));
  }

  /** Writes what stands for an object of Python or a result that is still to come; false for anything else. */
  #fromPython(value: object): boolean {
    const core = handleCoreOf(value);
    if (core !== undefined) {
      if (core.isReleased)
        throw new HandleReleasedError(`the handle of a ${core.type} was released, and is used again as an argument`);
      this.context.refer(core);
      this.#reference(Extension.HANDLE, core.id);
      return true;
    }
    const source = (value as { readonly [PENDING]?: ResultSource })[PENDING];
    if (source === undefined) return false;
    this.context.sources.push(source);
    this.#reference(Extension.SOURCE, source.callId);
    return true;
  }

  #reference(code: number, id: number): void {
    const start = this.out.startExtension(code);
    this.out.arrayHeader(1);
    this.out.integer(id);
    this.out.endExtension(start);
  }

  #text(code: number, text: string): void {
    const bytes = Buffer.from(text);
    this.out.extensionHeader(code, bytes.length);
    this.out.raw(bytes);
  }

  #view(view: ArrayBufferView): void {
    const bytes = bytesOfView(view);
    const dtype = dtypeOf(view);
    if (dtype === undefined) throw new Problem(describe(view));
    const isBytes = dtype === 'uint8' && !types.isUint8ClampedArray(view);
    const loan = shareBytes(bytes, this.context);
    if (loan === undefined) {
      if (isBytes) this.out.binary(bytes);
      else this.#inline(dtype, [(view as Uint8Array).length], bytes);
    } else if (isBytes) this.#shared(loan.fieldsOf(bytes), SharedKind.BYTES, null);
    else this.#described(loan.fieldsOf(bytes), ndarray(view as TypedArray, undefined, dtype));
  }

  #ndarray(given: NDArray): void {
    let array = given;
    try {
      const origin = originOf(array);
      if (origin?.source instanceof SharedSource && origin.byteLength > 0) {
        const at = origin.source.byteOffset + origin.byteOffset;
        this.#described(shareHold(origin.source.hold, this.context).fieldsAt(at, origin.byteLength), array);
        return;
      }
      // Memory that is shared is not copied, and memory without gaps is copied as it lies.
      if (!array.isShared && array.memory.byteLength !== array.byteLength)
        array = ndarray(array.toTypedArray(), array.shape, array.dtype);
      const bytes = bytesOfView(array.memory);
      const loan = shareBytes(bytes, this.context);
      if (loan !== undefined) this.#described(loan.fieldsOf(bytes), array);
      else this.#inline(array.dtype, array.shape, bytesOfView(array.isContiguous ? array.data : array.toTypedArray()));
    } catch (error) {
      if (error instanceof ZeroCopyError) throw new Problem(error.message, { cause: error });
      throw error;
    }
  }

  #inline(dtype: string, shape: readonly number[], bytes: Uint8Array): void {
    const start = this.out.startExtension(Extension.NDARRAY);
    writeInline(this.out, dtype, shape, bytes);
    this.out.endExtension(start);
  }

  /** An array that spans lent memory from the lowest to the highest element. */
  #described(lent: LentFields, { dtype, shape, strides, offset, itemSize, isReadOnly }: NDArray): void {
    const fields = writeArrayFields({ dtype, shape, strides, start: offset * itemSize, isReadOnly });
    this.#shared(lent, SharedKind.ARRAY, fields);
  }

  /** Names bytes in shared memory, and what they are. */
  #shared(lent: LentFields, kind: number, fields: readonly unknown[] | null): void {
    const start = this.out.startExtension(Extension.SHARED);
    this.array([...lent, kind, fields], 0);
    this.out.endExtension(start);
  }

  #table(table: object, kind: number): void {
    const { stream, loan } = shareTable(table, this.context);
    if (loan !== undefined) {
      this.#shared(loan.fieldsOf(stream), kind, null);
      return;
    }
    const start = this.out.startExtension(Extension.ARROW);
    writeInlineTable(this.out, kind, stream);
    this.out.endExtension(start);
  }

  #iterable(value: object): void {
    const host = functionOf(value);
    this.context.functions.push(host);
    const start = this.out.startExtension(Extension.ITERABLE);
    this.out.arrayHeader(2);
    this.out.integer(host.id);
    this.out.boolean(iterationOf(value) === 'async');
    this.out.endExtension(start);
  }

  #error(error: Error): void {
    const host = hostErrorOf(error);
    this.context.errors.push(host);
    const start = this.out.startExtension(Extension.HOST_ERROR);
    this.out.arrayHeader(4);
    this.out.integer(host.id);
    for (const text of [error.name, error.message, error.stack] as unknown[]) {
      this.out.string(typeof text === 'string' ? text : '');
    }
    this.out.endExtension(start);
  }

  #registered(codec: RegisteredCodec, value: object, depth: number): void {
    let plain: unknown;
    try {
      plain = codec.encode(value);
    } catch (cause) {
      throw new Problem(`the codec ${codec.name} failed: ${cause instanceof Error ? cause.message : inspect(cause)}`, {
        cause,
      });
    }
    const start = this.#enter(Extension.CODEC);
    this.out.arrayHeader(2);
    this.out.string(codec.name);
    this.value(plain, depth + 1);
    this.#leave(start);
  }

  /** An extension around an array. */
  #items(code: number, items: readonly unknown[], depth: number): void {
    const start = this.#enter(code);
    this.array(items, depth);
    this.#leave(start);
  }

  #enter(code: number): number {
    if (++this.#extensionDepth > MAX_EXTENSION_DEPTH)
      throw new Problem(`tuples, sets and the like are nested more than ${MAX_EXTENSION_DEPTH} deep`);
    return this.out.startExtension(code);
  }

  #leave(start: number): void {
    this.out.endExtension(start);
    this.#extensionDepth -= 1;
  }

  #map(map: ReadonlyMap<unknown, unknown>, depth: number): void {
    const { size } = map;
    this.out.mapHeader(size);
    const seen = new Set<HashKey>();
    let count = 0;
    for (const [key, value] of map) {
      count += 1;
      try {
        if (typeof key === 'string') this.out.string(key);
        else this.#key(key, seen, depth, 'a key of a dict');
        this.value(value, depth + 1);
      } catch (error) {
        throw within(error, `.get(${typeof key === 'string' ? JSON.stringify(key) : inspect(key)})`);
      }
    }
    if (count !== size) throw new Problem(CHANGED);
  }

  /** A set; one that is part of a key is a frozenset. */
  #set(set: ReadonlySet<unknown>, depth: number): void {
    const start = this.#enter(this.#isKey ? Extension.FROZENSET : Extension.SET);
    const { size } = set;
    this.out.arrayHeader(size);
    const seen = new Set<HashKey>();
    let index = 0;
    for (const item of set) {
      try {
        this.#key(item, seen, depth, 'an element of a set');
      } catch (error) {
        throw within(error, `[${index}]`);
      }
      index += 1;
    }
    if (index !== size) throw new Problem(CHANGED);
    this.#leave(start);
  }

  #key(key: unknown, seen: Set<HashKey>, depth: number, role: string): void {
    if (!isHashable(key)) throw new Problem(`${role} must be hashable in Python: use a string, a number or a tuple`);
    const wasKey = this.#isKey;
    this.#isKey = true;
    this.value(key, depth + 1);
    this.#isKey = wasKey;
    const hash = hashKeyOf(key);
    if (hash !== undefined && seen.size === seen.add(hash).size) {
      throw new Problem(`${role} is in it twice for Python, where 1 and True are equal`);
    }
  }
}

/** Whether Python can hash what a value becomes there, as far as can be told here. */
function isHashable(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null || depth > MAX_EXTENSION_DEPTH) return true;
  if (Array.isArray(value)) return isTuple(value) && value.every((item) => isHashable(item, depth + 1));
  if (ArrayBuffer.isView(value)) return types.isUint8Array(value);
  if (types.isMap(value) || isNDArray(value)) return false;
  return isPlain(value) ? isFloat(value) || handleCoreOf(value) !== undefined || PENDING in value : true;
}

function fromDate(date: Date): PyDateTime {
  try {
    return PyDateTime.from(date);
  } catch (cause) {
    const text = Number.isNaN(date.getTime()) ? 'an invalid Date' : `the Date ${date.toISOString()}`;
    throw new Problem(`${text} cannot travel to Python, whose datetime has the years 1 to 9999`, { cause });
  }
}

function bytesOfView({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  try {
    return new Uint8Array(buffer, byteOffset, byteLength);
  } catch (cause) {
    throw new Problem('its memory was transferred, as by postMessage(): copy what is to be sent twice', { cause });
  }
}

const isError = (value: object): value is Error => types.isNativeError(value) || value instanceof Error;

/** An own enumerable symbol of an object. @internal */
export const symbolIn = (object: object): symbol | undefined =>
  Object.getOwnPropertySymbols(object).find((key) => Object.prototype.propertyIsEnumerable.call(object, key));

/** @throws Problem When a key is a symbol. @internal */
export function refuseSymbols(object: object): void {
  const symbol = symbolIn(object);
  if (symbol !== undefined) throw new Problem(`the key ${String(symbol)} is a symbol, which cannot travel to Python`);
}

/** By a codec, which runs meanwhile. */
const CHANGED = 'it was changed while it was read';

const UNAWAITED = 'a promise cannot travel to Python: await it first';

const isPromise = (value: object): boolean => typeof (value as { then?: unknown }).then === 'function';

function describe(value: object): string {
  if (isPromise(value)) return UNAWAITED;
  const name = Object.prototype.toString.call(value).slice(8, -1);
  const constructor: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name;
  const type = name === 'Object' && typeof constructor === 'string' && constructor !== '' ? constructor : name;
  return (
    `${/^[AEIOU]/.test(type) ? 'an' : 'a'} ${type} cannot travel to Python: send plain data (null, booleans, numbers, ` +
    'bigints, strings, Dates, Uint8Array, typed arrays, arrays, tuples, plain objects, Maps, Sets), a function, an ' +
    'iterable or a handle, or register a codec for its class with registerCodec'
  );
}
