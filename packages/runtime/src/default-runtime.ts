/** Which runtime wrappers and `py` use. */
import { join } from 'node:path';
import type { Executor } from './call-request.js';
import { currentContext, executorOf, type CallContext } from './context.js';
import { findProjectRoot, findUpwards, readRuntimeFile, RUNTIME_FILE } from './environment.js';
import { ConfigError } from './errors.js';
import { globalState } from './global-state.js';
import { createRuntime, type Runtime } from './runtime.js';

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
  const bound = currentContext().runtime;
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

/**
 * What runs the calls of a context: its runtime, or the default one, which may have to be started.
 *
 * @internal
 */
export function currentExecutor(context: CallContext): Executor | Promise<Executor> {
  const runtime = context.runtime ?? globalState().defaultRuntime;
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
