import { holdOf } from '@hognose/zerocopy/internal';
import { RecordBatch, Table, tableFromArrays, vectorFromArray, type Data } from 'apache-arrow';
import { ZeroCopyUnavailableError, type PyHandle, type Runtime } from '../src/index.js';
import { LANES, rejection, startFixtureRuntime, until } from './support.js';

const ROWS = 20_000;

/** Every buffer of a table's columns, those of their children and dictionaries included. */
function buffersOf(table: Table): ArrayBufferView[] {
  const of = (data: Data): ArrayBufferView[] => [
    ...[data.values, data.valueOffsets, data.nullBitmap, data.typeIds].filter(
      (view): view is ArrayBufferView => ArrayBuffer.isView(view) && view.byteLength > 0,
    ),
    ...data.children.flatMap(of),
    ...(data.dictionary?.data.flatMap(of) ?? []),
  ];
  return table.batches.flatMap(({ data }) => of(data as Data));
}

const areShared = (table: Table): boolean =>
  buffersOf(table).length > 0 && buffersOf(table).every(({ buffer }) => holdOf(buffer) !== undefined);

describe.each(LANES)('tables over %s', (transport) => {
  let runtime: Runtime;
  const call = <T>(name: string, ...args: readonly unknown[]): Promise<T> => runtime.call<T>(`tables.${name}`, args);

  beforeAll(async () => {
    runtime = await startFixtureRuntime({ transport });
  });
  afterAll(async () => {
    await runtime.close();
  });

  test('S63 a table of Python is a Table whose columns lie in shared memory: dictionary, list, struct, null', async () => {
    const table = await call<Table>('every_kind', ROWS);
    expect(table.numRows).toBe(ROWS);
    expect(areShared(table)).toBe(true);
    expect(
      JSON.parse(
        JSON.stringify(table.get(7), (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)),
      ),
    ).toEqual({
      float: 3.5,
      text: 'é7',
      dictionary: 'y',
      list: [7, 8],
      struct: { a: 7, b: '7' },
      null: null,
      some: null,
    });
  });

  test('S63 a Table goes to Python and lies in shared memory there; it comes back without being written again', async () => {
    const table = tableFromArrays({
      x: Float64Array.from({ length: ROWS }, (_, index) => index),
      y: new Int32Array(ROWS),
    });
    await until('there is room', () => call<boolean>('are_shared', table));
    expect(await call('facts', table)).toEqual(['Table', ROWS, ['x', 'y']]);
    expect(await call('total', table, 'x')).toBe((ROWS * (ROWS - 1)) / 2);
    const came = await call<Table>('every_kind', ROWS);
    const { copies } = runtime.zeroCopyStats();
    expect(await call('are_shared', came)).toBe(true);
    const back = await call<Table>('facts', came);
    expect(back).toEqual(['Table', ROWS, came.schema.names]);
    expect(runtime.zeroCopyStats().copies).toEqual(copies);
  });

  test('S63 what a small table holds survives both ways inside of the message', async () => {
    const table = new Table({
      text: vectorFromArray(['a', null, 'ü']),
      number: vectorFromArray([1.5, NaN, null]),
    });
    const came = await call<Table>('identity', table);
    expect(came.toArray().map(String)).toEqual(table.toArray().map(String));
    expect(areShared(came)).toBe(false);
    expect(await call('rows_of', table)).toEqual([
      "{'text': 'a', 'number': 1.5}",
      "{'text': None, 'number': nan}",
      "{'text': 'ü', 'number': None}",
    ]);
  });

  test('a table of 40 MB is copied beside the event loop', async () => {
    const big = tableFromArrays({ x: new Float64Array(5_000_000).fill(2) });
    await until('there is room', () => call<boolean>('are_shared', big));
    expect(await call('facts', big)).toEqual(['Table', 5_000_000, ['x']]);
    const dynamic = runtime.module('tables') as unknown as { facts(table: Table): Promise<unknown> };
    expect(await dynamic.facts(big)).toEqual(['Table', 5_000_000, ['x']]);
  });

  test('a record batch stays one, and a stream of them arrives in order', async () => {
    const [batch] = tableFromArrays({ x: new Float64Array(ROWS) }).batches as [RecordBatch];
    expect(await call('facts', batch)).toEqual(['RecordBatch', ROWS, ['x']]);
    let count = 0;
    for await (const part of runtime.module('tables')['batches']?.(20, ROWS) as AsyncIterable<RecordBatch>) {
      expect([part.constructor.name, part.numRows, part.get(5)?.['x']]).toEqual(['RecordBatch', ROWS, count]);
      count += 1;
    }
    expect(count).toBe(20);
  });

  test('a table that Python has made in shared memory is returned again and again without a copy', async () => {
    await call('shared', ROWS);
    const { copies } = runtime.zeroCopyStats();
    const [first, second] = [await call<Table>('shared', ROWS), await call<Table>('shared', ROWS)];
    expect(second.get(9)?.['x']).toBe(9);
    expect(areShared(first)).toBe(true);
    expect(runtime.zeroCopyStats().copies).toEqual(copies);
  });

  test.each(['pandas_frame', 'polars_frame'])(
    'S63 a frame (%s) stays in Python, and is a Table by $arrow()',
    async (name) => {
      const frame = await call<PyHandle>(name, ROWS);
      expect(frame.$is('DataFrame')).toBe(true);
      const table = await frame.$arrow<Table>();
      expect([table.numRows, table.schema.names.slice(0, 2)]).toEqual([ROWS, ['x', 'name']]);
      expect(table.get(11)?.['name']).toBe('11');
      expect(await call('sum_by_pandas', table)).toBe((ROWS * (ROWS - 1)) / 2);
    },
  );
});

test("memory that a table is being copied into is nobody else's, whatever becomes of the call", async () => {
  await using runtime = await startFixtureRuntime();
  const rows = 5_000_000;
  const table = tableFromArrays({ x: new Float64Array(rows).fill(7) });
  const ones = new Float64Array(rows + 100).fill(1);
  await until('there is room', () => runtime.call<boolean>('tables.are_shared', [table]));
  for (let round = 0; round < 4; round += 1) {
    await rejection(runtime.call('tables.facts', [table, Symbol('cannot travel')]));
    expect(await runtime.call('arrays.total', [ones])).toBe(rows + 100);
  }
});

test('in a session a call with a large table is not overtaken', async () => {
  await using runtime = await startFixtureRuntime();
  const table = tableFromArrays({ x: new Float64Array(5_000_000) });
  await until('there is room', () => runtime.call<boolean>('tables.are_shared', [table]));
  await using session = runtime.session();
  const order: string[] = [];
  await Promise.all([
    session.call('tables.facts', [table]).then(() => order.push('table')),
    session.call('math.sqrt', [4]).then(() => order.push('sqrt')),
  ]);
  expect(order).toEqual(['table', 'sqrt']);
});

test('zeroCopy: off: tables travel inside of the messages', async () => {
  await using runtime = await startFixtureRuntime({ zeroCopy: 'off' });
  const table = tableFromArrays({ x: new Float64Array(ROWS).fill(2) });
  const came = await runtime.call<Table>('tables.identity', [table]);
  expect([came.numRows, came.get(3)?.['x'], areShared(came)]).toEqual([ROWS, 2, false]);
});

test('zeroCopy: require refuses a table that would have to be written', async () => {
  await using runtime = await startFixtureRuntime({ zeroCopy: 'require' });
  expect(await rejection(runtime.call('tables.numbers', [ROWS]))).toBeInstanceOf(ZeroCopyUnavailableError);
});
