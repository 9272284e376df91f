import { checkKills, readKills } from '../killers.mjs';
import type { Death } from '../ledger.mjs';

const died = (changes: Partial<Death>): Death => ({
  pool: 'plain',
  workerId: 1,
  pid: 100,
  reason: 'signal',
  signal: 'SIGKILL',
  exitCode: null,
  ...changes,
});

/** What is found, where these were killed and those have ended. */
function found(kills: { how: string; pid: number }[], deaths: Death[], endedZygotes = new Map<number, string>()) {
  const breaches: string[] = [];
  const rows = checkKills(kills, deaths, endedZygotes, (text) => breaches.push(text));
  return { breaches, rows: rows.filter((row) => row.kills > 0) };
}

it('knows each kind of death again', () => {
  const kills = [
    { how: 'SIGKILL', pid: 100 },
    { how: 'os._exit(3)', pid: 101 },
    { how: 'memory bomb', pid: 102 },
    { how: 'stdout closed', pid: 103 },
    { how: 'zygote killed', pid: 104 },
  ];
  const deaths = [
    died({}),
    died({ pid: 101, reason: 'exit', signal: null, exitCode: 3 }),
    died({ pid: 102, reason: 'memory-limit' }),
    died({ pid: 103, reason: 'retired', signal: null, exitCode: 0 }),
  ];
  const { breaches, rows } = found(kills, deaths, new Map([[104, 'killed']]));
  expect(breaches).toEqual([]);
  expect(rows.every(({ kills: count, right }) => count === 1 && right === 1)).toBe(true);
});

it('finds a death that is told wrong', () => {
  const { breaches, rows } = found([{ how: 'SIGSEGV', pid: 100 }], [died({})]);
  expect(breaches).toEqual([
    'SIGSEGV: worker 1 (pid 100) of pool plain has ended: signal, signal SIGKILL, exit code null',
  ]);
  expect(rows).toEqual([{ how: 'SIGSEGV', kills: 1, right: 0 }]);
});

it('takes either of two killers that have met', () => {
  const kills = [
    { how: 'SIGSTOP', pid: 100 },
    { how: 'SIGKILL', pid: 100 },
  ];
  expect(found(kills, [died({})]).breaches).toEqual([]);
});

it('lets an end be unknown only where the zygote that knew it was killed', () => {
  const unknown = died({ reason: 'connection', signal: null });
  const kills = [{ how: 'SIGKILL', pid: 100 }];
  expect(found(kills, [{ ...unknown, mayBeUnknown: true }]).breaches).toEqual([]);
  expect(found(kills, [unknown]).breaches).toHaveLength(1);
});

it('finds a death that nobody has caused, and one that was not told', () => {
  expect(found([], [died({ reason: 'hung' })]).breaches).toEqual([
    'nobody has killed it: worker 1 (pid 100) of pool plain has ended: hung, signal SIGKILL, exit code null',
  ]);
  expect(found([{ how: 'stdout closed', pid: 100 }], [died({})]).breaches).toHaveLength(1);
  expect(found([{ how: 'SIGKILL', pid: 100 }], []).breaches).toEqual([
    'SIGKILL: the end of worker process 100 was not told',
  ]);
  expect(found([{ how: 'zygote killed', pid: 100 }], []).breaches).toEqual([
    'zygote killed: the end of zygote 100 was not told',
  ]);
});

it('reads what killers have noted, and refuses anything else', () => {
  expect(readKills('os.abort\t100\to1\n')).toEqual([{ how: 'os.abort', pid: 100 }]);
  expect(() => readKills('old age\t100\to1\n')).toThrow('a line of the kills cannot be read');
});
