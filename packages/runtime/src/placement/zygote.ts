/** The host's side of a zygote: a Python process that has imported what workers need, and forks them; see hognose/zygote.py. */
import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { WorkerStartError } from '../errors.js';
import { ForkedWorker, type Forker, type OutputPaths } from './forked-worker.js';
import type { PlacedWorker, WorkerBootstrap, WorkerExit, WorkerSpec } from './placement.js';
import { isStopped } from './process-status.js';
import { exitOf, restoredPythonPath, signalGroup, spawnPython } from './spawn-python.js';
import type { LocalMemory } from './worker-memory.js';
import { WorkerOutput } from './worker-output.js';

/** How long it may take to fork. */
const FORK_TIMEOUT_MS = 5_000;
/** How long a signal may have stopped it while it starts; and how often it is looked at. */
const STOPPED = { mostMs: 3_000, lookEveryMs: 500 } as const;
/** How long it may take to end when its workers have. */
const CLOSE_MS = 2_000;
/** Means one thread, as hognose/native_threads.py knows: only this side writes it so. */
const IMPOSED_LIMIT = '01';

/** How a start of a zygote ended. @internal */
export type ZygoteStart =
  /** It forks. */
  | { readonly kind: 'ready'; readonly startMs: number }
  /** What was preloaded cannot be forked. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** It ended by itself, or was ended. */
  | { readonly kind: 'failed'; readonly exit: WorkerExit };

/** What a zygote tells. */
type Message =
  | { readonly ready: object }
  | { readonly refused: string }
  | { readonly forked: { readonly id: number; readonly pid: number } }
  | { readonly failed: { readonly id: number; readonly error: string } }
  | { readonly exited: { readonly id: number; readonly code: number | null; readonly signal: number | null } };

interface Fork {
  readonly spec: WorkerSpec;
  readonly paths: OutputPaths;
  readonly timer: NodeJS.Timeout;
  resolve(worker: PlacedWorker): void;
  reject(error: Error): void;
}

/** The zygote has ended before it had forked: another one may. @internal */
export class ZygoteGoneError extends Error {}

/** Numbers forks, so that no two FIFOs have the same name. */
let nextFork = 1;

/** @internal */
export class Zygote implements Forker {
  readonly pid: number;
  /** Resolves when it is ready, or will not be. */
  readonly started: Promise<ZygoteStart>;
  /** Resolves when it has ended, with the reason. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #control: Duplex;
  readonly #memory: LocalMemory;
  readonly #output: WorkerOutput;
  readonly #forks = new Map<number, Fork>();
  readonly #workers = new Map<number, ForkedWorker>();
  readonly #startedAt = performance.now();
  /** Resolves when the last of its messages was read. */
  readonly #hasToldAll: Promise<void>;
  #answer: (start: ZygoteStart) => void = () => undefined;
  #isAlive = true;
  #isClosing = false;
  #reason: string | undefined;

