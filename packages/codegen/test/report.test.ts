import { formatReport, type CoverageReport } from '../src/index.js';
import { coverageOf } from '../src/report.js';

const slots = (runtime: number, none: number) => ({ runtime, none });

it('prints one line for each module, what was left out, and the sum', () => {
  const report: CoverageReport = {
    callables: 3,
    withSignature: 2,
    slots: slots(3, 1),
    modules: [
      { module: 'a', callables: 1, withSignature: 1, slots: slots(1, 0), skipped: [] },
      {
        module: 'b',
        callables: 2,
        withSignature: 1,
        slots: slots(2, 1),
        skipped: [
          ...['p', 'q', 'r', 's', 't', 'u', 'v'].map((name) => ({ name, reason: 'submodule' })),
          { name: 'w', reason: 'RuntimeError: no' },
        ],
      },
    ],
  };
  expect(formatReport(report)).toBe(
    [
      'a: 1 callable, 100 % of 1 types known',
      'b: 2 callables (1 without a signature), 66 % of 3 types known (the others accept anything and give `unknown`)',
      '  left out (RuntimeError: no): w',
      '  left out (submodule): p, q, r, s, t and 2 more',
      'in all: 3 callables (1 without a signature), 75 % of 4 types known (the others accept anything and give `unknown`)',
    ].join('\n'),
  );
});

it('counts nothing for no modules', () => {
  const empty = coverageOf([]);
  expect(empty).toEqual({ callables: 0, withSignature: 0, slots: slots(0, 0), modules: [] });
  expect(formatReport(empty)).toBe('');
});
