import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  createRuntime,
  isNDArray,
  ndarray,
  placement,
  tuple,
  ZeroCopyUnavailableError,
  type DType,
  type NDArray,
  type PyHandle,
  type Runtime,
  type RuntimeEvent,
} from '../src/index.js';
import { secretFile, serveWorker, TOKEN } from './placement/serving.js';
import {
  fixtureOptions,
  LANES,
  rejection,
  runNode,
  startFixtureRuntime,
  temporaryDirectory,
  until,
} from './support.js';

const temporaryFolder = temporaryDirectory();

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

const LENGTH = 20_000; // more bytes than what travels inside of a message
const MB = 2 ** 20;

/** Collects until a condition holds, which what is collected makes true. */
const collected = (what: string, condition: () => boolean): Promise<void> =>
  until(what, () => {
    gc();
    return condition();
  });

/** What Python says of an array. */
interface Facts {
  readonly strides: readonly number[];
}

const range = (length: number): Float64Array => Float64Array.from({ length }, (_, index) => index);

describe.each(LANES)('arrays over %s', (transport) => {
  let runtime: Runtime;
  const call = <T>(name: string, ...args: readonly unknown[]): Promise<T> => runtime.call<T>(`arrays.${name}`, args);

  beforeAll(async () => {
    runtime = await startFixtureRuntime({ transport });
  });
  afterAll(async () => {
    await runtime.close();
  });

  test('S60 256 MB are the same memory on both sides: a write is seen by the other', async () => {
    const array = await runtime.allocate('float32', [64 * MB]);
    array.data[5] = 2.5;
    await call('keep', 'big', array);
    expect(await call('kept_item', 'big', 5)).toBe(2.5);
    array.data[64 * MB - 1] = -1; // after the call
    expect(await call('kept_item', 'big', -1)).toBe(-1);
    await call('write', 'big', 7, 0.25);
    expect(array.data[7]).toBe(0.25);
    await call('drop', 'big');
    array.$release();
  });

  test('S60 what an array of 1 MB and one of 256 MB costs to hand over is the same number of bytes', async () => {
    const sizes = await Promise.all([1, 256].map((megabytes) => runtime.allocate('float64', [megabytes * 131_072])));
    const before = runtime.zeroCopyStats();
    for (const array of sizes) expect(await call('facts', array)).toMatchObject({ shape: array.shape });
    const after = runtime.zeroCopyStats();
    expect(after.shared - before.shared).toBe(2);
    expect(after.copies).toEqual(before.copies);
    for (const array of sizes) array.$release();
  });

  test('a typed array is copied once, at once: what the caller changes later does not matter', async () => {
    await call('total', new Float64Array(LENGTH)); // makes room
    await until('there is room', () => runtime.zeroCopyStats().segments > 0);
    const data = range(LENGTH);
    const sum = call('total', data);
    data.fill(0);
    expect(await sum).toBe((LENGTH * (LENGTH - 1)) / 2);
  });

  test('S61 an array that was born shared is a view: both sides see the same memory', async () => {
    for (const name of ['born_shared', 'with_out']) {
      const array = await call<NDArray<'float64'>>(name, LENGTH);
      expect([array.copied, array.isShared, array.copyReason]).toEqual([false, true, undefined]);
      expect(array.data[LENGTH - 1]).toBe(name === 'with_out' ? LENGTH : LENGTH - 1);
      await call('set_item', array, 3, -7);
      expect(array.data[3]).toBe(-7);
    }
  });

  test('S61 an ordinary array is copied once, and says so', async () => {
    const array = await call<NDArray<'float64'>>('ordinary', LENGTH);
    expect([array.copied, array.copyReason, array.isShared]).toEqual([true, 'not-shared', true]);
    expect(array.data).toEqual(range(LENGTH));
    const small = await call<NDArray<'float64'>>('ordinary', 10);
    expect([small.copied, small.copyReason, small.isShared]).toEqual([true, 'inline', false]);
  });

  test('S61 slices, strides, transposes and Fortran order keep shape and strides', async () => {
    const views = await call<Record<string, NDArray<'float64'>>>('born_shared_views', 200, 100);
    const layouts = Object.fromEntries(
      Object.entries(views).map(([name, { shape, strides, copied }]) => [name, { shape, strides, copied }]),
    );
    expect(layouts).toEqual({
      all: { shape: [200, 100], strides: [100, 1], copied: false },
      row: { shape: [100], strides: [1], copied: false },
      column: { shape: [200], strides: [100], copied: false },
      transposed: { shape: [100, 200], strides: [1, 100], copied: false },
      reversed: { shape: [200, 100], strides: [-100, -1], copied: false },
      every_other: { shape: [100, 50], strides: [200, 2], copied: false },
      fortran: { shape: [200, 100], strides: [1, 200], copied: false },
      scalar: { shape: [], strides: [], copied: false },
    });
    expect(views['reversed']?.at(0, 0)).toBe(19_999);
    expect(views['every_other']?.at(1, 1)).toBe(203);
    expect(views['scalar']?.at()).toBe(203);
    views['column']?.set(-1, 7);
    expect(views['transposed']?.at(1, 7)).toBe(-1); // one memory
    expect(await call('kept_item', 'matrix', 701)).toBe(-1);
  });

  test('S61 what cannot keep its layout is copied, and says why', async () => {
    const fortran = await call<NDArray<'float64'>>('fortran', 200, 100);
    expect([fortran.copyReason, fortran.strides]).toEqual(['layout', [100, 1]]);
    expect(fortran.at(1, 0)).toBe(100);
    const swapped = await call<NDArray<'float64'>>('big_endian', LENGTH);
    expect(swapped.data[7]).toBe(7);
    expect(swapped.copied).toBe(true);
  });

  test('views go to Python as they lie: sliced, transposed, reversed, of no dimension, empty', async () => {
    const array = await runtime.allocate('float64', [300, 200]);
    array.data.set(range(60_000));
    const views = {
      row: array.slice(1),
      column: array.slice(null, 1),
      part: array.slice([10, 20, 3], [null, null, -1]),
      transposed: array.transpose(),
      scalar: array.slice(2, 3),
      empty: array.slice([5, 5]),
    };
    for (const [name, view] of Object.entries(views)) {
      expect([name, await call('facts', view)]).toMatchObject([name, { shape: view.shape }]);
      expect([name, await call<number>('total', view)]).toEqual([
        name,
        Array.from(view.toTypedArray()).reduce((sum, value) => sum + value, 0),
      ]);
    }
    expect(await call('facts', views.part)).toMatchObject({ strides: [600, -1] });
    await call('set_item', views.part, [0, 0], 0.5);
    expect(array.at(10, 199)).toBe(0.5);
  });

  test('an ordinary array in Fortran order keeps its strides, and one with gaps is put in order', async () => {
    const data = range(LENGTH);
    await until(
      'there is room',
      async () => (await call<Facts>('facts', ndarray(data, [100, 200]).transpose())).strides[0] === 1,
    );
    expect(await call('facts', ndarray(data, [100, 200]).transpose())).toMatchObject({ strides: [1, 200] });
    const gaps = ndarray(data, [100, 200]).slice(null, [null, null, 2]);
    expect(await call('facts', gaps)).toMatchObject({ shape: [100, 100], strides: [100, 1] });
    expect(await call('total', gaps)).toBe(99_990_000);
  });

  const samples: readonly (readonly [DType, readonly unknown[]])[] = [
    ['bool', [true, false, true]],
    ['int8', [-128, 127, 5]],
    ['int16', [-32_768, 32_767, 5]],
    ['int32', [-(2 ** 31), 2 ** 31 - 1, 5]],
    ['int64', [-(2n ** 63n), 2n ** 63n - 1n, 5n]],
    ['uint8', [0, 255, 5]],
    ['uint16', [0, 65_535, 5]],
    ['uint32', [0, 2 ** 32 - 1, 5]],
    ['uint64', [0n, 2n ** 64n - 1n, 5n]],
    ['float16', [-0, 65_504, 0.333251953125]],
    ['bfloat16', [-0, 3.38953138925153547590470800371487867e38, 0.333984375]],
    ['float32', [-0, 3.4028234663852886e38, NaN]],
    ['float64', [-0, 1e300, NaN]],
    [
      'complex64',
      [
        { re: 1.5, im: -2 },
        { re: -0, im: NaN },
        { re: 0, im: 3 },
      ],
    ],
    [
      'complex128',
      [
        { re: 1e300, im: -2 },
        { re: -0, im: NaN },
        { re: 0, im: 3 },
      ],
    ],
  ];

  test.each(samples)('S62 %s comes back as it went, small and inside of the message', async (dtype, values) => {
    const array = ndarray(new Uint8Array(0), { shape: [0], dtype: 'uint8' });
    expect(isNDArray(array)).toBe(true);
    const small: NDArray = await runtime.allocate(dtype, [3]);
    for (const [index, value] of values.entries()) small.set(value as never, index);
    const inline = ndarray(small.toTypedArray(), [3], dtype);
    for (const sent of [small, inline]) {
      const came = await call<NDArray>('identity', sent);
      expect([came.dtype, came.shape]).toEqual([dtype, [3]]);
      expect(came.toArray()).toEqual(values);
    }
    expect(await call('facts', inline)).toMatchObject({ dtype, shape: [3] });
  });

  test.each(samples)('S62 %s comes back as it went in shared memory, without a copy', async (dtype, values) => {
    const array: NDArray = await runtime.allocate(dtype, [3, 40_000]);
    for (const [index, value] of values.entries()) array.set(value as never, index, 39_999);
    const came = await call<NDArray>('identity', array);
    expect([came.dtype, came.shape, came.copied]).toEqual([dtype, [3, 40_000], false]);
    expect(came.slice(null, -1).toArray()).toEqual(values);
    const transposed = await call<NDArray>('identity', array.transpose());
    expect(transposed.at(-1, 1)).toEqual(values[1]);
  });

  test.each(['object', 'structured', 'str', 'datetime64', 'longdouble'])(
    'S62 an array of %s is no array of JavaScript: it stays in Python',
    async (kind) => {
      const handle = await call<PyHandle>('unsupported', kind);
      expect(handle.$is('numpy.ndarray')).toBe(true);
    },
  );

  test('arrays stand anywhere in arguments, results, tuples, keywords and callbacks', async () => {
    type Nested = { list: [NDArray, number]; tuple: readonly [NDArray]; deep: { x: NDArray[][] } };
    const came = await call<Nested>('nested', LENGTH);
    const all = [came.list[0], came.tuple[0], came.deep.x[0]?.[0]] as NDArray[];
    for (const array of all) expect([array.copied, array.size]).toEqual([false, LENGTH]);
    const back = await call<unknown[]>('identity', [all[0], tuple(all[1], { x: all[2] })]);
    expect((back[0] as NDArray).copied).toBe(false);
    expect(await runtime.call('arrays.total', [], { kwargs: { value: all[0] } })).toBe((LENGTH * (LENGTH - 1)) / 2);
    const seen = await call<number>('give', (array: NDArray<'float64'>) => [array.copied, array.data[9]], LENGTH);
    expect(seen).toEqual([false, 9]);
    const shared = await runtime.allocate('float64', [LENGTH]);
    shared.data.fill(2);
    expect(await call('take_from', () => shared)).toEqual(['ndarray', 2 * LENGTH]);
    expect(await call('take_from', () => new Float64Array(LENGTH).fill(1))).toEqual(['ndarray', LENGTH]);
  });

  test.each(['chunks', 'ordinary_chunks'])(
    'S31 a stream of arrays (%s) arrives in order, and leaves nothing behind',
    async (name) => {
      const before = runtime.zeroCopyStats().borrowed;
      let count = 0;
      for await (const part of runtime.module('arrays')[name]?.(300, LENGTH) as AsyncIterable<NDArray<'float64'>>) {
        expect([part.data[0], part.data[LENGTH - 1]]).toEqual([count, count]);
        expect(part.copied).toBe(name === 'ordinary_chunks');
        part.$release();
        count += 1;
      }
      expect(count).toBe(300);
      await collected('all are returned', () => runtime.zeroCopyStats().borrowed <= before);
    },
  );

  test.each([0, 256, 65_536, 2 * MB])('S14 %i bytes travel both ways as bytes', async (count) => {
    const data = Uint8Array.from({ length: count }, (_, index) => index % 256);
    expect(await call('lengths', data, Buffer.from(data))).toEqual([
      ['bytes', count],
      ['bytes', count],
    ]);
    const came = await call<Uint8Array>('identity', data);
    expect(Buffer.compare(came, data)).toBe(0);
    for (const kind of ['bytes', 'bytearray', 'memoryview']) {
      const made = await call<Uint8Array>('many_in', kind, count);
      expect([kind, Buffer.compare(made, data)]).toEqual([kind, 0]);
    }
  });

  test('memoryviews of numbers arrive as arrays', async () => {
    const array = await call<NDArray<'float64'>>('numbers_of', 'd', LENGTH);
    expect([array.dtype, array.data[LENGTH - 1]]).toEqual(['float64', LENGTH - 1]);
    expect((await call<NDArray>('numbers_of', 'l', 3)).toArray()).toEqual([0n, 1n, 2n]);
  });

  test('$array() gives plain arrays, and an error for what would lose something', async () => {
    const matrix = await call<PyHandle>('odd', 'matrix');
    expect((await matrix.$array()).toArray()).toEqual([[1, 2]]);
    for (const kind of ['masked', 'object']) {
      const handle = await call<PyHandle>('odd', kind);
      expect(await rejection(handle.$array())).toMatchObject({ type: 'TypeError' });
    }
  });

  test('a typed array whose memory was transferred is an EncodeError', async () => {
    const gone = new Float64Array(8);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    expect(await rejection(call('total', gone))).toMatchObject({ code: 'ENCODE' });
  });

  test('read-only arrays of Python are read-only here, and what is only read here is in Python', async () => {
    const array = await call<NDArray<'float64'>>('read_only', LENGTH);
    expect(array.isReadOnly).toBe(true);
    expect(() => {
      array.set(1, 0);
    }).toThrow(TypeError);
    expect(await call('facts', array)).toMatchObject({ writeable: false });
    const constant = await runtime.get<NDArray<'float64'>>('arrays.TABLE');
    expect([constant.isReadOnly, constant.copied]).toEqual([true, false]);
    expect((await call<NDArray>('identity', constant)).isReadOnly).toBe(true);
  });

  test('S64 an array cannot be used after $release(), and a stale view neither crashes nor shows what comes next', async () => {
    const array = await runtime.allocate('float64', [4 * MB]);
    const stale = array.data;
    stale.fill(7);
    array.$release();
    expect(() => array.data).toThrow(/released/);
    expect(() => array.at(0)).toThrow(/released/);
    expect(await rejection(call('total', array))).toMatchObject({ code: 'ENCODE' });
    const next = await runtime.allocate('float64', [4 * MB]);
    next.data.fill(9);
    expect([stale[0], stale[4 * MB - 1]]).toEqual([0, 0]);
    stale.fill(5);
    expect([next.data[0], next.data[4 * MB - 1]]).toEqual([9, 9]);
    const borrowed = await call<NDArray<'float64'>>('born_shared', 4 * MB);
    const staleBorrowed = borrowed.data;
    borrowed.$release();
    const other = await call<NDArray<'float64'>>('born_shared', 4 * MB);
    expect(staleBorrowed[5]).toBe(0);
    staleBorrowed.fill(1);
    expect(other.data[5]).toBe(5);
  });

  test('S67 an array of the host is a tensor over the same memory', async () => {
    const array = await runtime.allocate('float32', [1000, 64]);
    expect(await call('tensor_facts', array, 'numpy')).toEqual({ type: 'numpy', same: true });
    expect(await call('tensor_facts', array, 'jax')).toEqual({ type: 'jaxlib', same: true });
  });

  test('memory is used again: a thousand calls need no more of it than a few', async () => {
    const data = new Float64Array(LENGTH);
    for (let round = 0; round < 20; round += 1) await call('total', data);
    const { bytes } = runtime.zeroCopyStats();
    for (let round = 0; round < 1000; round += 1) await call('total', data);
    expect(runtime.zeroCopyStats().bytes).toBe(bytes);
    await until('Python has returned all', () => runtime.zeroCopyStats().lent === 0);
  });
});

