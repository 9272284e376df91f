import { type DType, type SharedArray, createSegment, isNDArray, openSegment } from '../src/index.js';
import { describeOnLinux, expectError } from './helpers.js';

describeOnLinux('an array in a segment', () => {
  const segment = createSegment({ byteLength: 4096 });
  let array: SharedArray<'int32'>;

  beforeEach(() => {
    array = segment.array('int32', { byteOffset: 64, shape: [3, 4] });
    array.data.set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  afterAll(() => {
    segment.close();
  });

  it('is an NDArray that others see', () => {
    expect(isNDArray(array)).toBe(true);
    expect(array).toMatchObject({ isShared: true, isReadOnly: false, copied: false, strides: [4, 1], size: 12 });
    array.set(70, 1, -1);
    expect(new Int32Array(segment.buffer, 64, 12)[7]).toBe(70);
  });

  it.each<[string, (array: SharedArray<'int32'>) => SharedArray<'int32'>, object]>([
    ['a row', (a) => a.slice(1), { byteOffset: 80, byteLength: 16, shape: [4], strides: [1] }],
    ['a column', (a) => a.slice(null, 2), { byteOffset: 72, byteLength: 36, shape: [3], strides: [4] }],
    ['an element', (a) => a.slice(2, 3), { byteOffset: 108, byteLength: 4, shape: [], strides: [] }],
    ['its transpose', (a) => a.transpose(), { byteOffset: 64, byteLength: 48, shape: [4, 3], strides: [1, 4] }],
    [
      'its rows backwards',
      (a) => a.slice([null, null, -1]),
      { byteOffset: 64, byteLength: 48, shape: [3, 4], strides: [-4, 1] },
    ],
    ['two backwards', (a) => a.slice(2, [2, 0, -1]), { byteOffset: 100, byteLength: 8, shape: [2], strides: [-1] }],
    ['another shape', (a) => a.reshape(2, 6), { byteOffset: 64, byteLength: 48, shape: [2, 6], strides: [6, 1] }],
    ['nothing of it', (a) => a.slice([3]), { byteOffset: 64, byteLength: 0, shape: [0, 4], strides: [4, 1] }],
  ])('describes %s, and the description opens as the same elements', (_, viewOf, expected) => {
    const view = viewOf(array);
    expect(view.describe()).toEqual({ dtype: 'int32', ...expected });
    const description = JSON.parse(JSON.stringify(view.describe())) as ReturnType<typeof view.describe>;
    using sameSegment = openSegment(segment.fd);
    const opened = sameSegment.array(description.dtype, description);
    expect(opened).toEqual(view);
    expect(opened.toArray()).toEqual(view.toArray());
    expect(opened.describe()).toEqual(description);
  });

  it.each<[DType, number, number]>([
    ['bool', 1, 1],
    ['float16', 2, 1],
    ['bfloat16', 2, 1],
    ['complex64', 8, 2],
    ['complex128', 16, 2],
  ])('of %s takes %i bytes for an element', (dtype, itemSize, components) => {
    const three = segment.array(dtype, { byteOffset: 1024, length: 3 });
    expect(three.describe()).toMatchObject({ byteLength: 3 * itemSize, byteOffset: 1024, shape: [3] });
    expect(three.data).toHaveLength(3 * components);
    expect(segment.array(dtype, { byteOffset: 4096 - 5 * itemSize }).shape).toEqual([5]);
  });

  it('may have strides, counted from its lowest byte', () => {
    const everyThird = segment.array('int32', { byteOffset: 68, shape: [3], strides: [-3] });
    expect(everyThird.toArray()).toEqual([7, 4, 1]);
    const constant = segment.array('int32', { byteOffset: 76, shape: [1000, 1000], strides: [0, 0] });
    expect([constant.at(999, 999), constant.describe().byteLength]).toEqual([3, 4]);
  });

  it.each<[object, string | RegExp]>([
    [{ shape: [2], strides: [1, 1] }, 'shape has 1 axes, and strides has 2'],
    [{ strides: [1] }, 'strides are given without a shape'],
    [{ shape: [2, 2], strides: [1024, 1] }, 'takes 4104 bytes from byteOffset 0, and the segment has 4096'],
    [{ shape: [2], strides: [-1024] }, 'takes 4100 bytes'],
    [{ shape: [3, 3], strides: [2 ** 53 - 1, -(2 ** 53 - 1)] }, 'takes '],
    [{ shape: [4], byteLength: 12 }, 'takes 16 bytes from byteOffset 0, and byteLength is 12'],
    [{ shape: [4], byteOffset: 4088, byteLength: 16 }, 'takes 16 bytes from byteOffset 4088'],
    [{ byteLength: -1 }, 'byteLength is -1'],
  ])('with %j is refused', (options, message) => {
    expectError(() => segment.array('int32', options), 'ZEROCOPY_RANGE', message);
  });

  it('takes what fits in byteLength when nothing else is said', () => {
    expect(segment.array('int32', { byteLength: 18 }).shape).toEqual([4]);
  });

  it('can be read by nobody through an array that was released, and by others still', () => {
    const view = array.slice(0);
    array.$release();
    expectError(() => view.at(0), 'ZEROCOPY_RELEASED', 'released');
    expectError(() => view.describe(), 'ZEROCOPY_RELEASED', 'released');
    expect(segment.array('int32', { byteOffset: 64, length: 2 }).toArray()).toEqual([0, 1]);
  });

  it('reads as zeros once the segment is closed, and describes itself no more', () => {
    const own = createSegment({ byteLength: 64 });
    const ones = own.array('uint8');
    ones.data.fill(1);
    own.close();
    expect(ones.at(5)).toBe(0);
    expectError(() => ones.slice([1]).describe(), 'ZEROCOPY_CLOSED', 'the segment was closed');
  });
});
