import { performance } from 'node:perf_hooks';
import koffi from 'koffi';
import { type SharedSegment, createSegment } from '../src/index.js';
import { describeOnLinux, inodeOf, mappingAt } from './helpers.js';
import { PythonPeer } from './python-peer.js';

const MB = 1_000_000;

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
