import type { AddOptions, AddResult } from './commands/add.js';
import type { GenerateOptions, GenerateResult } from './commands/generate.js';
import type { InitOptions, InitResult } from './commands/init.js';
import type { CommandOptions } from './commands/options.js';
import type { EnvironmentResult } from './commands/sync.js';

export { defineConfig } from './config/define.js';
export type { HognoseConfig, PoolConfig, PythonConfig, RuntimeConfig } from './config/define.js';
export type { Progress } from './progress.js';
export type {
  AddOptions,
  AddResult,
  CommandOptions,
  EnvironmentResult,
  GenerateOptions,
  GenerateResult,
  InitOptions,
  InitResult,
};

// A configuration imports this file for `defineConfig`: the commands, and all that they use, are loaded when called.

/**
 * Makes a directory a Hognose project: configuration, import map, Python environment and its lock. What is there
 * already is extended and never overwritten.
 *
 * @throws PythonEnvironmentError when there is no usable Python or the worker's packages cannot be installed.
 * @throws ConfigError when a file of the project cannot be read or written.
 * @public
 */
export async function init(options: InitOptions = {}): Promise<InitResult> {
  return (await import('./api.js')).init(options);
}

/**
 * Adds Python packages to a project: resolves them first, then installs them, declares them in the configuration and
 * generates their wrappers. Where any of this fails, the project is as it was before.
 *
 * @param packages - Requirements as pip takes them, or names of modules of Python's standard library or of `python/`.
 * @throws ConfigError when a name is no requirement or the configuration cannot be edited.
 * @throws PythonEnvironmentError when a package is unknown, does not fit the others, or cannot be installed.
 * @public
 */
export async function add(packages: readonly string[], options: AddOptions = {}): Promise<AddResult> {
  return (await import('./api.js')).add(packages, options);
}

/**
 * Generates the typed wrappers of the configured modules. Installs what the lock names first, where that was not done
 * yet; otherwise no network is used.
 *
 * @throws ConfigError when there is no project, its configuration is wrong, or with `check` the lock does not fit it.
 * @throws PythonEnvironmentError when the environment cannot be brought up to date.
 * @public
 */
export async function generate(options: GenerateOptions = {}): Promise<GenerateResult> {
  return (await import('./api.js')).generate(options);
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
  return (await import('./api.js')).syncEnvironment(options);
}
