/** Benchmarks and the soak use the built runtime, as its users install it. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './lib.mjs';

let built;

/**
 * Builds `@hognose/runtime`, and `@hognose/zerocopy` below it, where the build is missing or older than its sources, once in a run.
 *
 * @throws When one does not build.
 */
export function buildRuntime() {
  built ??= buildAll();
  return built;
}

async function buildAll() {
  for (const name of ['zerocopy', 'runtime']) await build(name);
}

async function build(name) {
  const directory = join(root, 'packages', name);
  // The types come last: a build that failed over them has left its JavaScript there.
  const builtAt = statSync(join(directory, 'dist', 'index.d.ts'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(join(directory, 'src'), { recursive: true }).map((file) => join('src', file));
  const files = [...sources, 'package.json', 'tsup.config.ts'];
  const changedAt = files.map((file) => statSync(join(directory, file)).mtimeMs);
  if (Math.max(...changedAt) <= builtAt) return;
  // Its output belongs to stderr: stdout carries what is found.
  console.error(`> Building @hognose/${name}`);
  const status = await run('tsup', ['--silent'], { cwd: directory, stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error(`@hognose/${name} does not build; what tsup said stands above`);
}
