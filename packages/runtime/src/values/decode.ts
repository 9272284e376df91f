/** Msgpack to values of JavaScript. */
import type { CopyReason } from '@hognose/zerocopy';
import type { Borrowed, LentFields } from '@hognose/zerocopy/internal';
import { DecodeError } from '../errors.js';
import { Extension, HOLDING, MAX_READ_DEPTH } from './extensions.js';
import { ExtensionReader } from './extension-reader.js';
import { keyText, shortText, wtf8Text } from './text.js';

/** Makes what a frame refers to. @internal */
export interface DecodeContext {
  /**
   * The handle of an object of the worker that sent the frame.
   *
   * @param mro - Qualified names of the bases of its class, `builtins.object` left out.
   * @param repr - `repr(object)`, in part; null where it is not known.
   * @param sessionId - The session whose call has brought it; 0: none.
   */
  handle(id: number, type: string, mro: readonly string[], repr: string | null, sessionId: number): unknown;
  /** The function or iterable of JavaScript that Python hands back. */
  function(id: number): unknown;
  /** The error of JavaScript that Python hands back; one like it where it is no longer held. */
  hostError(id: number, name: string, message: string, stack: string): unknown;
  /** Opens memory that the worker has lent; throws a DecodeError where there is none such. */
  shared(fields: LentFields): Borrowed;
  /** Something large was copied on its way. */
  copied(reason: CopyReason, bytes: number): void;
}

/** A context for frames that refer to nothing. @internal */
export const NO_HANDLES: DecodeContext = {
  handle() {
    throw new DecodeError('a handle stands where none can be');
  },
  function() {
    throw new DecodeError('a function stands where none can be');
  },
  hostError() {
    throw new DecodeError('an error stands where none can be');
  },
  shared() {
    throw new DecodeError('shared memory stands where none can be');
  },
  copied() {
    // Nobody counts.
  },
};

/** Stands for a value that cannot be decoded: it fails the call that it belongs to, and nothing else. @internal */
export class Undecodable {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/** @internal */
export interface ReaderOptions {
  /** Whether nobody else uses the bytes, so that large binaries may be views of them. @defaultValue false */
  readonly owned?: boolean;
}

/** A smaller binary is copied, as a view would keep the whole buffer alive. */
const MIN_VIEW_BYTES = 1 << 16;

/** Longer strings are decoded by Node. */
const SHORT_STRING = 16;
/** Longer keys are not remembered. */
const SHORT_KEY = 32;

/**
 * Reads msgpack from one buffer, from front to back.
 *
 * Never reads outside of the buffer: whatever the bytes are, it returns a value or throws a {@link DecodeError}.
 *
 * @internal
 */
export class MsgpackReader {
  readonly context: DecodeContext;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #end: number;
  readonly #isOwned: boolean;
  #at = 0;
  #depth = 0;
  #extensions: ExtensionReader | undefined;

  constructor(bytes: Uint8Array, context: DecodeContext, options: ReaderOptions = {}) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.context = context;
    this.#end = bytes.byteLength;
    this.#isOwned = options.owned === true;
  }

  /** Whether everything was read. */
  get isAtEnd(): boolean {
    return this.#at === this.#end;
  }

  /** Reads a frame: an array of messages, each as {@link message} reads it. */
  messages(): unknown[][] {
    const messages: unknown[][] = [];
    const count = this.arrayLength();
    for (let index = 0; index < count; index += 1) messages.push(this.message());
    return messages;
  }

  /** Reads one message: an array of fields, in which an {@link Undecodable} stands for a field that cannot be decoded. */
  message(): unknown[] {
    const fields: unknown[] = [];
    const count = this.arrayLength();
    for (let index = 0; index < count; index += 1) fields.push(this.tolerantValue());
    return fields;
  }

