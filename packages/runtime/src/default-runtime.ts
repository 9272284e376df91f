/** Which runtime wrappers and `py` use. */
import type { Executor } from './call-request.js';
import { findProjectRoot, readRuntimeFile } from './environment.js';
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
  state.defaultRuntime ??= startDefault();
  return state.defaultRuntime;
}

/** As {@link getRuntime}, without waiting where there is no need to. @internal */
export function currentExecutor(): Executor | Promise<Executor> {
  const state = globalState();
  const runtime = state.scope.getStore() ?? state.defaultRuntime;
  if (runtime !== undefined && !(runtime instanceof Promise)) return executorOf(runtime);
  return getRuntime().then(executorOf);
}

async function startDefault(): Promise<Runtime> {
  const state = globalState();
  try {
    const projectRoot = findProjectRoot(state.projectRoots[0] ?? process.cwd());
    const runtime = await createRuntime(readRuntimeFile(projectRoot));
    state.defaultRuntime = runtime;
    return runtime;
  } catch (error) {
    state.defaultRuntime = undefined; // a mended environment is found by the next call
    throw error;
  }
}