  private constructor(child: ChildProcess, spec: WorkerSpec, memory: LocalMemory) {
    this.#child = child;
    this.#memory = memory;
    this.pid = child.pid ?? 0;
    this.#output = WorkerOutput.of(child, spec);
    const [control, lifeline] = child.stdio.slice(3) as unknown as [Socket, Socket];
    this.#control = control;
    for (const socket of [control, lifeline]) {
      socket.on('error', () => undefined); // its end is noticed as that of the process
      socket.unref();
    }
    const lines = createInterface({ input: control, crlfDelay: Infinity });
    lines.on('error', () => undefined); // it passes on those of its input
    lines.on('line', (line) => {
      try {
        this.#hear(JSON.parse(line) as Message);
      } catch {
        this.discard(`it said what cannot be understood: ${line.slice(0, 200)}`);
      }
    });
    this.#hasToldAll = new Promise((resolve) => {
      control.once('close', resolve);
    });
    this.started = new Promise((resolve) => {
      this.#answer = resolve;
    });
    this.ended = this.#watch();
    this.#watchStart();
  }

  /**
   * Spawns a zygote for workers of the same kind as the one that is described.
   *
   * @throws {@link PythonEnvironmentError} When the interpreter cannot be run.
   */
  static async start(spec: WorkerSpec, memory: LocalMemory): Promise<Zygote> {
    const limits = Object.fromEntries(Object.keys(spec.threadLimits).map((name) => [name, IMPOSED_LIMIT]));
    const environment = { ...spec.environment, ...limits };
    const stdio = ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'] as const;
    const { preload, python_path, grpc_address } = spec.bootstrap;
    const child = await spawnPython('zygote', spec.python, environment, [...stdio], {
      preload,
      python_path,
      grpc: grpc_address !== null,
      restore_environment: restoredPythonPath(spec),
    });
    return new Zygote(child, spec, memory);
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** The end of what it has written to stderr. */
  get stderrTail(): string {
    return this.#output.stderrTail;
  }

  /** Milliseconds since it was spawned. */
  get ageMs(): number {
    return performance.now() - this.#startedAt;
  }

  /**
   * Forks a worker; it runs, and is not ready yet.
   *
   * @throws {@link ZygoteGoneError} When this zygote has ended, or did not answer.
   * @throws {@link WorkerStartError} When the system refuses.
   */
  fork(spec: WorkerSpec): Promise<PlacedWorker> {
    const id = nextFork++;
    const paths = { stdout: join(spec.directory, `o${id}`), stderr: join(spec.directory, `e${id}`) };
    return new Promise((resolve, reject) => {
      if (!this.#isAlive || this.#isClosing) {
        reject(new ZygoteGoneError(`it ${this.#reason ?? 'is closed'}`));
        return;
      }
      const timer = setTimeout(() => {
        this.discard(`it had not forked a worker after ${FORK_TIMEOUT_MS} ms`);
      }, FORK_TIMEOUT_MS).unref();
      this.#forks.set(id, { spec, paths, timer, resolve, reject });
      this.#send({ fork: { id, bootstrap: bootstrapOf(spec), ...paths } });
    });
  }

  reap(worker: ForkedWorker): void {
    for (const [id, known] of this.#workers) {
      if (known !== worker) continue;
      this.#workers.delete(id);
      this.#send({ reap: id });
    }
  }

  discard(reason: string): void {
    this.#reason ??= reason;
    this.kill();
  }

  /** Ends it when its workers have ended. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#reason ??= 'it was closed';
    // From here on somebody waits for its end.
    this.#child.ref();
    this.#control.destroy();
    const timer = setTimeout(() => {
      this.kill();
    }, CLOSE_MS);
    await this.ended;
    clearTimeout(timer);
  }

  /** Ends it at once; its workers live on. */
  kill(): void {
    if (this.#isAlive) signalGroup(this.pid, 'SIGKILL');
  }

  /** One that is stopped cannot say so, and everything would wait for it. */
  #watchStart(): void {
    let stoppedMs = 0;
    const timer = setInterval(() => {
      stoppedMs = isStopped(this.pid) === true ? stoppedMs + STOPPED.lookEveryMs : 0;
      if (stoppedMs > STOPPED.mostMs) this.discard('it was stopped by a signal');
    }, STOPPED.lookEveryMs).unref();
    void this.started.then(() => {
      clearInterval(timer);
    });
  }

  #send(message: object): void {
    if (this.#isAlive && this.#control.writable) this.#control.write(`${JSON.stringify(message)}\n`);
  }

  #hear(message: Message): void {
    if ('ready' in message) this.#answer({ kind: 'ready', startMs: this.ageMs });
    else if ('refused' in message) {
      this.#answer({ kind: 'refused', reason: message.refused });
      // It ends in good order, unless what was preloaded hinders it.
      setTimeout(() => {
        this.kill();
      }, CLOSE_MS).unref();
    } else if ('exited' in message) {
      const { id, code, signal } = message.exited;
      this.#workers.get(id)?.told(code, signal);
    } else if ('forked' in message) this.#forked(message.forked.id, message.forked.pid);
    else this.#failed(message.failed.id, message.failed.error);
  }

  #forked(id: number, pid: number): void {
    const fork = this.#take(id);
    if (fork === undefined) return;
    const { spec, paths } = fork;
    const memory = this.#memory.of(pid, spec.epoch, spec.maxRssBytes);
    try {
      const worker = new ForkedWorker(pid, spec, paths, this, memory);
      this.#workers.set(id, worker);
      fork.resolve(worker);
    } catch (cause) {
      removePaths(paths);
      fork.reject(cannotFork(spec, cause));
    }
    // Now nothing is lost any more when the zygote lets its ends of the FIFOs go.
    this.#send({ opened: id });
  }

  #failed(id: number, error: string): void {
    const fork = this.#take(id);
    if (fork === undefined) return;
    removePaths(fork.paths);
    fork.reject(cannotFork(fork.spec, error));
  }

  #take(id: number): Fork | undefined {
    const fork = this.#forks.get(id);
    this.#forks.delete(id);
    clearTimeout(fork?.timer);
    return fork;
  }

  async #watch(): Promise<string> {
    const ended = await exitOf(this.#child);
    this.#isAlive = false;
    signalGroup(this.pid, 'SIGKILL'); // what preloaded code has started
    const how = ended.signal === null ? `exited with code ${ended.code ?? 'unknown'}` : `was ended by ${ended.signal}`;
    this.#reason ??= `it ${how}`;
    // A worker that it has told of lives, and is not to be forked a second time.
    await Promise.all([this.#output.finish(), this.#hasToldAll]);
    this.#answer({ kind: 'failed', exit: { ...ended, stderrTail: this.#output.stderrTail } });
    for (const id of this.#forks.keys()) {
      const fork = this.#take(id);
      if (fork === undefined) continue;
      removePaths(fork.paths);
      fork.reject(new ZygoteGoneError(this.#reason));
    }
    for (const worker of this.#workers.values()) worker.watch();
    return this.#reason;
  }
}

/** What a forked worker is told: limits of threads too, which only held while the zygote loaded libraries. */
function bootstrapOf({ bootstrap, environment, threadLimits }: WorkerSpec): WorkerBootstrap {
  const restored: Record<string, string | null> = { ...threadLimits };
  for (const name of Object.keys(threadLimits)) restored[name] = environment[name] ?? restored[name] ?? null;
  return { ...bootstrap, restore_environment: { ...restored, ...bootstrap.restore_environment } };
}

function removePaths({ stdout, stderr }: OutputPaths): void {
  for (const path of [stdout, stderr]) rmSync(path, { force: true });
}

function cannotFork(spec: WorkerSpec, cause: unknown): WorkerStartError {
  const problem = cause instanceof Error ? cause.message : String(cause);
  return new WorkerStartError(`worker ${spec.epoch} did not start: it could not be forked: ${problem}`, { cause });
}
