import * as arrow from 'apache-arrow';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DecodeError } from '../../src/errors.js';
import {
  isRecordBatch,
  isTable,
  planTable,
  readTable,
  registerArrow,
  streamOf,
  tableByteLength,
  writeTable,
} from '../../src/values/arrow/table.js';
import { PYTHON, PYTHON_FIXTURES } from '../support.js';

const PACKAGE = fileURLToPath(new URL('../../python', import.meta.url));
const MODULES = fileURLToPath(new URL('../../../../node_modules', import.meta.url));

/** The copy of apache-arrow that `require` gives: under Jest never that of an import. */
const otherCopy = createRequire(import.meta.url)('apache-arrow') as typeof arrow;

beforeEach(() => {
  registerArrow(arrow);
});

/** What a process prints when it is given bytes. */
async function output(command: string, args: readonly string[], input: Uint8Array = new Uint8Array()): Promise<Buffer> {
  const child = spawn(command, args, { stdio: 'pipe', env: { ...process.env, NODE_OPTIONS: '', PYTHONPATH: PACKAGE } });
  const chunks: Buffer[] = [];
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  child.stdin.end(input);
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`${command} exited with code ${String(code)}: ${errors}`);
  return Buffer.concat(chunks);
}

const peer = async (mode: string, input?: Uint8Array): Promise<Buffer> =>
  output(PYTHON, [join(PYTHON_FIXTURES, 'arrow_peer.py'), mode], input);

/** What pyarrow finds wrong with tables, each named after the case that it shall equal. */
async function check(tables: Iterable<readonly [name: string, table: object]>): Promise<unknown> {
  const frames: Uint8Array[] = [];
  for (const [name, table] of tables) {
    const stream = written(table);
    frames.push(sized(Buffer.from(name)), sized(stream));
  }
  return JSON.parse((await peer('check', Buffer.concat(frames))).toString());
}

function sized(bytes: Uint8Array): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(bytes.byteLength);
  return Buffer.concat([size, bytes]);
}

function written(table: object): Uint8Array {
  const stream = new Uint8Array(tableByteLength(table)).fill(0xee);
  writeTable(table, stream);
  return stream;
}

let streams: ReadonlyMap<string, Uint8Array>;

beforeAll(async () => {
  const bytes = await peer('cases');
  const found = new Map<string, Uint8Array>();
  for (let at = 0; at < bytes.length;) {
    const nameEnd = at + 4 + bytes.readUInt32LE(at);
    const end = nameEnd + 4 + bytes.readUInt32LE(nameEnd);
    found.set(bytes.toString('utf8', at + 4, nameEnd), new Uint8Array(bytes.subarray(nameEnd + 4, end)));
    at = end;
  }
  streams = found;
});

const streamNamed = (name: string): Uint8Array => {
  const stream = streams.get(name);
  if (stream === undefined) throw new Error(`there is no case ${name}`);
  return stream;
};

const read = (name: string): arrow.Table | arrow.RecordBatch =>
  readTable(streamNamed(name), name === 'batch' ? 'batch' : 'table');

const readTables = (): (readonly [string, arrow.Table | arrow.RecordBatch])[] =>
  [...streams.keys()].map((name) => [name, read(name)] as const);

const values = (name: string): unknown[] => [...(read(name).getChild('column') as Iterable<unknown>)];

/** All buffers of a table, those of dictionaries included. */
function buffersOf(table: arrow.Table | arrow.RecordBatch): ArrayBufferView[] {
  const found: ArrayBufferView[] = [];
  const add = (data: arrow.Data): void => {
    const parts = [data.valueOffsets, data.values, data.nullBitmap, data.typeIds, ...data.variadicBuffers] as unknown[];
    found.push(...parts.filter((part) => ArrayBuffer.isView(part)).filter(({ byteLength }) => byteLength > 0));
    data.children.forEach(add);
    data.dictionary?.data.forEach(add);
  };
  for (const batch of table instanceof arrow.Table ? table.batches : [table]) batch.data.children.forEach(add);
  return found;
}