test('S65 a worker that dies while it holds arrays gives all of them back', async () => {
  await using runtime = await startFixtureRuntime();
  const array = await runtime.allocate('float64', [LENGTH]);
  await runtime.call('arrays.keep', ['x', array]);
  const born = await runtime.call<NDArray<'float64'>>('arrays.born_shared', [LENGTH]);
  expect(runtime.zeroCopyStats()).toMatchObject({ lent: 1, borrowed: 1 });
  await rejection(runtime.call('arrays.die'));
  await until('the worker is replaced', () => runtime.stats().workers.some(({ isReady }) => isReady));
  expect(runtime.zeroCopyStats().lent).toBe(0);
  expect(born.data[LENGTH - 1]).toBe(LENGTH - 1); // what it has lent is still there
  expect(await runtime.call('arrays.total', [born])).toBe((LENGTH * (LENGTH - 1)) / 2);
  const { usedBytes } = runtime.zeroCopyStats();
  array.$release();
  await collected('the memory is free', () => runtime.zeroCopyStats().usedBytes < usedBytes);
});

test('an array of one worker goes to another without being copied or opened here', async () => {
  await using runtime = await createRuntime(
    fixtureOptions({
      pools: [
        { name: 'first', size: 1 },
        { name: 'second', size: 1 },
      ],
    }),
  );
  const array = await runtime.call<NDArray<'float64'>>('arrays.born_shared', [4 * MB], { pool: 'first' });
  const { copies, shared } = runtime.zeroCopyStats();
  expect(await runtime.call('arrays.total', [array.slice([0, 10])], { pool: 'second' })).toBe(45);
  await runtime.call('arrays.set_item', [array, 3, -3], { pool: 'second' });
  expect(await runtime.call('arrays.total', [array.slice([0, 10])], { pool: 'first' })).toBe(39);
  expect(runtime.zeroCopyStats().copies).toEqual(copies);
  expect(runtime.zeroCopyStats().shared).toBe(shared + 3);
  expect(array.data[3]).toBe(-3);
});

