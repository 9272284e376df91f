/** What a run may leave behind: processes, descriptors, directories, timers. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import process from 'node:process';

/** The environment variable by which a run knows its processes, and theirs. */
export const MARK = 'HOGNOSE_SOAK_ID';

/** Whether processes and descriptors can be seen here. */
export const canSeeProcesses = process.platform === 'linux';

const readIfThere = (path, encoding) => {
  try {
    return readFileSync(path, encoding);
  } catch {
    return ''; // it has ended meanwhile, or is somebody else's
  }
};

/** Whether a process was started by the run of this mark, or by such a one. */
export const isMarked = (pid, mark) =>
  `\0${readIfThere(`/proc/${pid}/environ`, 'latin1')}`.includes(`\0${MARK}=${mark}\0`);

/** Processes that the run of this mark has started, and their descendants; zombies are none. @returns {number[]} */
export function markedProcesses(mark) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && isMarked(pid, mark));
}

/** What a process runs, for messages. */
export const commandOf = (pid) => readIfThere(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();

/** Descriptors of this process by what they are, without their numbers: `socket`, `/memfd:name`, `pipe`. @returns {Map<string, number>} */
export function descriptors() {
  const counts = new Map();
  for (const name of readdirSync('/proc/self/fd')) {
    let target;
    try {
      target = readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      continue; // the directory's own, closed by now
    }
    const kind = target.replace(/:\[\d+\]$/, '').replace(/ \(deleted\)$/, '');
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

/** What keeps the event loop busy, by kind. @returns {Map<string, number>} */
export function resources() {
  const counts = new Map();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/** Directories for sockets that this process has left. @returns {string[]} */
export function socketDirectories() {
  return [...new Set([tmpdir(), '/tmp'])].flatMap((base) =>
    readdirSync(base)
      .filter((name) => name.startsWith(`hognose-${process.pid}-`))
      .map((name) => `${base}/${name}`),
  );
}

/**
 * What there is more of than before.
 *
 * @param {ReadonlyMap<string, number>} before
 * @param {ReadonlyMap<string, number>} after
 * @returns {string[]} Such as `2 socket`.
 */
export function growth(before, after) {
  return [...after]
    .map(([kind, count]) => [kind, count - (before.get(kind) ?? 0)])
    .filter(([, more]) => more > 0)
    .map(([kind, more]) => `${more} ${kind}`);
}
