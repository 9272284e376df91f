/** The extension types of msgpack that stand for values of Python. */
import { inspect } from 'node:util';
import {
  checkArrayFields,
  COPY_REASONS,
  isDType,
  makeNDArray,
  memoryOfFields,
  ndarrayOf,
  typedArrayOver,
} from '@hognose/zerocopy';
import type { LentFields } from '@hognose/zerocopy/internal';
import { DecodeError, HognoseError } from '../errors.js';
import { memoryInUse } from '../sharing/host-memory.js';
import { SharedSource } from '../sharing/place.js';
import { globalState } from '../global-state.js';
import { isTable, readTable } from './arrow/table.js';
import { PyDate } from './date.js';
import { PyDateTime } from './datetime.js';
import type { MsgpackReader } from './decode.js';
import { Extension, SharedKind } from './extensions.js';
import { PyComplex, PyDecimal, PyFraction } from './numbers.js';
import { codecOfName } from './registry.js';
import { PyTime } from './time.js';
import { PyTimeDelta } from './timedelta.js';
import { toTuple } from './types.js';
import { PyUuid } from './uuid.js';

/** @internal */
export class ExtensionReader {
  readonly #reader: MsgpackReader;

  constructor(reader: MsgpackReader) {
    this.#reader = reader;
  }

  /** Reads the payload of an extension, `length` bytes that the buffer holds. */
  read(code: number, length: number): unknown {
    const reader = this.#reader;
    switch (code) {
      case Extension.TUPLE:
        return toTuple(reader.array());
      case Extension.HANDLE:
        return this.#handle();
      case Extension.INTEGERS:
      case Extension.FLOATS:
        if (length % 8 !== 0) throw new DecodeError(`a packed list of numbers has ${length} bytes`);
        return code === Extension.INTEGERS ? reader.integers(length) : reader.floats(length);
      case Extension.RECORDS:
        return this.#records();
      case Extension.NDARRAY:
        return this.#ndarray();
      case Extension.BIG_INTEGER:
        return bigInteger(reader.raw(length));
      case Extension.SET:
      case Extension.FROZENSET: {
        const items = reader.array();
        const set = new Set(items);
        // Not a number, twice: Python tells such elements apart, a Set does not.
        if (set.size !== items.length) throw new DecodeError('two elements of a set are one in JavaScript (nan)');
        return set;
      }
      case Extension.SHARED:
        return this.#shared();
      case Extension.ARROW: {
        const [kind, stream, reason = INLINE] = reader.array();
        const copyReason = COPY_REASONS[reason as number];
        if (!isBytes(stream) || copyReason === undefined)
          throw new DecodeError('a table must be of a kind and a stream');
        if (copyReason !== 'inline') reader.context.copied(copyReason, stream.byteLength);
        return tableOf(stream, kind);
      }
      case Extension.CODEC:
        return this.#registered();
      case Extension.FUNCTION: {
        const [id] = reader.array();
        if (typeof id !== 'number') throw new DecodeError('a function must have an id');
        return reader.context.function(id);
      }
      case Extension.HOST_ERROR: {
        const [id, name, message, stack] = reader.array();
        if (typeof id !== 'number' || !areTexts([name, message, stack]))
          throw new DecodeError('an error cannot be read');
        return reader.context.hostError(id, name as string, message as string, stack as string);
      }
      default:
        return this.#plain(code, length);
    }
  }

