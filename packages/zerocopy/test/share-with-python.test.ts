import { performance } from 'node:perf_hooks';
import koffi from 'koffi';
import {
  type Range,
  type SharedArray,
  type SharedSegment,
  createSegment,
  decodeBfloat16,
  decodeFloat16,
  encodeBfloat16,
  encodeFloat16,
} from '../src/index.js';
import { describeOnLinux, inodeOf, mappingAt } from './helpers.js';
import { PythonPeer } from './python-peer.js';
import { Random } from './random.js';

const MB = 1_000_000;

/** What makes a view of a view; plain JSON, so that Python can do the same. */
type Step = readonly [kind: 'slice', ranges: Range[]] | readonly [kind: 'transpose' | 'reshape', axes: number[]];

function randomStep(random: Random, { shape, size }: SharedArray): Step {
  const kind = random.pick(['slice', 'transpose', 'reshape'] as const);
  if (kind === 'transpose') return [kind, random.shuffled(shape.map((_, axis) => axis))];
  if (kind === 'slice') {
    const bound = (): number | null => random.pick([null, random.integer(-7, 7)]);
    const ranges = shape.map((extent): Range => {
      const pick = random.next();
      if (pick < 0.2 || extent === 0) return null;
      if (pick < 0.4) return random.integer(-extent, extent - 1);
      return [bound(), bound(), random.pick([null, 1, 2, -1, -3])];
    });
    return [kind, ranges];
  }
  // A factor at a time, in any order, with axes of one element between them.
  const factors: number[] = [];
  let left = size;
  for (const prime of [2, 2, 2, 3, 3, 2, 2, 2]) {
    if (left > 0 && left % prime === 0 && random.next() < 0.7) {
      factors.push(prime);
      left /= prime;
    }
  }
  return [kind, random.shuffled([...factors, left, ...random.pick([[], [1], [1, 1]])])];
}

