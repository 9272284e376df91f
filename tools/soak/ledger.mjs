/**
 * The ledger: every call, how it ended, and what it did. It knows nothing of the runtime, so that it can be shown to
 * find what it looks for.
 */

/** How a call can end; `untrue` is an end that no call may have. */
export const OUTCOMES = /** @type {const} */ ([
  'ok',
  'python error',
  'crashed',
  'handle lost',
  'timed out',
  'cancelled',
  'saturated',
  'queue timeout',
  'closed',
  'untrue',
]);

/** @typedef {typeof OUTCOMES[number]} Outcome */

/**
 * A call.
 *
 * @typedef {object} Call
 * @property {string} id Begins with `i` where the call is idempotent, with `o` where it may run once only.
 * @property {string} kind
 * @property {boolean} isIdempotent
 * @property {number} ends How often its end was told.
 */

/**
 * What the runtime says of a worker's death under a call.
 *
 * @typedef {object} Attempt
 * @property {number} workerId
 * @property {number} pid
 * @property {string} reason
 * @property {string | null} signal
 * @property {number | null} exitCode
 */

/** A death that the runtime has told as an event. @typedef {Attempt & { pool: string, mayBeUnknown?: boolean }} Death */

/**
 * How a call ended.
 *
 * @typedef {object} End
 * @property {Outcome} outcome
 * @property {boolean} [hasNotStarted] The error says that the call has not started and will not.
 * @property {readonly Attempt[]} [attempts] Of a crashed call: every worker that died under it.
 * @property {number} [lostPid] Of a lost handle: the process that its object lived in.
 * @property {string} [problem] What is wrong with the end itself.
 */

/** How often a call may have run. @typedef {{ readonly kind: string, readonly outcome: Outcome, readonly least: number, readonly most: number }} Bounds */

/**
 * A call counts as begun a moment before it can note itself. Seldom does a worker die within that moment: of all deaths
 * at most this share may, and a few in any case.
 */
const UNNOTED = { share: 0.05, few: 2 };
/** The row of what no single kind of call has done. */
export const ALL = 'the run itself';
/** Breaches of which the text is kept. */
const KEPT_BREACHES = 200;

export class Ledger {
  /** Calls under way. @type {Map<string, Call>} */
  #open = new Map();
  /** How often each call that has ended may have run: shared objects, as there are a great many. @type {Map<string, Bounds>} */
  #ended = new Map();
  /** @type {{ call: Call, attempts: readonly Attempt[] }[]} */
  #crashed = [];
  /** @type {{ call: Call, pid: number }[]} */
  #lost = [];
  #bounds = new Map();
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #maxAttempts;
  /** Kinds that note themselves before anything else, and of which a worker runs one at a time. */
  #exclusive;
  #submitted = 0;
  /** @type {string[]} */
  breaches = [];
  breachCount = 0;

  /** @param {{ maxAttempts: number, exclusiveKinds?: readonly string[] }} rules */
  constructor({ maxAttempts, exclusiveKinds = [] }) {
    this.#maxAttempts = maxAttempts;
    this.#exclusive = new Set(exclusiveKinds);
  }

  /** How many calls are under way. */
  get open() {
    return this.#open.size;
  }