  /** A value that is made of numbers and texts alone. */
  #plain(code: number, length: number): unknown {
    try {
      switch (code) {
        case Extension.DATETIME:
          return dateTime(this.#reader.array());
        case Extension.DATE: {
          const [year, month, day] = this.#reader.array() as number[];
          return new PyDate(year as number, month as number, day as number);
        }
        case Extension.TIME:
          return time(this.#reader.array());
        case Extension.TIMEDELTA: {
          const [days, seconds, microseconds] = this.#reader.array() as number[];
          return new PyTimeDelta(days as number, seconds, microseconds);
        }
        case Extension.DECIMAL:
          return PyDecimal.from(this.#reader.raw(length).toString('latin1'));
        case Extension.FRACTION: {
          const [numerator, denominator] = this.#reader.array() as (number | bigint)[];
          return new PyFraction(numerator as number, denominator);
        }
        case Extension.UUID:
          return PyUuid.from(this.#reader.raw(length));
        case Extension.COMPLEX: {
          const [re, im] = this.#reader.array();
          if (typeof re !== 'number' || typeof im !== 'number') throw new TypeError('two numbers are expected');
          return new PyComplex(re, im);
        }
      }
    } catch (cause) {
      if (cause instanceof HognoseError) throw cause;
      throw new DecodeError(`an extension of type ${code} cannot be read: ${(cause as Error).message}`, { cause });
    }
    throw new DecodeError(`extension type ${code} is unknown: the worker is of another version`);
  }

  #handle(): unknown {
    const [id, type, mro = [], repr = null, sessionId = 0] = this.#reader.array();
    const isRead =
      typeof id === 'number' &&
      typeof type === 'string' &&
      Array.isArray(mro) &&
      areTexts(mro) &&
      (repr === null || typeof repr === 'string') &&
      typeof sessionId === 'number';
    if (!isRead) throw new DecodeError('a handle must be of an id, a type, its bases, a repr and a session');
    return this.#reader.context.handle(id, type, mro as string[], repr, sessionId);
  }

  #records(): Record<string, unknown>[] {
    const [keys, ...columns] = this.#reader.array();
    const [first] = columns;
    if (!Array.isArray(keys) || !areTexts(keys) || keys.length !== columns.length || !Array.isArray(first)) {
      throw new DecodeError('records must be of keys and as many columns');
    }
    if (new Set(keys).size !== keys.length || keys.includes('then') || keys.includes('__proto__')) {
      throw new DecodeError('records have a key that they cannot have');
    }
    const rows: Record<string, unknown>[] = [];
    for (let row = 0; row < first.length; row += 1) rows.push({});
    keys.forEach((key: string, index) => {
      const column = columns[index];
      if (!Array.isArray(column) || column.length !== rows.length) {
        throw new DecodeError('the columns of records must be of one length');
      }
      for (let row = 0; row < rows.length; row += 1) (rows[row] as Record<string, unknown>)[key] = column[row];
    });
    return rows;
  }

  #registered(): unknown {
    const [name, plain] = this.#reader.array();
    const codec = typeof name === 'string' ? codecOfName(name) : undefined;
    if (codec === undefined) {
      throw new DecodeError(`the codec ${inspect(name)} is not registered here: call registerCodec before the call`);
    }
    try {
      return codec.decode(plain);
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : inspect(cause);
      throw new DecodeError(`the codec ${codec.name} failed: ${text}`, { cause });
    }
  }

  /** An array that has travelled inside of the message. */
  #ndarray(): unknown {
    const [dtype, shape, bytes, reason = INLINE] = this.#reader.array();
    const copyReason = COPY_REASONS[reason as number];
    if (!isBytes(bytes) || copyReason === undefined)
      throw new DecodeError('an array must be of a dtype, a shape and bytes');
    if (copyReason !== 'inline') this.#reader.context.copied(copyReason, bytes.byteLength);
    try {
      const { buffer, byteOffset, byteLength } = aligned(bytes);
      if (!isDType(dtype)) throw new TypeError('there is none such');
      const memory = typedArrayOver(dtype, buffer, byteOffset, byteLength);
      return makeNDArray({ dtype, shape: shape as number[], memory, copyReason });
    } catch (cause) {
      throw new DecodeError(`an array of dtype ${inspect(dtype)} cannot be read: ${(cause as Error).message}`, {
        cause,
      });
    }
  }

  /** What lies in shared memory, as a view of it. */
  #shared(): unknown {
    const fields = this.#reader.array();
    const described = fields.pop();
    const kind = fields.pop();
    const { context } = this.#reader;
    const memory = context.shared(fields as unknown as LentFields); // which checks them
    try {
      if (kind === SharedKind.BYTES) return new Uint8Array(memory.buffer);
      if (kind !== SharedKind.ARRAY) return sharedTable(memory.buffer, kind);
      const array = checkArrayFields(described, memory.byteLength);
      if (array.copyReason === undefined) globalState().tally.share();
      else context.copied(array.copyReason, memory.byteLength);
      const { dtype, shape } = array;
      let isOpen = false;
      let forget = track(memory, dtype, shape);
      return ndarrayOf(array, {
        source: new SharedSource(memory, array.byteOffset),
        memory: () => {
          isOpen = true;
          forget?.();
          forget = track(memory.buffer, dtype, shape);
          return memoryOfFields(array, memory.buffer);
        },
        release: () => {
          forget?.();
          if (isOpen) memoryInUse()?.releaseBuffer(memory.buffer);
          memory.release();
        },
      });
    } catch (cause) {
      memory.release();
      if (cause instanceof HognoseError) throw cause;
      throw new DecodeError(`what the worker shares cannot be read: ${(cause as Error).message}`, { cause });
    }
  }
}

