/** State that belongs to the process and not to a copy of this package: ESM and CJS copies share it. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Runtime } from './runtime.js';

interface GlobalState {
  /** The runtime that wrappers use unless told otherwise; a promise while it starts. */
  defaultRuntime: Runtime | Promise<Runtime> | undefined;
  /** Runtimes bound by `runtime.run`. */
  readonly scope: AsyncLocalStorage<Runtime>;
  /** Directories of Python code that packages have registered. */
  readonly pythonPath: string[];
  /** Where generated wrappers have been loaded from. */
  readonly projectRoots: string[];
  /** Number of the next worker, unique in the process. */
  nextWorkerId: number;
}

const KEY = Symbol.for('hognose/1');

/** The one state of this process. @internal */
export function globalState(): GlobalState {
  const known: unknown = Reflect.get(globalThis, KEY);
  if (known !== undefined) return known as GlobalState;
  const state: GlobalState = {
    defaultRuntime: undefined,
    scope: new AsyncLocalStorage<Runtime>(),
    pythonPath: [],
    projectRoots: [],
    nextWorkerId: 1,
  };
  Reflect.set(globalThis, KEY, state);
  return state;
}