  /** All rows, by kind of call. @returns {readonly Row[]} */
  get rows() {
    return [...this.#rows.values()];
  }

  /** @returns {Call} */
  submit(kind, isIdempotent) {
    const call = { id: `${isIdempotent ? 'i' : 'o'}${(this.#submitted += 1)}`, kind, isIdempotent, ends: 0 };
    this.#open.set(call.id, call);
    this.row(kind).submitted += 1;
    return call;
  }

  /** @param {Call} call @param {End} end */
  end(call, end) {
    call.ends += 1;
    if (call.ends > 1) {
      this.breach(call.kind, `${call.id} has ended ${call.ends} times, now ${end.outcome}`);
      return;
    }
    this.#open.delete(call.id);
    const row = this.row(call.kind);
    row.outcomes[end.outcome] += 1;
    if (end.problem !== undefined) this.breach(call.kind, `${call.id}: ${end.problem}`);
    if (end.attempts !== undefined) this.#crashed.push({ call, attempts: end.attempts });
    if (end.lostPid !== undefined) this.#lost.push({ call, pid: end.lostPid });
    this.#ended.set(call.id, this.#boundsOf(call, end));
  }

  /** @param {string} kind The kind of call, or what else has failed. @param {string} text */
  breach(kind, text) {
    this.breachCount += 1;
    this.row(kind).breaches += 1;
    if (this.breaches.length < KEPT_BREACHES) this.breaches.push(`${kind}: ${text}`);
  }

  /** @returns {Row} */
  row(kind) {
    let row = this.#rows.get(kind);
    if (row === undefined) this.#rows.set(kind, (row = new Row(kind)));
    return row;
  }

  /**
   * Compares what callers were told with what has happened.
   *
   * @param {ReadonlyMap<string, readonly number[]>} effects By call: the processes that it ran in, in order.
   * @param {readonly Death[]} deaths All that the runtime has told.
   */
  check(effects, deaths) {
    for (const call of this.#open.values()) this.breach(call.kind, `${call.id} has never ended`);
    this.#checkEffects(effects, new Set(deaths.map((death) => death.pid)));
    this.#checkCrashes(effects, deaths);
  }

  #checkEffects(effects, deadPids) {
    for (const [id, pids] of effects) {
      const bounds = this.#ended.get(id);
      const kind = bounds?.kind ?? this.#open.get(id)?.kind;
      if (kind === undefined) {
        this.breach('unknown', `${id} has run in process ${pids[0]}, and was never called`);
        continue;
      }
      this.row(kind).effects += pids.length;
      this.row(kind).retried += pids.length - 1;
      if (bounds === undefined) continue; // never ended: told already
      if (pids.length > bounds.most)
        this.breach(
          kind,
          `${id} (${bounds.outcome}) has run ${pids.length} times (${bounds.most} allowed), in processes ${pids.join()}`,
        );
      const alive = pids.slice(0, -1).find((pid) => !deadPids.has(pid));
      if (alive !== undefined) this.breach(kind, `${id} was run again, although process ${alive} had not died`);
      if (new Set(pids).size < pids.length) this.breach(kind, `${id} has run twice in one process: ${pids.join()}`);
    }
    for (const [id, { least, kind }] of this.#ended) {
      if (least > 0 && !effects.has(id)) this.breach(kind, `${id} was answered, and has never run`);
    }
  }

  #checkCrashes(effects, deaths) {
    const deathOf = new Map(deaths.map((death) => [death.workerId, death]));
    /** Calls that died with a worker before they had done anything: it can have run one of them. */
    const idle = new Map();
    for (const { call, attempts } of this.#crashed) {
      if (attempts.length === 0) this.breach(call.kind, `${call.id} has crashed without a worker that died`);
      const limit = call.isIdempotent ? this.#maxAttempts : 1;
      if (attempts.length > limit)
        this.breach(call.kind, `${call.id} has crashed ${attempts.length} times (${limit} allowed)`);
      const ran = effects.get(call.id) ?? [];
      // Attempts that died before the call had noted itself.
      this.row(call.kind).retried += Math.max(0, attempts.length - Math.max(ran.length, 1));
      for (const attempt of attempts) {
        const death = deathOf.get(attempt.workerId);
        if (death === undefined) {
          this.breach(call.kind, `${call.id} blames worker ${attempt.workerId}, which has not died`);
          continue;
        }
        for (const field of /** @type {const} */ (['pid', 'reason', 'signal', 'exitCode'])) {
          if (attempt[field] !== death[field])
            this.breach(
              call.kind,
              `${call.id} says ${field} ${attempt[field]} of worker ${attempt.workerId}, and it was ${death[field]}`,
            );
        }
        if (!this.#exclusive.has(call.kind) || ran.includes(attempt.pid)) continue;
        const blamed = idle.get(attempt.workerId);
        if (blamed === undefined) idle.set(attempt.workerId, call.id);
        else
          this.breach(
            call.kind,
            `${call.id} and ${blamed} were both rejected with worker ${attempt.workerId}, and neither had begun`,
          );
      }
      const stranger = ran.find((pid) => !attempts.some((attempt) => attempt.pid === pid));
      if (stranger !== undefined)
        this.breach(call.kind, `${call.id} has also run in process ${stranger}, which its error does not tell`);
    }
    if (idle.size > Math.max(UNNOTED.few, deaths.length * UNNOTED.share))
      this.breach(
        ALL,
        `${idle.size} calls were rejected with workers that had not begun them, such as ${[...idle.values()].slice(0, 5).join()}`,
      );
    const deadPids = new Set(deaths.map((death) => death.pid));
    for (const { call, pid } of this.#lost) {
      if (!deadPids.has(pid)) this.breach(call.kind, `${call.id} has lost its object in process ${pid}, which lives`);
    }
  }

  #boundsOf({ kind, isIdempotent }, { outcome, hasNotStarted = false }) {
    const least = outcome === 'ok' || outcome === 'python error' ? 1 : 0;
    const most = hasNotStarted ? 0 : isIdempotent ? this.#maxAttempts : 1;
    const key = `${kind} ${outcome} ${most}`;
    let shared = this.#bounds.get(key);
    if (shared === undefined) this.#bounds.set(key, (shared = { kind, outcome, least, most }));
    return shared;
  }
}

/** What the calls of one kind came to. */
class Row {
  submitted = 0;
  outcomes = /** @type {Record<Outcome, number>} */ (Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])));
  retried = 0;
  /** How often they have noted that they run. */
  effects = 0;
  breaches = 0;

  constructor(kind) {
    this.kind = kind;
  }
}

/**
 * Reads what calls have noted of themselves: lines of a call and a process.
 *
 * @param {string} text
 * @returns {Map<string, number[]>}
 * @throws {Error} When a line is not whole.
 */
export function readEffects(text, effects = new Map()) {
  for (const line of text.split('\n').slice(0, -1)) {
    const found = /^([io]\d+)\t(\d+)$/.exec(line);
    if (found === null) throw new Error(`a line of the effects cannot be read: ${JSON.stringify(line)}`);
    const pids = effects.get(found[1]);
    if (pids === undefined) effects.set(found[1], [Number(found[2])]);
    else pids.push(Number(found[2]));
  }
  return effects;
}
