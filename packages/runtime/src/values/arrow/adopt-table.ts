/** Makes what another copy or version of apache-arrow holds into what this copy can write; no buffer is copied. */
import type { Data, DataType, Field, RecordBatch, Schema, Vector } from 'apache-arrow';
import type { ArrowModule } from './arrow-module.js';
import { isTable, typeName } from './table-brand.js';

/** What a table consists of. @internal */
export interface TableParts {
  readonly schema: Schema;
  readonly batches: readonly RecordBatch[];
}

/**
 * The parts of a table or a record batch, in the classes of one copy of apache-arrow: its writer tells types by their
 * classes and would write a dictionary of another copy's as a column without one.
 *
 * @internal
 */
export function adopted(value: object, arrow: ArrowModule): TableParts {
  const parts = isTable(value) ? value : partsOf(value as RecordBatch);
  const isOwn =
    Object.prototype.isPrototypeOf.call(arrow.Schema.prototype, parts.schema) &&
    parts.schema.fields.every((field) => isOfCopy(field.type as DataType, arrow));
  return isOwn ? parts : new Adoption(arrow).parts(parts);
}

const partsOf = (batch: RecordBatch): TableParts => ({ schema: batch.schema, batches: [batch] });

function isOfCopy(type: DataType, arrow: ArrowModule): boolean {
  if (!(type instanceof arrow.DataType)) return false;
  if (arrow.DataType.isDictionary(type)) return isOfCopy(type.dictionary as DataType, arrow);
  return (
    (type.children as readonly Field[] | null | undefined)?.every((child) => isOfCopy(child.type as DataType, arrow)) ??
    true
  );
}

class Adoption {
  readonly #arrow: ArrowModule;
  /** The writer knows a dictionary that it has written already by its identity. */
  readonly #dictionaries = new Map<Vector, Vector>();
  readonly #dictionaryChunks = new Map<Data, Data>();

  constructor(arrow: ArrowModule) {
    this.#arrow = arrow;
  }

  parts({ schema, batches }: TableParts): TableParts {
    const own = new this.#arrow.Schema(
      schema.fields.map((field) => this.#field(field)),
      schema.metadata,
    );
    return { schema: own, batches: batches.map((batch) => this.#batch(own, batch)) };
  }

  #batch(schema: Schema, batch: RecordBatch): RecordBatch {
    const { Struct, RecordBatch, Data } = this.#arrow;
    const type = new Struct(schema.fields);
    const children = batch.data.children.map((child) => this.#data(child));
    const data = new Data(type, 0, batch.numRows, 0, undefined, children);
    return new RecordBatch(schema, data, (batch as Partial<RecordBatch>).metadata ?? new Map<string, string>());
  }

  #data(data: Data): Data {
    return new this.#arrow.Data(
      this.#type(data.type),
      data.offset,
      data.length,
      data.nullCount,
      data.buffers,
      data.children.map((child) => this.#data(child)),
      data.dictionary && this.#dictionary(data.dictionary),
      data.variadicBuffers,
    );
  }

  #dictionary(vector: Vector): Vector {
    const known = this.#dictionaries.get(vector);
    if (known !== undefined) return known;
    const made = new this.#arrow.Vector(vector.data.map((chunk: Data) => this.#dictionaryChunk(chunk)));
    this.#dictionaries.set(vector, made);
    return made;
  }

  /** A dictionary that grows is a new vector that begins with the chunks of the one before. */
  #dictionaryChunk(chunk: Data): Data {
    const known = this.#dictionaryChunks.get(chunk);
    if (known !== undefined) return known;
    const made = this.#data(chunk);
    this.#dictionaryChunks.set(chunk, made);
    return made;
  }

  #field(field: Field): Field {
    return new this.#arrow.Field(field.name, this.#type(field.type as DataType), field.nullable, field.metadata);
  }

  /** The numbers of the kinds of types are the format's own, the same in every version. */
  #type(type: DataType): DataType {
    const arrow = this.#arrow;
    const { DataType } = arrow;
    if (DataType.isDictionary(type)) {
      const { id, isOrdered } = type;
      const dictionary = this.#type(type.dictionary as DataType);
      return new arrow.Dictionary(dictionary, this.#type(type.indices) as typeof type.indices, id, isOrdered);
    }
    if (DataType.isInt(type)) return new arrow.Int(type.isSigned, type.bitWidth);
    if (DataType.isFloat(type)) return new arrow.Float(type.precision);
    if (DataType.isDecimal(type)) return new arrow.Decimal(type.scale, type.precision, type.bitWidth);
    if (DataType.isDate(type)) return new arrow.Date_(type.unit);
    if (DataType.isTime(type)) return new arrow.Time(type.unit, type.bitWidth);
    if (DataType.isTimestamp(type)) return new arrow.Timestamp(type.unit, type.timezone);
    if (DataType.isInterval(type)) return new arrow.Interval(type.unit);
    if (DataType.isDuration(type)) return new arrow.Duration(type.unit);
    if (DataType.isFixedSizeBinary(type)) return new arrow.FixedSizeBinary(type.byteWidth);
    const children = ((type.children as readonly Field[] | null | undefined) ?? []).map((child) => this.#field(child));
    const [child] = children;
    if (DataType.isStruct(type)) return new arrow.Struct(children);
    if (DataType.isUnion(type)) return new arrow.Union(type.mode, [...type.typeIds], children);
    if (child !== undefined) {
      if (DataType.isList(type)) return new arrow.List(child);
      if (DataType.isLargeList(type)) return new arrow.LargeList(child);
      if (DataType.isFixedSizeList(type)) return new arrow.FixedSizeList(type.listSize, child);
      if (DataType.isMap(type))
        return new arrow.Map_(child as ConstructorParameters<typeof arrow.Map_>[0], type.keysSorted);
    }
    const plain = this.#plainType(type);
    if (plain === undefined) throw new Error(`a column of type ${typeName(type)} cannot be sent`);
    return plain;
  }

  #plainType(type: DataType): DataType | undefined {
    const { DataType, Null, Bool, Utf8, LargeUtf8, Utf8View, Binary, LargeBinary, BinaryView } = this.#arrow;
    if (DataType.isNull(type)) return new Null();
    if (DataType.isBool(type)) return new Bool();
    if (DataType.isUtf8(type)) return new Utf8();
    if (DataType.isLargeUtf8(type)) return new LargeUtf8();
    if (DataType.isUtf8View(type)) return new Utf8View();
    if (DataType.isBinary(type)) return new Binary();
    if (DataType.isLargeBinary(type)) return new LargeBinary();
    if (DataType.isBinaryView(type)) return new BinaryView();
    return undefined;
  }
}