/** Notes that memory of a worker is held, where somebody wants to know. */
function track(held: object, dtype: string, shape: readonly number[]): (() => void) | undefined {
  const { leaks } = globalState();
  return leaks?.track(held, `an array of ${dtype} [${shape.join(', ')}] from Python`, '');
}

function dateTime(fields: readonly unknown[]): PyDateTime {
  const [year, month, day, hour, minute, second, microsecond, fold, offset, zone = null, name = null] =
    fields as number[];
  checkTexts(zone, name);
  return new PyDateTime({
    ...({ year, month, day, hour, minute, second, microsecond, fold } as { year: number; month: number; day: number }),
    offset: offset ?? null,
    zone: zone as string | null,
    name: name as string | null,
  });
}

function time(fields: readonly unknown[]): PyTime {
  const [hour, minute, second, microsecond, fold, offset, name = null] = fields as number[];
  checkTexts(name);
  return new PyTime({
    ...({ hour, minute, second, microsecond, fold } as { hour: number }),
    offset: offset ?? null,
    name: name as string | null,
  });
}

function checkTexts(...texts: readonly unknown[]): void {
  if (!texts.every((text) => text === null || typeof text === 'string')) throw new TypeError('a name must be a text');
}

/** The code of what has travelled inside of a message as it is small. */
const INLINE = 1;

/** A view of a frame may stand at any place, a typed array only at multiples of its elements' size. */
const aligned = (bytes: Uint8Array): Uint8Array => (bytes.byteOffset % 8 === 0 ? bytes : bytes.slice());

/** Tables by the memory that they are views of: one that comes again is not read again, as tables do not change. */
const tables = new WeakMap<ArrayBuffer, WeakRef<object>>();

function sharedTable(buffer: ArrayBuffer, kind: unknown): unknown {
  const known = tables.get(buffer)?.deref();
  if (known !== undefined && isTable(known) === (kind === SharedKind.TABLE)) return known;
  const table = tableOf(new Uint8Array(buffer), kind);
  tables.set(buffer, new WeakRef(table));
  return table;
}

function tableOf(stream: Uint8Array, kind: unknown): object {
  if (kind === SharedKind.TABLE) return readTable(stream, 'table');
  if (kind === SharedKind.BATCH) return readTable(stream, 'batch');
  throw new DecodeError(`shared memory holds something of the kind ${inspect(kind)}, which is unknown here`);
}

const areTexts = (values: readonly unknown[]): boolean => values.every((value) => typeof value === 'string');

const isBytes = (value: unknown): value is Uint8Array => ArrayBuffer.isView(value);

function bigInteger(bytes: Uint8Array): number | bigint {
  const hex = Buffer.from(bytes.toReversed()).toString('hex');
  const value = BigInt.asIntN(bytes.length * 8, BigInt(`0x${hex === '' ? '0' : hex}`));
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
