/** Writes msgpack into one growing buffer. */
import { constants } from 'node:buffer';

const INITIAL_BYTES = 1 << 12;
/** A larger buffer is not kept for the next value. */
const KEPT_BYTES = 1 << 20;
/** A longer string is encoded by Node. */
const SHORT_STRING = 40;
/** Larger values are handed over without a copy. */
const COPIED_BYTES = 1 << 16;

/** Thrown for what is larger than msgpack or a buffer holds. @internal */
export class TooLargeError extends RangeError {}

/** @internal */
export class MsgpackWriter {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;

  /** Number of bytes written so far. */
  get length(): number {
    return this.#end;
  }

  /** What was written, for the caller to keep; the writer is empty afterwards. */
  take(): Uint8Array {
    if (this.#end <= COPIED_BYTES) {
      const taken = Uint8Array.prototype.slice.call(this.#bytes, 0, this.#end);
      this.reset();
      return taken;
    }
    const taken = new Uint8Array(this.#bytes.buffer, 0, this.#end);
    this.#end = 0;
    this.#resize(INITIAL_BYTES);
    return taken;
  }

  /** Forgets what was written. */
  reset(): void {
    this.#end = 0;
    if (this.#bytes.length > KEPT_BYTES) this.#resize(INITIAL_BYTES);
  }

  nil(): void {
    this.#byte(0xc0);
  }

  boolean(value: boolean): void {
    this.#byte(value ? 0xc3 : 0xc2);
  }

  /** A safe integer, in as few bytes as possible. */
  integer(value: number): void {
    this.#reserve(9);
    if (value >= 0) {
      if (value < 0x80) this.#bytes[this.#end++] = value;
      else if (value < 0x100) this.#tagged(0xcc, 1, value);
      else if (value < 0x10000) this.#tagged(0xcd, 2, value);
      else if (value < 0x100000000) this.#tagged(0xce, 4, value);
      else this.#integer53(0xcf, value);
    } else if (value >= -32) this.#bytes[this.#end++] = value + 0x100;
    else if (value >= -0x80000000) {
      this.#bytes[this.#end++] = 0xd2;
      this.#view.setInt32(this.#end, value);
      this.#end += 4;
    } else this.#integer53(0xd3, value);
  }

  /** An integer of the 64 bits that msgpack has, signed or unsigned. */
  integer64(value: bigint): void {
    this.#reserve(9);
    this.#bytes[this.#end++] = value < 0n ? 0xd3 : 0xcf;
    this.#view.setBigUint64(this.#end, BigInt.asUintN(64, value));
    this.#end += 8;
  }

  float(value: number): void {
    this.#reserve(9);
    this.#bytes[this.#end] = 0xcb;
    this.#view.setFloat64(this.#end + 1, value);
    this.#end += 9;
  }

  string(value: string): void {
    const { length } = value;
    if (length > SHORT_STRING) {
      this.#longString(value);
      return;
    }
    this.#reserve(3 * length + 5);
    const bytes = this.#bytes;
    const start = this.#end + (length < 32 ? 1 : 2);
    for (let index = 0; index < length; index += 1) {
      const unit = value.charCodeAt(index);
      if (unit >= 0x80) {
        this.#longString(value);
        return;
      }
      bytes[start + index] = unit;
    }
    this.#stringHeader(length);
    this.#end += length;
  }

  binary(value: Uint8Array): void {
    this.#reserve(5);
    if (value.length < 0x100) this.#tagged(0xc4, 1, value.length);
    else this.#tagged(0xc6, 4, u32(value.length));
    this.raw(value);
  }

  /** Bytes that are msgpack already. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#end);
    this.#end += value.length;
  }

  arrayHeader(length: number): void {
    this.#containerHeader(0x90, 0xdc, length);
  }

  mapHeader(length: number): void {
    this.#containerHeader(0x80, 0xde, length);
  }

  /** An extension whose payload is written next, `length` bytes. */
  extensionHeader(code: number, length: number): void {
    this.#reserve(6);
    this.#bytes[this.#end] = 0xc9;
    this.#view.setUint32(this.#end + 1, u32(length));
    this.#bytes[this.#end + 5] = code;
    this.#end += 6;
  }

  /** Starts an extension whose length is not known yet; what it returns goes to {@link endExtension}. */
  startExtension(code: number): number {
    this.extensionHeader(code, 0);
    return this.#end;
  }

  endExtension(start: number): void {
    this.#view.setUint32(start - 5, u32(this.#end - start));
  }

  /** An extension whose payload `write` writes. */
  extension(code: number, write: () => void): void {
    const start = this.startExtension(code);
    write();
    this.endExtension(start);
  }

  /** Safe integers as int64, little-endian. */
  integers(values: readonly number[]): void {
    const { length } = values;
    this.#reserve(8 * length);
    const view = this.#view;
    let at = this.#end;
    for (let index = 0; index < length; index += 1) {
      const value = values[index] as number;
      view.setUint32(at, value >>> 0, true);
      view.setInt32(at + 4, Math.floor(value / 0x100000000), true);
      at += 8;
    }
    this.#end = at;
  }

  /** Numbers as float64, little-endian. */
  floats(values: readonly number[]): void {
    const { length } = values;
    this.#reserve(8 * length);
    const view = this.#view;
    let at = this.#end;
    for (let index = 0; index < length; index += 1) {
      view.setFloat64(at, values[index] as number, true);
      at += 8;
    }
    this.#end = at;
  }

  /** Sets a u32 in little-endian at a place written before. */
  patchUint32LE(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  #integer53(tag: number, value: number): void {
    this.#bytes[this.#end] = tag;
    this.#view.setInt32(this.#end + 1, Math.floor(value / 0x100000000));
    this.#view.setUint32(this.#end + 5, value >>> 0);
    this.#end += 9;
  }

  #longString(value: string): void {
    // UTF-16 units take at most three bytes each; counted where that would be much more than is needed.
    const { length } = value;
    const size = length < COPIED_BYTES && length > 255 ? 3 * length : Buffer.byteLength(value);
    this.#reserve(5 + size);
    const isExact = !(length < COPIED_BYTES && length > 255);
    const headerSize = !isExact ? 5 : size < 32 ? 1 : size < 0x100 ? 2 : size < 0x10000 ? 3 : 5;
    const start = this.#end + headerSize;
    const written = isWellFormed(value) ? this.#bytes.write(value, start, 'utf8') : this.#writeWtf8(value, start);
    if (isExact) this.#stringHeader(written);
    else {
      this.#bytes[this.#end] = 0xdb;
      this.#view.setUint32(this.#end + 1, written);
    }
    this.#end = start + written;
  }

  #stringHeader(size: number): void {
    if (size < 32) this.#bytes[this.#end++] = 0xa0 | size;
    else if (size < 0x100) this.#tagged(0xd9, 1, size);
    else if (size < 0x10000) this.#tagged(0xda, 2, size);
    else this.#tagged(0xdb, 4, u32(size));
  }

  #containerHeader(fix: number, tag16: number, length: number): void {
    this.#reserve(5);
    if (length < 16) this.#bytes[this.#end++] = fix | length;
    else if (length < 0x10000) this.#tagged(tag16, 2, length);
    else this.#tagged(tag16 + 1, 4, length);
  }

