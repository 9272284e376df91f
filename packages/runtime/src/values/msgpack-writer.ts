/** Writes msgpack into one growing buffer. */

const INITIAL_BYTES = 1 << 12;
/** A larger buffer is not kept for the next value. */
const KEPT_BYTES = 1 << 20;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** @internal */
export class MsgpackWriter {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;

  /** Number of bytes written so far. */
  get length(): number {
    return this.#end;
  }

  /** A copy of what was written; the writer is empty afterwards. */
  take(): Uint8Array {
    const taken = Uint8Array.prototype.slice.call(this.#bytes, 0, this.#end);
    this.reset();
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
      else this.integer64(BigInt(value));
    } else if (value >= -32) this.#bytes[this.#end++] = value + 0x100;
    else if (value >= -0x80000000) {
      this.#bytes[this.#end++] = 0xd2;
      this.#view.setInt32(this.#end, value);
      this.#end += 4;
    } else this.integer64(BigInt(value));
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
    this.#bytes[this.#end++] = 0xcb;
    this.#view.setFloat64(this.#end, value);
    this.#end += 8;
  }

  string(value: string): void {
    // UTF-16 units take at most three bytes each.
    this.#reserve(5 + value.length * 3);
    const headerSize = value.length < 11 ? 1 : 5;
    const start = this.#end + headerSize;
    const size = LONE_SURROGATE.test(value) ? this.#writeWtf8(value, start) : this.#bytes.write(value, start, 'utf8');
    if (headerSize === 1) this.#bytes[this.#end] = 0xa0 | size;
    else {
      this.#bytes[this.#end] = 0xdb;
      this.#view.setUint32(this.#end + 1, size);
    }
    this.#end = start + size;
  }

  binary(value: Uint8Array): void {
    this.#header(0xc4, value.length);
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

  /** An extension whose payload `write` writes. */
  extension(code: number, write: () => void): void {
    this.#reserve(6);
    const start = this.#end;
    this.#end += 6;
    write();
    this.#bytes[start] = 0xc9;
    this.#view.setUint32(start + 1, this.#end - start - 6);
    this.#bytes[start + 5] = code;
  }

  /** Sets a u32 in little-endian at a place written before. */
  patchUint32LE(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  #header(first: number, length: number): void {
    this.#reserve(5);
    if (length < 0x100) this.#tagged(first, 1, length);
    else this.#tagged(first + 2, 4, length);
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
    if (wanted > this.#bytes.length) this.#resize(Math.max(wanted, this.#bytes.length * 2));
  }

  #resize(size: number): void {
    const larger = Buffer.allocUnsafeSlow(size);
    larger.set(this.#bytes.subarray(0, Math.min(this.#end, size)));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}
