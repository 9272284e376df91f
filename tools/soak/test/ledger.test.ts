import { Ledger, readEffects, type Attempt, type Call, type Death } from '../ledger.mjs';

const DEATH: Death = { pool: 'plain', workerId: 1, pid: 100, reason: 'signal', signal: 'SIGKILL', exitCode: null };
const [ALIVE, OTHER] = [200, 300];

const newLedger = (): Ledger => new Ledger({ maxAttempts: 3, exclusiveKinds: ['sleep'] });

/** What a ledger finds, where calls have run in the processes that are named. */
function breachesOf(
  ledger: Ledger,
  ran: readonly (readonly [Call, ...number[]])[],
  deaths: Death[] = [DEATH],
): string[] {
  ledger.check(new Map(ran.map(([call, ...pids]) => [call.id, pids])), deaths);
  expect(ledger.breachCount).toBe(ledger.breaches.length);
  return ledger.breaches;
}

const attempt = (changes: Partial<Attempt> = {}): Attempt => ({ ...DEATH, ...changes });

it('finds nothing where everything is as it was told', () => {
  const ledger = newLedger();
  const [answered, retried, crashed, refused] = [false, true, false, false].map((isIdempotent) =>
    ledger.submit('sleep', isIdempotent),
  ) as [Call, Call, Call, Call];
  ledger.end(answered, { outcome: 'ok' });
  ledger.end(retried, { outcome: 'ok' });
  ledger.end(crashed, { outcome: 'crashed', attempts: [attempt()] });
  ledger.end(refused, { outcome: 'saturated', hasNotStarted: true });
  expect(
    breachesOf(ledger, [
      [answered, ALIVE],
      [retried, DEATH.pid, ALIVE],
      [crashed, DEATH.pid],
    ]),
  ).toEqual([]);
  const [row] = ledger.rows;
  expect(row).toMatchObject({ submitted: 4, effects: 4, retried: 1, breaches: 0 });
  expect(row?.outcomes).toMatchObject({ ok: 2, crashed: 1, saturated: 1 });
});

it('finds a call that ends twice', () => {
  const ledger = newLedger();
  const call = ledger.submit('sleep', false);
  ledger.end(call, { outcome: 'ok' });
  ledger.end(call, { outcome: 'crashed', attempts: [attempt()] });
  expect(breachesOf(ledger, [[call, ALIVE]])).toEqual(['sleep: o1 has ended 2 times, now crashed']);
});

it('finds a call that never ends', () => {
  const ledger = newLedger();
  ledger.submit('sleep', true);
  expect(breachesOf(ledger, [])).toEqual(['sleep: i1 has never ended']);
});

it('finds a call that has run twice and may not', () => {
  const ledger = newLedger();
  const call = ledger.submit('sleep', false);
  ledger.end(call, { outcome: 'ok' });
  expect(breachesOf(ledger, [[call, DEATH.pid, ALIVE]])).toEqual([
    'sleep: o1 (ok) has run 2 times (1 allowed), in processes 100,200',
  ]);
});

it('finds a call that has run more often than it may be tried', () => {
  const ledger = newLedger();
  const call = ledger.submit('sleep', true);
  ledger.end(call, { outcome: 'ok' });
  const deaths = [100, 101, 102].map((pid, index) => ({ ...DEATH, pid, workerId: index + 1 }));
  expect(breachesOf(ledger, [[call, 100, 101, 102, ALIVE]], deaths)).toEqual([
    'sleep: i1 (ok) has run 4 times (3 allowed), in processes 100,101,102,200',
  ]);
});

it('finds a call that was run again although nobody had died', () => {
  const ledger = newLedger();
  const call = ledger.submit('sleep', true);
  ledger.end(call, { outcome: 'ok' });
  expect(breachesOf(ledger, [[call, OTHER, ALIVE]])).toEqual([
    'sleep: i1 was run again, although process 300 had not died',
  ]);
});

it('finds a call that has run twice in one process', () => {
  const ledger = newLedger();
  const call = ledger.submit('sleep', true);
  ledger.end(call, { outcome: 'ok' });
  expect(breachesOf(ledger, [[call, DEATH.pid, DEATH.pid]])).toEqual([
    'sleep: i1 has run twice in one process: 100,100',
  ]);
});