describe('S66 where nothing can be shared', () => {
  test.each(LANES)('zeroCopy: off: the same values, as copies, with events (%s)', async (transport) => {
    const events: RuntimeEvent[] = [];
    await using runtime = await startFixtureRuntime({
      transport,
      zeroCopy: 'off',
      onEvent: (event) => events.push(event),
    });
    const array = await runtime.allocate('float64', [LENGTH]);
    array.data.set(range(LENGTH));
    const views = [array, array.transpose(), tuple(array.slice([null, null, -1])), range(LENGTH)];
    const came = await runtime.call<unknown[]>('arrays.identity', [views]);
    const [same, , [reversed], typed] = came as [NDArray, NDArray, [NDArray], NDArray];
    expect([same.copied, same.copyReason, typed.copyReason]).toEqual([true, 'unavailable', 'unavailable']);
    expect(same.data).toEqual(range(LENGTH));
    expect(reversed.at(0)).toBe(LENGTH - 1);
    const told = events.filter(({ type }) => type === 'zerocopy-fallback');
    expect(told.map((event) => 'direction' in event && event.direction)).toEqual(
      expect.arrayContaining(['to-python', 'from-python']),
    );
  });

  test('zeroCopy: require rejects what would have to be copied, in both directions', async () => {
    await using runtime = await startFixtureRuntime({ zeroCopy: 'require' });
    const array = await runtime.allocate('float64', [LENGTH]);
    expect(await runtime.call('arrays.total', [array])).toBe(0);
    expect((await runtime.call<NDArray>('arrays.born_shared', [LENGTH])).copied).toBe(false);
    for (const refused of [
      runtime.call('arrays.total', [range(LENGTH)]),
      runtime.call('arrays.ordinary', [LENGTH]),
      runtime.call('arrays.many_bytes', [MB]),
    ]) {
      expect(await rejection(refused)).toBeInstanceOf(ZeroCopyUnavailableError);
    }
    expect(await runtime.call('arrays.total', [new Float64Array(8)])).toBe(0); // what is small is no matter
  });

  test('gRPC over TCP: the values travel as bytes, with an event; require rejects', async () => {
    const serving = await serveWorker('--token-file', secretFile(temporaryFolder, 'token', `${TOKEN}\n`));
    try {
      const events: RuntimeEvent[] = [];
      const attached = placement.static([serving.address], { token: TOKEN, waitMs: 15_000 });
      const options = { size: 1, onEvent: (event: RuntimeEvent) => events.push(event), placement: attached };
      {
        await using runtime = await createRuntime(options);
        const array = await runtime.allocate('float64', [LENGTH]);
        array.data.set(range(LENGTH));
        const came = await runtime.call<NDArray<'float64'>>('arrays.identity', [array]);
        expect([came.copyReason, came.data[7]]).toEqual(['unavailable', 7]);
        expect(events.map(({ type }) => type)).toContain('zerocopy-fallback');
      }
      await using strict = await createRuntime({ ...options, zeroCopy: 'require' });
      const array = await strict.allocate('float64', [LENGTH]);
      expect(await rejection(strict.call('arrays.total', [array]))).toBeInstanceOf(ZeroCopyUnavailableError);
    } finally {
      await serving.stop();
    }
  });

  test('without koffi: the values travel as bytes, with an event', async () => {
    const without = join(temporaryFolder, 'without-koffi.cjs');
    writeFileSync(
      without,
      `const Module = require('node:module');
       const resolve = Module._resolveFilename;
       Module._resolveFilename = function (request, ...rest) {
         if (/koffi/.test(request)) throw new Error('koffi is not installed');
         return resolve.call(this, request, ...rest);
       };`,
    );
    const script = runNode(
      `const events = [];
       const runtime = await hognose.createRuntime({ size: 1, pythonPath: [process.env.FIXTURES], onEvent: (e) => events.push(e) });
       const array = await runtime.call('arrays.identity', [new Float64Array(${LENGTH}).fill(3)]);
       console.log(array.copyReason, array.data[9], events.some((e) => e.type === 'zerocopy-fallback'));
       console.log(await runtime.allocate('float64', [3]).catch((error) => error.code));
       await runtime.close();`,
      ['--require', without],
    );
    const [first, second] = [await script.line(), await script.line()];
    expect([first, second]).toEqual(['unavailable 3 true', 'ZEROCOPY_UNAVAILABLE']);
    await script.ended;
  });

  test('no space for a result: it travels as bytes, and says so', async () => {
    await using runtime = await startFixtureRuntime({ sharedMemory: { workerBytes: MB } });
    const array = await runtime.call<NDArray<'float64'>>('arrays.ordinary', [MB]);
    expect([array.copyReason, array.data[MB - 1]]).toEqual(['no-space', MB - 1]);
  });
});

