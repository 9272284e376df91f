import { FROM_PYTHON, HandleOf, TO_PYTHON } from './cases.js';
import { PythonPeer } from './python-peer.js';

let peer: PythonPeer;

beforeAll(() => {
  peer = new PythonPeer();
});
afterAll(async () => {
  await peer[Symbol.asyncDispose]();
});

describe('from JavaScript to Python and back', () => {
  test.each(TO_PYTHON)('S12-S16 $js is the $type that docs/values.md says', async ({ value, type, repr, back }) => {
    expect(await peer.describe(value)).toEqual([type, repr]);
    const came = await peer.echo(value);
    if (type === 'HostObject' || typeof value !== 'object') expect(came).toBe(back ?? value);
    else expect(came).toStrictEqual(back ?? value);
  });

  test.each(TO_PYTHON)('$js keeps what it is within other values', async ({ value, back }) => {
    const wrapped = { list: [value, value], map: new Map([[1, value]]) };
    const expected = back ?? value;
    expect(await peer.echo(wrapped)).toEqual({ list: [expected, expected], map: new Map([[1, expected]]) });
  });

  test.each(TO_PYTHON)('$js is the same in a column of records', async ({ value, back }) => {
    const rows = Array.from({ length: 9 }, (_, id) => ({ id, value, more: [value] }));
    const expected = back ?? value;
    expect(await peer.echo(rows)).toEqual(rows.map(({ id }) => ({ id, value: expected, more: [expected] })));
  });
});

describe('from Python to JavaScript', () => {
  test.each(FROM_PYTHON)('S18, S19 $python is $js, as docs/values.md says', async ({ python, value }) => {
    expect(await peer.evaluate(python)).toEqual(value);
  });

  test.each(FROM_PYTHON)(
    'S19 $python has the plain form that docs/values.md says',
    async ({ python, value, plain }) => {
      if (plain === 'refused') await expect(peer.evaluate(python, true)).rejects.toThrow('cannot travel as plain data');
      else expect(await peer.evaluate(python, true)).toEqual(plain === undefined ? value : plain.value);
    },
  );

  test('S25 a handle tells its bases and its repr', async () => {
    peer.handles.length = 0;
    expect(await peer.evaluate('collections.Counter("ab")')).toEqual(new HandleOf('collections.Counter'));
    expect(peer.handles).toMatchObject([{ mro: ['builtins.dict'], repr: "Counter({'a': 1, 'b': 1})" }]);
  });
});
