/** Whether the error of a call tells the truth, as far as can be said at once. */
import { WrongAnswerError } from './calls.mjs';

/** How much earlier than `timeoutMs` a timer may go off: clocks are rounded. */
const EARLY_MS = 2;
/** How much later than `timeoutMs` a call may be told: a busy machine is slow, and a hang is forever. */
const LATE_MS = 10_000;

/** Codes of errors, and the ends that they stand for. */
const OUTCOME_OF = {
  PYTHON: 'python error',
  WORKER_CRASHED: 'crashed',
  HANDLE_LOST: 'handle lost',
  CALL_TIMEOUT: 'timed out',
  CALL_CANCELLED: 'cancelled',
  POOL_SATURATED: 'saturated',
  QUEUE_TIMEOUT: 'queue timeout',
  POOL_CLOSED: 'closed',
};

/**
 * What a call was allowed, against which its error is judged.
 *
 * @typedef {object} Terms
 * @property {number} elapsedMs Since it was made.
 * @property {number} timeoutMs
 * @property {AbortSignal} [signal]
 * @property {{ max: number, timeoutMs: number }} queue Of its pool; 0: no limit.
 * @property {boolean} isClosing The runtime is being closed.
 * @property {boolean} mayRaise Python may raise a ValueError with the call's name.
 */

/**
 * @param {import('./ledger.mjs').Call} call
 * @param {any} error
 * @param {Terms} terms
 * @returns {import('./ledger.mjs').End}
 */
export function judge(call, error, terms) {
  if (error instanceof WrongAnswerError) return { outcome: 'untrue', problem: error.message };
  const outcome = OUTCOME_OF[error?.code] ?? 'untrue';
  const end = { outcome, ...JUDGES[outcome](call, error, terms) };
  // Said in words only: those who wait may never have run at all.
  const hasNotStarted = ['saturated', 'queue timeout'].includes(outcome) || / and will not run$/.test(error?.message);
  return hasNotStarted ? { ...end, hasNotStarted } : end;
}

const problemWhere = (isWrong, problem) => (isWrong ? { problem } : {});

const JUDGES = {
  'python error': (call, { type, message }, { mayRaise }) =>
    problemWhere(
      !mayRaise || type !== 'ValueError' || message !== `ValueError: ${call.id}`,
      `Python raised ${message}`,
    ),
  crashed: (_, { history, attempts, signal, exitCode, reason, message }) => {
    const last = history?.at(-1);
    const isConsistent =
      attempts === history?.length && signal === last?.signal && exitCode === last?.exitCode && reason === last?.reason;
    return {
      attempts: history ?? [],
      ...problemWhere(!isConsistent, `its error is at odds with its own history: ${message}`),
    };
  },
  'handle lost': (_, { message }) => {
    const pid = /\(pid (\d+)\)/.exec(message)?.[1];
    return pid === undefined ? { problem: `no process is named: ${message}` } : { lostPid: Number(pid) };
  },
  'timed out': (_, { message }, { elapsedMs, timeoutMs }) =>
    problemWhere(
      timeoutMs === 0 || elapsedMs < timeoutMs - EARLY_MS || elapsedMs > timeoutMs + LATE_MS,
      `timed out after ${Math.round(elapsedMs)} of ${timeoutMs} ms: ${message}`,
    ),
  cancelled: (_, { message }, { signal }) =>
    problemWhere(signal?.aborted !== true, `was cancelled, and its signal was not aborted: ${message}`),
  saturated: (_, { message }, { queue }) =>
    problemWhere(queue.max === 0, `was refused by a queue without a limit: ${message}`),
  'queue timeout': (_, { message }, { queue, elapsedMs }) =>
    problemWhere(
      queue.timeoutMs === 0 || elapsedMs < queue.timeoutMs - EARLY_MS,
      `waited for ${Math.round(elapsedMs)} of ${queue.timeoutMs} ms: ${message}`,
    ),
  closed: (_, { message }, { isClosing }) =>
    problemWhere(!isClosing, `the runtime was closed, says its error, and it was not: ${message}`),
  untrue: (_, error) => ({ problem: `rejected with what it may not: ${error?.stack ?? String(error)}` }),
};
