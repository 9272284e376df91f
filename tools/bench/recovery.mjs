/** The suite `recovery`: how soon a dead worker is replaced and its caller told, orphans, and what a pool adds. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { drawBars } from './chart.mjs';
import { median } from './measure.mjs';
import { hognoseWith } from './peers/hognose.mjs';
import { orphans } from './peers/orphans.mjs';

/** What is measured in each round: 21 in the seven of a full run. */
const SAMPLES = 3;
/** Time in which what has just announced itself surely blocks. */
const BLOCKED_MS = 20;
const CPU_CALLS = 8;
const CPU_CALL_ROUNDS = 500_000;
/** What crashes here may not be moved to a worker of its own, and the stacks of its workers are of no interest. */
const CRASHING = { preload: ['numpy', 'fixture'], crash: { taintAfter: 0 }, onLog: () => undefined };
/** The processes are new each time: nothing is pinned. */
const MODE = 'any';

const unpinned = (peer) => ({ start: async () => ({ ...(await peer.start()), pids: () => [] }) });

/** @type {import('./measure.mjs').Suite['peers']} */
export const peers = {
  zygote: unpinned(hognoseWith(CRASHING)),
  cold: unpinned(
    hognoseWith(({ placement }) => ({
      ...CRASHING,
      placement: placement.local({ zygote: false }),
      spares: 0,
    })),
  ),
  one: unpinned(hognoseWith({ size: 1 })),
  two: unpinned(hognoseWith({ size: 2 })),
  orphans,
};

/** @type {import('./measure.mjs').Suite['measurements']} */
export function measurements() {
  const found = [];
  const add = (peer, figure, run) => found.push({ name: `${peer}.${figure}`, peer, mode: MODE, run });
  for (const peer of ['zygote', 'cold']) add(peer, 'ready_ms', async ({ runtime }) => sampled(() => readyMs(runtime)));
  add('zygote', 'reject_ms', async ({ runtime }) => sampled(() => rejectMs(runtime)));
  add('orphans', 'gone_ms', async ({ orphanMs }) => Math.max(...(await samples(orphanMs))));
  for (const peer of ['one', 'two']) {
    add(peer, 'eight_calls_ms', async ({ runtime }) => {
      await runtime.ready();
      return computeMs(runtime);
    });
  }
  add('two', 'busy_delay_ms', async ({ runtime }) => delayMs(() => computeMs(runtime)));
  add('two', 'idle_delay_ms', async ({ runtime }) => {
    const busyMs = await computeMs(runtime);
    return delayMs(() => sleep(busyMs));
  });
  return found;
}

async function samples(measure) {
  const taken = [];
  for (let sample = 0; sample < SAMPLES; sample += 1) taken.push(await measure());
  return taken;
}

const sampled = async (measure) => median(await samples(measure));

/** From the SIGKILL of an idle worker until the one in its place has answered a call. */
async function readyMs(runtime) {
  const killed = await runtime.call('fixture.pid');
  const start = performance.now();
  process.kill(killed, 'SIGKILL');
  const answered = await runtime.call('fixture.pid');
  const elapsed = performance.now() - start;
  if (answered === killed) throw new Error('the call was answered by the worker that was killed');
  return elapsed;
}

/** From the SIGSEGV of a worker under a call until the caller is told. */
async function rejectMs(runtime) {
  let rejectedAt;
  let outcome;
  const pid = await runtime.call('fixture.pid');
  const started = new Promise((resolve) => {
    outcome = runtime.call('fixture.announce_and_sleep', [resolve]).then(
      () => new Error('a call has survived its worker'),
      (error) => {
        rejectedAt = performance.now();
        return error;
      },
    );
  });
  const early = await Promise.race([started, outcome]);
  if (early !== undefined) throw early;
  await sleep(BLOCKED_MS);
  const start = performance.now();
  process.kill(pid, 'SIGSEGV');
  const error = await outcome;
  if (error.signal !== 'SIGSEGV') throw error;
  // The next is not to find a pool that is being mended.
  await runtime.ready();
  return rejectedAt - start;
}

/** How long the pool takes for calls that do nothing but compute. */
async function computeMs(runtime) {
  const start = performance.now();
  const calls = Array.from({ length: CPU_CALLS }, () => runtime.call('fixture.compute', [CPU_CALL_ROUNDS]));
  const answers = new Set(await Promise.all(calls));
  if (answers.size !== 1) throw new Error(`the same sum has come to ${[...answers].join(' and ')}`);
  return performance.now() - start;
}

/**
 * The longest time between two turns of a timer of 10 ms while something runs: what a request to this process might
 * have waited. Of an idle loop it is a little more than those 10 ms, so that a ratio does not compare noise with noise.
 */
async function delayMs(action) {
  const histogram = monitorEventLoopDelay({ resolution: 10 });
  histogram.enable();
  await action();
  histogram.disable();
  return histogram.max / 1e6;
}

/** @type {import('./measure.mjs').Suite['benchmarks']} */
export function benchmarks() {
  const judged = [
    { name: 'recovery.zygote_ready_ms', unit: 'ms', goal: { atMost: 100 }, of: ['zygote.ready_ms'] },
    {
      name: 'recovery.zygote_over_cold',
      unit: 'ratio',
      goal: { atMost: 0.25 },
      of: ['zygote.ready_ms', 'cold.ready_ms'],
    },
    { name: 'recovery.reject_ms', unit: 'ms', goal: { atMost: 20 }, of: ['zygote.reject_ms'] },
    { name: 'orphans.max_ms', unit: 'ms', goal: { atMost: 100 }, of: ['orphans.gone_ms'], isWorst: true },
    {
      name: 'pool.parallel_speedup',
      unit: 'ratio',
      goal: { atLeast: 1.7 },
      of: ['one.eight_calls_ms', 'two.eight_calls_ms'],
    },
    {
      name: 'pool.eventloop_delay_over_idle',
      unit: 'ratio',
      goal: { atMost: 3 },
      of: ['two.busy_delay_ms', 'two.idle_delay_ms'],
    },
  ];
  const informative = measurements().map(({ name }) => ({ name: `info.${name}`, unit: 'ms', of: [name] }));
  return [...judged, ...informative];
}

/** @type {import('./measure.mjs').Suite['chart']} */
export function chart(rows) {
  const valueOf = (name) => rows.find((row) => row.name === name)?.value;
  const bar = (label, name, isOwn = true) => ({ label, value: valueOf(name), isOwn });
  return drawBars({
    title: 'When a process dies',
    subtitle: 'milliseconds, shorter is better; medians, of orphans the worst',
    unit: 'ms',
    groups: [
      {
        title: 'SIGKILL of the only worker, until the next has answered (NumPy loaded)',
        bars: [bar('forked off a zygote', 'info.zygote.ready_ms'), bar('started cold', 'info.cold.ready_ms', false)],
      },
      { title: 'SIGSEGV under a call, until its caller is told', bars: [bar('rejected', 'info.zygote.reject_ms')] },
      {
        title: 'SIGKILL of Node.js, until its last descendant is gone',
        bars: [bar('three workers, a grandchild', 'orphans.max_ms')],
      },
    ],
  });
}
