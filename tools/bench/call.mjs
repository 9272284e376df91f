/** The suite `call`: calls, chains, callbacks, streams, values and cancellation, against raw sockets and peers. */
import { setTimeout as sleep } from 'node:timers/promises';
import { drawBars } from './chart.mjs';
import { concurrentRate, durations, median, sequentialP50Us, sequentialRate } from './measure.mjs';
import { grpcBidi, grpcUnary } from './peers/grpc.mjs';
import { hognose, hognoseGrpc } from './peers/hognose.mjs';
import { jsonSocket } from './peers/json-socket.mjs';
import { pythonShell } from './peers/python-shell.mjs';
import { pythonia } from './peers/pythonia.mjs';
import { raw } from './peers/raw.mjs';
import { stdio } from './peers/stdio.mjs';
import { zeromq } from './peers/zeromq.mjs';
import { dict, floats, nestedDocument, rows } from './values.mjs';

/** Peers that add two numbers, and how the chart calls them. */
const CALLERS = {
  raw: 'raw Unix socket',
  hognose: 'Hognose',
  stdio: 'JSON lines over stdio',
  zeromq: 'ZeroMQ',
  hognose_grpc: 'Hognose over gRPC',
  grpc_bidi: 'gRPC, bidi stream',
  grpc_unary: 'gRPC, unary',
  python_shell: 'python-shell',
  pythonia: 'pythonia',
};

const MODE_TITLES = { same: 'both processes on one core', cross: 'on two cores', any: 'not pinned' };

/** @type {import('./measure.mjs').Suite['peers']} */
export const peers = {
  raw,
  stdio,
  hognose,
  hognose_grpc: hognoseGrpc,
  python_shell: pythonShell,
  pythonia,
  zeromq,
  grpc_unary: grpcUnary,
  grpc_bidi: grpcBidi,
  json_socket: jsonSocket,
  // A worker of its own: a cancellation that fails leaves it in a loop.
  hognose_cancelled: hognose,
};

const IN_FLIGHT = 64;
const STREAM_ITEMS = 50_000;
/** Time in which a call that is to be cancelled has surely started. */
const STARTED_MS = 20;
const VALUES = { floats_1e5: floats, dict_1e4: dict, doc_100KB: nestedDocument, rows_1e4x5: rows };

/** Where what has no mode in its name is measured: pinned, as an unpinned ratio is a lottery. */
const defaultMode = (modes) => (modes.includes('same') ? 'same' : 'any');
/** A cancellation needs a core for whoever asks for it. */
const cancelMode = (modes) => (modes.includes('cross') ? 'cross' : 'any');

/** @type {import('./measure.mjs').Suite['measurements']} */
export function measurements(modes) {
  const found = [];
  const add = (peer, mode, figure, run) => found.push({ name: `${peer}.${mode}.${figure}`, peer, mode, run });
  for (const mode of modes) {
    for (const peer of Object.keys(CALLERS))
      add(peer, mode, 'p50_us', async ({ call }, ms) => {
        const sum = await call(1, 2);
        if (sum !== 3) throw new Error(`add(1, 2) has answered ${sum}`);
        return sequentialP50Us(() => call(1, 2), ms);
      });
    for (const peer of Object.keys(CALLERS))
      add(peer, mode, 'calls_per_s', ({ call }, ms) => concurrentRate(() => call(1, 2), ms, IN_FLIGHT));
  }
  const mode = defaultMode(modes);
  add('hognose', mode, 'ten_calls_us', async ({ runtime }, ms) => {
    const counter = await runtime.call('fixture.Counter');
    const tenCalls = async () => {
      for (let index = 0; index < 10; index += 1) await counter.step();
    };
    return sequentialP50Us(tenCalls, ms);
  });
  add('hognose', mode, 'chain10_us', async ({ runtime }, ms) => {
    const counter = await runtime.call('fixture.Counter');
    const chain = () => counter.step().step().step().step().step().step().step().step().step().step();
    return sequentialP50Us(chain, ms);
  });
  add('hognose', mode, 'callback_us', async ({ runtime }, ms) => {
    const callBack = () => runtime.call('fixture.call_back', [(x) => x + 1]);
    const answer = await callBack();
    if (answer !== 2) throw new Error(`a call back of x => x + 1 with 1 has answered ${answer}`);
    return sequentialP50Us(callBack, ms);
  });
  add('hognose', mode, 'sequential_calls_per_s', ({ call }, ms) => sequentialRate(() => call(1, 2), ms));
  for (const kind of ['ints', 'dicts'])
    add('hognose', mode, `stream_${kind}_per_s`, async ({ runtime }, ms) => {
      const drain = async () => {
        let count = 0;
        const items = await runtime.call(`fixture.${kind}`, [STREAM_ITEMS]);
        for await (const item of items) if (item !== undefined) count += 1;
        if (count !== STREAM_ITEMS) throw new Error(`the stream ended after ${count} of ${STREAM_ITEMS} items`);
      };
      return (STREAM_ITEMS / median(await durations(drain, ms, 1))) * 1e3;
    });
  for (const [value, make] of Object.entries(VALUES)) {
    for (const peer of ['hognose', 'json_socket'])
      add(peer, mode, `${value}_ms`, async ({ echo }, ms) => {
        const sent = make();
        const echoed = JSON.stringify(await echo(sent));
        if (echoed !== JSON.stringify(sent)) throw new Error('what came back is not what was sent');
        return median(await durations(() => echo(sent), ms));
      });
  }
  for (const what of ['loop', 'sleep'])
    add('hognose_cancelled', cancelMode(modes), `${what}_ms`, async ({ runtime }, ms) => {
      const taken = [];
      const end = performance.now() + ms;
      do taken.push(await cancelMs(runtime, `fixture.${what}`));
      while (performance.now() < end);
      return median(taken);
    });
  return found;
}

