/** What the kernel knows and limits of the memory of workers on this machine. */
import { MemoryCgroups, type MemoryCgroup } from './memory-cgroup.js';
import { OutOfMemoryWatch } from './out-of-memory.js';
import { readOwnMemory } from './process-status.js';

/** Of the workers of one placement. @internal */
export class LocalMemory {
  readonly #watch = new OutOfMemoryWatch();
  #groups: MemoryCgroups | undefined;
  #hasLooked = false;

  /**
   * Looks after one worker from its start on.
   *
   * @param maxBytes - What it may have; 0: no limit.
   */
  of(pid: number, epoch: number, maxBytes: number): WorkerMemory {
    if (maxBytes === 0) return new WorkerMemory(pid, this.#watch, undefined);
    if (!this.#hasLooked) {
      this.#hasLooked = true;
      this.#groups = MemoryCgroups.find();
    }
    return new WorkerMemory(pid, this.#watch, this.#groups?.limit(pid, epoch, maxBytes));
  }

  close(): void {
    this.#groups?.close();
  }
}

/** Of one worker. @internal */
export class WorkerMemory {
  readonly #pid: number;
  readonly #watch: OutOfMemoryWatch;
  readonly #group: MemoryCgroup | undefined;

  constructor(pid: number, watch: OutOfMemoryWatch, group: MemoryCgroup | undefined) {
    this.#pid = pid;
    this.#watch = watch;
    this.#group = group;
  }

  /** Its own memory in bytes; undefined where it is unknown. */
  read(): number | undefined {
    this.#watch.hasKilledSince(); // what the kernel has ended until now was another process
    return readOwnMemory(this.#pid);
  }

  /**
   * To be called once, at its end.
   *
   * @param mayBeVictim - Whether it was ended by a SIGKILL that nobody here has sent.
   * @returns Whether the kernel has ended it, as memory ran out.
   */
  finish(mayBeVictim: boolean): boolean {
    const kills = this.#group?.oomKills() ?? 0;
    this.#group?.remove();
    return mayBeVictim && (kills > 0 || this.#watch.hasKilledSince());
  }
}
