import { MsgpackReader, NO_HANDLES } from '../../src/values/decode.js';
import { EncodeContext, encodeResult } from '../../src/values/encode.js';
import { Extension } from '../../src/values/extensions.js';
import { MsgpackWriter } from '../../src/values/msgpack-writer.js';
import { tuple } from '../../src/values/types.js';
import { PythonPeer } from './python-peer.js';

const encode = (value: unknown): Uint8Array => encodeResult(value, new EncodeContext());
const decode = (bytes: Uint8Array): unknown => new MsgpackReader(bytes, NO_HANDLES).value();
/** The code of the extension that a value is as a whole. */
const codeOf = (value: unknown): number | undefined => {
  const bytes = encode(value);
  return bytes[0] === 0xc9 ? bytes[5] : undefined;
};
const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** A list as it is without packing. */
function plainForm(items: readonly unknown[]): Uint8Array {
  const out = new MsgpackWriter();
  out.arrayHeader(items.length);
  for (const item of items) out.raw(encode(item));
  return out.take();
}

const LISTS: readonly (readonly [string, unknown[], number | undefined])[] = [
  ['integers', times(9, (index) => index - 4), Extension.INTEGERS],
  ['the largest integers', times(8, (index) => (index % 2 === 0 ? 1 : -1) * (2 ** 53 - 1 - index)), Extension.INTEGERS],
  ['floats', times(9, (index) => index + 0.5), Extension.FLOATS],
  ['floats of every kind', [NaN, -0, Infinity, -Infinity, 5e-324, 1e300, 2 ** 53, 0.1], Extension.FLOATS],
  ['integers and floats', [...times(8, (index) => index), 0.5], undefined],
  ['integers and -0', [...times(8, (index) => index), -0], undefined],
  ['integers and a bigint', [...times(8, (index) => index), 2n ** 70n], undefined],
  ['few numbers', [1, 2, 3, 4, 5, 6, 7], undefined],
  ['numbers and null', [...times(8, (index) => index), null], undefined],
  ['records', times(8, (index) => ({ a: index, b: `x${index}` })), Extension.RECORDS],
  [
    'records of mixed columns',
    times(8, (index) => ({ a: index % 2 ? 1.5 : index, b: tuple(index) })),
    Extension.RECORDS,
  ],
  ['records of records', times(8, () => ({ rows: times(8, (index) => ({ index })) })), Extension.RECORDS],
  ['records with keys like numbers', times(8, (index) => ({ b: index, 7: 1, a: 2 })), Extension.RECORDS],
  ['objects of other keys', [...times(8, (a) => ({ a })), { b: 1 }], undefined],
  ['objects of more keys', [...times(8, (a) => ({ a })), { a: 1, b: 1 }], undefined],
  ['objects of the same keys in another order', [...times(8, (a) => ({ a, b: 1 })), { b: 1, a: 1 }], undefined],
  ['empty objects', times(8, () => ({})), undefined],
  ['objects with `then`', times(8, () => ({ then: 1 })), undefined],
  ['objects with `__proto__`', times(8, () => JSON.parse('{"__proto__": 1}') as object), undefined],
  ['few records', times(7, (a) => ({ a })), undefined],
  ['objects and null', [...times(8, (a) => ({ a })), null], undefined],
];

describe('a packed list', () => {
  test.each(LISTS)('of %s is chosen where it can be, and is read as the same', (_, items, code) => {
    expect(codeOf(items)).toBe(code);
    expect(decode(encode(items))).toEqual(items);
    expect(decode(encode(items))).toEqual(decode(plainForm(items)));
  });

  test('is the same list in Python as the plain one', async () => {
    await using peer = new PythonPeer();
    for (const [, items] of LISTS) {
      const [type, repr] = await peer.describe(items);
      expect(type).toBe('list');
      const parts = await Promise.all(items.map((item) => peer.describe(item)));
      expect(repr).toBe(`[${parts.map(([, part]) => part).join(', ')}]`);
      expect(await peer.echo(items)).toEqual(items);
    }
  });

  test('is no tuple, and no argument list', () => {
    expect(codeOf(tuple(...times(9, (index) => index)))).toBe(Extension.TUPLE);
  });

  test('of records is no longer one from the fifth level on, where a tree would run into the limit of extensions', async () => {
    let tree: unknown = 'leaf';
    for (let depth = 0; depth < 5; depth += 1) {
      const child = tree;
      tree = times(8, () => ({ child }));
    }
    await using peer = new PythonPeer();
    expect(await peer.echo(tree)).toEqual(tree);
  });

  test('of a cycle of records is refused like any cycle', () => {
    const rows: unknown[] = [];
    for (let index = 0; index < 8; index += 1) rows.push({ rows });
    expect(() => encode(rows)).toThrow('or contains itself');
  });

  test('names the row and the key of what cannot travel', () => {
    const rows = times(9, (index) => ({ id: index, deep: { list: index === 5 ? [1, Symbol('x')] : [1] } }));
    expect(() => encode({ rows })).toThrow(expect.objectContaining({ path: 'result.rows[5].deep.list[1]' }) as Error);
  });
});