describe('a table from Python', () => {
  test('S63 its values, offsets, validity and dictionaries are views, for every type and shape', () => {
    const foreign: string[] = [];
    let count = 0;
    for (const [name, table] of readTables()) {
      const { buffer } = streamNamed(name);
      const buffers = buffersOf(table);
      count += buffers.length;
      if (buffers.some((view) => view.buffer !== buffer)) foreign.push(name);
    }
    expect(foreign).toEqual([]);
    expect(count).toBeGreaterThan(250);
  });

  test.each([
    ['bool', [true, null, false, true]],
    ['int8', [1, null, -3, 127]],
    ['uint64', [1n, null, 3n, 2n ** 64n - 1n]],
    ['float16', [1.5, null, -3, Infinity]],
    ['date32', [Date.UTC(2024, 1, 29), null, Date.UTC(1969, 0), 0]],
    ['timestamp_us_zoned', [Date.UTC(2024, 1, 29, 1, 2, 3), null, Date.UTC(1969, 0), 0]],
    ['duration_ms', [86_402_000n, null, -86_400_000n, 0n]],
    ['string_view', ['a', null, 'longer than what a view holds itself', '😀']],
    ['large_string', ['a', null, 'longer than what a view holds itself', '😀']],
    ['dictionary', ['x', 'y', null, 'x']],
    ['dictionary_of_dictionary', ['p', 'q', null, 'p']],
    ['run_end_encoded', [7n, 7n, 8n, 8n]],
    ['sparse_union', [1n, 'b', 3n, null]],
    ['dense_union', [1n, 'b', 2n, null]],
  ])('%s', (name, expected) => {
    expect(values(name)).toEqual(expected);
  });

  test.each(['decimal32', 'decimal64', 'decimal128', 'decimal256'])('%s has the digits that it had', (name) => {
    expect(values(name).map(String)).toEqual(['150', 'null', '-325', '123456789']);
  });

  test.each(['list_', 'large_list', 'list_view', 'large_list_view'])('%s', (name) => {
    const lists = values(name).map((list) => list && [...(list as Iterable<unknown>)]);
    expect(lists).toEqual([[1, null], null, [], [3]]);
  });

  test('S63 several batches, dictionaries that change, no rows, no columns', () => {
    expect((read('batches') as arrow.Table).batches.map(({ numRows }) => numRows)).toEqual([4, 3]);
    expect([...(read('other_dictionaries').getChild('d') as arrow.Vector)]).toEqual(['x', 'y', 'z', 'x', null]);
    for (const name of ['no_rows', 'no_batches', 'no_columns']) expect(read(name).numRows).toBe(0);
    expect(read('no_batches').schema.fields.map(({ name }) => name)).toEqual(['column', 'number']);
    expect(read('metadata').schema.metadata.get('k')).toBe('v');
  });

  test('a record batch is one, and a table of another number of batches is none', () => {
    expect(read('batch')).toBeInstanceOf(arrow.RecordBatch);
    expect(() => readTable(streamNamed('batches'), 'batch')).toThrow('a stream of one record batch of Arrow has 2');
  });

  test('at an odd address it is copied', () => {
    const stream = streamNamed('int64');
    const shifted = new Uint8Array(stream.byteLength + 1);
    shifted.set(stream, 1);
    const table = readTable(shifted.subarray(1), 'table') as arrow.Table;
    expect([...(table.getChild('number') as Iterable<unknown>)]).toEqual([1n, 2n, 3n, 4n]);
    expect(buffersOf(table).some(({ buffer }) => buffer === shifted.buffer)).toBe(false);
  });

  test('is remembered with its stream until a null is put in', () => {
    const stream = streamNamed('int8').slice();
    const table = readTable(stream, 'table') as arrow.Table;
    const column = table.getChild('column') as arrow.Vector;
    column.set(0, 5);
    expect(streamOf(table)).toBe(stream);
    column.set(0, null);
    expect(streamOf(table)).toBeUndefined();
    expect(streamOf(new arrow.Table(table.batches))).toBeUndefined();
  });
});

