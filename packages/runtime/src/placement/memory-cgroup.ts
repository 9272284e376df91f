/**
 * Limits the memory of each worker by the kernel: a control group per worker (version 2), where one can be made without changing
 * anything for anybody else. Everywhere else the pool samples the workers' memory, and nothing here is needed.
 *
 * Tested against directories that look like a hierarchy; it has not been run on a machine whose unified hierarchy has the
 * controller of memory.
 */
import { accessSync, constants, mkdirSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { memoryGroups, numberIn, readIfThere, type ControlGroup } from './control-groups.js';
import { isRunning } from './process-status.js';

/** The group of one worker. @internal */
export interface MemoryCgroup {
  /** How many of its processes the kernel has killed as its memory ran out; also after `remove`. */
  oomKills(): number;
  /**
   * Removes the group, to be called when the worker has ended. One in which something that the worker has started still runs is
   * tried again later.
   */
  remove(): void;
}

/** Makes groups for workers beside this process's own. @internal */
export class MemoryCgroups {
  /** The group in which groups are made. */
  readonly #base: string;
  readonly #left = new Set<string>();

  private constructor(base: string) {
    this.#base = base;
  }

  /**
   * Looks whether groups can be made, and removes what dead processes have left.
   *
   * @param proc - Where the kernel tells of processes.
   * @returns undefined where they cannot, for whatever reason.
   */
  static find(proc = '/proc'): MemoryCgroups | undefined {
    const own = memoryGroups(proc).find(({ version }) => version === 2);
    const base = own === undefined ? undefined : baseFor(own);
    if (base === undefined) return undefined;
    removeAbandoned(base);
    return new MemoryCgroups(base);
  }

  /**
   * Moves a process into a group of its own. What it has had before stays with the group that it comes from, as do the processes that
   * it has started before: to be called early. The kernel ends the whole group where its memory runs out.
   *
   * What counts is more than {@link readOwnMemory} tells: also pages of files and of shared memory that the worker was the first
   * to touch, though those of files are given back before anything is killed.
   *
   * @param pid - The worker.
   * @param epoch - Its number, which this process uses once.
   * @param bytes - What it may have.
   * @returns undefined where the kernel has refused a step; then nothing has changed.
   */
  limit(pid: number, epoch: number, bytes: number): MemoryCgroup | undefined {
    this.close();
    if (!(pid > 0)) return undefined; // 0 would be understood as whoever writes it: this process
    const directory = join(this.#base, `hognose-${process.pid}-${epoch}`);
    if (!makeGroup(directory)) return undefined;
    try {
      writeFileSync(join(directory, 'memory.max'), String(Math.floor(bytes)));
      // Without these the limit still holds: a kernel may have no swap, or be older than 4.19.
      writeIfPossible(join(directory, 'memory.swap.max'), '0');
      writeIfPossible(join(directory, 'memory.oom.group'), '1');
      writeFileSync(join(directory, 'cgroup.procs'), String(pid));
    } catch {
      this.#remove(directory);
      return undefined;
    }
    let kills = 0;
    const oomKills = (): number => (kills = numberIn(join(directory, 'memory.events'), 'oom_kill') ?? kills);
    return {
      oomKills,
      remove: () => {
        oomKills();
        this.#remove(directory);
      },
    };
  }

  /** Tries once more to remove the groups of workers that have ended. */
  close(): void {
    for (const directory of this.#left) this.#remove(directory);
  }

  #remove(directory: string): void {
    if (removeGroup(directory)) this.#left.delete(directory);
    else this.#left.add(directory);
  }
}

/**
 * The group in which groups for workers can be made; undefined where there is none.
 *
 * A group may not both have processes and hand a controller on to groups below it ("no internal processes", cgroups(7)), and
 * this process is in its own: so the groups of workers stand beside that one, within its parent. Only the root of all
 * groups is excepted. This process is never moved: whoever has started it looks for it where it was put.
 */
function baseFor(own: ControlGroup): string | undefined {
  const isRoot = own.directory === own.mountPoint;
  // The true root has no type and no limits. What a container sees as its root has both, and its parent is out of sight.
  if (isRoot && readIfThere(join(own.directory, 'cgroup.type')) !== undefined) return undefined;
  if (!isRoot && (isUnit(own.directory) || isLimited(own.directory))) return undefined;
  const base = isRoot ? own.directory : dirname(own.directory);
  const type = readIfThere(join(base, 'cgroup.type'))?.trim() ?? 'domain';
  const controllers = readIfThere(join(base, 'cgroup.subtree_control'))?.trim().split(' ');
  if (type !== 'domain' || controllers?.includes('memory') !== true) return undefined;
  try {
    accessSync(base, constants.W_OK);
    // The kernel asks for this of whoever moves a process between two groups of the same parent.
    accessSync(join(base, 'cgroup.procs'), constants.W_OK);
    return base;
  } catch {
    return undefined;
  }
}

/** What systemd has made: the group above is its own, and nobody else may make groups in it. */
function isUnit(directory: string): boolean {
  return /\.(service|scope|slice|socket|mount|swap)$/.test(basename(directory));
}

/** Whether the group limits what is in it: a worker that is moved out of it would escape. */
function isLimited(directory: string): boolean {
  const unlimited: readonly (readonly [file: string, value: RegExp])[] = [
    ['memory.max', /^max$/],
    ['memory.high', /^max$/],
    ['memory.swap.max', /^max$/],
    ['pids.max', /^max$/],
    ['cpu.max', /^max /],
    ['cpuset.cpus', /^$/],
    ['cpuset.mems', /^$/],
    ['io.max', /^$/],
  ];
  return unlimited.some(([file, value]) => {
    const text = readIfThere(join(directory, file))?.trim();
    return text !== undefined && !value.test(text);
  });
}

function makeGroup(directory: string): boolean {
  // A dead process of the same pid may have left one; a live one of another container's is not removed, as it has processes.
  removeGroup(directory);
  try {
    mkdirSync(directory);
    return true;
  } catch {
    return false;
  }
}

/** Whether the group is gone. The kernel removes none that has processes, and its files with it. */
function removeGroup(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function removeAbandoned(base: string): void {
  let names: readonly string[];
  try {
    names = readdirSync(base);
  } catch {
    return; // it may be written to and not be listed
  }
  for (const name of names) {
    const pid = /^hognose-(\d+)-\d+$/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) removeGroup(join(base, name));
  }
}

function writeIfPossible(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch {
    // The caller does without.
  }
}
