/** Tables and record batches over the bytes of an IPC stream, which stay where they are. */
import type { Data, DataType, RecordBatch, Table } from 'apache-arrow';
import { DecodeError } from '../../errors.js';
import { loadArrow, type ArrowModule } from './arrow-module.js';
import { checkBatch } from './check-batch.js';
import { PREFIX_BYTES, streamMessages, type StreamMessage } from './stream-messages.js';
import { isTable, type TableKind } from './table-brand.js';

/**
 * A `Table`, or the `RecordBatch` of a stream of one, whose columns are views of the bytes.
 *
 * The bytes may come from a process that is not trusted: counts and lengths are checked before anything is made of them.
 * What the columns hold is not; wrong offsets show as wrong values and never reach outside of the bytes.
 *
 * @param bytes - Copied where they do not begin at a multiple of 8 in their buffer, as columns of numbers must.
 * @throws {@link DecodeError} When they are no such stream, or apache-arrow is missing.
 * @internal
 */
export function readTable(bytes: Uint8Array, kind: TableKind): Table | RecordBatch {
  try {
    const aligned = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
    const table = read(aligned, kind, loadArrow());
    streams.set(table, { bytes: aligned, validity: validityOf(table) });
    return table;
  } catch (error) {
    if (error instanceof DecodeError) throw error;
    throw new DecodeError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function read(bytes: Uint8Array, kind: TableKind, arrow: ArrowModule): Table | RecordBatch {
  const messages = streamMessages(bytes);
  const count = checkMessages(messages, arrow);
  const reader = arrow.RecordBatchReader.from(messages.flatMap(({ head, body }) => [head, body]));
  const batches = [...reader];
  if (kind === 'table') return new arrow.Table(reader.schema, batches);
  const [batch] = batches;
  if (count !== 1 || batch === undefined) throw new DecodeError(`a stream of one record batch of Arrow has ${count}`);
  return batch;
}

/** Checks every message against the schema before the first column is made; tells how many record batches there are. */
function checkMessages(messages: readonly StreamMessage[], arrow: ArrowModule): number {
  const [first, ...rest] = messages.map(({ head }) => arrow.Message.decode(head.subarray(PREFIX_BYTES)));
  if (first?.isSchema() !== true) throw new DecodeError('a stream of Arrow does not begin with a schema');
  const schema = first.header();
  const types = schema.fields.map((field) => field.type as DataType);
  const dictionaries = new Set<number>();
  let count = 0;
  for (const message of rest) {
    if (message.isRecordBatch()) {
      checkBatch(message.header(), types, message.bodyLength, dictionaries, arrow);
      count += 1;
    } else if (message.isDictionaryBatch()) {
      const { id, data } = message.header();
      const type = schema.dictionaries.get(id);
      if (type === undefined) throw new DecodeError(`a dictionary of Arrow has the unknown number ${id}`);
      checkBatch(data, [type], message.bodyLength, dictionaries, arrow);
      dictionaries.add(id);
    } else throw new DecodeError('a stream of Arrow has a second schema');
  }
  return count;
}

interface Origin {
  readonly bytes: Uint8Array;
  readonly validity: Validity;
}

/** What `set` and `setValid` change besides the bytes. */
type Validity = readonly (Uint8Array | number | undefined)[];

const streams = new WeakMap<object, Origin>();

/**
 * The stream that a table or record batch was read from, so that it can be sent on without being written again;
 * undefined for any other, and where a null was put in or taken out, which the stream does not say.
 *
 * @internal
 */
export function streamOf(value: Table | RecordBatch): Uint8Array | undefined {
  const origin = streams.get(value);
  if (origin === undefined) return undefined;
  const validity = validityOf(value);
  const isSame =
    validity.length === origin.validity.length && validity.every((part, index) => part === origin.validity[index]);
  return isSame ? origin.bytes : undefined;
}

function validityOf(value: Table | RecordBatch): Validity {
  const parts: (Uint8Array | number | undefined)[] = [];
  const add = (data: Data): void => {
    parts.push(data.nullCount, data.nullBitmap);
    data.children.forEach(add);
    data.dictionary?.data.forEach(add);
  };
  for (const batch of isTable(value) ? value.batches : [value]) batch.data.children.forEach(add);
  return parts;
}
