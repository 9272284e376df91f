import { generate } from '../src/index.js';
import { Project, fixtures, python, specimenModules } from './support/project.js';
import { outputOf } from './support/run.js';

it('S70 S71 wrappers send what their declarations say, through the runtime to Python', async () => {
  await using project = await Project.create();
  await project.writeGenerated(await generate({ python, pythonPath: [fixtures], modules: specimenModules }));
  await project.write('hognose.runtime.json', JSON.stringify({ version: 1, python, pythonPath: [fixtures], size: 1 }));
  await project.write(
    'main.mjs',
    `
      import { kw } from '@hognose/runtime';
      import * as p from '#py/specimen/parameters';
      import * as s from '#py/specimen/shapes';
      import { VERSION } from '#py/specimen';
      const n = await import('#py/specimen/names');
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
    '1.0',
    12,
    'circle',
    true,
    3,
    2,
  ]);
});