test('more arrays than the connection takes segments at once arrive all the same, both ways', async () => {
  await using runtime = await startFixtureRuntime();
  const count = 320;
  const came = await runtime.call<NDArray<'float64'>[]>('arrays.many', [count, 140_000]);
  expect(came.map(({ data }) => data[139_999])).toEqual(Array.from({ length: count }, (_, index) => index));
  expect(new Set(came.map(({ copyReason }) => copyReason))).toEqual(new Set(['not-shared', 'no-space']));
  for (const array of came) array.$release();
  const sent = await Promise.all(Array.from({ length: count }, () => runtime.allocate('float64', [140_000])));
  for (const [index, array] of sent.entries()) array.data.fill(index);
  expect(await runtime.call('arrays.firsts', [sent])).toEqual(Array.from({ length: count }, (_, index) => index));
  await until('nothing is lent', () => runtime.zeroCopyStats().lent === 0);
}, 60_000);

test('a field of records is copied, and nothing of it stays lent', async () => {
  await using runtime = await startFixtureRuntime({ numpyArena: true });
  const take = async (): Promise<void> => {
    const field = await runtime.call<NDArray<'float64'>>('arrays.field_of_records', [LENGTH]);
    expect([field.copyReason, field.data[LENGTH - 1]]).toEqual(['layout', LENGTH - 1]);
  };
  for (let round = 0; round < 5; round += 1) await take();
  await collected('nothing is lent', () => runtime.zeroCopyStats().borrowed === 0);
  expect((await runtime.metrics()).map(({ lent }) => lent)).toEqual([0]);
});

