/** The suite `array`: what it costs to hand arrays and tables over, against tiny calls, plain copies, and peers. */
import { drawBars } from './chart.mjs';
import { formatNumber } from './report.mjs';
import { durations, median, sequentialP50Us } from './measure.mjs';
import { arrayGrpc } from './peers/array-grpc.mjs';
import { arrayNodeCallsPython, arrayPymport } from './peers/array-in-process.mjs';
import { arrayMemory } from './peers/array-memory.mjs';
import { arrayPythonia } from './peers/array-pythonia.mjs';
import { arraySoak } from './peers/array-soak.mjs';
import { checkEdges, ELEMENTS_OF_100_MB, nextArray, stamped } from './peers/array-source.mjs';
import { arrayStdio, arrayStdioKept } from './peers/array-stdio.mjs';
import { arrayZeromq } from './peers/array-zeromq.mjs';
import { hognoseWith } from './peers/hognose.mjs';

const ELEMENTS_OF_1_GB = 10 * ELEMENTS_OF_100_MB;
/** Of 24 bytes each: 150 MB. */
const TABLE_ROWS = 6_250_000;
const SMALL = { preload: ['numpy', 'fixture.arrays'] };

/** Peers in a process of their own that are sent 100 MB of ordinary memory, and how the chart calls them. */
const ISOLATED = {
  stdio: 'stdio, file in /dev/shm',
  zeromq: 'ZeroMQ',
  grpc: 'gRPC, chunks of bytes',
  pythonia: 'pythonia',
};
const IN_PROCESS = { node_calls_python: 'node-calls-python', pymport: 'pymport' };

/** @type {import('./measure.mjs').Suite['peers']} */
export const peers = {
  hognose: hognoseWith(SMALL),
  hognose_arena: hognoseWith({ ...SMALL, numpyArena: true }),
  hognose_inline: hognoseWith({ ...SMALL, zeroCopy: 'off' }),
  memory: arrayMemory,
  stdio: arrayStdio,
  stdio_kept: arrayStdioKept,
  zeromq: arrayZeromq,
  grpc: arrayGrpc,
  pythonia: arrayPythonia,
  node_calls_python: arrayNodeCallsPython,
  pymport: arrayPymport,
  soak: arraySoak,
};

/** Bytes of arrays that are sent with and without shared memory. */
const SIZES = {
  '64B': 64,
  '1KB': 1024,
  '4KB': 4096,
  '16KB': 2 ** 14,
  '48KB': 48 * 1024,
  '64KB': 2 ** 16,
  '256KB': 2 ** 18,
  '1MB': 2 ** 20,
};

/** Elements of arrays that NumPy adds to, and how often it does so for one figure. */
const ADDITIONS = { tiny: 10, '2400B': 300 };
const ADDITION_REPEATS = 20_000;

/** The last element of what the fixture has produced. */
const LAST = { in_place: -1, added: 0 };

/** What is done to an array of 100 MB that Python has produced in shared memory, by the suffix of the figure's name. */
const USES = {
  '': (array) => array.data.at(-1),
  _untouched: () => undefined,
  _released(array) {
    const last = array.data.at(-1);
    array.$release();
    return last;
  },
};

/** What takes microseconds is pinned, as an unpinned ratio is a lottery; who copies may use all there is. */
const pinnedMode = (modes) => (modes.includes('same') ? 'same' : 'any');
const COPYING_MODE = 'any';