it('finds a call that was said never to run, and has', () => {
  const ledger = newLedger();
  const call = ledger.submit('sleep', false);
  ledger.end(call, { outcome: 'queue timeout', hasNotStarted: true });
  expect(breachesOf(ledger, [[call, ALIVE]])).toEqual([
    'sleep: o1 (queue timeout) has run 1 times (0 allowed), in processes 200',
  ]);
});

it('finds an answer of a call that has never run, and a run of a call that was never made', () => {
  const ledger = newLedger();
  const call = ledger.submit('sleep', false);
  ledger.end(call, { outcome: 'ok' });
  expect(breachesOf(ledger, [[{ id: 'o9', kind: 'sleep', isIdempotent: false, ends: 0 }, ALIVE]])).toEqual([
    'unknown: o9 has run in process 200, and was never called',
    'sleep: o1 was answered, and has never run',
  ]);
});

it('finds a crash of a worker that lives', () => {
  const ledger = newLedger();
  const call = ledger.submit('sleep', false);
  ledger.end(call, { outcome: 'crashed', attempts: [attempt({ workerId: 7 })] });
  expect(breachesOf(ledger, [])).toEqual(['sleep: o1 blames worker 7, which has not died']);
});

it.each([
  ['pid', 101, 100],
  ['reason', 'exit', 'signal'],
  ['signal', 'SIGSEGV', 'SIGKILL'],
  ['exitCode', 3, null],
] as const)('finds a crash that tells another %s than the worker had', (field, said, was) => {
  const ledger = newLedger();
  const call = ledger.submit('sleep', false);
  ledger.end(call, { outcome: 'crashed', attempts: [attempt({ [field]: said })] });
  expect(breachesOf(ledger, [])).toEqual([`sleep: o1 says ${field} ${said} of worker 1, and it was ${String(was)}`]);
});

it('finds a call that may run once and was tried again', () => {
  const ledger = newLedger();
  const call = ledger.submit('sleep', false);
  const deaths = [DEATH, { ...DEATH, workerId: 2, pid: 101 }];
  ledger.end(call, { outcome: 'crashed', attempts: deaths });
  expect(breachesOf(ledger, [[call, 100]], deaths)).toEqual(['sleep: o1 has crashed 2 times (1 allowed)']);
});

it('finds a run that the error of a call does not tell', () => {
  const ledger = newLedger();
  const call = ledger.submit('sleep', true);
  ledger.end(call, { outcome: 'crashed', attempts: [attempt()] });
  expect(breachesOf(ledger, [[call, DEATH.pid, ALIVE]])).toEqual([
    'sleep: i1 has also run in process 200, which its error does not tell',
  ]);
});

it('finds calls that were rejected with a worker which had begun none of them', () => {
  const ledger = newLedger();
  for (const call of [ledger.submit('sleep', false), ledger.submit('sleep', false)])
    ledger.end(call, { outcome: 'crashed', attempts: [attempt()] });
  expect(breachesOf(ledger, [])).toEqual(['sleep: o2 and o1 were both rejected with worker 1, and neither had begun']);
});

it('lets a worker die in the moment before a call can note itself, but not time and again', () => {
  const crashed = (count: number): string[] => {
    const ledger = newLedger();
    const deaths = Array.from({ length: 40 }, (_, index) => ({ ...DEATH, workerId: index + 1, pid: 100 + index }));
    for (const death of deaths.slice(0, count))
      ledger.end(ledger.submit('sleep', false), { outcome: 'crashed', attempts: [death] });
    return breachesOf(ledger, [], deaths);
  };
  expect(crashed(2)).toEqual([]);
  expect(crashed(3)).toEqual([
    'the run itself: 3 calls were rejected with workers that had not begun them, such as o1,o2,o3',
  ]);
});

it('finds an object that was lost with a worker that lives', () => {
  const ledger = newLedger();
  const call = ledger.submit('session', false);
  ledger.end(call, { outcome: 'handle lost', lostPid: ALIVE });
  expect(breachesOf(ledger, [])).toEqual(['session: o1 has lost its object in process 200, which lives']);
});

it('reads what calls have noted, and refuses half a line', () => {
  expect(readEffects('o1\t10\ni2\t10\ni2\t11\n')).toEqual(
    new Map([
      ['o1', [10]],
      ['i2', [10, 11]],
    ]),
  );
  expect(() => readEffects('o1\t10i2\t10\n')).toThrow('a line of the effects cannot be read: "o1\\t10i2\\t10"');
});