describe('a table for Python', () => {
  test('S63 every type and shape goes back equal, with its schema, in buffers at multiples of 64 bytes', async () => {
    expect(await check(readTables())).toEqual({});
  });

  test('S63 slices of every type', async () => {
    const slices = readTables()
      .filter(([name, table]) => table.numRows === 4 && name !== 'batch')
      .map(([name, table]) => [`${name}/1/3`, table.slice(1, 3)] as const);
    expect(slices.length).toBeGreaterThan(60);
    expect(await check(slices)).toEqual({});
  });

  test('S63 a table of another copy of apache-arrow', async () => {
    expect(otherCopy.Table).not.toBe(arrow.Table);
    const tables = readTables();
    registerArrow(otherCopy);
    expect(await check(tables)).toEqual({});
    expect(readTable(streamNamed('int8'), 'table')).toBeInstanceOf(otherCopy.Table);
  });

  test('a table made here, of columns that are not shared', async () => {
    const column = arrow.vectorFromArray([1, null, -3, 127], new arrow.Int8());
    const number = arrow.vectorFromArray([1n, 2n, 3n, 4n], new arrow.Int64());
    const table = new arrow.Table({ column, number });
    expect(await check([['int8', table]])).toEqual({});
  });

  test('large buffers are copied off the loop from where they stand, all else at once', async () => {
    const large = new Float64Array(1 << 18).map((_, index) => index);
    const table = arrow.tableFromArrays({ large, small: new Int8Array(1 << 18) });
    const plan = planTable(table);
    const stream = new Uint8Array(plan.byteLength);
    const sources: Uint8Array[] = [];
    await plan.writeInPieces(stream, async (target, source) => {
      sources.push(source);
      await Promise.resolve();
      target.set(source);
    });
    expect(sources.map(({ buffer }) => buffer)).toEqual([large.buffer]);
    expect(Buffer.compare(stream, written(table))).toBe(0);
  });

  test('a large buffer that cannot be copied fails the writing', async () => {
    const plan = planTable(arrow.tableFromArrays({ large: new Float64Array(1 << 18) }));
    const writing = plan.writeInPieces(new Uint8Array(plan.byteLength), async () =>
      Promise.reject(new Error('no thread')),
    );
    await expect(writing).rejects.toThrow('no thread');
  });

  test('many small buffers let the loop run between them', async () => {
    const batch = arrow.tableFromArrays({ x: new Uint8Array(1 << 19) }).batches[0] as arrow.RecordBatch;
    const plan = planTable(new arrow.Table(Array.from({ length: 40 }, () => batch)));
    let turns = 0;
    const count = (): void => {
      turns += 1;
      handle = setImmediate(count);
    };
    let handle = setImmediate(count);
    await plan.writeInPieces(new Uint8Array(plan.byteLength), async () => Promise.reject(new Error('none is large')));
    clearImmediate(handle);
    expect(turns).toBeGreaterThan(0);
  });
});

describe('recognising tables', () => {
  test('of both copies, and nothing else', () => {
    const table = arrow.tableFromArrays({ a: [1] });
    for (const each of [table, otherCopy.tableFromArrays({ a: [1] })]) {
      expect([isTable(each), isRecordBatch(each)]).toEqual([true, false]);
      expect([isTable(each.batches[0] as object), isRecordBatch(each.batches[0] as object)]).toEqual([false, true]);
    }
    const others = [{}, Object.create(null) as object, new Map(), table.schema, table.getChild('a') as object, () => 1];
    for (const other of others) expect([isTable(other), isRecordBatch(other)]).toEqual([false, false]);
  });

  test('of versions that do not brand them', () => {
    class Table {
      static readonly [Symbol.toStringTag] = 'Table';
      readonly batches = [];
    }
    expect(isTable(new Table())).toBe(true);
  });
});

