/** Msgpack to values of JavaScript. */
import { inspect } from 'node:util';
import { DecodeError } from '../errors.js';
import { Extension, MAX_READ_DEPTH } from './extensions.js';
import { DTYPES, ndarray, toTuple, type DType } from './types.js';

/** Makes what a frame refers to. @internal */
export interface DecodeContext {
  /** The handle of an object of the worker that sent the frame. */
  handle(id: number, type: string): unknown;
}

/** A context for frames that hold no handles. @internal */
export const NO_HANDLES: DecodeContext = {
  handle() {
    throw new DecodeError('a handle stands where none can be');
  },
};

/**
 * Reads msgpack from one buffer, from front to back.
 *
 * Never reads outside of the buffer: whatever the bytes are, it returns a value or throws a {@link DecodeError}.
 *
 * @internal
 */
export class MsgpackReader {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #context: DecodeContext;
  readonly #end: number;
  #at = 0;
  #depth = 0;

  constructor(bytes: Uint8Array, context: DecodeContext) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#context = context;
    this.#end = bytes.byteLength;
  }

  /** Whether everything was read. */
  get isAtEnd(): boolean {
    return this.#at === this.#end;
  }

  /** Reads one value. */
  value(): unknown {
    const tag = this.#uint(1);
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
        return this.#binary(this.#uint((1 << (tag - 0xc4)) as 1 | 2 | 4));
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#uint((1 << (tag - 0xc7)) as 1 | 2 | 4));
      case 0xca:
        return this.#view.getFloat32(this.#take(4));
      case 0xcb:
        return this.#view.getFloat64(this.#take(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint((1 << (tag - 0xcc)) as 1 | 2 | 4);
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
        return this.#string(this.#uint((1 << (tag - 0xd9)) as 1 | 2 | 4));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#uint(tag === 0xdc ? 2 : 4));
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(tag === 0xde ? 2 : 4));
      default:
        throw new DecodeError(`byte ${this.#at - 1} of a frame is 0x${tag.toString(16)}, which msgpack does not use`);
    }
  }

  /** Reads the header of an array that must be there, and returns its length. */
  #arrayLength(): number {
    const tag = this.#uint(1);
    if (tag >= 0x90 && tag < 0xa0) return tag & 0x0f;
    if (tag === 0xdc || tag === 0xdd) return this.#uint(tag === 0xdc ? 2 : 4);
    throw new DecodeError(`byte ${this.#at - 1} of a frame is 0x${tag.toString(16)}, and an array was expected`);
  }

  #array(length: number): unknown[] {
    this.#enter(length);
    const items: unknown[] = [];
    for (let index = 0; index < length; index += 1) items.push(this.value());
    this.#depth -= 1;
    return items;
  }

  /** An object; a Map where a key is no string. */
  #map(length: number): unknown {
    this.#enter(length);
    let map: Map<unknown, unknown> | undefined;
    let object: Record<string, unknown> = {};
    // An object moves keys like '7' to its front: from the first of them on, the order is kept besides.
    let entries: [unknown, unknown][] | undefined;
    for (let index = 0; index < length; index += 1) {
      const key = this.value();
      const value = this.value();
      if (map === undefined && typeof key !== 'string') map = new Map(entries ?? Object.entries(object));
      if (map !== undefined) map.set(key, value);
      else {
        // An ordinary object would take the key for its prototype.
        if (key === '__proto__') object = Object.assign(Object.create(null), object) as Record<string, unknown>;
        if (entries === undefined && startsWithDigit(key as string)) entries = Object.entries(object);
        entries?.push([key, value]);
        object[key as string] = value;
      }
    }
    this.#depth -= 1;
    // A promise would call it, and never resolve: an object with a callable `then` cannot be awaited.
    if (map === undefined && typeof object['then'] === 'function') map = new Map(entries ?? Object.entries(object));
    return map ?? object;
  }

  /** Bounds depth, and lengths that the rest of the frame cannot hold. */
  #enter(length: number): void {
    this.#depth += 1;
    if (this.#depth > MAX_READ_DEPTH) throw new DecodeError(`a value is nested more than ${MAX_READ_DEPTH} deep`);
    if (length > this.#end - this.#at) throw new DecodeError('a frame ends within a value');
  }

  #string(length: number): string {
    const start = this.#take(length);
    const text = this.#bytes.toString('utf8', start, start + length);
    // The replacement character stands for itself, or for a lone surrogate that Python has encoded as it is.
    return text.includes('\ufffd') ? decodeWtf8(this.#bytes.subarray(start, start + length)) : text;
  }

  /** A copy: the frame's buffer is used again. */
  #binary(length: number): Uint8Array {
    const start = this.#take(length);
    return new Uint8Array(this.#bytes.subarray(start, start + length));
  }

  #extension(length: number): unknown {
    const code = this.#view.getInt8(this.#take(1));
    const start = this.#at;
    if (start + length > this.#end) throw new DecodeError('a frame ends within a value');
    const value = this.#extensionValue(code, length);
    if (this.#at !== start + length) throw new DecodeError(`an extension of type ${code} is not as long as it says`);
    return value;
  }

  #extensionValue(code: number, length: number): unknown {
    switch (code) {
      case Extension.TUPLE:
        return toTuple(this.#array(this.#arrayLength()));
      case Extension.BIG_INTEGER: {
        const hex = this.#bytes
          .subarray(this.#take(length), this.#at)
          .toReversed()
          .reduce((text, byte) => text + byte.toString(16).padStart(2, '0'), '');
        return narrow(BigInt.asIntN(length * 8, BigInt(`0x${hex === '' ? '0' : hex}`)));
      }
      case Extension.HANDLE: {
        const [id, type] = this.#array(this.#arrayLength());
        if (typeof id !== 'number' || typeof type !== 'string')
          throw new DecodeError('a handle must be of an id and a type');
        return this.#context.handle(id, type);
      }
      case Extension.NDARRAY: {
        const [dtype, shape, bytes] = this.#array(this.#arrayLength());
        if (typeof dtype !== 'string' || !Array.isArray(shape) || !isBytes(bytes) || !Object.hasOwn(DTYPES, dtype)) {
          throw new DecodeError(`an array of dtype ${inspect(dtype)} cannot be read`);
        }
        const type = DTYPES[dtype as DType];
        if (bytes.byteLength % type.BYTES_PER_ELEMENT !== 0)
          throw new DecodeError(`an array of ${dtype} holds ${bytes.byteLength} bytes`);
        try {
          return ndarray(
            new type(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / type.BYTES_PER_ELEMENT),
            shape as number[],
            dtype as DType,
          );
        } catch (cause) {
          throw new DecodeError('an array does not have the shape that it says', { cause });
        }
      }
      default:
        throw new DecodeError(`extension type ${code} is unknown: the worker is of another version`);
    }
  }

  #uint(size: 1 | 2 | 4): number {
    const at = this.#take(size);
    if (size === 1) return this.#view.getUint8(at);
    return size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  /** Moves over `count` bytes and returns where they start. */
  #take(count: number): number {
    const start = this.#at;
    if (start + count > this.#end) throw new DecodeError('a frame ends within a value');
    this.#at = start + count;
    return start;
  }
}

const startsWithDigit = (text: string): boolean => {
  const first = text.charCodeAt(0);
  return first >= 0x30 && first <= 0x39;
};

const isBytes = (value: unknown): value is Uint8Array => ArrayBuffer.isView(value);

/** A number where it is exact, else the bigint. */
const narrow = (value: bigint): number | bigint => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};

/** UTF-8 in which lone surrogates are encoded like any other code point. */
function decodeWtf8(bytes: Uint8Array): string {
  let text = '';
  let start = 0;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 2 < bytes.length; at += 1) {
    const second = bytes[at + 1] ?? 0;
    if (bytes[at] !== 0xed || second < 0xa0) continue;
    text +=
      buffer.toString('utf8', start, at) +
      String.fromCharCode(0xd000 | ((second & 0x3f) << 6) | ((bytes[at + 2] ?? 0) & 0x3f));
    start = at + 3;
    at += 2;
  }
  return text + buffer.toString('utf8', start);
}