/** @type {import('./measure.mjs').Suite['measurements']} */
export function measurements(modes) {
  const pinned = pinnedMode(modes);
  const found = [];
  const add = (mode, peer, figure, run) => found.push({ name: `${peer}.${figure}`, peer, mode, run });

  for (const peer of ['hognose', 'hognose_arena'])
    add(pinned, peer, 'call_us', ({ call }, ms) => sequentialP50Us(() => call(1, 2), ms));
  for (const [size, elements] of Object.entries({ '100MB': ELEMENTS_OF_100_MB, '1GB': ELEMENTS_OF_1_GB })) {
    const allocated = once(({ runtime }) => runtime.allocate('float64', [elements]));
    add(pinned, 'hognose', `handover_${size}_us`, async (peer, ms) => {
      const array = await allocated(peer);
      await sendChecked(peer, stamped(array.data), array);
      return sequentialP50Us(() => peer.runtime.call('fixture.arrays.last', [array]), ms);
    });
  }
  const born = { hognose: ['in_place', 'produce_in_place'], hognose_arena: ['added', 'produce_added'] };
  for (const [peer, [kept, produce]] of Object.entries(born)) {
    for (const [suffix, use] of Object.entries(USES))
      add(pinned, peer, `${kept}_100MB${suffix}_us`, ({ runtime }, ms) => receivedP50Us(runtime, kept, use, ms));
    add(pinned, peer, `${produce}_100MB_us`, ({ runtime }, ms) => producedP50Us(runtime, produce, ms));
  }
  add(pinned, 'hognose', 'produce_nothing_100MB_us', ({ runtime }, ms) =>
    producedP50Us(runtime, 'produce_nothing', ms),
  );
  add(pinned, 'hognose', 'table_150MB_us', ({ runtime }, ms) => tableP50Us(runtime, ms));
  for (const [size, bytes] of Object.entries(SIZES))
    for (const peer of ['hognose', 'hognose_inline'])
      add(pinned, peer, `n2p_${size}_us`, async (running, ms) => {
        const array = stamped(new Float64Array(bytes / Float64Array.BYTES_PER_ELEMENT).fill(0.5));
        await sendChecked(running, array);
        return sequentialP50Us(() => running.runtime.call('fixture.arrays.edges', [array]), ms);
      });
  for (const [size, elements] of Object.entries(ADDITIONS))
    for (const peer of ['hognose', 'hognose_arena'])
      add(pinned, peer, `addition_${size}_ns`, async ({ runtime }, ms) => {
        const samples = [];
        const addition = async () =>
          samples.push(await runtime.call('fixture.arrays.addition_ns', [elements, ADDITION_REPEATS]));
        await durations(addition, ms);
        return median(samples);
      });

  add(COPYING_MODE, 'memory', 'copy_100MB_ms', async ({ copy }, ms) => median(await warmDurations(copy, ms)));
  add(COPYING_MODE, 'hognose', 'n2p_100MB_ms', async (peer, ms) =>
    median(await warmDurations(() => sendChecked(peer, nextArray()), ms)),
  );
  add(COPYING_MODE, 'hognose', 'n2p_100MB_stall_ms', async (peer, ms) => {
    const stalls = [];
    const send = async () => stalls.push(await longestStallMs(() => sendChecked(peer, nextArray())));
    await warmDurations(send, ms);
    return median(stalls.slice(WARM_UP_TIMES));
  });
  add(COPYING_MODE, 'hognose', 'copy_100MB_ms', async ({ runtime }, ms) => {
    const samples = [];
    const copy = async () => samples.push(await runtime.call('fixture.arrays.copy_ms', [ELEMENTS_OF_100_MB]));
    await warmDurations(copy, ms);
    return median(samples.slice(WARM_UP_TIMES));
  });
  add(COPYING_MODE, 'hognose', 'p2n_100MB_ms', async ({ runtime }, ms) =>
    median(await warmDurations(() => receive(runtime, 'ordinary', { isCopied: true }), ms)),
  );
  for (const peer of [...Object.keys(ISOLATED), 'stdio_kept'])
    add(COPYING_MODE, peer, 'n2p_100MB_ms', async (running, ms) => {
      const send = async () => {
        const array = nextArray();
        checkEdges(array, await running.send(array));
      };
      return median(await durations(send, ms, 1));
    });
  for (const peer of Object.keys(IN_PROCESS)) add(COPYING_MODE, peer, 'n2p_100MB_ms', ({ sendMs }, ms) => sendMs(ms));
  for (const what of ['segments', 'leases'])
    add(COPYING_MODE, 'soak', `leaked_${what}`, async ({ leaked }, ms) => (await leaked(ms))[what]);
  return found;
}

/** Makes something of a peer when it is first needed, and anew for another peer. */
function once(make) {
  const made = new WeakMap();
  return (peer) => {
    if (!made.has(peer)) made.set(peer, make(peer));
    return made.get(peer);
  };
}

/** Sends an array, which may be that of an NDArray, and sees that it has come. */
async function sendChecked({ runtime }, array, sent = array) {
  checkEdges(array, await runtime.call('fixture.arrays.edges', [sent]));
}

/** How often what moves 100 MB is done before it counts: memory that lay idle since the last round was given back. */
const WARM_UP_TIMES = 3;

/** As `durations`, without the first few. */
async function warmDurations(action, ms) {
  for (let time = 0; time < WARM_UP_TIMES; time += 1) await action();
  return durations(action, ms);
}

