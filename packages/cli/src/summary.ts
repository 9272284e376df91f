import type { AddResult } from './commands/add.js';
import type { GenerateResult } from './commands/generate.js';
import type { InitResult } from './commands/init.js';
import { coverageLines } from './codegen.js';

/** What `hognose init` prints. */
export function initSummary(result: InitResult): string[] {
  const lines = [
    ...result.created.map((file) => `created    ${file}`),
    ...result.extended.map((file) => `extended   ${file}`),
    ...result.unchanged.map((file) => `unchanged  ${file}`),
  ];
  if (result.python !== undefined) {
    lines.push(`${result.installed ? 'installed ' : 'unchanged '} .venv (Python ${result.python})`);
  }
  const next =
    result.python === undefined
      ? '`npx hognose generate` makes the Python environment'
      : '`npx hognose add numpy` adds a package';
  return [...lines, '', `Next: ${next}.`];
}

/** What `hognose add` prints. */
export function addSummary(result: AddResult, isVerbose: boolean): string[] {
  const lines = result.packages.map(({ name, version }) => `added      ${name} ${version}`);
  for (const name of result.standardModules) {
    lines.push(`added      ${name} (Python's standard library: nothing to install)`);
  }
  for (const [name, place] of Object.entries(result.ownModules)) {
    lines.push(`added      ${name} (${place} of this project: nothing to install)`);
  }
  lines.push(countLine(result.generated), ...coverageLines(result.generated.report, isVerbose, result.modules));
  if (result.modules.length > 0) {
    lines.push('', ...result.modules.map((module) => `import * as ${nameFor(module)} from '${specifierOf(module)}';`));
  }
  return lines;
}

/** What `hognose generate` prints. */
export function generateSummary(result: GenerateResult, isVerbose: boolean): string[] {
  const lines = [countLine(result), ...coverageLines(result.report, isVerbose)];
  return result.modules.length > 0
    ? lines
    : [...lines, 'There are no modules yet: `npx hognose add <package>` adds some.'];
}

/** What `hognose generate --check` prints. */
export function checkSummary({ differences, report }: GenerateResult, isVerbose: boolean): string[] {
  if (differences.length === 0) return ['up to date  python/generated', ...coverageLines(report, isVerbose)];
  return [...differences.map((difference) => `differs    ${difference}`), ...coverageLines(report, isVerbose)];
}

function countLine({ written, removed, unchanged }: GenerateResult): string {
  const counts = [`${written.length} written`, `${unchanged} unchanged`];
  if (removed.length > 0) counts.push(`${removed.length} removed`);
  return `generated  python/generated: ${counts.join(', ')}`;
}

function specifierOf(module: string): string {
  return `#py/${module.replaceAll('.', '/')}`;
}

function nameFor(module: string): string {
  return module.split('.').at(-1) ?? module;
}
