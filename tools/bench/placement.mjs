/**
 * Which cores the two processes run on. It decides every latency: a wake-up on the same core costs a third of one on
 * an idle other core, and without pinning the scheduler changes its mind between rounds.
 */
import { spawnSync } from 'node:child_process';

/**
 * `same`: both processes on one core. `cross`: on two. `any`: wherever the system puts them.
 *
 * @typedef {'same' | 'cross' | 'any'} Mode
 */

export class Placement {
  /** Cores that this process may use, as taskset lists them; undefined where they cannot be chosen. */
  #all;
  /** @type {string | undefined} */
  whyNotPinned;
  /** @type {Mode[]} */
  modes = ['any'];
  #node;
  #other;

  constructor() {
    const answer = process.platform === 'linux' ? taskset('-pc', process.pid) : undefined;
    if (answer === undefined) this.whyNotPinned = `cores are chosen by taskset, which exists only on Linux`;
    else if (answer.status !== 0)
      this.whyNotPinned = `taskset does not run: ${answer.error?.message ?? answer.stderr.trim()}`;
    else {
      this.#all = answer.stdout.slice(answer.stdout.lastIndexOf(':') + 1).trim();
      [this.#node, this.#other] = coresOf(this.#all);
      // A container may own a single core.
      this.modes = this.#other === undefined ? ['same', 'any'] : ['same', 'cross', 'any'];
      if (this.#other === undefined) this.whyNotPinned = 'this process may use one core only';
    }
  }

  get isPinned() {
    return this.#all !== undefined;
  }

  /** Why a mode cannot be measured here; undefined where it can. */
  whyNot(mode) {
    return this.modes.includes(mode) ? undefined : this.whyNotPinned;
  }

  /** Puts this process on its core. */
  pinNode(mode) {
    this.#pin(process.pid, mode === 'any' ? this.#all : this.#node);
  }

  /** Puts processes of Python on theirs. */
  pinPython(pids, mode) {
    for (const pid of pids) this.#pin(pid, { same: this.#node, cross: this.#other, any: this.#all }[mode]);
  }

  /** Lets this process run where it might before. */
  unpin() {
    this.#pin(process.pid, this.#all);
  }

  #pin(pid, cores) {
    if (this.#all === undefined) return;
    // All threads: those that start later inherit the core of whichever starts them.
    const { status, stderr, error } = taskset('-apc', cores, pid);
    if (status !== 0) throw new Error(`taskset could not pin process ${pid}: ${error?.message ?? stderr.trim()}`);
  }
}

const taskset = (...args) => spawnSync('taskset', args.map(String), { encoding: 'utf8' });

/** The first two cores of a list such as `0-3,8`. */
function coresOf(list) {
  return list
    .split(',')
    .flatMap((range) => {
      const [first, last = first] = range.split('-').map(Number);
      return first === last ? [first] : [first, first + 1];
    })
    .slice(0, 2);
}
