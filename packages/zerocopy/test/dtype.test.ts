import { runInNewContext } from 'node:vm';
import {
  DTYPES,
  type DType,
  canHold,
  componentsOf,
  constructorOf,
  dlpackType,
  dtypeOf,
  dtypeOfDlpack,
  isDType,
  itemSizeOf,
  typedArrayOver,
} from '../src/dtype.js';
import { expectError } from './helpers.js';

/** By hand, from DLPack's header: kDLInt 0, kDLUInt 1, kDLFloat 2, kDLBfloat 4, kDLComplex 5, kDLBool 6. */
const TABLE: readonly [dtype: DType, itemSize: number, code: number, holder: string][] = [
  ['bool', 1, 6, 'Uint8Array'],
  ['int8', 1, 0, 'Int8Array'],
  ['int16', 2, 0, 'Int16Array'],
  ['int32', 4, 0, 'Int32Array'],
  ['int64', 8, 0, 'BigInt64Array'],
  ['uint8', 1, 1, 'Uint8Array'],
  ['uint16', 2, 1, 'Uint16Array'],
  ['uint32', 4, 1, 'Uint32Array'],
  ['uint64', 8, 1, 'BigUint64Array'],
  ['float16', 2, 2, 'Uint16Array'],
  ['bfloat16', 2, 4, 'Uint16Array'],
  ['float32', 4, 2, 'Float32Array'],
  ['float64', 8, 2, 'Float64Array'],
  ['complex64', 8, 5, 'Float32Array'],
  ['complex128', 16, 5, 'Float64Array'],
];

describe('the dtypes', () => {
  it('are these', () => {
    expect([...DTYPES].sort()).toEqual(TABLE.map(([dtype]) => dtype).sort());
  });

  it.each(TABLE)('%s has %i bytes, the code %i of DLPack, and lies in a %s', (dtype, itemSize, code, holder) => {
    expect(itemSizeOf(dtype)).toBe(itemSize);
    expect(dlpackType(dtype)).toEqual({ code, bits: 8 * itemSize, lanes: 1 });
    expect(dtypeOfDlpack(code, 8 * itemSize)).toBe(dtype);
    expect(constructorOf(dtype).name).toBe(holder);
    expect(constructorOf(dtype).BYTES_PER_ELEMENT * componentsOf(dtype)).toBe(itemSize);
  });

  it('are no others', () => {
    expect([dtypeOfDlpack(2, 128), dtypeOfDlpack(3, 64), dtypeOfDlpack(2, 32, 4)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(['float8', 'toString', '__proto__', 5, ['int8'], null].map(isDType)).toEqual(Array(6).fill(false));
    expectError(
      () => constructorOf('toString' as DType),
      'ZEROCOPY_RANGE',
      /no element type "toString": use one of bool, int8/,
    );
    expectError(() => constructorOf(['int8'] as never), 'ZEROCOPY_RANGE', 'no element type of type object');
  });
});

describe('a typed array', () => {
  it('says its dtype, also one of another realm and of a subclass', () => {
    const data = [
      new Int8Array(1),
      new Uint8ClampedArray(1),
      new BigUint64Array(1),
      Buffer.alloc(1),
      new Float32Array(1),
    ];
    expect(data.map(dtypeOf)).toEqual(['int8', 'uint8', 'uint64', 'uint8', 'float32']);
    expect(dtypeOf(runInNewContext('new Float64Array(1)') as Float64Array)).toBe('float64');
    expect(dtypeOf(new DataView(new ArrayBuffer(1)))).toBeUndefined();
    expect(dtypeOf({ [Symbol.toStringTag]: 'Int8Array' } as never)).toBeUndefined();
  });

  it('holds the dtypes that have no typed array of their own', () => {
    const holders = (data: ArrayBufferView): DType[] => DTYPES.filter((dtype) => canHold(data, dtype));
    expect(holders(new Uint8Array(1))).toEqual(['bool', 'uint8']);
    expect(holders(new Uint16Array(1))).toEqual(['uint16', 'float16', 'bfloat16']);
    expect(holders(new Float32Array(1))).toEqual(['float32', 'complex64']);
    expect(holders(new Float64Array(1))).toEqual(['float64', 'complex128']);
    expect(holders(new Int16Array(1))).toEqual(['int16']);
  });

  it('is made over a range of a buffer', () => {
    const array = typedArrayOver('complex64', new ArrayBuffer(32), 8, 16);
    expect([array.byteOffset, array.length, array.constructor]).toEqual([8, 4, Float32Array]);
    expect(() => typedArrayOver('int32', new ArrayBuffer(32), 2, 4)).toThrow(RangeError);
  });
});
