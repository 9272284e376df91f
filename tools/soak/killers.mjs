/** The ways in which workers are ended, and whether the runtime tells afterwards what it was. */

/**
 * @typedef {object} Killer
 * @property {'signal' | 'call' | 'zygote'} by From here, by a call to the worker, or of the process that forks workers.
 * @property {string} [signal]
 * @property {string} [pool] The only pool that it makes sense in.
 * @property {boolean} [isHarmless] The worker survives it.
 * @property {readonly Partial<import('./ledger.mjs').Attempt>[]} deaths What the runtime may truthfully say.
 */

/** @typedef {{ how: string, pid: number }} Kill */

/** The pool that has limits. */
export const LIMITED = 'limited';

/** @type {Readonly<Record<string, Killer>>} */
export const KILLERS = {
  SIGKILL: { by: 'signal', signal: 'SIGKILL', deaths: [{ reason: 'signal', signal: 'SIGKILL', exitCode: null }] },
  SIGSEGV: { by: 'signal', signal: 'SIGSEGV', deaths: [{ reason: 'signal', signal: 'SIGSEGV', exitCode: null }] },
  // A call that is cancelled while its worker is stopped does not stop in time either.
  SIGSTOP: { by: 'signal', signal: 'SIGSTOP', deaths: [{ reason: 'frozen' }, { reason: 'hung' }] },
  'SIGSEGV from within': { by: 'call', deaths: [{ reason: 'signal', signal: 'SIGSEGV', exitCode: null }] },
  'null pointer': { by: 'call', deaths: [{ reason: 'signal', signal: 'SIGSEGV', exitCode: null }] },
  'os.abort': { by: 'call', deaths: [{ reason: 'signal', signal: 'SIGABRT', exitCode: null }] },
  'os._exit(0)': { by: 'call', deaths: [{ reason: 'exit', signal: null, exitCode: 0 }] },
  'os._exit(3)': { by: 'call', deaths: [{ reason: 'exit', signal: null, exitCode: 3 }] },
  SystemExit: { by: 'call', deaths: [{ reason: 'exit', signal: null, exitCode: 5 }] },
  'memory bomb': {
    by: 'call',
    pool: LIMITED,
    deaths: [{ reason: 'memory-limit' }, { reason: 'out-of-memory' }],
  },
  'stdout closed': { by: 'call', isHarmless: true, deaths: [] },
  'zygote killed': { by: 'zygote', signal: 'SIGKILL', deaths: [] },
};

/** What the runtime may say where only the zygote could have known how its worker ended. */
const UNKNOWN = { signal: null, exitCode: null };
/** Ends that the runtime has chosen itself, and which need no killer. */
const CHOSEN = ['retired', 'closed'];

const fits = (death, wanted) => Object.entries(wanted).every(([field, value]) => death[field] === value);

const isTruthful = (how, death) =>
  KILLERS[how].deaths.some((wanted) => fits(death, wanted)) ||
  (death.mayBeUnknown === true && fits(death, UNKNOWN)) ||
  CHOSEN.includes(death.reason);

/**
 * Compares what was done to workers with what the runtime has told of their ends.
 *
 * @param {readonly Kill[]} kills
 * @param {readonly import('./ledger.mjs').Death[]} deaths
 * @param {ReadonlyMap<number, string>} endedZygotes
 * @param {(text: string) => void} breach
 * @returns {{ how: string, kills: number, right: number }[]} By kind of kill: how many were told right.
 */
export function checkKills(kills, deaths, endedZygotes, breach) {
  const rows = new Map(Object.keys(KILLERS).map((how) => [how, { how, kills: 0, right: 0 }]));
  const deathOf = new Map(deaths.map((death) => [death.pid, death]));
  const killsOf = new Map();
  for (const kill of kills) killsOf.set(kill.pid, [...(killsOf.get(kill.pid) ?? []), kill.how]);
  for (const { how, pid } of kills) {
    const row = rows.get(how);
    row.kills += 1;
    const death = deathOf.get(pid);
    if (KILLERS[how].by === 'zygote') {
      if (endedZygotes.has(pid)) row.right += 1;
      else breach(`${how}: the end of zygote ${pid} was not told`);
    } else if (KILLERS[how].isHarmless === true) {
      // Whether it survives is seen by its death, which nothing else explains then.
      row.right += 1;
    } else if (death === undefined) breach(`${how}: the end of worker process ${pid} was not told`);
    // Two killers may meet: then either may have been first.
    else if (killsOf.get(pid).some((other) => isTruthful(other, death))) row.right += 1;
    else breach(`${how}: ${describe(death)}`);
  }
  for (const death of deaths) {
    if (CHOSEN.includes(death.reason)) continue;
    const lethal = (killsOf.get(death.pid) ?? []).filter((how) => !KILLERS[how].isHarmless);
    if (lethal.length === 0) breach(`nobody has killed it: ${describe(death)}`);
  }
  return [...rows.values()];
}

const describe = ({ pool, workerId, pid, reason, signal, exitCode }) =>
  `worker ${workerId} (pid ${pid}) of pool ${pool} has ended: ${reason}, signal ${signal}, exit code ${exitCode}`;

/** Reads what killers have noted before they struck: lines of how, process and call. @returns {Kill[]} */
export function readKills(text) {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [how, pid, call] = line.split('\t');
      if (call === undefined || !Object.hasOwn(KILLERS, how))
        throw new Error(`a line of the kills cannot be read: ${JSON.stringify(line)}`);
      return { how, pid: Number(pid) };
    });
}
