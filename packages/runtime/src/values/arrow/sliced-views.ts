/**
 * Slices of columns of views (`Utf8View`, `BinaryView`), as apache-arrow can write them.
 *
 * Its writer (21.2) skips the offset of such a slice once more, where `slice` has done so already: the views would be
 * those of other rows, and too few of them.
 */
import type { Data, DataType, Field, RecordBatch } from 'apache-arrow';
import type { ArrowModule } from './arrow-module.js';

/** The batch with every slice of views at the offset 0; nothing but bits of validity and offsets is copied. @internal */
export function withWholeViews(batch: RecordBatch, arrow: ArrowModule): RecordBatch {
  if (!batch.schema.fields.some((field) => holdsViews(field.type as DataType, arrow))) return batch;
  const children = batch.data.children.map((child) => whole(child, arrow));
  const data = new arrow.Data(batch.data.type, 0, batch.numRows, 0, undefined, children);
  return new arrow.RecordBatch(batch.schema, data, batch.metadata);
}

function holdsViews(type: DataType, arrow: ArrowModule): boolean {
  const { DataType } = arrow;
  if (DataType.isUtf8View(type) || DataType.isBinaryView(type)) return true;
  if (DataType.isDictionary(type)) return false;
  return ((type.children as readonly Field[] | null | undefined) ?? []).some((field) =>
    holdsViews(field.type as DataType, arrow),
  );
}

function whole(data: Data, arrow: ArrowModule): Data {
  const { DataType } = arrow;
  const type: DataType = data.type;
  if (!holdsViews(type, arrow)) return data;
  if (DataType.isUtf8View(type) || DataType.isBinaryView(type)) return wholeViews(data, arrow);
  if (DataType.isDenseUnion(type)) {
    if (data.offset > 0) throw new Error('a slice of a dense union of views cannot be sent: send all of the union');
    return data;
  }
  const [child] = data.children;
  if (data.valueOffsets !== undefined && child !== undefined) return wholeList(data, child, arrow);
  return withChildren(
    data,
    data.children.map((each) => whole(each, arrow)),
  );
}

function wholeViews(data: Data, arrow: ArrowModule): Data {
  if (data.offset === 0) return data;
  const { length, nullCount, variadicBuffers } = data;
  const bits = nullCount > 0 ? arrow.util.truncateBitmap(data.offset, length, data.nullBitmap) : undefined;
  const buffers = [undefined, data.values, bits] as unknown as Data['buffers'];
  return new arrow.Data(data.type, 0, length, nullCount, buffers, [], undefined, variadicBuffers);
}

/** The writer itself slices what a list holds: it is given the slice, with nothing left to cut off. */
function wholeList(list: Data, child: Data, arrow: ArrowModule): Data {
  const offsets = list.valueOffsets as Int32Array | BigInt64Array;
  const begin = Number(offsets[0] ?? 0);
  const end = Number(offsets[list.length] ?? 0);
  const rebased =
    offsets instanceof Int32Array
      ? arrow.util.rebaseValueOffsets(-begin, list.length + 1, offsets)
      : arrow.util.rebaseValueOffsets(-begin, list.length + 1, offsets);
  const buffers = [rebased, undefined, list.nullBitmap] as unknown as Data['buffers'];
  const children = [whole(child.slice(begin, end - begin), arrow)];
  return new arrow.Data(list.type, list.offset, list.length, list.nullCount, buffers, children);
}

const withChildren = (data: Data, children: Data[]): Data =>
  data.clone(data.type, data.offset, data.length, data.nullCount, data.buffers, children);