/** From the abort of a running call until its worker has answered the next. */
async function cancelMs(runtime, target) {
  const controller = new globalThis.AbortController();
  const outcome = runtime.call(target, [], { signal: controller.signal }).then(
    () => new Error(`${target} has returned, and was not cancelled`),
    (error) => (controller.signal.aborted ? undefined : error),
  );
  const early = await Promise.race([outcome, sleep(STARTED_MS)]);
  if (early !== undefined) throw early;
  const start = performance.now();
  controller.abort();
  const next = runtime.call('fixture.add', [1, 2]);
  const [error] = await Promise.all([outcome, next]);
  if (error !== undefined) throw error;
  return performance.now() - start;
}

/** @type {import('./measure.mjs').Suite['benchmarks']} */
export function benchmarks(modes) {
  const mode = defaultMode(modes);
  const ratio = (name, goal, numerator, denominator) => ({ name, unit: 'ratio', goal, of: [numerator, denominator] });
  const p50OverRaw = (caller, where) => [`${caller}.${where}.p50_us`, `raw.${where}.p50_us`];
  const overStdio = (figure, where) => [`hognose.${where}.${figure}`, `stdio.${where}.${figure}`];
  const judged = [
    ratio('call.same.p50_over_raw', { atMost: 1.15 }, ...p50OverRaw('hognose', 'same')),
    ratio('call.cross.p50_over_raw', { atMost: 0.5 }, ...p50OverRaw('hognose', 'cross')),
    ratio('call.same.p50_over_stdio_json', { atMost: 1.05 }, ...overStdio('p50_us', 'same')),
    ratio('call.cross.p50_over_stdio_json', { atMost: 0.4 }, ...overStdio('p50_us', 'cross')),
    ratio('call.same.throughput_over_stdio_json', { atLeast: 4 }, ...overStdio('calls_per_s', 'same')),
    ratio('call.cross.throughput_over_stdio_json', { atLeast: 2 }, ...overStdio('calls_per_s', 'cross')),
    ratio('call.grpc.same.p50_over_raw', { atMost: 6 }, ...p50OverRaw('hognose_grpc', 'same')),
    ratio(
      'call.chain10_over_ten_calls',
      { atMost: 0.25 },
      `hognose.${mode}.chain10_us`,
      `hognose.${mode}.ten_calls_us`,
    ),
    ratio('call.callback_over_call', { atMost: 1.5 }, `hognose.${mode}.callback_us`, `hognose.${mode}.p50_us`),
    ...Object.entries({ ints: 25, dicts: 12 }).map(([kind, atLeast]) =>
      ratio(
        `stream.${kind}_over_calls`,
        { atLeast },
        `hognose.${mode}.stream_${kind}_per_s`,
        `hognose.${mode}.sequential_calls_per_s`,
      ),
    ),
    ...Object.entries({ floats_1e5: 0.4, dict_1e4: 2, doc_100KB: 2, rows_1e4x5: 2 }).map(([value, atMost]) =>
      ratio(`value.${value}_over_json`, { atMost }, `hognose.${mode}.${value}_ms`, `json_socket.${mode}.${value}_ms`),
    ),
    ...['loop', 'sleep'].map((what) => ({
      name: `cancel.${what}_ms`,
      unit: 'ms',
      goal: { atMost: 5 },
      of: [`hognose_cancelled.${cancelMode(modes)}.${what}_ms`],
    })),
  ];
  const informative = measurements(modes)
    .filter(({ peer }) => peer !== 'hognose_cancelled')
    .map(({ name }) => ({ name: `info.${name}`, unit: unitOf(name), of: [name] }));
  return [...judged, ...informative];
}

const unitOf = (name) => (name.endsWith('_per_s') ? '1/s' : name.slice(name.lastIndexOf('_') + 1));

/** @type {import('./measure.mjs').Suite['chart']} */
export function chart(rows) {
  const groups = Object.entries(MODE_TITLES)
    .filter(([mode]) => mode !== 'any' || !rows.some((row) => row.name === 'info.raw.same.p50_us'))
    .map(([mode, title]) => ({
      title,
      bars: Object.entries(CALLERS).map(([peer, label]) => {
        const row = rows.find(({ name }) => name === `info.${peer}.${mode}.p50_us`);
        return { label, value: row?.value, isOwn: peer.startsWith('hognose') };
      }),
    }))
    .filter(({ bars }) => bars.some(({ value }) => value !== undefined));
  return drawBars({
    title: 'One call from Node.js to Python and back',
    subtitle: 'add(1, 2), one after the other: median in µs, shorter is better',
    unit: 'µs',
    groups,
  });
}