describe('bytes that are no stream', () => {
  const failure = (bytes: Uint8Array): unknown => {
    try {
      return readTable(bytes, 'table');
    } catch (error) {
      return error;
    }
  };

  test('empty, cut off at any place, or of an old version', () => {
    const stream = streamNamed('struct');
    expect(failure(new Uint8Array())).toBeInstanceOf(DecodeError);
    expect(failure(new Uint8Array(64))).toBeInstanceOf(DecodeError);
    const columnsEnd = stream.byteLength - 8;
    for (let end = 8; end < columnsEnd; end += 8) {
      const table = failure(stream.slice(0, end));
      if (!(table instanceof DecodeError)) expect((table as arrow.Table).numRows).toBe(0); // nothing but its schema
    }
  });

  test('a compressed stream is named as such', async () => {
    const script =
      'import pyarrow as pa, sys; t = pa.table({"a": [1] * 99}); o = pa.ipc.IpcWriteOptions(compression="lz4");' +
      'w = pa.ipc.new_stream(sys.stdout.buffer, t.schema, options=o); w.write(t); w.close()';
    const stream = new Uint8Array(await output(PYTHON, ['-c', script]));
    expect(() => readTable(stream, 'table')).toThrow('compressed');
  });

  test('a row count that is too high does not take memory', () => {
    const stream = streamNamed('null').slice();
    const view = new DataView(stream.buffer);
    let errors = 0;
    for (let at = 0; at + 8 <= stream.byteLength; at += 8) {
      if (view.getBigInt64(at, true) !== 4n) continue;
      view.setBigInt64(at, 2n ** 40n, true);
      const table = failure(stream);
      if (table instanceof DecodeError) errors += 1;
      else expect((table as arrow.Table).numRows).toBe(4); // it was a value
      view.setBigInt64(at, 4n, true);
    }
    expect(errors).toBe(4); // the rows of the batch and of two columns, and the nulls of one
  });

  test('changed at random: a typed error or a table, soon', () => {
    let seed = 5;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    const strange: unknown[] = [];
    let errors = 0;
    for (const [name, original] of streams) {
      const stream = new Uint8Array(original.byteLength);
      for (let round = 0; round < 60; round += 1) {
        stream.set(original);
        for (let change = random(4); change >= 0; change -= 1) {
          stream[random(stream.byteLength)] = [0, 1, 0x7f, 0x80, 0xff, random(256)][random(6)] ?? 0;
        }
        const table = failure(stream);
        if (table instanceof DecodeError) errors += 1;
        else if (!(table instanceof arrow.Table)) strange.push([name, table]);
      }
    }
    expect(strange).toEqual([]);
    expect(errors).toBeGreaterThan(500);
  });

  test('with offsets that lead anywhere else, backwards too', () => {
    const original = streamNamed('fixed_size_list');
    const stream = original.slice();
    const view = new DataView(stream.buffer);
    const metadataEnd = 8 + view.getUint32(4, true);
    for (let at = 8; at < metadataEnd; at += 4) {
      const before = view.getUint32(at, true);
      for (let target = 8; target < metadataEnd; target += 8) {
        view.setInt32(at, target - at, true);
        const table = failure(stream);
        if (!(table instanceof arrow.Table)) expect(table).toBeInstanceOf(DecodeError);
      }
      view.setUint32(at, before, true);
    }
  });

  test('with a thousand fields that are one and the same', () => {
    const names = Array.from({ length: 1000 }, (_, index) => (index === 0 ? 'x'.repeat(10_000) : `c${index}`));
    const fields = names.map((name) => new arrow.Field(name, new arrow.Int8()));
    const stream = written(new arrow.Table(new arrow.Schema(fields)));
    expect((readTable(stream, 'table') as arrow.Table).numCols).toBe(1000);

    const view = new DataView(stream.buffer);
    const follow = (at: number): number => at + view.getUint32(at, true);
    const slot = (table: number, index: number): number =>
      table + view.getUint16(table - view.getInt32(table, true) + 4 + 2 * index, true);
    const schema = follow(slot(follow(8), 2));
    const entries = follow(slot(schema, 1)) + 4;
    const longest = Math.max(...names.map((_, index) => follow(entries + 4 * index)));
    names.forEach((_, index) => {
      view.setUint32(entries + 4 * index, longest - (entries + 4 * index), true);
    });
    expect(() => readTable(stream, 'table')).toThrow('metadata of Arrow holds more than fits in');
  });
});

