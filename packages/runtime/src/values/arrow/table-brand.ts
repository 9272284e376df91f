/** Tells tables of apache-arrow from other objects without loading it, whichever copy of it made them. */
import type { DataType, RecordBatch, Table } from 'apache-arrow';

const TABLE = Symbol.for('apache-arrow/Table');
const RECORD_BATCH = Symbol.for('apache-arrow/RecordBatch');

/** What {@link readTable} makes, and what a table is sent as. @internal */
export type TableKind = 'table' | 'batch';

/** Whether a value is a `Table` of apache-arrow. @internal */
export function isTable(value: object): value is Table {
  return (
    (value as { readonly [TABLE]?: unknown })[TABLE] === true ||
    (classTag(value) === 'Table' && Array.isArray((value as Partial<Table>).batches))
  );
}

/** Whether a value is a `RecordBatch` of apache-arrow. @internal */
export function isRecordBatch(value: object): value is RecordBatch {
  return (
    (value as { readonly [RECORD_BATCH]?: unknown })[RECORD_BATCH] === true ||
    (classTag(value) === 'RecordBatch' && typeof (value as Partial<RecordBatch>).data === 'object')
  );
}

/** Before 21.2 instances have no brand of their own; their classes have a tag. */
function classTag(value: object): unknown {
  const type: unknown = value.constructor;
  return typeof type === 'function'
    ? (type as { readonly [Symbol.toStringTag]?: unknown })[Symbol.toStringTag]
    : undefined;
}

/** A type as apache-arrow writes it: `List<Int32>`. @internal */
export const typeName = (type: DataType): string => (type as { toString(): string }).toString();
