import { WrongAnswerError } from '../calls.mjs';
import { judge, type Terms } from '../judge.mjs';

const CALL = { id: 'o1', kind: 'sleep', isIdempotent: false, ends: 0 };
const TERMS: Terms = {
  elapsedMs: 100,
  timeoutMs: 0,
  queue: { max: 0, timeoutMs: 0 },
  isClosing: false,
  mayRaise: false,
};
const error = (code: string, message: string, fields: object = {}): Error =>
  Object.assign(new Error(message), { code, ...fields });

const judged = (thrown: unknown, terms: Partial<Terms> = {}) => judge(CALL, thrown, { ...TERMS, ...terms });

it('believes what can be', () => {
  expect(judged(error('CALL_TIMEOUT', 'late'), { timeoutMs: 100 })).toEqual({ outcome: 'timed out' });
  expect(judged(error('CALL_TIMEOUT', 'had not started, and will not run'), { timeoutMs: 100 })).toEqual({
    outcome: 'timed out',
    hasNotStarted: true,
  });
  expect(judged(error('CALL_CANCELLED', 'gone'), { signal: AbortSignal.abort() })).toEqual({ outcome: 'cancelled' });
  expect(judged(error('POOL_SATURATED', 'full'), { queue: { max: 1, timeoutMs: 0 } })).toEqual({
    outcome: 'saturated',
    hasNotStarted: true,
  });
  expect(judged(error('QUEUE_TIMEOUT', 'late'), { queue: { max: 0, timeoutMs: 100 } })).toEqual({
    outcome: 'queue timeout',
    hasNotStarted: true,
  });
  expect(judged(error('POOL_CLOSED', 'closed'), { isClosing: true })).toEqual({ outcome: 'closed' });
  expect(judged(error('PYTHON', 'ValueError: o1', { type: 'ValueError' }), { mayRaise: true })).toEqual({
    outcome: 'python error',
  });
  expect(judged(error('HANDLE_LOST', 'it lived on worker 1 (pid 100)'))).toEqual({
    outcome: 'handle lost',
    lostPid: 100,
  });
  const crash = { workerId: 1, pid: 100, reason: 'exit', signal: null, exitCode: 3 };
  expect(judged(error('WORKER_CRASHED', 'dead', { ...crash, attempts: 1, history: [crash] }))).toEqual({
    outcome: 'crashed',
    attempts: [crash],
  });
});

it.each([
  ['a wrong answer', new WrongAnswerError(1, 2), {}],
  ['an error that is none of its kinds', new TypeError('x is undefined'), {}],
  ['no error at all', undefined, {}],
  ['a time-out of a call without a limit', error('CALL_TIMEOUT', 'late'), {}],
  ['a time-out before its time', error('CALL_TIMEOUT', 'late'), { timeoutMs: 200 }],
  ['a time-out long after its time', error('CALL_TIMEOUT', 'late'), { timeoutMs: 100, elapsedMs: 60_000 }],
  ['a cancellation that nobody asked for', error('CALL_CANCELLED', 'gone'), { signal: new AbortController().signal }],
  ['a full queue without a limit', error('POOL_SATURATED', 'full'), {}],
  ['a queue that gives up too soon', error('QUEUE_TIMEOUT', 'late'), { queue: { max: 0, timeoutMs: 200 } }],
  ['a closed runtime that is open', error('POOL_CLOSED', 'closed'), {}],
  ['an exception where none is raised', error('PYTHON', 'ValueError: o1', { type: 'ValueError' }), {}],
  ['an exception of another call', error('PYTHON', 'ValueError: o2', { type: 'ValueError' }), { mayRaise: true }],
  ['a lost object without its process', error('HANDLE_LOST', 'gone'), {}],
  [
    'a crash that contradicts itself',
    error('WORKER_CRASHED', 'dead', { reason: 'exit', signal: null, exitCode: 3, attempts: 2, history: [] }),
    {},
  ],
])('does not believe %s', (_, thrown, terms) => {
  expect(judged(thrown, terms).problem).toEqual(expect.any(String));
});