describe('the copy of apache-arrow', () => {
  let directory: string;
  const entry = fileURLToPath(new URL('../../src/values/arrow/table.ts', import.meta.url));

  /** This folder as a plain program would load it, where Jest's own module system is not in between. */
  async function bundled(extension: 'mjs' | 'cjs'): Promise<void> {
    const format = extension === 'mjs' ? 'esm' : 'cjs';
    const shim = '--define:import.meta.url=here';
    await output(join(MODULES, '.bin/esbuild'), [
      entry,
      '--bundle',
      '--platform=node',
      `--format=${format}`,
      '--external:apache-arrow',
      '--external:@hognose/zerocopy',
      ...(extension === 'cjs'
        ? [shim, '--banner:js=const here = require("node:url").pathToFileURL(__filename).href;']
        : []),
      '--conditions=@hognose/source',
      `--outfile=${join(directory, `hognose.${extension}`)}`,
      '--log-level=error',
    ]);
  }

  const run = async (file: string, source: string): Promise<string> => {
    writeFileSync(join(directory, file), source);
    return (await output(process.execPath, [join(directory, file)])).toString().trim();
  };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hognose-arrow-'));
    symlinkSync(MODULES, join(directory, 'node_modules'));
  });

  afterEach(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  const ECHO = `
    const stream = (table) => { const bytes = new Uint8Array(tableByteLength(table)); writeTable(table, bytes); return bytes; };
    const back = readTable(stream(arrow.tableFromArrays({ a: [1] })), 'table');
    console.log(back instanceof arrow.Table, Object.getPrototypeOf(back) === arrow.Table.prototype);`;

  test('is that of the import in a program of ES modules', async () => {
    await bundled('mjs');
    const source = `import * as arrow from 'apache-arrow';
      import { readTable, tableByteLength, writeTable } from './hognose.mjs';${ECHO}`;
    expect(await run('main.mjs', source)).toBe('true true');
  });

  test('is that of a later import', async () => {
    await bundled('mjs');
    writeFileSync(join(directory, 'int8.arrows'), streamNamed('int8'));
    const source = `import { readFileSync } from 'node:fs';
      import { readTable } from './hognose.mjs';
      const table = readTable(new Uint8Array(readFileSync(new URL('int8.arrows', import.meta.url))), 'table');
      const { Table } = await import('apache-arrow');
      console.log(Object.getPrototypeOf(table) === Table.prototype);`;
    expect(await run('main.mjs', source)).toBe('true');
  });

  test('is that of require in a CommonJS program, and is not loaded before a table is met', async () => {
    await bundled('cjs');
    const source = `const { isTable, readTable, tableByteLength, writeTable } = require('./hognose.cjs');
      isTable({});
      const isLoaded = () => Object.keys(require.cache).some((path) => path.includes('apache-arrow'));
      console.log(isLoaded());
      const arrow = require('apache-arrow');${ECHO}`;
    expect(await run('main.cjs', source)).toBe('false\ntrue true');
  });

  test('is told that it is too old', () => {
    registerArrow({ ...arrow, RecordBatchStreamWriter: Object });
    expect(() => readTable(streamNamed('int8'), 'table')).toThrow('npm install apache-arrow@latest');
    expect(() => planTable(arrow.tableFromArrays({}))).toThrow('npm install apache-arrow@latest');
  });

  test('is asked for by name where it is missing', async () => {
    await bundled('mjs');
    rmSync(join(directory, 'node_modules'));
    const source = `import { readTable } from './hognose.mjs';
      process.chdir(import.meta.dirname);
      try { readTable(new Uint8Array(8), 'table'); } catch (error) { console.log(error.name, error.message); }`;
    expect(await run('main.mjs', source)).toMatch(/^DecodeError .*npm install apache-arrow/);
  });
});
