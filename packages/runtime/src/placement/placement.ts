/** Where workers come from: started here, or reached where someone else has started them. */

/** What a worker's process reads as one JSON line from its stdin; see `Bootstrap` in hognose/worker.py. @experimental */
export interface WorkerBootstrap {
  readonly worker_id: number;
  /** This runtime's socket, which the worker dials. */
  readonly address: string;
  /** Proves the worker; it must never stand in argv, the environment or a log. */
  readonly secret: string;
  /** Where the worker serves gRPC; null: the socket lane carries the calls. */
  readonly grpc_address: string | null;
  readonly preload: readonly string[];
  readonly python_path: readonly string[];
  readonly has_control: boolean;
  readonly status_page: string;
  readonly threads: number;
  readonly spin_us: number;
  readonly log_level: number | null;
  /** Modules that calls may reach, and whether inline code may run; null: everything. */
  readonly allow: { readonly modules: readonly string[]; readonly inline: boolean } | null;
  /** How the worker shares memory with this process; null: it does not. */
  readonly shared_memory: {
    /** Directory of the Python package `hognose_shm`. */
    readonly path: string;
    /** Bytes that its results may take. */
    readonly max_bytes: number;
    /** Whether what would have to be copied is an error. */
    readonly requires: boolean;
    /** Whether NumPy takes the memory of its larger arrays from what is shared. */
    readonly numpy_arena: boolean;
  } | null;
  /** Environment variables to set back (null: to remove) that were changed only to start the process. */
  readonly restore_environment: Readonly<Record<string, string | null>>;
}

/** A worker that is wanted. @experimental */
export interface WorkerSpec {
  /**
   * Number of the worker: unique in this process, growing, never used twice. It fences: a worker that answers with another
   * one is of an earlier time, and refused.
   */
  readonly epoch: number;
  /** Name of the pool. */
  readonly pool: string;
  /** Absolute path of the interpreter. */
  readonly python: string;
  /** The whole environment of the process, without limits of threads. */
  readonly environment: Readonly<NodeJS.ProcessEnv>;
  /** Limits of the numerical libraries' threads, for what `environment` does not say itself. */
  readonly threadLimits: Readonly<Record<string, string>>;
  /** A directory of this runtime's that only this user may enter; what is made there is removed with it. */
  readonly directory: string;
  readonly bootstrap: WorkerBootstrap;
  /** Memory that the worker may have of its own, in bytes; 0: no limit. */
  readonly maxRssBytes: number;
  /** Takes a line that the worker has printed, without its end. */
  print(stream: 'stdout' | 'stderr', text: string): void;
  /** Aborted when the worker is not wanted any more: a placing that is under way ends. */
  readonly signal: AbortSignal;
}

/** How a worker ended. @experimental */
export interface WorkerExit {
  /** The exit status; null where a signal has ended it, and where neither is known. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The end of what it wrote to stderr since the last `markOutput`. */
  readonly stderrTail: string;
  /** Whether the kernel has ended it, as memory ran out. */
  readonly isOutOfMemory?: boolean;
  /** How it ended, where neither code nor signal tell: `lost its connection`. */
  readonly description?: string;
}

/** A worker's gRPC server that this runtime dials. @experimental */
export interface GrpcEndpoint {
  /** In gRPC's notation: `host:port`. */
  readonly address: string;
  /** Sent as metadata, inside of TLS unless the address is of the loopback; undefined: the client's certificate says who dials. */
  readonly token?: string | undefined;
  /** PEM; undefined: plain text, on the loopback only. */
  readonly tls?:
    | {
        readonly ca: Buffer;
        readonly cert?: Buffer | undefined;
        readonly key?: Buffer | undefined;
        /** The name in the server's certificate, where it is not the address's host. */
        readonly serverName?: string | undefined;
      }
    | undefined;
  /**
   * For how long the worker may just be starting anew, as its last host has left: a refused connection is tried again
   * until then. @defaultValue 0
   */
  readonly restartMs?: number | undefined;
  /** Called when the worker there has said who it is. */
  readonly onAttached?: (() => void) | undefined;
}

/** A worker that is placed. @experimental */
export interface PlacedWorker {
  /** `forked` off a zygote, `spawned` cold, or `attached` to a worker that was there. */
  readonly how: 'forked' | 'spawned' | 'attached';
  /** Its process on this machine; 0: it is elsewhere. */
  readonly pid: number;
  /** Where this runtime dials it; undefined: it dials this runtime, as its bootstrap says. */
  readonly endpoint: GrpcEndpoint | undefined;
  /** Resolves once, when it has ended and its last output was read; never rejects. Of an attached one: when it was released. */
  readonly exited: Promise<WorkerExit>;
  /** What it has written so far is of earlier calls. */
  markOutput(): void;
  /** Ends it with everything that it has started. SIGKILL: at once, whatever it does. Harmless when it has ended. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
  /** Its own memory in bytes, without what it has mapped of files and shared memory; undefined: unknown without asking it. */
  readMemory(): number | undefined;
  /** Whether a signal has stopped it: it does not even sleep. undefined: unknown. */
  isStopped(): boolean | undefined;
}

/** Places the workers of one pool. @experimental */
export interface Placement {
  /** Such as `local`. */
  readonly name: string;
  /** How many workers there can be at once; undefined: any number. */
  readonly capacity?: number;
  /** Whether a start takes so long that one worker should stand ready beside the pool's. */
  readonly isSlow?: boolean;
  /** In which state it is, for the stats: such as `zygote 4711` or `cold: threads were running`. */
  readonly state: string;
  /**
   * Places a worker.
   *
   * @throws {@link WorkerStartError}, {@link PythonEnvironmentError} When it cannot be.
   */
  place(spec: WorkerSpec): Promise<PlacedWorker>;
  /** Ends what the placement keeps besides workers, when all of them have ended. */
  close(): Promise<void>;
  /** The same at once, at the process's exit. */
  kill(): void;
}

/** What a placement reports. @experimental */
export type PlacementEvent =
  | { readonly type: 'zygote-ready'; readonly pid: number; readonly startMs: number }
  | { readonly type: 'zygote-ended'; readonly pid: number; readonly reason: string }
  | { readonly type: 'zygote-refused'; readonly reason: string };

/** Makes the placement of a pool; called once per pool. @experimental */
export interface PlacementFactory {
  (report: (event: PlacementEvent) => void): Placement;
  /** Whether others start the workers' processes: options that describe a process are refused then. */
  readonly attaches?: boolean;
}
