import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  compareGenerated,
  describeDifference,
  generate as generateWrappers,
  writeGenerated,
  type CoverageReport,
} from '../codegen.js';
import { loadConfig } from '../config/load.js';
import type { ResolvedConfig } from '../config/validate.js';
import { syncEnvironment } from '../environment/sync.js';
import { silent, type Progress } from '../progress.js';
import { writeFileAtomically } from '../project/atomic-write.js';
import { exclusively } from '../project/exclusive.js';
import { lockFileText } from '../project/lock-file.js';
import { findProject, type Project } from '../project/project.js';
import { pythonPathOf, runtimeFileText } from '../project/runtime-file.js';
import { transaction } from '../project/transaction.js';
import type { CommandOptions } from './options.js';

/**
 * Options of {@link generate}.
 *
 * @public
 */
export interface GenerateOptions extends CommandOptions {
  /**
   * Writes nothing and tells what would change.
   *
   * @defaultValue `false`
   */
  check?: boolean | undefined;
}

/**
 * What {@link generate} did, or with `check` found.
 *
 * @public
 */
export interface GenerateResult {
  /** The project's directory; an absolute path. */
  readonly root: string;
  /** The modules that have wrappers. */
  readonly modules: readonly string[];
  /** Files of `python/generated` that were written; their paths in it. */
  readonly written: readonly string[];
  /** How many files there were as they should be. */
  readonly unchanged: number;
  /** Files that no module has any more. */
  readonly removed: readonly string[];
  /** With `check`: what differs, one line each. Empty where everything is up to date. */
  readonly differences: readonly string[];
  /** How much of the modules is typed, and from which source. */
  readonly report: CoverageReport;
}

/**
 * Generates the typed wrappers of the configured modules into `python/generated`, with `hognose.runtime.json` and
 * `hognose.lock.json`. Installs what the lock names first, where that was not done yet; otherwise no network is used.
 *
 * @throws ConfigError when there is no project, its configuration is wrong, or with `check` the lock does not fit it.
 * @throws PythonEnvironmentError when the environment cannot be brought up to date.
 * @public
 */
export async function generate(options: GenerateOptions = {}): Promise<GenerateResult> {
  const { progress = silent, signal } = options;
  const project = findProject(resolve(options.cwd ?? '.'));
  return exclusively(project.root, progress, signal, () =>
    transaction(project, signal, async () => {
      const config = await loadConfig(project);
      return generateInto(project, config, { ...options, progress });
    }),
  );
}

/** The part of {@link generate} that `add` shares: it runs inside a transaction that is already open. */
export async function generateInto(
  project: Project,
  config: ResolvedConfig,
  options: GenerateOptions & { readonly progress: Progress },
): Promise<GenerateResult> {
  const { progress, signal, check = false } = options;
  const environment = await syncEnvironment(project, config, { ...options, frozen: check });
  const { modules, docs } = config;
  progress.step(`Generating wrappers of ${modules.length === 1 ? '1 module' : `${modules.length} modules`}`);
  const generated = await generateWrappers({
    python: environment.python,
    pythonPath: pythonPathOf(project),
    modules,
    docs,
    ...(signal === undefined ? {} : { signal }),
  });
  const texts = [
    ['hognose.runtime.json', project.runtimeFile, runtimeFileText(project, config)],
    ['hognose.lock.json', project.lockFile, lockFileText(generated, config, environment.lockHash)],
  ] as const;
  const { root } = project;
  if (check) {
    const differences = (await compareGenerated(generated, project.generated)).map(describeDifference);
    for (const [name, file, text] of texts) {
      if (!existsSync(file)) differences.push(`${name} is missing`);
      else if (readFileSync(file, 'utf8') !== text)
        differences.push(`${name} is not what hognose.config.ts and .venv give`);
    }
    progress.done();
    return { root, modules, written: [], unchanged: 0, removed: [], differences, report: generated.report };
  }
  // From here on nothing waits for anything but the disk: Ctrl-C is heard before it, or after.
  signal?.throwIfAborted();
  const result = await writeGenerated(generated, project.generated);
  for (const [, file, text] of texts) writeFileAtomically(file, text);
  signal?.throwIfAborted();
  progress.done();
  return { root, modules, ...result, differences: [], report: generated.report };
}
