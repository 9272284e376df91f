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

/**
 * How much is typed, one line for each of the modules.
 *
 * @param isVerbose Whether the names that were left out follow, with the reasons; else only their number is told.
 */
export function coverageLines(report: CoverageReport, isVerbose: boolean, modules?: readonly string[]): string[] {
  const shown = report.modules.filter(({ module }) => modules?.includes(module) ?? true);
  return shown.flatMap((module) => {
    const { callables, withSignature, slots, skipped } = module;
    const [head = '', ...reasons] = formatReport({ callables, withSignature, slots, modules: [module] }).split('\n');
    return isVerbose || skipped.length === 0 ? [head, ...reasons] : [`${head}, ${skipped.length} left out`];
  });
}

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
