/** A worker that a zygote has forked: what it writes, and its end, which only the zygote is told by the kernel. */
import { closeSync, constants as fs, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import type { PlacedWorker, WorkerExit, WorkerSpec } from './placement.js';
import { isStopped, startTimeOf, stateOf } from './process-status.js';
import { signalGroup } from './spawn-python.js';
import type { WorkerMemory } from './worker-memory.js';
import { WorkerOutput } from './worker-output.js';

/** How often a process is looked at of whose end nobody may tell. */
const LOOK_EVERY_MS = 100;
/** How long a zygote may take to tell of a worker's end. */
const UNTOLD_MS = 1_000;

/** What a worker needs of the zygote that has forked it. @internal */
export interface Forker {
  /** Whether it lives. While it does, it leaves the process of a worker that has ended there, until it is told to reap. */
  readonly isAlive: boolean;
  /** The end of this worker was noticed: its pid may be used again. */
  reap(worker: ForkedWorker): void;
  /** It does not tell of ends, and is to be replaced. */
  discard(reason: string): void;
}

/** Where a worker's output comes from. @internal */
export interface OutputPaths {
  readonly stdout: string;
  readonly stderr: string;
}

/** @internal */
export class ForkedWorker implements PlacedWorker {
  readonly how = 'forked';
  readonly pid: number;
  readonly endpoint = undefined;
  readonly exited: Promise<WorkerExit>;
  readonly #forker: Forker;
  readonly #memory: WorkerMemory;
  readonly #output: WorkerOutput;
  /** Tells this process from a later one of the same pid; undefined: it had ended before this could be read. */
  readonly #startTime: string | undefined;
  #end: (exit: Omit<WorkerExit, 'stderrTail'>) => void = () => undefined;
  #isOver = false;
  #wasKilled = false;
  #lookTimer: NodeJS.Timeout | undefined;
  #zombieSince: number | undefined;

  /** @throws When its output cannot be opened, as there are no file descriptors to spare. */
  constructor(pid: number, spec: WorkerSpec, paths: OutputPaths, forker: Forker, memory: WorkerMemory) {
    this.pid = pid;
    this.#forker = forker;
    this.#memory = memory;
    this.#startTime = startTimeOf(pid);
    this.#output = new WorkerOutput(spec);
    this.exited = this.#live();
    try {
      for (const stream of ['stdout', 'stderr'] as const) this.#output.read(stream, openPipe(paths[stream]));
    } catch (error) {
      this.kill('SIGKILL');
      throw error;
    }
    void this.#output.ended().then(() => {
      this.watch();
    });
  }

  markOutput(): void {
    this.#output.mark();
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.#isOver || stateOf(this.pid, this.#startTime) === 'gone') return;
    signalGroup(this.pid, signal);
    if (signal === 'SIGTERM') return;
    this.#wasKilled = true;
    this.watch();
  }

  readMemory(): number | undefined {
    return this.#isOver ? undefined : this.#memory.read();
  }

  isStopped(): boolean | undefined {
    return this.#isOver ? undefined : isStopped(this.pid);
  }

  /** The zygote tells how it ended; null where it does not know. */
  told(code: number | null, signal: number | null): void {
    const name = signal === null ? null : nameOf(signal);
    if (code === null && name === null) {
      this.#finish({ code, signal: null, description: signal === null ? UNSEEN : `was ended by signal ${signal}` });
    } else this.#finish({ code, signal: name });
  }

  /** Looks from now on whether it has ended: the zygote is gone, or must have something to tell. */
  watch(): void {
    if (this.#isOver) return;
    this.#lookTimer ??= setInterval(() => {
      this.#look();
    }, LOOK_EVERY_MS).unref();
  }

  #look(): void {
    const state = stateOf(this.pid, this.#startTime);
    if (state === 'running') return;
    if (this.#forker.isAlive && state === 'zombie') {
      this.#zombieSince ??= performance.now();
      if (performance.now() - this.#zombieSince > UNTOLD_MS)
        this.#forker.discard(`it had not told of a worker's end after ${UNTOLD_MS} ms`);
      return;
    }
    if (!this.#forker.isAlive) {
      // With no process of this number, whoever is in its group was started by it.
      if (state === 'zombie' || startTimeOf(this.pid) === undefined) signalGroup(this.pid, 'SIGKILL');
    }
    const signal = this.#wasKilled ? 'SIGKILL' : null;
    this.#finish({ code: null, signal, ...(signal === null ? { description: UNSEEN } : {}) });
  }

  #finish(exit: Omit<WorkerExit, 'stderrTail'>): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#lookTimer);
    this.#forker.reap(this);
    const isOutOfMemory = this.#memory.finish(exit.signal === 'SIGKILL' && !this.#wasKilled);
    this.#end({ ...exit, isOutOfMemory });
  }

  async #live(): Promise<WorkerExit> {
    const exit = await new Promise<Omit<WorkerExit, 'stderrTail'>>((resolve) => {
      this.#end = resolve;
    });
    await this.#output.finish();
    return { ...exit, stderrTail: this.#output.stderrTail };
  }
}

const UNSEEN = 'ended, and nobody has seen how, as the process was gone that it was forked from,';

/** Opens the reading end of a FIFO whose writing end is open, and removes its name. */
function openPipe(path: string): Socket {
  const descriptor = openSync(path, fs.O_RDONLY | fs.O_NONBLOCK);
  rmSync(path, { force: true });
  try {
    return new Socket({ fd: descriptor, readable: true, writable: false });
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** The first name of a number counts, as for a child of Node's own: SIGABRT, and not SIGIOT. */
const NAMES = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name as NodeJS.Signals]),
);
const nameOf = (number: number): NodeJS.Signals | null => NAMES.get(number) ?? null;
