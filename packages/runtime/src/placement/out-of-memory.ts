/** Tells whether the kernel has killed because memory ran out: no signal and no exit status says so, only its counters do. */
import { join } from 'node:path';
import { memoryGroups, numberIn, withAncestors } from './control-groups.js';

/** How long after a kill was noticed further ends are put down to the same want: it may take several processes. */
const SAME_WANT_MS = 1000;

/** How often the kernel has killed for want of memory, by one of its counters. */
interface Count {
  readonly path: string;
  readonly kills: number;
}

/**
 * Watches the kernel's count of processes killed for want of memory: that of this process's own control group, which its workers are
 * in, and where there is none that of the whole machine.
 *
 * Whom the kernel has killed is not in the count. A worker that somebody else kills within a second after an unrelated
 * kill for want of memory was noticed is mistaken for the victim; so it is if that kill was never noticed before, for which reason
 * whoever samples the workers' memory should ask now and then. A daemon that kills in the kernel's stead (systemd-oomd, earlyoom)
 * does not count.
 *
 * @internal
 */
export class OutOfMemoryWatch {
  readonly #proc: string;
  readonly #now: () => number;
  #last: Count | undefined;
  #noticedAt = Number.NEGATIVE_INFINITY;

  /**
   * @param proc - Where the kernel tells of processes.
   * @param now - Tells the time in milliseconds.
   */
  constructor(proc = '/proc', now = (): number => performance.now()) {
    this.#proc = proc;
    this.#now = now;
    this.#last = readCount(proc);
  }

  /**
   * Whether the kernel has killed for want of memory since this was last asked, or within the last second. To be asked when a
   * process has ended by a SIGKILL that nobody here has sent: the kernel counts before it sends.
   */
  hasKilledSince(): boolean {
    const last = this.#last;
    const count = readCount(this.#proc);
    this.#last = count;
    const now = this.#now();
    // Another path: this process was moved, and the two counts have nothing to do with each other.
    if (last !== undefined && count?.path === last.path && count.kills > last.kills) this.#noticedAt = now;
    return now - this.#noticedAt <= SAME_WANT_MS;
  }
}

/** The counter that is nearest to this process: it sees the fewest others. */
function readCount(proc: string): Count | undefined {
  for (const group of memoryGroups(proc)) {
    // Version 2 counts the groups below too, so that one above will do where the group itself has no controller of memory;
    // version 1 counts each group by itself.
    const directories = group.version === 2 ? withAncestors(group) : [group.directory];
    const file = group.version === 2 ? 'memory.events' : 'memory.oom_control';
    for (const directory of directories) {
      const path = join(directory, file);
      const kills = numberIn(path, 'oom_kill');
      if (kills !== undefined) return { path, kills };
    }
  }
  const path = join(proc, 'vmstat');
  const kills = numberIn(path, 'oom_kill');
  return kills === undefined ? undefined : { path, kills };
}
