/**
 * Tables and record batches to the IPC stream format, written where they shall lie and nowhere before.
 *
 * Every buffer begins at a multiple of 64 bytes from the beginning of the stream, as the format recommends and as
 * vector instructions like it, where apache-arrow by itself aligns to 8.
 *
 * @see https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format
 */
import type { RecordBatch, Schema, Vector } from 'apache-arrow';
import { setImmediate } from 'node:timers/promises';
import { Problem } from '../problem.js';
import { adopted } from './adopt-table.js';
import { loadArrow, type ArrowModule } from './arrow-module.js';
import { withWholeViews } from './sliced-views.js';

/** A table that is about to be written. @internal */
export interface TablePlan {
  /** Exactly what is written. */
  readonly byteLength: number;
  /** Writes all of it. The target begins at a multiple of 64 bytes, so that the buffers do. */
  write(target: Uint8Array): void;
  /**
   * Writes what is small at once and leaves large buffers to `copyInPieces`, one after the other. They are read where
   * they stand: who changes the table before the promise resolves changes what is sent.
   */
  writeInPieces(target: Uint8Array, copyInPieces: CopyInPieces): Promise<void>;
}

/** Copies all of the source to the beginning of the target while the event loop goes on. @internal */
export type CopyInPieces = (target: Uint8Array, source: Uint8Array) => Promise<void>;

/** Smaller buffers are copied at once. */
const MIN_BYTES_IN_PIECES = 1 << 20;
/** How much is copied on the event loop at a time: some milliseconds' worth. */
const MAX_BYTES_ON_LOOP = 8 << 20;

const ALIGNMENT = 64;
const ZEROS = new Uint8Array(ALIGNMENT);

/**
 * What a table or a record batch of apache-arrow comes to, by a run that keeps the pieces: most are views of its columns.
 *
 * @throws Problem When apache-arrow is missing or cannot write the table.
 * @internal
 */
export function planTable(value: object): TablePlan {
  const chunks = chunksOf(value);
  let byteLength = 0;
  for (const chunk of chunks) byteLength += chunk.byteLength;
  return {
    byteLength,
    write(target) {
      writeChunks(chunks, target);
    },
    writeInPieces: async (target, copyInPieces) => writeChunksInPieces(chunks, target, copyInPieces),
  };
}

/** @internal */
export const tableByteLength = (value: object): number => planTable(value).byteLength;

/** @internal */
export function writeTable(value: object, target: Uint8Array): void {
  planTable(value).write(target);
}

function writeChunks(chunks: readonly Uint8Array[], target: Uint8Array): void {
  let at = 0;
  for (const chunk of chunks) {
    target.set(chunk, at);
    at += chunk.byteLength;
  }
}

async function writeChunksInPieces(
  chunks: readonly Uint8Array[],
  target: Uint8Array,
  copyInPieces: CopyInPieces,
): Promise<void> {
  let at = 0;
  let onLoop = 0;
  for (const chunk of chunks) {
    if (chunk.byteLength >= MIN_BYTES_IN_PIECES) {
      await copyInPieces(target.subarray(at, at + chunk.byteLength), chunk);
      onLoop = 0;
    } else {
      target.set(chunk, at);
      onLoop += chunk.byteLength;
    }
    at += chunk.byteLength;
    if (onLoop >= MAX_BYTES_ON_LOOP) {
      await setImmediate();
      onLoop = 0;
    }
  }
}

function chunksOf(value: object): readonly Uint8Array[] {
  try {
    const arrow = loadArrow();
    const { schema, batches } = adopted(value, arrow);
    const whole = batches.map((batch) => withWholeViews(batch, arrow));
    return new (streamWriter(arrow))().collect(schema, whole);
  } catch (error) {
    throw new Problem(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** A writer of apache-arrow that gathers the pieces of a stream in place of joining them. */
interface StreamWriter {
  collect(schema: Schema, batches: readonly RecordBatch[]): readonly Uint8Array[];
}

const writers = new WeakMap<ArrowModule, new () => StreamWriter>();

function streamWriter(arrow: ArrowModule): new () => StreamWriter {
  const known = writers.get(arrow);
  if (known !== undefined) return known;
  const made = makeStreamWriter(arrow);
  writers.set(arrow, made);
  return made;
}

function makeStreamWriter(arrow: ArrowModule): new () => StreamWriter {
  return class extends arrow.RecordBatchStreamWriter implements StreamWriter {
    readonly #chunks: Uint8Array[] = [];

    collect(schema: Schema, batches: readonly RecordBatch[]): readonly Uint8Array[] {
      this.reset(undefined, schema);
      for (const batch of batches) this._writeRecordBatch(batch);
      this.finish();
      return this.#chunks;
    }

    /** The base class puts buffers at multiples of 8. */
    protected override _assembleRecordBatch(batch: RecordBatch | Vector) {
      const assembled = super._assembleRecordBatch(batch);
      let end = 0;
      const bufferRegions = assembled.buffers.map(({ byteLength }) => {
        const offset = end;
        end += aligned(byteLength);
        return { offset, length: byteLength };
      });
      return { ...assembled, bufferRegions, byteLength: end };
    }

    protected override _writeMessage(message: Parameters<typeof arrow.Message.encode>[0]): this {
      return super._writeMessage(message, ALIGNMENT);
    }

    protected override _writeBodyBuffers(buffers: readonly ArrayBufferView[]): this {
      for (const buffer of buffers) this._write(buffer)._writePadding(aligned(buffer.byteLength) - buffer.byteLength);
      return this;
    }

    protected override _writePadding(byteLength: number): this {
      return this._write(ZEROS.subarray(0, byteLength));
    }

    protected override _write(chunk: ArrayBufferView): this {
      if (chunk.byteLength > 0) this.#chunks.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      return this;
    }
  };
}

const aligned = (byteLength: number): number => Math.ceil(byteLength / ALIGNMENT) * ALIGNMENT;
