import { generate, type Generated } from '../src/index.js';
import { errorsOf } from './support/compiler.js';
import { Project, fixtures, python, specimenModules } from './support/project.js';

const libraries = ['json', 'math', 'sklearn.datasets', 'sklearn.linear_model', 'statistics'];

describe('the declarations of generated wrappers', () => {
  let project: Project;
  let generated: Generated;
  beforeAll(async () => {
    project = await Project.create();
    generated = await generate({ python, pythonPath: [fixtures], modules: [...specimenModules, ...libraries] });
    await project.writeGenerated(generated);
  });
  afterAll(() => project[Symbol.asyncDispose]());

  const compile = async (text: string): Promise<string[]> => {
    await project.write('consumer.ts', text);
    return errorsOf(project, ['consumer.ts']);
  };

  it('compile under `tsc --strict` without an error', () => {
    const declarations = [...generated.files.keys()].filter((file) => file.endsWith('.d.ts'));
    expect(declarations).toHaveLength(specimenModules.length + libraries.length);
    expect(
      errorsOf(
        project,
        declarations.map((file) => `python/generated/${file}`),
      ),
    ).toEqual([]);
  });

  it('S70 accept arguments by position and by keyword, and refuse wrong ones', async () => {
    const text = `
      import { kw } from '@hognose/runtime';
      import * as p from '#py/specimen/parameters';
      p.optional(1);
      p.optional(1, 2);
      p.optional(1, 2n, 3.5);
      p.optional(1, kw({ c: 5 }));
      p.optional(1, { c: 5 });
      p.optional(1, 2, { c: 5 });
      p.optional(p.positional_only(1));
      // @ts-expect-error the first argument is required
      p.optional();
      // @ts-expect-error a string is no int
      p.optional('1');
      // @ts-expect-error a string is no int
      p.optional(1, '2');
      // @ts-expect-error there is no keyword d
      p.optional(1, { d: 5 });
      // @ts-expect-error there is no keyword d
      p.optional(1, kw({ d: 5 }));
      // @ts-expect-error a keyword of the wrong type
      p.optional(1, kw({ c: '5' }));
      // @ts-expect-error too many arguments
      p.optional(1, 2, 3, kw({}), 4);
      p.no_parameters();
      // @ts-expect-error takes nothing
      p.no_parameters(1);
      p.keyword_only();
      p.keyword_only({ n_class: 3 });
      p.keyword_only(kw({ exact: true }));
      // @ts-expect-error there is nothing to pass by position
      p.keyword_only(3);
      p.untyped(1, { any: 'thing' }, kw({ c: 1 }));
      p.mapping_first({ a: 1 });
      p.mapping_first({ a: 1 }, kw({ copy: true }));
      p.mapping_first(kw({ copy: true }));
      // @ts-expect-error a plain object is data here, and this data is wrong
      p.mapping_first({ a: 'text' });
      p.positional_only(1, 2, 3);
      p.positional_only(1, { c: 3 });
      // @ts-expect-error b has no name for the caller
      p.positional_only(1, { b: 3 });
      p.rest('a', 'b', 'c', kw({ sep: '-' }));
      // @ts-expect-error a number is no text
      p.rest('a', 'b', 3);
      p.any_keywords({ a: 1, b: 2 });
      p.text_keywords({ a: 'x' });
      // @ts-expect-error every keyword is text
      p.text_keywords({ a: 1 });
      p.reserved(1, 2, kw({ new: 3, default: 4, this: 5 }));
    `;
    expect(await compile(text)).toEqual([]);
  });

  it('S70 require the keywords that Python requires', async () => {
    const text = `
      import { kw } from '@hognose/runtime';
      import * as p from '#py/specimen/parameters';
      p.required_keyword(1, kw({ key: 'k' }));
      p.required_keyword(1, { key: 'k', other: null });
      p.required_keyword(1, 'b', { key: 'k' });
      // @ts-expect-error key is missing
      p.required_keyword(1);
      // @ts-expect-error key is missing
      p.required_keyword(1, 'b');
      // @ts-expect-error key is missing
      p.required_keyword(1, { other: 2 });
      p.required_keyword_after_rest(1, 2, 3, kw({ key: 'k' }));
      p.required_keyword_after_rest(1, kw({ key: 'k' }));
      // @ts-expect-error key is missing
      p.required_keyword_after_rest(1, 2, 3);
      // @ts-expect-error plain objects are no keywords after any number of arguments
      p.required_keyword_after_rest(1, { key: 'k' });
      p.all_kinds(1, 2, kw({ d: 3, anything: 4 }));
      p.all_kinds(1, 2, 3, 4, 5, kw({ d: 3 }));
    `;
    expect(await compile(text)).toEqual([]);
  });

  it('give results their types, and let the caller name what is not known', async () => {
    const text = `
      import type { PyInt } from '@hognose/runtime';
      import * as p from '#py/specimen/parameters';
      import * as a from '#py/specimen/annotated';
      import { VERSION } from '#py/specimen';
      import { sqrt, pi } from '#py/math';
      type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
      const is = <A, B>(_: Same<A, B>): void => undefined;
      const version = await VERSION;
      is<typeof version, string>(true);
      const ratio = await pi;
      is<typeof ratio, number>(true);
      const nothing = await p.no_parameters();
      is<typeof nothing, null>(true);
      const counts = await p.any_keywords();
      is<typeof counts, { [key: string]: PyInt }>(true);
      const lists = await a.dict_result();
      is<(typeof lists)['x'], PyInt[]>(true);
      const map = await a.map_result();
      is<typeof map, Map<PyInt, string>>(true);
      const set = await a.set_result();
      is<typeof set, Set<PyInt>>(true);
      const [count, word] = await a.pair_result();
      is<typeof count, PyInt>(true);
      is<typeof word, string>(true);
      const either = await a.union_result();
      is<typeof either, PyInt | string | null>(true);
      const literal = await a.literal_result();
      is<typeof literal, 'a' | 'b' | 3 | true>(true);
      const unknown = await sqrt(4);
      is<typeof unknown, unknown>(true);
      const root = await sqrt<number>(4);
      is<typeof root, number>(true);
    `;
    expect(await compile(text)).toEqual([]);
  });

  it('accept what JavaScript has for lists, maps, tuples, floats and handles', async () => {
    const text = `
      import { PyDecimal, float } from '@hognose/runtime';
      import * as a from '#py/specimen/annotated';
      const node = await a.Leaf();
      const price = PyDecimal.from('1.10');
      const set = await a.set_result();
      a.containers([1, 2n], ['x'], [1.5, float(2)], { x: 1 }, new Map([[1, 'a']]), a.set_result(), node,
        [1, 'x'], [1, 2, 3], ['any', null], { any: 1 }, [], [[1, null]]);
      a.others(a.leaf_parameter, a.Leaf, 1, 2, node, {}, price,
        'x', { depth: 1 }, a.Node, [1]);
      a.scalars(null, true, 1, 1.5, 2, 'x', new Uint8Array(2), [], {});
      a.scalars(null, true, 1, float(3), 2, 'x', new Uint8Array(2), [], {});
      a.leaf_parameter(node);
      a.leaf_parameter(a.Leaf());
      // @ts-expect-error a string is no node
      a.leaf_parameter('node');
      // @ts-expect-error a tuple of the wrong shape
      a.containers([], [], [], {}, new Map(), set, node, ['x', 1], [], [], {}, [], []);
    `;
    expect(await compile(text)).toEqual([]);
  });

  it('accept sets, functions and iterables of JavaScript where Python takes them', async () => {
    const text = `
      import { PyDecimal, float } from '@hognose/runtime';
      import * as a from '#py/specimen/annotated';
      import { Set as PySet } from '#py/specimen/names';
      const node = await a.Leaf();
      const price = PyDecimal.from('1.10');
      const set = await a.set_result();
      set.has(1);
      async function* halves() { yield 0.5; }
      a.containers([], [], new Set([1.5]), {}, new Map(), new Set([1, 2n]), new Set(['x']), [1, 'x'], [], [], {}, [], []);
      a.containers([], [], halves(), {}, new Map(), set, node, [1, 'x'], [], [], {}, [], []);
      a.set_of([1].values());
      a.sized(set);
      a.sized([1]);
      PySet().union(new Set([1]));
      a.others((count: number) => count > 1, async () => null, 1, 2, node, {}, price, 'x', { depth: 1 }, a.Node, [1]);
      // @ts-expect-error an element of the wrong type
      a.containers([], [], [], {}, new Map(), new Set(['x']), node, [1, 'x'], [], [], {}, [], []);
      // @ts-expect-error items of the wrong type
      a.set_of(['x'].values());
      // @ts-expect-error a generator has no length
      a.sized([1].values());
      // @ts-expect-error an array is no set of Python
      PySet().union([1]);
      // @ts-expect-error a class cannot be called without new
      a.others(Map, a.Leaf, 1, 2, node, {}, price, 'x', { depth: 1 }, a.Node, [1]);
      // @ts-expect-error a float is no int
      a.others(a.leaf_parameter, a.Leaf, float(1), 2, node, {}, price, 'x', { depth: 1 }, a.Node, [1]);
    `;
    expect(await compile(text)).toEqual([]);
  });

  it('give dates, decimals and other values of Python the types of the runtime', async () => {
    const text = `
      import { PyComplex, PyDate, PyDateTime, PyDecimal, PyFraction, PyTime, PyTimeDelta, PyUuid, float, kw } from '@hognose/runtime';
      import type { PyTuple } from '@hognose/runtime';
      import * as a from '#py/specimen/annotated';
      import { Date as OfPython } from '#py/specimen/names';
      type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
      const is = <A, B>(_: Same<A, B>): void => undefined;
      const price = PyDecimal.from('1.10');
      const id = PyUuid.from('12345678-1234-5678-1234-567812345678');
      const now = PyDateTime.parse('2024-01-02T03:04:05Z');
      const day = new PyDate(2024, 2, 29);
      const noon = PyTime.parse('12:00');
      const hour = PyTimeDelta.from({ hours: 1 });
      const values = await a.values(new PyComplex(1, 2), price, new PyFraction(1, 2), id, now, day, noon, hour);
      is<typeof values, PyTuple<readonly [
        PyComplex, PyDecimal, PyFraction, PyUuid, PyDateTime, PyDate, PyTime, PyTimeDelta | null
      ]>>(true);
      a.values(1, price, new PyFraction(1, 2), id, new Date(), day, noon, { h: hour });
      a.values(float(1), a.Leaf(), a.Leaf(), id, a.Leaf(), a.date_result(), noon, kw({ h: null }));
      const prices = await a.dates_result();
      is<typeof prices, Map<PyDate, PyDecimal>>(true);
      const left = await OfPython().until(new Date());
      is<typeof left, PyTimeDelta>(true);
      // @ts-expect-error a number is no Decimal
      a.values(1, 1.5, new PyFraction(1, 2), id, now, day, noon);
      // @ts-expect-error text is no UUID
      a.values(1, price, new PyFraction(1, 2), '12345678', now, day, noon);
      // @ts-expect-error a Date is a datetime, no date
      a.values(1, price, new PyFraction(1, 2), id, now, new Date(), noon);
    `;
    expect(await compile(text)).toEqual([]);
  });

  it('make classes callable values and types of one name, with methods on what they give', async () => {
    const text = `
      import { kw } from '@hognose/runtime';
      import { Box, Circle, Point, Shape, gather } from '#py/specimen/shapes';
      import { LogisticRegression } from '#py/sklearn/linear_model';
      import { load_digits } from '#py/sklearn/datasets';
      const circle: Circle = await Circle(2);
      const area: number = await circle.area();
      const name: string = await circle.name;
      const diameter: number = await Circle(1).diameter;
      const shape: Shape = await Shape('s', { scale: 2 });
      const other: Shape = await shape.scaled(kw({ in_place: true })).scaled(2).scaled();
      const round: boolean = await Circle.is_round(circle, kw({ strict: false }));
      const unit: Circle = await Circle.unit_circle();
      const x: number = await Point(1, { y: 2 }).moved([1, 2]).x;
      const bytes: Uint8Array = await Box().fetch('url', 3);
      const shapes: Shape[] = await gather(circle, shape, Circle(1));
      // @ts-expect-error the second argument is keyword-only
      shape.scaled(1, true);
      // @ts-expect-error a method takes keywords by kw() only
      shape.scaled({ in_place: true });
      // @ts-expect-error no such method
      circle.perimeter();
      // @ts-expect-error static methods are not on the instance
      circle.is_round(circle);
      const model = await LogisticRegression(kw({ max_iter: 200, C: 0.5 }));
      await model.fit([[1], [2]], [0, 1]);
      const scores = await model.predict<number[]>([[1]]);
      scores.map((score) => score + 1);
      load_digits({ n_class: 3, return_X_y: true });
      const all: unknown[] = [area, name, diameter, other, round, unit, x, bytes, shapes];
      export { all };
    `;
    expect(await compile(text)).toEqual([]);
  });

  it('S71 keep names that JavaScript reserves, and globals that they shadow keep their meaning', async () => {
    const text = `
      import type { PyHandle } from '@hognose/runtime';
      import * as n from '#py/specimen/names';
      type Is<A, B> = A extends B ? (B extends A ? true : false) : false;
      import largest, { delete as remove } from '#py/specimen/names';
      // @ts-expect-error the class is exported under Python's name alone
      import { Array_ } from '#py/specimen/names';
      import { Array as PyArray, Map as PyMap, Promise as PyPromise, any as PyAny, then_, R, Symbol } from '#py/specimen/names';
      largest();
      remove('x');
      n.new();
      n.catch('x');
      n.constructor();
      n.__proto__();
      n.eval('1');
      n.größe(1);
      n.t();
      n.T();
      then_();
      const array: PyArray = await PyArray();
      const bytes: Uint8Array[] = await array.items();
      const map: Map<number | bigint, Uint8Array> = await (await PyMap()).get(1);
      const promise: PyPromise = await PyPromise().catch_().new();
      const called: number | bigint = await promise.then_(1);
      const ofJavaScript: Is<typeof promise.constructor, Function> = true;
      const kept: number = await promise.$get<PyHandle>('constructor').$call<number>();
      const any: PyAny = await n.any();
      const own: unknown = await R().untyped(R());
      const name: string = await Symbol.name();
      const length: number | bigint = await Symbol('x').length();
      export { bytes, map, called, ofJavaScript, kept, any, own, name, length, Array_ };
    `;
    expect(await compile(text)).toEqual([]);
  });

  it('S71 are matched by scripts that Node can load, with the same names', () => {
    const script = generated.files.get('specimen/names.js') ?? '';
    const exported = [...script.matchAll(/export (?:const (\S+)|\{ \S+ as (\S+) \})/g)].map(([, own, as]) => own ?? as);
    expect(exported).toHaveLength(26);
    expect(exported).toEqual(
      expect.arrayContaining(['default', 'delete', 'new', 'then_', '__proto__', 'Symbol', 'T', 't']),
    );
    expect(exported).not.toContain('then');
  });
});