/** The view that a step makes; undefined where there is none. */
function take(array: SharedArray<'int32'>, [kind, value]: Step): SharedArray<'int32'> | undefined {
  if (kind === 'slice') return array.slice(...value);
  if (kind === 'transpose') return array.transpose(value);
  try {
    return array.reshape(value);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

describeOnLinux('S60: Node.js and NumPy', () => {
  let segment: SharedSegment;
  let large: SharedSegment;
  let python: PythonPeer;

  beforeAll(async () => {
    segment = createSegment({ byteLength: MB });
    large = createSegment({ byteLength: 256 * MB });
    python = new PythonPeer([segment.fd, large.fd]);
    await python.run(
      'import fcntl, os, numpy\nfrom hognose_shm import Segment\nsmall, large = Segment.from_fd(3), Segment.from_fd(4)',
    );
  });

  afterAll(async () => {
    await python.close();
    segment.close();
    large.close();
  });

  it('see each other write to a Float64Array', async () => {
    const samples = segment.array('float64', { byteOffset: 800, shape: [3, 4] });
    samples.data.set([1.5, -0, NaN, Infinity]);
    const seen = await python.run(
      'a = small.ndarray(d)\nresult = [a.shape, a.dtype.name, [v.hex() for v in a[0].tolist()]]',
      {
        d: samples.describe(),
      },
    );
    expect(seen).toEqual([[3, 4], 'float64', ['0x1.8000000000000p+0', '-0x0.0p+0', 'nan', 'inf']]);
    await python.run('a[2, 3] = 2.0**-1074\na[1] *= 2');
    expect(samples.data[11]).toBe(2 ** -1074);
    samples.data[4] = 21;
    await python.run('a[1] *= 2');
    expect(samples.data[4]).toBe(42);
  });

  it('hold one memory: both arrays lie in mappings of one file, at the described offset', async () => {
    const samples = segment.array('float64', { byteOffset: 4096, length: 10 });
    const here = mappingAt(koffi.address(segment.buffer));
    const [address, base, pid] = (await python.run(
      'a = small.ndarray(d)\nresult = [a.ctypes.data, a.ctypes.data - d["byteOffset"], os.getpid()]',
      { d: samples.describe() },
    )) as [number, number, number];
    const there = mappingAt(BigInt(address), pid);
    expect(here?.inode).toBe(inodeOf(segment.fd));
    expect(there?.inode).toBe(here?.inode);
    expect(there?.text.startsWith(base.toString(16))).toBe(true);
  });

  it.each([
    ['int8', -128],
    ['uint8', 255],
    ['int16', -32768],
    ['uint16', 65535],
    ['int32', -(2 ** 31)],
    ['uint32', 2 ** 32 - 1],
    ['float32', 0.1],
  ] as const)('agree on %s', async (dtype, value) => {
    const array = segment.array(dtype, { byteOffset: 64, length: 2 });
    array.data[1] = value;
    const result = await python.run('a = small.ndarray(d)\na[0] = a[1]\nresult = a.dtype.name', {
      d: array.describe(),
    });
    expect(result).toBe(dtype);
    expect(array.data[0]).toBe(array.data[1]);
  });

  it.each([
    ['int64', -(2n ** 63n)],
    ['uint64', 2n ** 64n - 1n],
  ] as const)('agree on %s beyond the integers of a double', async (dtype, value) => {
    const array = segment.array(dtype, { byteOffset: 64, length: 2 });
    array.data[1] = value;
    expect(await python.run('a = small.ndarray(d)\na[0] = a[1]\nresult = str(a[0])', { d: array.describe() })).toBe(
      String(value),
    );
    expect(array.data[0]).toBe(value);
  });

  it('S62 agree on bool', async () => {
    const array = segment.array('bool', { byteOffset: 64, length: 3 });
    array.data.set([0, 1, 0]);
    const result = await python.run('a = small.ndarray(d)\na[0] = ~a[2]\nresult = [a.dtype.name, a.tolist()]', {
      d: array.describe(),
    });
    expect(result).toEqual(['bool', [true, true, false]]);
    expect(array.toArray()).toEqual([true, true, false]);
  });

  it.each(['complex64', 'complex128'] as const)('S62 agree on %s, real part first', async (dtype) => {
    const array = segment.array(dtype, { byteOffset: 64, length: 2 });
    array.set({ re: 1.5, im: -0.25 }, 1);
    const result = await python.run('a = small.ndarray(d)\na[0] = a[1] * 1j\nresult = [a.dtype.name, str(a[1])]', {
      d: array.describe(),
    });
    expect(result).toEqual([dtype, '(1.5-0.25j)']);
    expect(array.at(0)).toEqual({ re: 0.25, im: 1.5 });
  });

  it.each([
    ['float16', decodeFloat16, encodeFloat16],
    ['bfloat16', decodeBfloat16, encodeBfloat16],
  ] as const)('S62 agree on all 65536 values of %s, both ways', async (dtype, decode, encode) => {
    const all = segment.array(dtype, { length: 65536 });
    const asDoubles = segment.array('float64', { byteOffset: 131_072, length: 65536 });
    const backAgain = segment.array(dtype, { byteOffset: 655_360, length: 65536 });
    all.data.set(Uint16Array.from({ length: 65536 }, (_, bits) => bits));
    const name = await python.run(
      'a, b, c = (small.ndarray(x) for x in (d, e, f))\nwith numpy.errstate(invalid="ignore"): b[:] = a; c[:] = b.astype(a.dtype)\nresult = a.dtype.name',
      { d: all.describe(), e: asDoubles.describe(), f: backAgain.describe() },
    );
    expect(name).toBe(dtype);
    const wrong = Array.from(all.data).filter((bits) => {
      const value = asDoubles.data[bits] ?? 0;
      if (Number.isNaN(value)) return !Number.isNaN(decode(bits));
      return !Object.is(decode(bits), value) || encode(value) !== backAgain.data[bits];
    });
    expect(wrong).toEqual([]);
  });

  it('S61 agree on slices, transposed and reshaped arrays: the same elements at the same addresses', async () => {
    await python.run(`
import numpy as np
def index(ranges):
    return tuple(slice(*r) if isinstance(r, list) else slice(None) if r is None else r for r in ranges)
def view_of(base, steps):
    for kind, value in steps:
        if kind == "slice": base = base[(*index(value), ...)]
        elif kind == "transpose": base = base.transpose(value)
        else: base = np.reshape(base, value, copy=False)
    return base
def same(a, b):
    if a.shape != b.shape: return f"{a.shape} {b.shape}"
    if a.size and a.ctypes.data != b.ctypes.data: return "another place"
    strides = [(x, y) for n, x, y in zip(a.shape, a.strides, b.strides) if n > 1 and a.size]
    return all(x == y for x, y in strides) or f"{a.strides} {b.strides}"`);
    const random = new Random(62);
    const views: { d: unknown; base: unknown; steps: Step[] }[] = [];
    const refused: { base: unknown; steps: Step[] }[] = [];
    while (views.length < 1000) {
      const shape = Array.from({ length: random.integer(0, 4) }, () =>
        random.pick(random.next() < 0.1 ? [0, 1] : [2, 3, 4, 6]),
      );
      const base = segment.array('int32', { byteOffset: 512, shape });
      const steps: Step[] = [];
      let view: SharedArray<'int32'> = base;
      for (let count = random.integer(1, 4); count > 0; count--) {
        const step = randomStep(random, view);
        steps.push(step);
        const next = take(view, step);
        if (next === undefined) break;
        view = next;
        if (count === 1) views.push({ d: view.describe(), base: base.describe(), steps });
      }
      if (views.at(-1)?.steps !== steps) refused.push({ base: base.describe(), steps });
    }
    const agreed = await python.run(
      'result = [same(small.ndarray(v["d"]), view_of(small.ndarray(v["base"]), v["steps"])) for v in views]',
      { views },
    );
    expect((agreed as unknown[]).map((answer, i) => answer === true || [answer, views[i]])).toEqual(
      views.map(() => true),
    );
    // What cannot be a view here cannot be one in NumPy either.
    expect(refused.length).toBeGreaterThan(20);
    const alsoRefused = await python.run(
      `
result = []
for v in refused:
    try: result.append(view_of(small.ndarray(v["base"]), v["steps"]).shape)
    except ValueError: result.append("refused")`,
      { refused },
    );
    expect(alsoRefused).toEqual(refused.map(() => 'refused'));
  });

  it('S61 see each other write to views, in Fortran order and backwards too', async () => {
    const matrix = segment.array('float64', { byteOffset: 256, shape: [3, 4] });
    matrix.data.fill(0);
    const view = matrix.transpose().slice([null, null, -1]);
    await python.run('a = small.ndarray(d)\na[0, 2] = 5\nb = small.ndarray(e)\nb[1, 0] = 7', {
      d: view.describe(),
      e: segment.array('float64', { byteOffset: 256, shape: [3, 4], strides: [1, 3] }).describe(),
    });
    expect([view.at(0, 2), matrix.at(2, 3), matrix.at(0, 1)]).toEqual([5, 5, 7]);
    view.set(9, 3, 0);
    expect(await python.run('result = [float(a[3, 0]), float(b[0, 0])]')).toEqual([9, 9]);
  });

  it('hand 256 MB over in at most ten times the time of 1 MB', async () => {
    const handOver = async (name: string, from: SharedSegment): Promise<number> => {
      const array = from.array('float32');
      const times: number[] = [];
      for (let round = 1; round <= 21; round++) {
        const last = array.data.length - 1;
        array.data[last] = round;
        const start = performance.now();
        const seen = await python.run(`result = float(${name}.ndarray(d)[-1])`, { d: array.describe() });
        times.push(performance.now() - start);
        expect(seen).toBe(round);
      }
      return times.sort((a, b) => a - b)[10] ?? NaN;
    };
    const small = await handOver('small', segment);
    expect(await handOver('large', large)).toBeLessThan(small * 10);
  });

  it('cannot resize the file under each other', async () => {
    const resize = (size: string): Promise<unknown> => python.run(`os.ftruncate(3, ${size})`);
    await expect(resize('4096')).rejects.toThrow('PermissionError: [Errno 1]');
    await expect(resize('2000000')).rejects.toThrow('PermissionError: [Errno 1]');
    await expect(python.run('fcntl.fcntl(3, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)')).rejects.toThrow(
      'PermissionError',
    );
    expect(segment.array('uint8').data).toHaveLength(MB);
  });

  it('keep what they have when the other side lets go', async () => {
    const own = createSegment({ byteLength: MB });
    const peer = new PythonPeer([own.fd]);
    const array = own.array('int32', { length: 4 });
    array.data.fill(6);
    await peer.run('from hognose_shm import Segment\na = Segment.from_fd(3).ndarray(d)', { d: array.describe() });
    own.close();
    expect(array.data[0]).toBe(0);
    array.data.fill(8);
    expect(await peer.run('result = a.tolist()')).toEqual([6, 6, 6, 6]);
    await peer.close();
  });

  it('outlive each other: a killed Python leaves the memory as it was', async () => {
    const own = createSegment({ byteLength: MB });
    const peer = new PythonPeer([own.fd]);
    const array = own.array('int32', { length: 4 });
    await peer.run('from hognose_shm import Segment\na = Segment.from_fd(3).ndarray(d)\na[:] = 3', {
      d: array.describe(),
    });
    await expect(peer.run('import os\nos.kill(os.getpid(), 9)')).rejects.toThrow('Python ended');
    expect(Array.from(array.data)).toEqual([3, 3, 3, 3]);
    own.close();
  });
});
