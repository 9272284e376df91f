/** What the kernel says of a process: its memory, whether it is stopped, when it started. All of it undefined where there is no `/proc`. */
import { readFileSync } from 'node:fs';

/**
 * Memory of a process's own, in bytes: resident anonymous pages. What it has mapped of files and shared memory does not count,
 * as that is the page cache's or another process's too; so an array in a shared segment costs the worker nothing here.
 *
 * A forked process starts with the pages of its parent, which count although both share them until one of them writes.
 *
 * @param pid - Of a process that belongs to this user.
 * @returns undefined where the kernel does not tell, and when the process has ended.
 * @internal
 */
export function readOwnMemory(pid: number, proc = '/proc'): number | undefined {
  // RssAnon, not VmRSS: that one includes RssFile and RssShmem, where memfd and /dev/shm are counted.
  const kibibytes = /^RssAnon:\s*(\d+) kB$/m.exec(read(`${proc}/${pid}/status`) ?? '')?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/**
 * Whether a signal (SIGSTOP, SIGTSTP) has stopped a process. One that a debugger holds is not stopped: somebody looks at it.
 *
 * @returns undefined where the kernel does not tell, and when the process is gone.
 * @internal
 */
export function isStopped(pid: number, proc = '/proc'): boolean | undefined {
  const state = fieldsOf(pid, proc)?.[0];
  return state === undefined ? undefined : state === 'T'; // 't': traced
}

/**
 * When a process started, in clock ticks since the machine did. Together with the pid it names one process: a number that was
 * used again has another time.
 *
 * @returns undefined where the kernel does not tell, and when the process is gone.
 * @internal
 */
export function startTimeOf(pid: number, proc = '/proc'): string | undefined {
  return fieldsOf(pid, proc)?.[START_TIME];
}

/**
 * What has become of the process of this pid that started at a time; see {@link startTimeOf}.
 *
 * @param startTime - undefined: it was gone before that could be read.
 * @internal
 */
export function stateOf(pid: number, startTime: string | undefined, proc = '/proc'): 'running' | 'zombie' | 'gone' {
  const fields = fieldsOf(pid, proc);
  if (startTime === undefined || fields?.[START_TIME] !== startTime) return 'gone';
  return fields[0] === 'Z' || fields[0] === 'X' ? 'zombie' : 'running';
}

/** Whether there is a process of this number, also another user's or a zombie. @internal */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** The place of the 22nd field, as the third is the first here. */
const START_TIME = 22 - 3;

/** The fields of `/proc/<pid>/stat` from the third on (man 5 proc_pid_stat). */
function fieldsOf(pid: number, proc: string): readonly string[] | undefined {
  const text = read(`${proc}/${pid}/stat`);
  // The second field is the name in parentheses, which may itself hold spaces, parentheses and line ends: the last one closes it.
  const end = text?.lastIndexOf(') ') ?? -1;
  return end === -1
    ? undefined
    : text
        ?.slice(end + 2)
        .trimEnd()
        .split(' ');
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined; // it has ended, or there is no such file system
  }
}
