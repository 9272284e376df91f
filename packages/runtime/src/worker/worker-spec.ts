/** What a placement is told of a worker that is wanted. */
import { pythonPath } from '@hognose/zerocopy';
import { globalState } from '../global-state.js';
import type { ResolvedOptions } from '../options.js';
import type { WorkerSpec } from '../placement/placement.js';
import { threadLimits } from '../placement/thread-limits.js';
import type { Listener } from '../transport/listener.js';

/** How long a worker polls for its next call before it sleeps. */
const SPIN_US = 50;

/** What a worker has that the pool's options do not say. @internal */
export interface OwnFacts extends Pick<WorkerSpec, 'epoch' | 'print' | 'signal'> {
  readonly listener: Listener;
  readonly secret: string;
  /** Where it serves gRPC, on the lane of that name. */
  readonly grpcAddress: string;
  /** The file in which it notes what it runs. */
  readonly statusPage: string;
}

/** @internal */
export function specOf(options: ResolvedOptions, facts: OwnFacts): WorkerSpec {
  const { epoch, listener, secret, grpcAddress, statusPage, print, signal } = facts;
  return {
    epoch,
    pool: options.name,
    python: options.python,
    environment: { ...process.env, ...options.env },
    threadLimits: threadLimits(options.max + (options.spares ?? 0)),
    directory: listener.directory,
    bootstrap: {
      worker_id: epoch,
      address: listener.address,
      secret,
      grpc_address: options.transport === 'grpc' ? grpcAddress : null,
      preload: options.preload,
      python_path: [...options.pythonPath, ...globalState().pythonPath],
      has_control: true,
      status_page: statusPage,
      threads: options.threads,
      spin_us: options.spin ? SPIN_US : 0,
      log_level: options.logLevel ?? null,
      allow: options.allow,
      restore_environment: {},
      shared_memory:
        options.zeroCopy === 'off'
          ? null
          : {
              path: pythonPath,
              max_bytes: options.sharedMemory.workerBytes,
              requires: options.zeroCopy === 'require',
              numpy_arena: options.numpyArena,
            },
    },
    maxRssBytes: options.limits.maxRssBytes,
    print,
    signal,
  };
}
