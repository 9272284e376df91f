import { generate } from '../src/index.js';
import { errorsOf } from './support/compiler.js';
import { Project, fixtures, python, specimenModules } from './support/project.js';
import { outputOf } from './support/run.js';

it('S70 S71 wrappers send what their declarations say, through the runtime to Python', async () => {
  await using project = await Project.create();
  await project.writeGenerated(await generate({ python, pythonPath: [fixtures], modules: specimenModules }));
  await project.write('hognose.runtime.json', JSON.stringify({ version: 1, python, pythonPath: [fixtures], size: 1 }));
  await project.write(
    'main.mjs',
    `
      import { float, kw, tuple } from '@hognose/runtime';
      import * as p from '#py/specimen/parameters';
      import * as s from '#py/specimen/shapes';
      import * as annotated from '#py/specimen/annotated';
      import { VERSION } from '#py/specimen';
      const n = await import('#py/specimen/names');
      const numbers = await annotated.set_of([3, 1, 3]);
      const circle = await s.Circle(2);
      const point = s.Point(1, { y: 2 });
      console.log(JSON.stringify([
        await p.optional(1),
        await p.optional(1, 2),
        await p.optional(1, kw({ c: 5 })),
        await p.optional(1, { c: 5 }),
        await p.optional(p.positional_only(1, { c: 3 }), 10, 3),
        await p.keyword_only({ n_class: 3 }),
        await p.required_keyword(1, { key: 'k' }),
        await p.required_keyword_after_rest(1, 2, 3, kw({ key: 'k' })),
        await p.rest('a', 'b', 'c', kw({ sep: '-' })),
        await p.any_keywords({ a: 2, b: 3 }),
        await p.mapping_first({ copy: true }),
        await p.mapping_first({ copy: true }, kw({ copy: true })),
        await p.untyped(1, { c: 5 }),
        await p.all_kinds(1, 2, 3, 4, kw({ d: 5, constructor: 6 })),
        await p.reserved(kw({ default: 'd', new: 'n', this: 't', then: 'x' })),
        await n.delete('deleted'),
        await n.catch('caught'),
        await n.then_(),
        await n.default(),
        await n.Promise().$get('constructor').$call(),
        await annotated.containers([1], ['a'], [float(1)], { a: 1 }, new Map([[1, 'a']]), numbers, numbers, tuple(1, 'a'),
          tuple(1), [], {}, tuple(), [[null]]),
        await annotated.others(annotated.Node, p.optional, 1, 2, null, {}, 1, null, {}, annotated.Node, [1]),
        numbers.size,
        await VERSION,
        await circle.area(),
        await circle.name,
        await s.Circle.is_round(circle),
        await s.Circle.unit_circle().area(),
        await point.y,
      ]));
    `,
  );
  expect(JSON.parse(await outputOf(project, 'main.mjs'))).toEqual([
    [1, 10, 20],
    [1, 2, 20],
    [1, 10, 5],
    [1, 10, 5],
    [5, 10, 3],
    { n_class: 3, exact: false },
    '1bkNone',
    '1(2, 3)k',
    'a-b-c',
    { a: 2, b: 3 },
    false,
    true,
    [1, { c: 5 }, 20],
    [1, 2, 3, [4], 5, 2, { constructor: 6 }],
    ['d', 2, 'n', 4, 't', 6, 7, 8, 'x'],
    'deleted',
    'caught',
    null,
    null,
    null,
    null,
    null,
    2,
    '1.0',
    12,
    'circle',
    true,
    3,
    2,
  ]);
});

it('what compiles as PyArg and does not travel is an EncodeError; sets, functions, iterables, dates and decimals travel', async () => {
  await using project = await Project.create();
  const modules = ['builtins', 'specimen.annotated', 'specimen.parameters'];
  await project.writeGenerated(await generate({ python, pythonPath: [fixtures], modules }));
  await project.write('hognose.runtime.json', JSON.stringify({ version: 1, python, pythonPath: [fixtures], size: 1 }));
  const main = `
    import { EncodeError, PyComplex, PyDecimal, PyDate, PyFraction, PyTime, PyTimeDelta, PyUuid, kw } from '@hognose/runtime';
    import { sorted } from '#py/builtins';
    import { others, set_of, values } from '#py/specimen/annotated';
    import { untyped } from '#py/specimen/parameters';
    class Own {}
    const outcomes: unknown[] = [await sorted<number[]>(set_of([3, 1, 3]))];
    outcomes.push(await sorted<number[]>(await set_of([3, 1, 3]), kw({ key: (value: number) => -value })));
    for (const value of [new Date(), new Set([1]), () => 1]) await untyped(value);
    const price = PyDecimal.from('1.10');
    await others(async () => 1, sorted, 1, 2, null, {}, price, null, {}, null, [1]);
    outcomes.push((await set_of([3, 1, 3].values())).size);
    const id = PyUuid.from('12345678-1234-5678-1234-567812345678');
    const hour = PyTimeDelta.from({ hours: 1 });
    const sent = await values(new PyComplex(1, -2), price, new PyFraction(1, 2), id, new Date(0), new PyDate(2024, 2, 29), PyTime.parse('12:00'), { h: hour });
    outcomes.push(sent.map(String));
    const given: object[] = [new Own(), new WeakMap()];
    for (const value of given) outcomes.push(await untyped(value).then(() => 'sent', (error) => error instanceof EncodeError));
    console.log(JSON.stringify(outcomes));
    export {};
  `;
  await project.write('main.ts', main);
  expect(errorsOf(project, ['main.ts'])).toEqual([]);
  // Node runs it without the one annotation of each kind.
  await project.write(
    'main.mjs',
    main
      .replace('<number[]>', '')
      .replace('<number[]>', '')
      .replace(/: (?:unknown|object)\[\]|: number(?=\))/g, ''),
  );
  expect(JSON.parse(await outputOf(project, 'main.mjs'))).toEqual([
    [1, 3],
    [3, 1],
    2,
    [
      '(1-2j)',
      '1.10',
      '1/2',
      '12345678-1234-5678-1234-567812345678',
      '1970-01-01 00:00:00+00:00',
      '2024-02-29',
      '12:00:00',
      '1:00:00',
    ],
    true,
    true,
  ]);
});
