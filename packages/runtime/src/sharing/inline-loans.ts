/** Puts what lies in shared memory into the message itself, for a worker that cannot share any. */
import { checkArrayFields, makeNDArray, memoryOfFields } from '@hognose/zerocopy';
import type { Block, Borrowed, Hold } from '@hognose/zerocopy/internal';
import type { EncodedValue } from '../gen/messages.js';
import { Extension, HOLDING, SharedKind } from '../values/extensions.js';
import { MsgpackReader, NO_HANDLES } from '../values/decode.js';
import { MsgpackWriter } from '../values/msgpack-writer.js';
import type { Loan } from './loan.js';

/**
 * The same value, with the bytes of all loans in it.
 *
 * @param loans - Those that are to be in it, by their numbers.
 * @internal
 */
export function inlineLoans(encoded: EncodedValue, loans: ReadonlyMap<number, Loan>): EncodedValue {
  const inliner = new Inliner(encoded, loans);
  inliner.value();
  return inliner.out.take();
}

/** Copies msgpack value by value. The bytes are this process's own: they are not checked. */
class Inliner {
  readonly out = new MsgpackWriter();
  readonly #bytes: Buffer;
  readonly #loans: ReadonlyMap<number, Loan>;
  #at = 0;

  constructor(bytes: Uint8Array, loans: ReadonlyMap<number, Loan>) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#loans = loans;
  }

  value(): void {
    let start = this.#at;
    for (let waiting = 1; waiting > 0; waiting -= 1) {
      const from = this.#at;
      const tag = this.#bytes[this.#at++] as number;
      if (tag >= 0x80 && tag < 0x90) waiting += 2 * (tag & 0x0f);
      else if (tag >= 0x90 && tag < 0xa0) waiting += tag & 0x0f;
      else if (tag >= 0xa0 && tag < 0xc0) this.#at += tag & 0x1f;
      else if (tag >= 0xc4 && tag <= 0xc6) this.#at += this.#length(tag - 0xc4);
      else if ((tag >= 0xc7 && tag <= 0xc9) || (tag >= 0xd4 && tag <= 0xd8)) {
        this.out.raw(this.#bytes.subarray(start, from));
        this.#extension(from, tag < 0xd0 ? this.#length(tag - 0xc7) : 1 << (tag - 0xd4));
        start = this.#at;
      } else if (tag >= 0xca && tag <= 0xd3) this.#at += NUMBER_BYTES[tag - 0xca] as number;
      else if (tag >= 0xd9 && tag <= 0xdb) this.#at += this.#length(tag - 0xd9);
      else if (tag === 0xdc || tag === 0xdd) waiting += this.#length(tag - 0xdb);
      else if (tag === 0xde || tag === 0xdf) waiting += 2 * this.#length(tag - 0xdd);
    }
    this.out.raw(this.#bytes.subarray(start, this.#at));
  }

  #extension(from: number, length: number): void {
    const code = this.#bytes.readInt8(this.#at++);
    const payload = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    if (code === Extension.SHARED) this.#shared(payload);
    else if (HOLDING.has(code)) {
      const start = this.out.startExtension(code);
      this.out.raw(inlineLoans(payload, this.#loans));
      this.out.endExtension(start);
    } else this.out.raw(this.#bytes.subarray(from, this.#at));
  }

  #shared(payload: Buffer): void {
    const [lease, , , , offset, byteLength, kind, fields] = new MsgpackReader(payload, NO_HANDLES).array();
    const hold = this.#loans.get(lease as number)?.hold;
    if (hold === undefined) {
      this.out.extensionHeader(Extension.SHARED, payload.length); // the worker has this one
      this.out.raw(payload);
      return;
    }
    const from = (offset as number) - hold.offset;
    const bytes = bytesOf(hold).subarray(from, from + (byteLength as number));
    if (kind === SharedKind.BYTES) {
      this.out.binary(bytes);
      return;
    }
    const start = this.out.startExtension(kind === SharedKind.ARRAY ? Extension.NDARRAY : Extension.ARROW);
    if (kind === SharedKind.ARRAY) this.#array(fields, bytes);
    else writeInlineTable(this.out, kind as number, bytes);
    this.out.endExtension(start);
  }

  #array(fields: unknown, bytes: Uint8Array<ArrayBuffer>): void {
    const array = checkArrayFields(fields, bytes.byteLength);
    const { dtype, shape, strides, offset } = array;
    const memory = memoryOfFields(array, bytes.buffer, bytes.byteOffset);
    writeInline(this.out, dtype, shape, makeNDArray({ dtype, shape, strides, offset, memory }).toTypedArray());
  }

  /** The unsigned integer of 1, 2 or 4 bytes for 0, 1 or 2. */
  #length(sizeLog2: number): number {
    const size = 1 << sizeLog2;
    this.#at += size;
    return this.#bytes.readUIntBE(this.#at - size, size);
  }
}

/** Bytes behind the tags 0xca to 0xd3: floats, unsigned and signed integers. */
const NUMBER_BYTES = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8];

/** The fields of an array that travels inside of the message. @internal */
export function writeInline(out: MsgpackWriter, dtype: string, shape: readonly number[], data: ArrayBufferView): void {
  out.arrayHeader(3);
  out.string(dtype);
  out.arrayHeader(shape.length);
  for (const length of shape) out.integer(length);
  out.binary(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** The fields of a table that travels inside of the message. @internal */
export function writeInlineTable(out: MsgpackWriter, kind: number, stream: Uint8Array): void {
  out.arrayHeader(2);
  out.integer(kind);
  out.binary(stream);
}

/** The memory of a piece, of this process or of a worker. */
function bytesOf(hold: Hold): Uint8Array<ArrayBuffer> {
  return 'bytes' in hold ? (hold as Block).bytes : new Uint8Array((hold as Borrowed).buffer);
}