/** Receives 100 MB, sees that they are what they should be, and lets go of them. */
async function receive(runtime, target, { isCopied }) {
  const array = await runtime.call(`fixture.arrays.${target}`, [ELEMENTS_OF_100_MB]);
  checkReceived(array, { isCopied });
  array.$release();
}

function checkReceived(array, { isCopied }) {
  if (array.copied !== isCopied)
    throw new Error(`the array was ${array.copied ? `copied (${array.copyReason})` : 'not copied'}`);
  if (array.data.length !== ELEMENTS_OF_100_MB) throw new Error(`the array has ${array.data.length} elements`);
}

/** Of an array that was produced in shared memory before, and is now handed over and used. */
async function receivedP50Us(runtime, target, use, ms) {
  const last = LAST[target];
  const receiveAndUse = async () => {
    const array = await runtime.call(`fixture.arrays.${target}`, [ELEMENTS_OF_100_MB]);
    if (array.copied) throw new Error(`the array was copied (${array.copyReason})`);
    const seen = use(array);
    if (seen !== undefined && seen !== last) throw new Error(`the array ends with ${seen}, and not with ${last}`);
  };
  return sequentialP50Us(receiveAndUse, ms);
}

/** Of an array that is produced in the call, less the time that this took by Python's own clock. */
async function producedP50Us(runtime, target, ms) {
  const produce = async () => {
    const start = performance.now();
    const { array, ns } = await runtime.call(`fixture.arrays.${target}`, [ELEMENTS_OF_100_MB]);
    if (array !== null) {
      checkReceived(array, { isCopied: false });
      array.$release();
    }
    return (performance.now() - start) * 1e3 - ns / 1e3;
  };
  const taken = [];
  await warmDurations(async () => taken.push(await produce()), ms);
  return median(taken.slice(WARM_UP_TIMES));
}

/** Of a table whose buffers are in shared memory before the call. */
async function tableP50Us(runtime, ms) {
  const receiveTable = async () => {
    const table = await runtime.call('fixture.arrays.table', [TABLE_ROWS]);
    if (table.numRows !== TABLE_ROWS) throw new Error(`the table has ${table.numRows} rows`);
    return table;
  };
  const last = (await receiveTable()).get(TABLE_ROWS - 1).toJSON();
  if (last.id !== BigInt(TABLE_ROWS - 1) || last.price !== 0.5 || last.name !== 'aaaa')
    throw new Error(`the table ends with ${Object.values(last).join(', ')}`);
  return sequentialP50Us(receiveTable, ms);
}

/**
 * The longest time for which nothing else could run here while something is done. It looks at every turn of the event
 * loop: a timer's histogram counts in its own, longer steps.
 */
async function longestStallMs(action) {
  let longest = 0;
  let last = performance.now();
  let isOver = false;
  const turn = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (!isOver) globalThis.setImmediate(turn);
  };
  globalThis.setImmediate(turn);
  await action();
  isOver = true;
  turn();
  return longest;
}

