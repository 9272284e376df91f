import {
  bind,
  ConfigError,
  py,
  pyModule,
  type Pending,
  type PyHandle,
  type PythonError,
  type Runtime,
} from '../src/index.js';
import { MEMBERS } from '../src/handles/members.js';
import { LANES, rejection, startFixtureRuntime } from './support.js';

/** Objects of Python as the tests use them. */
interface Thing extends PyHandle {
  readonly name: Promise<string>;
  readonly keys: PyHandle;
  bit_length(): Promise<number>;
}
interface Guarded {
  readonly Number: { readonly __class__: { readonly __base__: { __subclasses__(): Promise<unknown> } } };
  readonly number: ((value: number) => Pending<Thing>) & { readonly __globals__: { keys(): Promise<unknown> } };
  later(value: number): Pending<Thing>;
  numbers(count: number): Pending<Thing> & AsyncIterable<unknown>;
  scope(): Pending<Thing>;
  path(): Pending<Thing>;
  twice(callable: unknown, value: unknown): Promise<unknown>;
}

describe.each(LANES)('allow over %s', (transport) => {
  let runtime: Runtime;
  let guarded: Guarded;

  beforeAll(async () => {
    const pools = [
      { name: 'default', allow: { modules: ['guarded', 'math'] } },
      { name: 'inline', allow: { modules: ['math'], inline: true } },
      { name: 'open' },
    ];
    runtime = await startFixtureRuntime({ transport, pools });
    guarded = runtime.module('guarded') as unknown as Guarded;
  });
  afterAll(() => runtime.close());

  const refusal = async (attempt: unknown): Promise<string> => {
    const error = await rejection<PythonError>(Promise.resolve(attempt));
    expect(error).toMatchObject({ type: 'NotAllowedError', module: 'hognose.errors' });
    expect(error.message).toMatch(
      /only these modules: guarded, math\. The pool's option `allow` lists them|`inline: true`/,
    );
    return error.message;
  };

  test('calls reach what is permitted, and what of Python itself they need for it', async () => {
    expect(await runtime.call('math.sqrt', [16])).toBe(4);
    expect(await runtime.call('guarded.directory')).toBe(await runtime.call('os.getcwd', [], { pool: 'open' }));
    expect(await runtime.call('guarded.twice', [(value: number) => value + 1, 1])).toBe(3);
    expect(await guarded.number(5).bit_length()).toBe(3);
    expect(await guarded.later(5).bit_length()).toBe(3);
  });

  test('what is not permitted is refused, by path, by chain and by name among the arguments', async () => {
    expect(await refusal(runtime.call('os.getcwd'))).toContain('os.getcwd: it is in the module os');
    expect(await refusal(runtime.call('guarded.elsewhere.getcwd'))).toContain('.elsewhere is the module os');
    expect(await refusal(runtime.get('guarded.sys'))).toContain('.sys is the module sys');
    expect(await refusal(guarded.Number.__class__.__base__.__subclasses__())).toContain('the class builtins.type');
    expect(await refusal(guarded.number.__globals__.keys())).toContain('the namespace of a module');
    expect(await refusal(guarded.path().name)).toContain('pathlib');
    const { c } = runtime.module('this') as unknown as { readonly c: unknown };
    expect(await refusal(guarded.twice(c, 1))).toContain('module this');
    expect(await runtime.call('guarded.is_imported', ['this'])).toBe(false);
  });

  test('S86 a helper of a pack that is not permitted is refused by the worker itself, before it is imported', async () => {
    const helper = pyModule('slow_package', 'none:').callable('f') as () => Promise<unknown>;
    expect(await refusal(runtime.run(() => helper()))).toContain('slow_package.f: it is in the module slow_package');
    expect(await runtime.call('guarded.is_imported', ['slow_package'])).toBe(false);
  });

  test('objects of other modules may be held and passed on, and nothing else', async () => {
    const path = await guarded.path();
    expect(path.$type).toMatch(/^pathlib\./);
    expect(await refusal(path.$get('name'))).toContain('the object is of the type pathlib');
    expect(await refusal(path.$str())).toContain('the operand is');
    expect(await guarded.twice((same: unknown) => same, path)).toBe(path);
  });

  test('inline code runs where it is permitted', async () => {
    expect(await refusal(runtime.run(() => py`return 1 + 1`))).toContain('inline code may not run in this pool');
    expect(await runtime.pool('inline').run(() => py`return __import__('os').sep`)).toBe('/');
    expect(await runtime.pool('open').run(() => py`return 1 + 1`)).toBe(2);
  });

  test('every member that Hognose adds to handles works on what is permitted', async () => {
    const six = await guarded.number(6);
    const store = await runtime.call<Thing>('guarded.Store', [], { result: 'handle' });
    const seen = new Set<string>();
    const on = (object: PyHandle, name: string): ((...args: readonly unknown[]) => Promise<unknown>) => {
      seen.add(name);
      return (object as unknown as Record<string, (...args: readonly unknown[]) => Promise<unknown>>)[name] as never;
    };
    const expected: Readonly<Record<string, unknown>> = {
      ...{ $add: 10, $sub: 2, $mul: 24, $div: 1.5, $floordiv: 1, $mod: 2, $pow: 1296, $matmul: 99, $and: 4, $or: 6 },
      ...{ $xor: 2, $lshift: 96, $rshift: 0, $eq: false, $ne: true, $lt: false, $le: false, $gt: true, $ge: true },
    };
    for (const [name, result] of Object.entries(expected))
      expect([name, await on(six, name)(4)]).toEqual([name, result]);
    const unary = { $neg: -6, $pos: 6, $abs: 6, $invert: -7, $str: '6', $repr: '6', $bool: true };
    for (const [name, result] of Object.entries(unary)) expect([name, await on(six, name)()]).toEqual([name, result]);
    await on(store, '$setItem')('a', 1);
    expect(await on(store, '$item')('a')).toBe(1);
    expect(await on(store, '$contains')('a')).toBe(true);
    expect(await on(store, '$len')()).toBe(1);
    await on(store, '$delItem')('a');
    expect(await store.$len()).toBe(0);
    await on(store, '$set')('flag', 7);
    expect(await on(store, '$get')('flag')).toBe(7);
    expect(await on(store.keys, '$call')()).toBeDefined();
    expect(await on(six, '$value')()).toBe(6);
    seen.add('$iter').add('$with').add('$enter');
    const items: unknown[] = [];
    for await (const item of guarded.numbers(3)) items.push(item);
    for await (const item of guarded.numbers(3).$iter()) items.push(item);
    expect(items).toEqual([0, 1, 2, 0, 1, 2]);
    expect(await guarded.scope().$with((value: unknown) => value)).toBe('inside');
    const scope = await guarded.scope().$enter();
    expect(scope.value).toBe('inside');
    await scope[Symbol.asyncDispose]();
    const samples = await runtime.call<PyHandle>('guarded.Samples');
    expect(await on(samples, '$array')()).toMatchObject({ shape: [3] });
    expect(await on(samples, '$arrow')()).toMatchObject({ numRows: 2 });
    // The others send nothing.
    const silent = ['$type', '$mro', '$is', '$release', '$keep', '$name'];
    expect([...MEMBERS].filter((name) => !seen.has(name)).sort()).toEqual(silent.sort());
  });

  test('bound modules keep to the pool that they name', async () => {
    const os = bind(runtime.module('os') as unknown as { getcwd(): Promise<string> }, { pool: 'open' });
    expect(typeof (await os.getcwd())).toBe('string');
  });
});

test('allow is checked before anything starts', async () => {
  for (const allow of [{}, { modules: 'math' }, { modules: ['math'], inlin: true }, { modules: [1] }])
    await expect(startFixtureRuntime({ allow: allow as never })).rejects.toThrow(ConfigError);
});