  #tagged(tag: number, size: 1 | 2 | 4, value: number): void {
    this.#bytes[this.#end++] = tag;
    if (size === 1) this.#bytes[this.#end] = value;
    else if (size === 2) this.#view.setUint16(this.#end, value);
    else this.#view.setUint32(this.#end, value);
    this.#end += size;
  }

  #byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#end++] = value;
  }

  /** UTF-8 in which a lone surrogate is encoded like any other code point, as Python's `surrogatepass` does. */
  #writeWtf8(value: string, start: number): number {
    let at = start;
    for (const character of value) {
      const point = character.codePointAt(0) ?? 0;
      if (point >= 0xd800 && point <= 0xdfff) {
        this.#bytes[at++] = 0xe0 | (point >> 12);
        this.#bytes[at++] = 0x80 | ((point >> 6) & 0x3f);
        this.#bytes[at++] = 0x80 | (point & 0x3f);
      } else at += this.#bytes.write(character, at, 'utf8');
    }
    return at - start;
  }

  #reserve(count: number): void {
    const wanted = this.#end + count;
    if (wanted > this.#bytes.length)
      this.#resize(Math.max(wanted, Math.min(this.#bytes.length * 2, constants.MAX_LENGTH)));
  }

  #resize(size: number): void {
    const larger = allocate(size);
    larger.set(this.#bytes.subarray(0, Math.min(this.#end, size)));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

function allocate(size: number): Buffer<ArrayBuffer> {
  if (size > constants.MAX_LENGTH) throw new TooLargeError(`${size} bytes are more than one value can have`);
  try {
    return Buffer.allocUnsafeSlow(size);
  } catch {
    throw new TooLargeError(`there is no memory for the ${size} bytes of a value`);
  }
}

/** A length that msgpack can say. */
function u32(length: number): number {
  if (length > 0xffffffff) throw new TooLargeError(`${length} bytes are more than one value can have`);
  return length;
}

/** Whether a string has no lone surrogate; in Node since 20, and in the language's types only since ES2024. */
const isWellFormed = (value: string): boolean => (value as string & { isWellFormed(): boolean }).isWellFormed();