/** @type {import('./measure.mjs').Suite['benchmarks']} */
export function benchmarks(modes) {
  const ratio = (name, goal, ...of) => ({ name, unit: 'ratio', ...(goal === undefined ? {} : { goal }), of });
  const isolated = Object.keys(ISOLATED).map((peer) => `${peer}.n2p_100MB_ms`);
  const judged = [
    ratio('array.handover_100MB_over_call', { atMost: 1.5 }, 'hognose.handover_100MB_us', 'hognose.call_us'),
    ratio('array.handover_1GB_over_100MB', { atMost: 1.2 }, 'hognose.handover_1GB_us', 'hognose.handover_100MB_us'),
    ratio('array.n2p_100MB_over_memcpy', { atMost: 1.5 }, 'hognose.n2p_100MB_ms', 'memory.copy_100MB_ms'),
    ratio('array.p2n_100MB_over_memcpy', { atMost: 1.5 }, 'hognose.p2n_100MB_ms', 'hognose.copy_100MB_ms'),
    {
      ...ratio(
        'array.p2n_born_shared_100MB_over_call',
        { atMost: 1.5 },
        'hognose.in_place_100MB_us',
        'hognose.call_us',
        'hognose_arena.added_100MB_us',
        'hognose_arena.call_us',
      ),
      combine: (inPlace, call, added, arenaCall) => Math.max(inPlace / call, added / arenaCall),
    },
    ratio(
      'array.n2p_100MB_loop_stall_over_memcpy',
      { atMost: 1.5 },
      'hognose.n2p_100MB_stall_ms',
      'memory.copy_100MB_ms',
    ),
    {
      ...ratio('array.n2p_100MB_speedup_over_best_isolated_peer', { atLeast: 5 }, 'hognose.n2p_100MB_ms', ...isolated),
      mayLack: isolated,
      combine: (own, ...others) => Math.min(...others.filter((other) => other !== undefined)) / own,
    },
    ratio('array.1KB_over_inline', { atMost: 1.1 }, 'hognose.n2p_1KB_us', 'hognose_inline.n2p_1KB_us'),
    ratio('arrow.p2n_150MB_over_call', { atMost: 20 }, 'hognose.table_150MB_us', 'hognose.call_us'),
    ...['segments', 'leases'].map((what) => ({
      name: `soak.leaked_${what}`,
      unit: 'count',
      goal: { atMost: 0 },
      of: [`soak.leaked_${what}`],
      isWorst: true,
    })),
  ];
  const ratios = [
    ratio('info.in_place_100MB_over_call', undefined, 'hognose.in_place_100MB_us', 'hognose.call_us'),
    ratio('info.added_100MB_over_call', undefined, 'hognose_arena.added_100MB_us', 'hognose_arena.call_us'),
    ...[
      ['hognose', 'produce_in_place'],
      ['hognose_arena', 'produce_added'],
    ].map(([peer, figure]) =>
      // What is compared has as much work behind it: caches that are full of other things are no cost of handing over.
      ratio(`info.${figure}_over_nothing`, undefined, `${peer}.${figure}_100MB_us`, 'hognose.produce_nothing_100MB_us'),
    ),
    ...Object.keys(SIZES)
      .filter((size) => size !== '1KB')
      .map((size) =>
        ratio(`info.n2p_${size}_over_inline`, undefined, `hognose.n2p_${size}_us`, `hognose_inline.n2p_${size}_us`),
      ),
    ...Object.keys(ADDITIONS).map((size) =>
      ratio(
        `info.numpy_arena_addition_${size}`,
        undefined,
        `hognose_arena.addition_${size}_ns`,
        `hognose.addition_${size}_ns`,
      ),
    ),
  ];
  const informative = measurements(modes)
    .filter(({ peer }) => peer !== 'soak')
    .map(({ name }) => ({ name: `info.${name}`, unit: name.slice(name.lastIndexOf('_') + 1), of: [name] }));
  return [...judged, ...ratios, ...informative];
}

/** @type {import('./measure.mjs').Suite['chart']} */
export function chart(rows) {
  const msOf = (name) => {
    const row = rows.find((candidate) => candidate.name === `info.${name}`);
    return row?.value === undefined || row.unit === 'ms' ? row?.value : row.value / 1e3;
  };
  const bar = (label, name, isOwn) => ({ label, value: msOf(name), isOwn });
  const peerBars = (labels) => Object.entries(labels).map(([peer, label]) => bar(label, `${peer}.n2p_100MB_ms`, false));
  // Its bar would leave no room for the others.
  const drawn = Object.fromEntries(Object.entries(ISOLATED).filter(([peer]) => peer !== 'pythonia'));
  const pythoniaMs = msOf('pythonia.n2p_100MB_ms');
  return drawBars({
    title: '100 MB between Node.js and Python',
    subtitle: 'until the other side has it as an array: median in ms, shorter is better',
    unit: 'ms',
    groups: [
      {
        title: `to another process${pythoniaMs === undefined ? '' : ` (not drawn: pythonia, ${formatNumber(pythoniaMs)} ms)`}`,
        bars: [
          bar('Hognose, allocate()', 'hognose.handover_100MB_us', true),
          bar('Hognose, any array', 'hognose.n2p_100MB_ms', true),
          ...peerBars(drawn),
        ],
      },
      { title: 'to Python in the same process: a crash ends Node.js', bars: peerBars(IN_PROCESS) },
      {
        title: 'from Python in another process',
        bars: [
          bar('Hognose, hognose.empty()', 'hognose.in_place_100MB_us', true),
          bar('Hognose, numpyArena', 'hognose_arena.added_100MB_us', true),
          bar('Hognose, any array', 'hognose.p2n_100MB_ms', true),
        ],
      },
    ],
  });
}