  /**
   * Reads one value; an {@link Undecodable} where it is msgpack and cannot be decoded all the same.
   *
   * @throws {@link DecodeError} When it is no msgpack, so that nobody can tell what follows.
   */
  tolerantValue(): unknown {
    const start = this.#at;
    const depth = this.#depth;
    try {
      return this.value();
    } catch (error) {
      const failedAt = this.#at;
      this.#at = start;
      this.#depth = depth;
      this.#skip(failedAt);
      return new Undecodable(error);
    }
  }

  /** Reads one value. */
  value(): unknown {
    if (this.#at >= this.#end) throw endsWithin();
    const tag = this.#bytes[this.#at++] as number;
    if (tag < 0x80) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    if (tag < 0x90) return this.#map(tag & 0x0f);
    if (tag < 0xa0) return this.#array(tag & 0x0f);
    if (tag < 0xc0) return this.#string(tag & 0x1f);
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#binary(this.#length(tag - 0xc4));
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#length(tag - 0xc7));
      case 0xca:
        return this.#view.getFloat32(this.#take(4));
      case 0xcb:
        return this.#view.getFloat64(this.#take(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#length(tag - 0xcc);
      case 0xcf:
        return narrow(this.#view.getBigUint64(this.#take(8)));
      case 0xd0:
        return this.#view.getInt8(this.#take(1));
      case 0xd1:
        return this.#view.getInt16(this.#take(2));
      case 0xd2:
        return this.#view.getInt32(this.#take(4));
      case 0xd3:
        return narrow(this.#view.getBigInt64(this.#take(8)));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (tag - 0xd4));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#string(this.#length(tag - 0xd9));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#length(tag - 0xdb));
      case 0xde:
      case 0xdf:
        return this.#map(this.#length(tag - 0xdd));
      default:
        throw new DecodeError(`byte ${this.#at - 1} of a frame is 0x${tag.toString(16)}, which msgpack does not use`);
    }
  }

  /** Reads an array that must be there. */
  array(): unknown[] {
    return this.#array(this.arrayLength());
  }

  /** Reads the header of an array that must be there, and returns its length. */
  arrayLength(): number {
    const tag = this.#bytes[this.#take(1)] as number;
    if (tag >= 0x90 && tag < 0xa0) return tag & 0x0f;
    if (tag === 0xdc || tag === 0xdd) return this.#length(tag - 0xdb);
    throw new DecodeError(`byte ${this.#at - 1} of a frame is 0x${tag.toString(16)}, and an array was expected`);
  }

  /** Reads `length` bytes, which the buffer holds: a view of it. */
  raw(length: number): Buffer {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Reads a list of int64, little-endian. */
  integers(length: number): (number | bigint)[] {
    const view = this.#view;
    const start = this.#take(length);
    const numbers = sized<number | bigint>(length / 8);
    for (let index = 0; index * 8 < length; index += 1) {
      const at = start + index * 8;
      const number = view.getInt32(at + 4, true) * 0x100000000 + view.getUint32(at, true);
      numbers[index] = Number.isSafeInteger(number) ? number : view.getBigInt64(at, true);
    }
    return numbers;
  }

  /** Reads a list of float64, little-endian. */
  floats(length: number): number[] {
    const view = this.#view;
    const start = this.#take(length);
    const numbers = sized<number>(length / 8);
    for (let index = 0; index * 8 < length; index += 1) numbers[index] = view.getFloat64(start + index * 8, true);
    return numbers;
  }

  #array(length: number): unknown[] {
    this.#enter(length);
    const items = sized<unknown>(length);
    const bytes = this.#bytes;
    for (let index = 0; index < length; index += 1) {
      const at = this.#at;
      // Lists of floats are what large ones mostly are.
      if (bytes[at] === 0xcb && at + 9 <= this.#end) {
        items[index] = this.#view.getFloat64(at + 1);
        this.#at = at + 9;
      } else items[index] = this.value();
    }
    this.#depth -= 1;
    return items;
  }

  /** An object; a Map where a key is no string. */
  #map(length: number): unknown {
    this.#enter(length);
    let object: Record<string, unknown> = {};
    let hasThen = false;
    // An object moves keys like '7' to its front: from the first of them on, the order is kept besides.
    let entries: [unknown, unknown][] | undefined;
    for (let index = 0; index < length; index += 1) {
      const key = this.#key();
      if (typeof key !== 'string') return this.#mapFrom(entries ?? Object.entries(object), key, length - index);
      const value = this.value();
      const first = key.charCodeAt(0);
      if (first === PROTO_START && key === '__proto__') {
        // An ordinary object would take the key for its prototype.
        object = Object.assign(Object.create(null), object) as Record<string, unknown>;
      } else if (first === THEN_START && key === 'then') hasThen = true;
      else if (first <= NINE && first >= ZERO) entries ??= Object.entries(object);
      entries?.push([key, value]);
      object[key] = value;
    }
    this.#depth -= 1;
    // A promise would call it, and never resolve: an object with a callable `then` cannot be awaited.
    if (hasThen && typeof object['then'] === 'function') return new Map(entries ?? Object.entries(object));
    return object;
  }

  /** The rest of a map, from a key on that is no string. */
  #mapFrom(entries: readonly [unknown, unknown][], firstKey: unknown, count: number): Map<unknown, unknown> {
    const map = new Map(entries);
    map.set(firstKey, this.value());
    for (let index = 1; index < count; index += 1) {
      const key = this.#key();
      map.set(key, this.value());
    }
    this.#depth -= 1;
    // Not a number, twice: Python tells such keys apart, a Map does not.
    if (map.size !== entries.length + count)
      throw new DecodeError('two keys of a dict are one key in JavaScript (nan)');
    return map;
  }

