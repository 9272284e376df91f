/** Benchmarks and the soak use the built runtime, as its users install it. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './lib.mjs';

const PACKAGE = join(root, 'packages', 'runtime');

let built;

/**
 * Builds `@hognose/runtime` when its build is missing or older than its sources, once in a run.
 *
 * @throws When it does not build.
 */
export function buildRuntime() {
  built ??= build();
  return built;
}

async function build() {
  // The types come last: a build that failed over them has left its JavaScript there.
  const builtAt = statSync(join(PACKAGE, 'dist', 'index.d.ts'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(join(PACKAGE, 'src'), { recursive: true }).map((name) => join('src', name));
  const changedAt = [...sources, 'package.json', 'tsup.config.ts'].map((name) => statSync(join(PACKAGE, name)).mtimeMs);
  if (Math.max(...changedAt) <= builtAt) return;
  // Its output belongs to stderr: stdout carries what is found.
  console.error('> Building @hognose/runtime');
  const status = await run('tsup', ['--silent'], { cwd: PACKAGE, stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error('@hognose/runtime does not build; what tsup said stands above');
}
