/**
 * Takes an IPC stream apart into its messages, whatever the bytes are.
 *
 * The metadata of a message is a flatbuffer, of which apache-arrow trusts every number: a length that lies lets it loop
 * for minutes and fill the memory. It is copied before it is looked at, as another process may still write to it.
 *
 * @see https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format
 */
import { DecodeError } from '../../errors.js';

/** One message of a stream. @internal */
export interface StreamMessage {
  /** The mark, the size and the flatbuffer: a copy. */
  readonly head: Uint8Array;
  /** The columns, where they lie. */
  readonly body: Uint8Array;
}

/** Bytes before a flatbuffer: the mark and its size. @internal */
export const PREFIX_BYTES = 8;

const CONTINUATION = 0xff_ff_ff_ff;
/** The only version that is written since 2020. */
const VERSION_5 = 4;
/** How deep types may be nested: as for pyarrow. */
const MAX_DEPTH = 64;

/**
 * @throws {@link DecodeError} When the bytes are no stream, or a number in them cannot be true.
 * @internal
 */
export function streamMessages(bytes: Uint8Array): StreamMessage[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: StreamMessage[] = [];
  let at = 0;
  while (at + PREFIX_BYTES <= bytes.byteLength) {
    if (view.getUint32(at, true) !== CONTINUATION) throw new DecodeError(`no message of Arrow begins at byte ${at}`);
    const size = view.getUint32(at + 4, true);
    if (size === 0) break;
    const bodyAt = at + PREFIX_BYTES + size;
    if (bodyAt > bytes.byteLength || bodyAt % 8 !== 0)
      throw new DecodeError(`a message of Arrow at byte ${at} is cut off`);
    const head = bytes.slice(at, bodyAt);
    new DataView(head.buffer).setUint32(4, size, true); // it may have been changed since
    const bodyLength = new MetadataCheck(head.subarray(PREFIX_BYTES)).message();
    at = bodyAt + bodyLength;
    if (at > bytes.byteLength) throw new DecodeError(`the columns of a message of Arrow at byte ${bodyAt} are cut off`);
    messages.push({ head, body: bytes.subarray(bodyAt, at) });
  }
  return messages;
}

/** Kinds of messages, as the format numbers them. */
const SCHEMA = 1;
const DICTIONARY_BATCH = 2;
const RECORD_BATCH = 3;

/**
 * Walks all that is counted in a message's metadata.
 *
 * What is read is paid for out of as many bytes as there are, so that tables that contain themselves, or are referred
 * to a million times, end in an error. Scalars are not looked at: a wrong one does no harm until its column is read.
 *
 * @see https://flatbuffers.dev/internals/
 */
class MetadataCheck {
  readonly #view: DataView;
  #budget: number;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#budget = bytes.byteLength;
  }

  /** The length of the message's body. */
  message(): number {
    const message = this.#referred(0);
    const versionAt = this.#field(message, 0);
    if (versionAt === 0 || this.#view.getInt16(versionAt, true) !== VERSION_5)
      throw new DecodeError('a message of Arrow is of another version than 5');
    this.#keyValues(message, 4);
    const header = this.#table(message, 2);
    const kindAt = this.#field(message, 1);
    const kind = kindAt === 0 ? 0 : this.#view.getUint8(kindAt);
    if (header === 0) throw new DecodeError('a message of Arrow has no header');
    if (kind === SCHEMA) this.#schema(header);
    else if (kind === RECORD_BATCH) this.#recordBatch(header);
    else if (kind === DICTIONARY_BATCH) this.#dictionaryBatch(header);
    else throw new DecodeError(`a message of Arrow is of the unknown kind ${kind}`);
    return this.#bodyLength(message);
  }

  #bodyLength(message: number): number {
    const at = this.#field(message, 3);
    const length = at === 0 ? 0 : Number(this.#view.getBigInt64(at, true));
    if (!Number.isSafeInteger(length) || length < 0 || length % 8 !== 0)
      throw new DecodeError(`a message of Arrow has a body of ${length} bytes`);
    return length;
  }

  #schema(schema: number): void {
    this.#fields(schema, 1, 0);
    this.#keyValues(schema, 2);
  }

  #fields(table: number, slot: number, depth: number): void {
    if (depth > MAX_DEPTH) throw new DecodeError(`types of Arrow are nested more than ${MAX_DEPTH} deep`);
    for (const field of this.#tables(table, slot)) {
      this.#string(field, 0);
      this.#keyValues(field, 6);
      this.#fields(field, 5, depth + 1);
    }
  }

  #dictionaryBatch(batch: number): void {
    const data = this.#table(batch, 1);
    if (data === 0) throw new DecodeError('a dictionary of Arrow has no values');
    this.#recordBatch(data);
  }

  #recordBatch(batch: number): void {
    this.#vector(batch, 1, 16);
    this.#vector(batch, 2, 16);
    this.#vector(batch, 4, 8);
    if (this.#field(batch, 3) !== 0)
      throw new DecodeError('a record batch of Arrow is compressed: it cannot be viewed');
  }

  #keyValues(table: number, slot: number): void {
    for (const pair of this.#tables(table, slot)) {
      this.#string(pair, 0);
      this.#string(pair, 1);
    }
  }

  #string(table: number, slot: number): void {
    this.#vector(table, slot, 1);
  }

  #tables(table: number, slot: number): number[] {
    const { start, length } = this.#vector(table, slot, 4);
    return Array.from({ length }, (_, index) => this.#referred(start + 4 * index));
  }

  /** Where the elements of a vector begin, and how many there are. */
  #vector(table: number, slot: number, elementBytes: number): { readonly start: number; readonly length: number } {
    const at = this.#field(table, slot);
    if (at === 0) return { start: 0, length: 0 };
    const vector = this.#offset(at);
    const length = this.#view.getUint32(vector, true);
    this.#spend(length * elementBytes);
    this.#inside(vector + 4, length * elementBytes);
    return { start: vector + 4, length };
  }

  /** A table within a table; 0 where there is none. */
  #table(table: number, slot: number): number {
    const at = this.#field(table, slot);
    return at === 0 ? 0 : this.#referred(at);
  }

  #referred(at: number): number {
    this.#spend(4);
    const table = this.#offset(at);
    this.#inside(table, 4);
    return table;
  }

  /** What an unsigned offset points to; with four bytes there. */
  #offset(at: number): number {
    this.#inside(at, 4);
    const target = at + this.#view.getUint32(at, true);
    this.#inside(target, 4);
    return target;
  }

  /** Where the field of a table stands; 0 where it is left out: by the very numbers that apache-arrow goes by. */
  #field(table: number, slot: number): number {
    const directory = table - this.#view.getInt32(table, true);
    this.#inside(directory, 2);
    const entry = 4 + 2 * slot;
    if (entry >= this.#view.getInt16(directory, true)) return 0;
    this.#inside(directory + entry, 2);
    const offset = this.#view.getInt16(directory + entry, true);
    if (offset === 0) return 0;
    this.#inside(table + offset, 1);
    return table + offset;
  }

  #inside(start: number, length: number): void {
    if (start < 0 || start + length > this.#view.byteLength)
      throw new DecodeError('metadata of Arrow points outside of itself');
  }

  #spend(bytes: number): void {
    this.#budget -= bytes;
    if (this.#budget < 0) throw new DecodeError('metadata of Arrow holds more than fits in');
  }
}