  /** A key of a map; texts are looked up, as the same ones come again and again. */
  #key(): unknown {
    const tag = this.#bytes[this.#at] ?? 0;
    let length: number;
    if (tag >= 0xa0 && tag < 0xc0) {
      length = tag & 0x1f;
      this.#at += 1;
    } else if (tag === 0xd9 && this.#at + 1 < this.#end) {
      length = this.#bytes[this.#at + 1] as number;
      this.#at += 2;
    } else return this.value();
    if (length > SHORT_KEY) return this.#string(length);
    const start = this.#take(length);
    return keyText(this.#bytes, start, length) ?? this.#longText(start, length);
  }

  /** Bounds depth, and lengths that the rest of the frame cannot hold. */
  #enter(length: number): void {
    this.#depth += 1;
    if (this.#depth > MAX_READ_DEPTH) throw new DecodeError(`a value is nested more than ${MAX_READ_DEPTH} deep`);
    if (length > this.#end - this.#at) throw endsWithin();
  }

  #string(length: number): string {
    const start = this.#take(length);
    if (length <= SHORT_STRING) {
      const text = shortText(this.#bytes, start, length);
      if (text !== undefined) return text;
    }
    return this.#longText(start, length);
  }

  #longText(start: number, length: number): string {
    let text: string;
    try {
      text = this.#bytes.toString('utf8', start, start + length);
    } catch (cause) {
      throw new DecodeError(`a string of ${length} bytes is longer than one of JavaScript can be`, { cause });
    }
    // The replacement character stands for itself, or for a lone surrogate that Python has encoded as it is.
    return text.includes('\ufffd') ? wtf8Text(this.#bytes.subarray(start, start + length)) : text;
  }

  /** A copy, as the buffer is used again; or a view where it is not. */
  #binary(length: number): Uint8Array {
    const bytes = this.raw(length);
    if (this.#isOwned && length > MIN_VIEW_BYTES && length * 2 > this.#end) {
      return new Uint8Array(bytes.buffer, bytes.byteOffset, length);
    }
    return new Uint8Array(bytes);
  }