test('results that were dropped are not kept by the queue that their calls have waited in', async () => {
  await using runtime = await startFixtureRuntime();
  const drop = async (): Promise<void> => {
    for (let round = 0; round < 20; round += 1) await runtime.call('arrays.ordinary', [LENGTH]);
  };
  await Promise.all(Array.from({ length: 12 }, drop));
  await collected('all are returned', () => runtime.zeroCopyStats().borrowed <= 1);
});

test('a thread leaves no descriptors behind when it ends', async () => {
  const script = runNode(
    `import { readdirSync, readlinkSync } from 'node:fs';
     import { once } from 'node:events';
     import { Worker } from 'node:worker_threads';
     const segments = () => readdirSync('/proc/self/fd').filter((fd) => {
       try { return readlinkSync('/proc/self/fd/' + fd).startsWith('/memfd:hognose'); } catch { return false; }
     }).length;
     const code = \`
       import(${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)}).then(async ({ createRuntime }) => {
         const runtime = await createRuntime({ size: 1 });
         const array = await runtime.allocate('float64', [300000]);
         await runtime.call('builtins.len', [array]);
         array.$release();
         await runtime.close();
       });\`;
     for (let round = 0; round < 3; round += 1) await once(new Worker(code, { eval: true }), 'exit');
     console.log(segments());`,
  );
  expect(await script.line()).toBe('0');
  expect((await script.ended).stderr).toBe('');
});

