import { createRequire } from 'node:module';
import {
  compareGenerated,
  formatReport,
  generate,
  writeGenerated,
  type CoverageReport,
  type Difference,
  type Generated,
} from '@hognose/codegen';

export { compareGenerated, generate, writeGenerated };
export type { CoverageReport, Generated };

/** The version of the generator, which decides what it writes. */
export const generatorVersion = (
  createRequire(import.meta.url)('@hognose/codegen/package.json') as { readonly version: string }
).version;

/** How much is typed, one line for each of the modules, with the first reasons why names were left out. */
export function coverageLines(report: CoverageReport, modules?: readonly string[]): string[] {
  const shown = report.modules.filter(({ module }) => modules?.includes(module) ?? true);
  return shown.flatMap((module) => {
    const { callables, withSignature, slots } = module;
    const [head = '', ...reasons] = formatReport({ callables, withSignature, slots, modules: [module] }).split('\n');
    const more = reasons.length - SHOWN_REASONS;
    return [head, ...reasons.slice(0, SHOWN_REASONS), ...(more > 0 ? [`  and more for ${more} other reasons`] : [])];
  });
}

const SHOWN_REASONS = 3;

/** One difference of `generate --check` in words. */
export function describeDifference({ path, kind, line, expected, symbol }: Difference): string {
  const file = `python/generated/${path}`;
  if (kind === 'missing') return `${file} is missing`;
  if (kind === 'stale') return `${file} belongs to no module of the configuration any more`;
  const what = symbol === undefined ? '' : ` (${symbol})`;
  const should =
    expected === undefined || expected.trim() === '' ? 'has another text' : `should read: ${expected.trim()}`;
  return `${file}:${line ?? 1}${what} ${should}`;
}
