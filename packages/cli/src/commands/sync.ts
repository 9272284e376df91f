import { resolve } from 'node:path';
import { loadConfig } from '../config/load.js';
import { packageKey } from '../environment/requirement.js';
import { syncEnvironment as sync } from '../environment/sync.js';
import { silent } from '../progress.js';
import { exclusively } from '../project/exclusive.js';
import { findProject } from '../project/project.js';
import { transaction } from '../project/transaction.js';
import type { CommandOptions } from './options.js';

/**
 * A project's Python environment.
 *
 * @public
 */
export interface EnvironmentResult {
  /** The path of its interpreter. */
  readonly python: string;
  /** The interpreter's version, as `3.11.7`. */
  readonly version: string;
  /** Whether anything was made, resolved or installed. */
  readonly changed: boolean;
  /** The locked packages and their versions, by name. */
  readonly packages: Readonly<Record<string, string>>;
}

/**
 * Brings a project's `.venv` and `python/requirements.lock` to what its configuration declares; takes milliseconds
 * where nothing changed.
 *
 * @throws ConfigError when there is no project or its configuration is wrong.
 * @throws PythonEnvironmentError when there is no usable Python or a package cannot be had.
 * @public
 */
export async function syncEnvironment(options: CommandOptions = {}): Promise<EnvironmentResult> {
  const { progress = silent, signal } = options;
  const project = findProject(resolve(options.cwd ?? '.'));
  return exclusively(project.root, progress, signal, () =>
    transaction(project, signal, async () => {
      const config = await loadConfig(project);
      const { python, version, changed, lock } = await sync(project, config, { ...options, progress });
      const packages = Object.fromEntries(lock.packages.map((entry) => [packageKey(entry.name), entry.version]));
      return { python, version, changed, packages };
    }),
  );
}