  #extension(length: number): unknown {
    const code = this.#view.getInt8(this.#take(1));
    const start = this.#at;
    if (start + length > this.#end) throw endsWithin();
    const value = (this.#extensions ??= new ExtensionReader(this)).read(code, length);
    if (this.#at !== start + length) throw new DecodeError(`an extension of type ${code} is not as long as it says`);
    return value;
  }

  /** The unsigned integer of 1, 2 or 4 bytes for 0, 1 or 2. */
  #length(sizeLog2: number): number {
    if (sizeLog2 === 0) return this.#view.getUint8(this.#take(1));
    return sizeLog2 === 1 ? this.#view.getUint16(this.#take(2)) : this.#view.getUint32(this.#take(4));
  }

  /** Moves over `count` bytes and returns where they start. */
  #take(count: number): number {
    const start = this.#at;
    if (start + count > this.#end) throw endsWithin();
    this.#at = start + count;
    return start;
  }

  /**
   * Moves over one value, whatever is in it.
   *
   * @param failedAt - Where it could not be read. Handles, and what lies in shared memory, are made from there on all the
   *   same, as the worker keeps their objects until each is released.
   */
  #skip(failedAt: number): void {
    for (let waiting = 1; waiting > 0; waiting -= 1) {
      const start = this.#at;
      const tag = this.#bytes[this.#take(1)] as number;
      if (tag < 0x80 || tag >= 0xe0 || tag === 0xc0 || tag === 0xc2 || tag === 0xc3) continue;
      if (tag < 0x90) waiting += 2 * (tag & 0x0f);
      else if (tag < 0xa0) waiting += tag & 0x0f;
      else if (tag < 0xc0) this.#take(tag & 0x1f);
      else if (tag <= 0xc6 && tag >= 0xc4) this.#take(this.#length(tag - 0xc4));
      else if (tag <= 0xc9 && tag >= 0xc7) this.#skipExtension(start, this.#length(tag - 0xc7), failedAt);
      else if (tag >= 0xd4 && tag <= 0xd8) this.#skipExtension(start, 1 << (tag - 0xd4), failedAt);
      else if (tag === 0xca || tag === 0xcb) this.#take(tag === 0xca ? 4 : 8);
      else if (tag >= 0xcc && tag <= 0xcf) this.#take(1 << (tag - 0xcc));
      else if (tag >= 0xd0 && tag <= 0xd3) this.#take(1 << (tag - 0xd0));
      else if (tag >= 0xd9 && tag <= 0xdb) this.#take(this.#length(tag - 0xd9));
      else if (tag === 0xdc || tag === 0xdd) waiting += this.#length(tag - 0xdb);
      else if (tag >= 0xde) waiting += 2 * this.#length(tag - 0xdd);
      else throw new DecodeError(`byte ${start} of a frame is 0x${tag.toString(16)}, which msgpack does not use`);
      if (waiting > this.#end - this.#at + 1) throw endsWithin();
    }
  }

  #skipExtension(start: number, length: number, failedAt: number): void {
    const code = this.#view.getInt8(this.#take(1));
    const end = this.#at + length;
    const outer = { end: this.#end, depth: this.#depth };
    if (end > outer.end) throw endsWithin();
    this.#end = end;
    this.#depth += 1;
    try {
      if (code === Extension.HANDLE || code === Extension.SHARED) {
        if (start >= failedAt) (this.#extensions ??= new ExtensionReader(this)).read(code, length);
      } else if (HOLDING.has(code) && this.#depth < MAX_READ_DEPTH) this.#skip(failedAt);
    } catch {
      // What is within the extension's length does not matter to what follows.
    }
    this.#end = outer.end;
    this.#depth = outer.depth;
    this.#at = end;
  }
}

const [PROTO_START, THEN_START, ZERO, NINE] = [0x5f, 0x74, 0x30, 0x39];

/** An array of this length, which grows no more; a huge one would be slow that way. */
const sized = <T>(length: number): T[] => (length <= 1 << 24 ? new Array<T>(length) : []);

const endsWithin = (): DecodeError => new DecodeError('a frame ends within a value');

/** A number where it is exact, else the bigint. */
const narrow = (value: bigint): number | bigint => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};
