/**
 * Checks that the columns that a record batch announces are there: apache-arrow would fill up what is missing, with
 * memory for as many rows as the metadata says.
 *
 * @see https://arrow.apache.org/docs/format/Columnar.html#recordbatch-message
 */
import type { DataType, Field, Message, MessageHeader } from 'apache-arrow';
import { DecodeError } from '../../errors.js';
import type { ArrowModule } from './arrow-module.js';
import { typeName } from './table-brand.js';

/** What apache-arrow has read of the metadata of a record batch. @internal */
export type BatchHeader = ReturnType<Message<MessageHeader.RecordBatch>['header']>;

/**
 * @param types - Of the columns, or the one of a dictionary's values.
 * @param bodyLength - Where all columns lie.
 * @param dictionaries - Numbers of those that have come.
 * @throws {@link DecodeError} When something is missing or left over.
 * @internal
 */
export function checkBatch(
  header: BatchHeader,
  types: readonly DataType[],
  bodyLength: number,
  dictionaries: ReadonlySet<number>,
  arrow: ArrowModule,
): void {
  new BatchCheck(header, bodyLength, dictionaries, arrow).columns(types);
}

class BatchCheck {
  readonly #header: BatchHeader;
  readonly #bodyLength: number;
  readonly #dictionaries: ReadonlySet<number>;
  readonly #arrow: ArrowModule;
  #node = 0;
  #buffer = 0;
  #variadic = 0;

  constructor(header: BatchHeader, bodyLength: number, dictionaries: ReadonlySet<number>, arrow: ArrowModule) {
    this.#header = header;
    this.#bodyLength = bodyLength;
    this.#dictionaries = dictionaries;
    this.#arrow = arrow;
  }

  columns(types: readonly DataType[]): void {
    const { length, nodes, buffers, variadicBufferCounts } = this.#header;
    for (const type of types) {
      if (this.#column(type) !== length) throw wrong('a column has another length than its record batch');
    }
    const isDone =
      this.#node === nodes.length && this.#buffer === buffers.length && this.#variadic === variadicBufferCounts.length;
    if (!isDone || !isCount(length)) throw wrong('its columns are not those of the schema');
  }

  /** The length of the column that comes next, whose type is known. */
  #column(type: DataType): number {
    const { DataType } = this.#arrow;
    const node = this.#header.nodes[this.#node++];
    if (node === undefined) throw wrong('a column is missing');
    const { length, nullCount } = node;
    if (!isCount(length) || !isCount(nullCount) || nullCount > length) throw wrong('the length of a column is none');
    if (DataType.isNull(type)) return length;
    if (!DataType.isUnion(type)) this.#take(nullCount > 0 ? Math.ceil(length / 8) : 0);
    if (DataType.isDictionary(type)) this.#dictionary(type.id, length - nullCount);
    this.#values(type, length);
    this.#children(type, length);
    return length;
  }

  /** The buffers of a column besides its validity. */
  #values(type: DataType, length: number): void {
    const { DataType } = this.#arrow;
    const offsetsLength = length === 0 ? 0 : length + 1;
    const width = this.#width(type);
    if (width !== undefined) this.#take(Math.ceil(length * width));
    else if (DataType.isUtf8(type) || DataType.isBinary(type)) this.#take(4 * offsetsLength, 0);
    else if (DataType.isLargeUtf8(type) || DataType.isLargeBinary(type)) this.#take(8 * offsetsLength, 0);
    else if (DataType.isList(type) || DataType.isMap(type)) this.#take(4 * offsetsLength);
    else if (DataType.isLargeList(type)) this.#take(8 * offsetsLength);
    else if (DataType.isDenseUnion(type)) this.#take(length, 4 * length);
    else if (DataType.isSparseUnion(type)) this.#take(length);
    else if (DataType.isUtf8View(type) || DataType.isBinaryView(type))
      this.#take(16 * length, ...this.#variadicBuffers());
    else if (!DataType.isStruct(type) && !DataType.isFixedSizeList(type))
      throw wrong(`nothing is known of ${typeName(type)}`);
  }

  /** The bytes of one value; undefined where they vary or there are none. */
  #width(type: DataType): number | undefined {
    const { DataType, DateUnit, IntervalUnit } = this.#arrow;
    if (DataType.isDictionary(type)) return this.#width(type.indices);
    if (DataType.isBool(type)) return 1 / 8;
    if (DataType.isInt(type) || DataType.isTime(type) || DataType.isDecimal(type)) return type.bitWidth / 8;
    if (DataType.isFloat(type)) return 2 << type.precision;
    if (DataType.isTimestamp(type) || DataType.isDuration(type)) return 8;
    if (DataType.isDate(type)) return type.unit === DateUnit.DAY ? 4 : 8;
    if (DataType.isFixedSizeBinary(type)) return type.byteWidth;
    if (!DataType.isInterval(type)) return undefined;
    if (type.unit === IntervalUnit.MONTH_DAY_NANO) return 16;
    return type.unit === IntervalUnit.DAY_TIME ? 8 : 4;
  }

  #children(type: DataType, length: number): void {
    const { DataType } = this.#arrow;
    if (DataType.isDictionary(type)) return;
    for (const child of (type.children as readonly Field[] | null | undefined) ?? []) {
      const childLength = this.#column(child.type as DataType);
      const isShort =
        ((DataType.isStruct(type) || DataType.isSparseUnion(type)) && childLength < length) ||
        (DataType.isFixedSizeList(type) && childLength < length * type.listSize);
      if (isShort) throw wrong('a column within another is too short');
    }
  }

  #dictionary(id: number, indices: number): void {
    if (indices > 0 && !this.#dictionaries.has(id)) throw wrong(`the dictionary ${id} of a column is missing`);
  }

  *#variadicBuffers(): Generator<number> {
    const count = this.#header.variadicBufferCounts[this.#variadic++] ?? -1;
    if (!isCount(count) || count > this.#header.buffers.length) throw wrong('the buffers of a view are miscounted');
    for (let index = 0; index < count; index += 1) yield 0;
  }

  /** Goes past the next buffers, each of at least so many bytes. */
  #take(...sizes: number[]): void {
    for (const size of sizes) {
      const buffer = this.#header.buffers[this.#buffer++];
      if (buffer === undefined) throw wrong('a buffer is missing');
      const { offset, length } = buffer;
      const isInside = isCount(offset) && isCount(length) && offset % 8 === 0 && offset + length <= this.#bodyLength;
      if (!isInside || !(length >= size)) throw wrong('a buffer is too short or lies outside');
    }
  }
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

const wrong = (problem: string): DecodeError => new DecodeError(`a record batch of Arrow cannot be read: ${problem}`);
