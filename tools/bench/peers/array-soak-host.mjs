/** Started by array-soak.mjs with --expose-gc: exchanges arrays, kills workers, and sends what was not given back. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkEdges, stamped } from './array-source.mjs';

const [python, pythonPath, ...amounts] = process.argv.slice(2);
const [arrays, kills] = amounts.map(Number);
const { createRuntime } = await import('@hognose/runtime');

const WORKERS = 2;
const IN_FLIGHT = 4;
const HELD = 32;
/** 1 KB to 1 MB. */
const [LEAST_LOG2, STEPS] = [7, 11];
/** How long free memory is kept to be used again, and how long what was let go of may take to be noticed. */
const IDLE_MS = 500;
const LIMIT_MS = 6_000;

const runtime = await createRuntime({
  size: WORKERS,
  python,
  pythonPath: [pythonPath],
  preload: ['numpy', 'fixture.arrays'],
  crash: { taintAfter: 0 },
  sharedMemory: { idleMs: IDLE_MS },
  onLog: () => undefined,
});
await runtime.ready();
const before = segments();

/** Arrays of workers that Node.js still looks at: some of the workers are dead by now. */
const held = [];
const call = (name, ...args) => runtime.call(`fixture.arrays.${name}`, args);
const ordinary = (elements) => stamped(new Float64Array(elements).fill(0.5));

/** Every way for an array to go; some are released, some are left to the garbage collector. */
const WAYS = [
  (elements) => sendChecked(ordinary(elements)),
  (elements) => call('keep', ordinary(elements)),
  async (elements) => {
    const array = await allocated(elements);
    await sendChecked(array.data, array);
    array.$release();
  },
  async (elements) => call('keep', await allocated(elements)),
  async (elements) => (await call('fresh', elements)).$release(),
  (elements) => call('fresh_in_place', elements),
  async (elements) => {
    held.push(await call('fresh_in_place', elements));
    if (held.length > HELD) held.shift().$release();
  },
  async (elements) => {
    // Whoever is idle gets it: its own worker, or the other one.
    const array = await call('fresh_in_place', elements);
    await sendChecked(array.data, array);
    array.$release();
  },
];

let next = 0;
const killed = new Set();
await Promise.all(Array.from({ length: IN_FLIGHT }, exchangeAll));
if (killed.size !== kills) throw new Error(`${killed.size} workers were killed, and not ${kills}`);
held.length = 0;
const left = await settle();
await runtime.close();
process.send({ ...left, segments: Math.max(left.segments, segmentsLeft()) });
process.disconnect();

async function exchangeAll() {
  while (next < arrays) {
    const index = next++;
    try {
      await WAYS[index % WAYS.length](2 ** (LEAST_LOG2 + (index % STEPS)));
      if (next >= (killed.size + 1) * (arrays / (kills + 1))) await killWorker();
    } catch (error) {
      if (error.code !== 'WORKER_CRASHED') throw error;
    }
  }
}

/** Kills one that has arrays of this process, and that may be at work. */
async function killWorker() {
  const pid = await runtime.call('fixture.pid');
  if (killed.size === kills || killed.has(pid)) return;
  killed.add(pid);
  process.kill(pid, 'SIGKILL');
}

async function allocated(elements) {
  const array = await runtime.allocate('float64', [elements]);
  stamped(array.data.fill(0.5));
  return array;
}

async function sendChecked(array, sent = array) {
  checkEdges(array, await call('edges', sent));
}

/** Lets go of everything on both sides, and counts what is there once nothing gets less any more. */
async function settle() {
  await runtime.ready();
  const cleared = new Set();
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    if (cleared.size < WORKERS)
      for (const pid of await Promise.all(Array.from({ length: WORKERS }, () => call('let_go')))) cleared.add(pid);
    globalThis.gc();
    await sleep(IDLE_MS / 10);
    const { segments: own, lent, borrowed } = runtime.zeroCopyStats();
    const counts = { segments: Math.max(own, segmentsLeft()), leases: lent + borrowed };
    const isDone = cleared.size === WORKERS && counts.segments === 0 && counts.leases === 0;
    if (isDone || performance.now() > end) return counts;
  }
}

function segmentsLeft() {
  return [...segments()].filter((segment) => !before.has(segment)).length;
}

/** Segments of shared memory that this process or a worker has open or mapped, by their inodes. @returns {Set<number>} */
function segments() {
  return new Set([process.pid, ...runtime.stats().workers.map(({ pid }) => pid)].flatMap(segmentsOf));
}

function isSegment(path) {
  return /^\/memfd:|^\/dev\/shm\/.* \(deleted\)$/.test(path);
}

function segmentsOf(pid) {
  const folder = `/proc/${pid}/fd`;
  const open = ifThere(() => readdirSync(folder), []).map((fd) => `${folder}/${fd}`);
  const mapped = ifThere(() => readFileSync(`/proc/${pid}/maps`, 'latin1'), '').split('\n');
  return [
    ...open.filter((path) => isSegment(ifThere(() => readlinkSync(path), ''))).map(inodeOf),
    ...mapped
      .map((line) => /^\S+ \S+ \S+ \S+ (?<inode>\d+) +(?<path>.*)$/.exec(line)?.groups)
      .filter((groups) => groups !== undefined && isSegment(groups.path))
      .map(({ inode }) => Number(inode)),
  ].filter((inode) => inode !== undefined);
}

function inodeOf(path) {
  return ifThere(() => statSync(path).ino, undefined);
}

/** What is read of a process, unless that, or the descriptor, has gone meanwhile. */
function ifThere(read, otherwise) {
  try {
    return read();
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return otherwise;
    throw error;
  }
}
