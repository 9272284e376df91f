import { readFileSync, readdirSync, statSync } from 'node:fs';
import koffi from 'koffi';
import { type DType, createSegment, isAvailable } from '../src/index.js';
import { describeOnLinux, errorOf, expectError, inodeOf, mappingAt } from './helpers.js';

const MB = 1_000_000;

/** Kilobytes of shared memory that this process has touched. */
const touchedKilobytes = (): number => Number(/RssShmem:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

describeOnLinux('a segment', () => {
  it('is available', () => {
    expect(isAvailable()).toBe(true);
  });

  it('is one mapping of its own file, filled with zeros', () => {
    const segment = createSegment({ byteLength: MB, name: 'größe 1' });
    const mapping = mappingAt(koffi.address(segment.buffer));
    expect(mapping?.inode).toBe(inodeOf(segment.fd));
    expect(mapping?.text).toMatch(/rw-s .*\/memfd:größe 1/);
    expect(segment.byteLength).toBe(MB);
    expect(segment.buffer.byteLength).toBe(MB);
    expect(segment.buffer).toBe(segment.buffer);
    expect(new Uint8Array(segment.buffer).every((byte) => byte === 0)).toBe(true);
    segment.close();
  });

  it('has every page reserved before it is handed out', () => {
    const segment = createSegment({ byteLength: MB });
    // 512-byte blocks: a sparse file would have none.
    expect(statSync(`/proc/self/fd/${segment.fd}`).blocks * 512).toBeGreaterThanOrEqual(MB);
    segment.close();
  });

  it('is closed on exec, so that no child inherits it unasked', () => {
    const segment = createSegment({ byteLength: 1 });
    const flags = /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${segment.fd}`, 'utf8'))?.[1] ?? '';
    expect(parseInt(flags, 8) & 0o2000000).not.toBe(0);
    segment.close();
  });

  it.each<[Record<string, unknown>, string]>([
    [{ byteLength: 0 }, 'byteLength is 0'],
    [{ byteLength: -1 }, 'byteLength is -1'],
    [{ byteLength: 1.5 }, 'byteLength is 1.5'],
    [{ byteLength: NaN }, 'byteLength is NaN'],
    [{ byteLength: 1e300 }, 'byteLength is 1e\\+300'],
    [{ byteLength: '8' }, 'byteLength is 8'],
    [{}, 'byteLength is undefined'],
    [{ byteLength: 8, name: 'a\0b' }, 'name must be'],
    [{ byteLength: 8, name: 'ß'.repeat(125) }, 'name must be'],
    [{ byteLength: 0, name: 3 }, /byteLength is 0.*; name must be/.source],
  ])('refuses %j', (options, message) => {
    expectError(() => createSegment(options as never), 'ZEROCOPY_RANGE', new RegExp(message));
  });

  it('takes the longest name that the kernel takes', () => {
    createSegment({ byteLength: 1, name: 'n'.repeat(249) }).close();
  });

  it('disposes of itself at the end of a block', () => {
    let kept;
    {
      using segment = createSegment({ byteLength: 8 });
      kept = segment;
      expect(kept.isClosed).toBe(false);
    }
    expect(kept.isClosed).toBe(true);
  });
});

describeOnLinux('an array', () => {
  const segment = createSegment({ byteLength: 64 });
  afterAll(() => {
    segment.close();
  });

  it.each<[DType, number]>([
    ['int8', 1],
    ['uint8', 1],
    ['int16', 2],
    ['uint16', 2],
    ['int32', 4],
    ['uint32', 4],
    ['int64', 8],
    ['uint64', 8],
    ['float32', 4],
    ['float64', 8],
  ])('of %s is a view with elements of %i bytes', (dtype, itemSize) => {
    const array = segment.array(dtype, { byteOffset: 16, length: 3 });
    expect(array.data.buffer).toBe(segment.buffer);
    expect(array.data.BYTES_PER_ELEMENT).toBe(itemSize);
    expect(array.describe()).toEqual({ byteLength: 3 * itemSize, byteOffset: 16, dtype, shape: [3], strides: [1] });
  });

  it('takes all that fits when nothing is said', () => {
    expect(segment.array('float64').shape).toEqual([8]);
    expect(segment.array('float64', { byteOffset: 40 }).shape).toEqual([3]);
    expect(segment.array('uint8', { byteOffset: 64 }).shape).toEqual([0]);
  });

  it.each<[number[], number[]]>([
    [[], []],
    [[0], [1]],
    [
      [2, 4],
      [4, 1],
    ],
    [
      [2, 1, 4],
      [4, 4, 1],
    ],
    [
      [2, 0, 3],
      [3, 3, 1],
    ],
    [Array<number>(64).fill(1), Array<number>(64).fill(1)],
  ])('of shape %j has strides %j in elements', (shape, strides) => {
    const array = segment.array('float64', { shape });
    expect(array.describe()).toMatchObject({ shape, strides });
    expect(array.data).toHaveLength(shape.reduce((a, b) => a * b, 1));
  });

  it('is described by plain JSON', () => {
    const description = segment.array('int16', { byteOffset: 2, shape: [3, 2] }).describe();
    expect(JSON.parse(JSON.stringify(description))).toEqual(description);
  });

  it('keeps its shape when the options change later', () => {
    const shape = [2, 2];
    const array = segment.array('uint8', { shape });
    shape[0] = 1000;
    expect(array.describe().shape).toEqual([2, 2]);
    expect(Object.isFrozen(array.shape)).toBe(true);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['float64', { byteOffset: 4 }, 'not a multiple of 8'],
    ['int16', { byteOffset: 1 }, 'not a multiple of 2'],
    ['uint8', { byteOffset: 65 }, 'behind the end'],
    ['uint8', { byteOffset: -1 }, 'byteOffset is -1'],
    ['uint8', { byteOffset: 0.5 }, 'byteOffset is 0.5'],
    ['uint8', { byteOffset: NaN }, 'byteOffset is NaN'],
    ['uint8', { byteOffset: '0' }, 'byteOffset is string'],
    ['uint8', { byteOffset: 1e21 }, 'byteOffset is 1e\\+21'],
    ['float64', { length: 9 }, 'takes 72 bytes'],
    ['float64', { byteOffset: 8, length: 8 }, 'from byteOffset 8'],
    ['uint8', { length: -1 }, 'length is -1'],
    ['uint8', { length: 2n }, 'length is bigint'],
    ['uint8', { shape: [8, 9] }, 'takes 72 bytes'],
    ['uint8', { shape: [2 ** 52, 2 ** 52, 2 ** 52] }, 'too many elements'],
    ['uint8', { shape: [2 ** 52] }, 'takes 4503599627370496 bytes'],
    ['uint8', { shape: [2, -2] }, 'shape\\[1\\] is -2'],
    // A hole is no number either.
    // eslint-disable-next-line no-sparse-arrays
    ['uint8', { shape: [2, , 2] }, 'shape\\[1\\] is undefined'],
    ['uint8', { shape: 4 }, 'shape is not an array'],
    ['uint8', { shape: Array(65).fill(1) }, 'at most 64'],
    ['uint8', { shape: [1], length: 1 }, 'both length and shape'],
    ['float8', {}, 'no element type "float8"'],
    ['toString', {}, 'no element type "toString"'],
  ])('of %s with %j is refused', (dtype, options, message) => {
    expectError(() => segment.array(dtype as DType, options), 'ZEROCOPY_RANGE', new RegExp(message));
  });
});

describeOnLinux('a closed segment', () => {
  it('refuses every further use, and a second close does nothing', () => {
    const segment = createSegment({ byteLength: 64 });
    const array = segment.array('uint8');
    segment.close();
    segment.close();
    for (const use of [() => segment.fd, () => segment.buffer, () => segment.array('uint8'), () => array.describe()]) {
      expect(errorOf(use).code).toBe('ZEROCOPY_CLOSED');
    }
    expect(segment.isClosed).toBe(true);
  });

  it('leaves stale views harmless: they read as zeros and writes go nowhere', () => {
    const segment = createSegment({ byteLength: MB });
    const { data } = segment.array('float64');
    data.fill(7);
    segment.close();
    expect(data[0]).toBe(0);
    expect(data.at(-1)).toBe(0);
    data.fill(9);
    expect(data.subarray(100).at(-1)).toBe(9);
  });

  it('gives its memory and its descriptor back at once, although a view is still there', () => {
    const descriptors = openDescriptors();
    const before = touchedKilobytes();
    const segment = createSegment({ byteLength: 64 * MB });
    const address = koffi.address(segment.buffer);
    const { data } = segment.array('uint8');
    data.fill(1);
    expect(touchedKilobytes() - before).toBeGreaterThan(60_000);
    segment.close();
    expect(touchedKilobytes() - before).toBeLessThan(2_000);
    expect(openDescriptors()).toBe(descriptors);
    expect(mappingAt(address)?.inode).toBe(0);
    expect(data.at(-1)).toBe(0);
  });

  it('does not close a descriptor that took its number since', () => {
    const segment = createSegment({ byteLength: 8 });
    const { fd } = segment;
    segment.close();
    const other = createSegment({ byteLength: 8 });
    expect(other.fd).toBe(fd);
    segment.close();
    expect(inodeOf(other.fd)).toBeGreaterThan(0);
    other.close();
  });
});