test('a call that is aborted before it has left whole gives back what it would have lent', async () => {
  await using runtime = await startFixtureRuntime();
  const array = await runtime.allocate('float64', [LENGTH]);
  for (let round = 0; round < 3; round += 1) {
    const abort = new AbortController();
    const large = runtime.call('builtins.len', [[array, 'x'.repeat(50_000_000)]], { signal: abort.signal });
    setImmediate(() =>
      setImmediate(() => {
        abort.abort();
      }),
    );
    await rejection(large);
  }
  await runtime.call('builtins.len', ['']);
  await until('nothing is lent', () => runtime.zeroCopyStats().lent === 0);
});

test('leakWarnings tell where an array was made that is still held at the end', async () => {
  const script = runNode(
    `import { once } from 'node:events';
     const runtime = await hognose.createRuntime({ size: 1, leakWarnings: true });
     const kept = await runtime.allocate('float64', [1000, 20]);
     const released = await runtime.allocate('int8', [7]);
     released.$release();
     const warned = once(process, 'warning');
     await runtime.close();
     const [warning] = await warned;
     console.log(warning.name, '|', warning.message, '|', warning.detail.includes('eval'));
     console.log(kept.size);`,
  );
  expect(await script.line()).toBe(
    'HognoseLeakWarning | an array of float64 [1000, 20] is still held as the runtime closes | true',
  );
  await script.ended;
});

describe('numpyArena', () => {
  test('S61 results of ordinary NumPy code are views, on every thread that runs calls', async () => {
    await using runtime = await startFixtureRuntime({ numpyArena: true, threads: 2 });
    for (const name of ['arrays.ordinary', 'arrays.plus_one']) {
      const args = name === 'arrays.ordinary' ? [LENGTH] : [range(LENGTH)];
      const array = await runtime.call<NDArray<'float64'>>(name, args);
      expect([name, array.copied]).toEqual([name, false]);
      expect(array.data[5]).toBe(name === 'arrays.ordinary' ? 5 : 6);
    }
  });
});
