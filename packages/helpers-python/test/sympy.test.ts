import { createRuntime, setDefaultRuntime, type Runtime } from '@hognose/runtime';

let runtime: Runtime;
let pack: typeof import('../src/sympy.js');

beforeAll(async () => {
  runtime = await createRuntime({ size: 1 });
  setDefaultRuntime(runtime);
  await runtime.ready();
  pack = await import('../src/sympy.js');
});

afterAll(async () => {
  await runtime.close();
});

it('reads a formula as people write it and hands the expression on', async () => {
  const expression = await pack.parse_implicit('2x + sin^2 x');
  expect(expression.$type).toBe('sympy.core.add.Add');
  expect(await pack.free_symbols(expression)).toEqual(['x']);
  expect(await pack.evaluate(expression, { x: 0 })).toBe(0);
  expect(await pack.to_latex(expression)).toBe('2 x + \\sin^{2}{\\left(x \\right)}');
});

it('takes a pending expression as an argument', async () => {
  expect(await pack.evaluate(pack.parse_implicit('3 x^2'), { x: 2 })).toBe(12);
});

it('solves an equation to expressions', async () => {
  const solutions = await pack.solve_implicit('x^2 = 2x + 3', 'x');
  expect(await Promise.all(solutions.map((solution) => pack.evaluate(solution)))).toEqual([-1, 3]);
});

it('is importable in workers that were started before the pack was loaded', async () => {
  await expect(runtime.get('hognose_packs.sympy.__all__')).resolves.toContain('parse_implicit');
});

it('refuses what is no formula, with the place', async () => {
  await expect(pack.parse_implicit("__import__('os')")).rejects.toMatchObject({
    type: 'ValueError',
    message: expect.stringContaining('position 1') as unknown,
  });
});
