/** A worker that is a child of this process: its start, what it writes, and its end. */
import type { ChildProcess } from 'node:child_process';
import type { PlacedWorker, WorkerExit, WorkerSpec } from './placement.js';
import { isStopped } from './process-status.js';
import { exitOf, restoredPythonPath, signalGroup, spawnPython } from './spawn-python.js';
import type { LocalMemory, WorkerMemory } from './worker-memory.js';
import { WorkerOutput } from './worker-output.js';

/**
 * Spawns a worker; it runs, and is not ready yet.
 *
 * @throws {@link PythonEnvironmentError} When the interpreter cannot be run.
 * @internal
 */
export async function spawnWorker(spec: WorkerSpec, memory: LocalMemory): Promise<PlacedWorker> {
  const environment = { ...spec.threadLimits, ...spec.environment };
  const restored = { ...restoredPythonPath(spec), ...spec.bootstrap.restore_environment };
  const bootstrap = { ...spec.bootstrap, restore_environment: restored };
  const child = await spawnPython('worker', spec.python, environment, ['pipe', 'pipe', 'pipe'], bootstrap);
  return new SpawnedWorker(child, spec, memory.of(child.pid ?? 0, spec.epoch, spec.maxRssBytes));
}

class SpawnedWorker implements PlacedWorker {
  readonly how = 'spawned';
  readonly pid: number;
  readonly endpoint = undefined;
  readonly exited: Promise<WorkerExit>;
  readonly #child: ChildProcess;
  readonly #output: WorkerOutput;
  readonly #memory: WorkerMemory;
  #hasExited = false;
  #wasKilled = false;

  constructor(child: ChildProcess, spec: WorkerSpec, memory: WorkerMemory) {
    this.#child = child;
    this.#memory = memory;
    this.pid = child.pid ?? 0;
    this.#output = WorkerOutput.of(child, spec);
    this.exited = this.#watch();
  }

  markOutput(): void {
    this.#output.mark();
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.#hasExited) return;
    if (signal === 'SIGKILL') this.#wasKilled = true;
    if (process.platform === 'win32') this.#child.kill(signal);
    else signalGroup(this.pid, signal);
  }

  readMemory(): number | undefined {
    return this.#hasExited ? undefined : this.#memory.read();
  }

  isStopped(): boolean | undefined {
    return this.#hasExited ? undefined : isStopped(this.pid);
  }

  async #watch(): Promise<WorkerExit> {
    const ended = await exitOf(this.#child);
    this.#hasExited = true;
    // What was started by the worker does not outlive it.
    if (process.platform !== 'win32') signalGroup(this.pid, 'SIGKILL');
    const isOutOfMemory = this.#memory.finish(ended.signal === 'SIGKILL' && !this.#wasKilled);
    await this.#output.finish();
    return { ...ended, stderrTail: this.#output.stderrTail, isOutOfMemory };
  }
}
