/** Which runtime wrappers and `py` use. */
import { join } from 'node:path';
import type { Executor } from './call-request.js';
import { findProjectRoot, findUpwards, readRuntimeFile, RUNTIME_FILE } from './environment.js';
import { ConfigError } from './errors.js';
import { globalState } from './global-state.js';
import { createRuntime, executorOf, type Runtime } from './runtime.js';

/**
 * Makes a runtime the one that wrappers and `py` use outside of any `runtime.run`.
 *
 * @param runtime - `undefined`: the next use starts one from the project's hognose.runtime.json.
 * @public
 */
export function setDefaultRuntime(runtime: Runtime | undefined): void {
  globalState().defaultRuntime = runtime;
}

/**
 * The runtime of the innermost `runtime.run`, else the default one, which is started at its first use.
 *
 * @public
 */
export async function getRuntime(): Promise<Runtime> {
  const state = globalState();
  const bound = state.scope.getStore();
  if (bound !== undefined) return bound;
  if (state.defaultRuntime !== undefined) return state.defaultRuntime;
  const starting = startDefault();
  state.defaultRuntime = starting;
  try {
    const runtime = await starting;
    if (state.defaultRuntime === starting) state.defaultRuntime = runtime;
    return runtime;
  } catch (error) {
    if (state.defaultRuntime === starting) state.defaultRuntime = undefined; // the next call finds a mended environment
    throw error;
  }
}

/** As {@link getRuntime}, without waiting where there is no need to. @internal */
export function currentExecutor(): Executor | Promise<Executor> {
  const state = globalState();
  const runtime = state.scope.getStore() ?? state.defaultRuntime;
  if (runtime !== undefined && !(runtime instanceof Promise)) return executorOf(runtime);
  return getRuntime().then(executorOf);
}

async function startDefault(): Promise<Runtime> {
  // The project whose wrappers are loaded, wherever the process was started; a pack's own folder has no such file.
  const directories = [...globalState().projectRoots, process.cwd()];
  const roots = directories.map((directory) => findUpwards(directory, [RUNTIME_FILE]));
  const projectRoot = roots.find((root) => root !== undefined) ?? findProjectRoot(process.cwd());
  try {
    return await createRuntime(readRuntimeFile(projectRoot));
  } catch (error) {
    // A person who sees it has called no createRuntime.
    if (!(error instanceof ConfigError) || error.message.startsWith(projectRoot)) throw error;
    throw new ConfigError(`${join(projectRoot, RUNTIME_FILE)}: ${error.message}`, { cause: error });
  }
}
