/** State that belongs to the process and not to a copy of this package: ESM and CJS copies share it. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { CallContext } from './context.js';
import type { ChainNode } from './handles/node.js';
import type { Runtime } from './runtime.js';
import type { HostMemory } from './sharing/host-memory.js';
import type { LeakLog } from './sharing/leak-log.js';
import { Tally } from './sharing/tally.js';

interface GlobalState {
  /** The runtime that wrappers use unless told otherwise; a promise while it starts. */
  defaultRuntime: Runtime | Promise<Runtime> | undefined;
  /** What `run` of a runtime or a session has bound, and the callback that runs. */
  readonly scope: AsyncLocalStorage<CallContext>;
  /** Results on their way that this tick has made: they are sent together at its end. */
  readonly unsent: ChainNode[];
  /** What is done when they have been sent. */
  readonly afterSending: (() => void)[];
  /** Directories of Python code that packages have registered. */
  readonly pythonPath: string[];
  /** Where generated wrappers have been loaded from. */
  readonly projectRoots: string[];
  /** The shared memory of this process; undefined: nobody has needed it yet. */
  memory: HostMemory | undefined;
  /** Where arrays in shared memory were made; undefined: nobody wants to know. */
  leaks: LeakLog | undefined;
  /** What was copied on its way to Python or back. */
  readonly tally: Tally;
  /** Names this process to workers that others have started. */
  readonly runtimeId: string;
  /** Number of the next worker, unique in the process. */
  nextWorkerId: number;
  /** Number of the next call, unique in the process. */
  nextCallId: number;
  /** Number of the next result on its way: their order. */
  nextNode: number;
  /** Number of the next session, unique in the process. */
  nextSessionId: number;
}

const KEY = Symbol.for('hognose/1');

/** What this copy of the package has found or made. */
let found: GlobalState | undefined;

/** The one state of this process. @internal */
export function globalState(): GlobalState {
  return (found ??= findOrMake());
}

function findOrMake(): GlobalState {
  const known: unknown = Reflect.get(globalThis, KEY);
  if (known !== undefined) return known as GlobalState;
  const state: GlobalState = {
    defaultRuntime: undefined,
    scope: new AsyncLocalStorage<CallContext>(),
    unsent: [],
    afterSending: [],
    pythonPath: [],
    projectRoots: [],
    memory: undefined,
    leaks: undefined,
    tally: new Tally(),
    runtimeId: randomUUID(),
    nextWorkerId: 1,
    nextCallId: 1,
    nextNode: 1,
    nextSessionId: 1,
  };
  Reflect.set(globalThis, KEY, state);
  return state;
}
