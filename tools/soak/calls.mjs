/** The kinds of calls that the soak makes, and what each must answer. */

/**
 * What a call is made with.
 *
 * @typedef {object} Site
 * @property {any} pool The pool that it goes to.
 * @property {import('./ledger.mjs').Call} call
 * @property {import('./random.mjs').Random} random
 * @property {{ idempotent: boolean, timeoutMs?: number, signal?: AbortSignal }} options
 * @property {(text: string) => void} breach Tells what goes wrong after the call has ended.
 */

/**
 * A kind of call.
 *
 * @typedef {object} Kind
 * @property {string} target The function that it is known by to the runtime.
 * @property {number} weight How often it is made, against the others.
 * @property {boolean} [isRepeatable] It may be idempotent.
 * @property {boolean} [isShared] A worker has several of them begun at once, or they note themselves late.
 * @property {'timeout' | 'abort'} [limit] How it may be ended early.
 * @property {(site: Site) => Promise<void>} run Resolves when the answer was right.
 */

const MODULE = 'soak_targets';
/** Seconds that ordinary calls take. */
const seconds = (random) => random.integer(1, 50) / 1e3;
/** Of calls that are ended early, so that about half of them are. */
const longSeconds = (random) => random.integer(20, 300) / 1e3;

/** An answer that is not the right one. */
export class WrongAnswerError extends Error {
  constructor(wanted, got) {
    super(`the answer should be ${show(wanted)}, and is ${show(got)}`);
    this.name = 'WrongAnswerError';
  }
}

const show = (value) => String(JSON.stringify(value) ?? value).slice(0, 200);

function expect(wanted, got) {
  if (JSON.stringify(got) !== JSON.stringify(wanted)) throw new WrongAnswerError(wanted, got);
}

/** A call that answers its own name after a while. */
const named =
  (target, duration) =>
  async ({ pool, call, random, options }) =>
    expect(call.id, await pool.call(`${MODULE}.${target}`, [call.id, duration(random)], options));

/** @type {Readonly<Record<string, Kind>>} */
export const KINDS = {
  add: {
    target: 'add',
    weight: 20,
    isRepeatable: true,
    async run({ pool, call, random, options }) {
      const [a, b] = [random.integer(0, 1e9), random.integer(0, 1e9)];
      expect(a + b, await pool.call(`${MODULE}.add`, [call.id, a, b], options));
    },
  },
  sleep: { target: 'sleep', weight: 12, isRepeatable: true, run: named('sleep', seconds) },
  compute: { target: 'spin', weight: 4, isRepeatable: true, run: named('spin', (random) => seconds(random) / 4) },
  coroutine: { target: 'pause', weight: 6, isRepeatable: true, isShared: true, run: named('pause', seconds) },
  echo: {
    target: 'echo',
    weight: 8,
    isRepeatable: true,
    async run({ pool, call, random, options }) {
      const value = {
        text: 'é'.repeat(random.integer(0, 2_000)),
        numbers: Array.from({ length: random.integer(0, 200) }, () => random.next()),
        nested: [{ isTrue: true, nothing: null }],
      };
      expect(value, await pool.call(`${MODULE}.echo`, [call.id, value], options));
    },
  },
  'large echo': {
    target: 'echo',
    weight: 1,
    async run({ pool, call, random, options }) {
      const sent = Buffer.alloc(random.integer(1, 2 * 1024 * 1024), random.integer(1, 255));
      const got = await pool.call(`${MODULE}.echo`, [call.id, sent], options);
      if (!sent.equals(got)) throw new WrongAnswerError(`${sent.length} bytes`, `${got?.length} other bytes`);
    },
  },
  refusal: {
    target: 'refuse',
    weight: 3,
    async run({ pool, call, options }) {
      expect('an exception', await pool.call(`${MODULE}.refuse`, [call.id], options));
    },
  },
  print: {
    target: 'talk',
    weight: 2,
    async run({ pool, call, random, options }) {
      const lines = random.integer(1, 20);
      expect(lines, await pool.call(`${MODULE}.talk`, [call.id, lines], options));
    },
  },
  stream: {
    target: 'numbers',
    weight: 4,
    isShared: true,
    async run({ pool, call, random, options }) {
      const count = random.integer(0, 2_000);
      const wanted = random.chance(0.25) ? random.integer(0, count) : count;
      let next = 0;
      for await (const number of await pool.call(`${MODULE}.numbers`, [call.id, count], options)) {
        expect(next, number);
        next += 1;
        if (next >= wanted && wanted < count) break;
      }
      if (wanted === count) expect(count, next);
    },
  },
  callback: {
    target: 'call_back',
    weight: 4,
    async run({ pool, call, random, options, breach }) {
      const count = random.integer(0, 20);
      let asked = 0;
      const double = (number) => {
        if (call.ends > 0) breach(`${call.id} was called back after it had ended`);
        asked += 1;
        return number * 2;
      };
      const sum = await pool.call(`${MODULE}.call_back`, [call.id, double, count], options);
      expect([count * (count - 1), count], [sum, asked]);
    },
  },
  handle: {
    target: 'Counter',
    weight: 3,
    isShared: true,
    async run({ pool, call, options }) {
      const counter = await pool.call(`${MODULE}.Counter`, [], options);
      try {
        expect(2, await counter.step().step().total(call.id));
      } finally {
        counter.$release();
      }
    },
  },
  session: {
    target: 'Counter',
    weight: 3,
    isShared: true,
    async run({ pool, call, random, options }) {
      const session = pool.session();
      try {
        const counter = await session.call(`${MODULE}.Counter`, [], options);
        const steps = random.integer(0, 3);
        for (let step = 0; step < steps; step += 1) await counter.step();
        expect(steps, await counter.total(call.id));
      } finally {
        await session.close();
      }
    },
  },
  'timed sleep': { target: 'sleep', weight: 3, limit: 'timeout', run: named('sleep', longSeconds) },
  'timed computing': { target: 'spin', weight: 2, limit: 'timeout', run: named('spin', longSeconds) },
  'timed coroutine': { target: 'pause', weight: 2, limit: 'timeout', isShared: true, run: named('pause', longSeconds) },
  'aborted sleep': { target: 'sleep', weight: 3, isRepeatable: true, limit: 'abort', run: named('sleep', longSeconds) },
  'aborted coroutine': { target: 'pause', weight: 2, limit: 'abort', isShared: true, run: named('pause', longSeconds) },
  grandchild: {
    target: 'start_child',
    weight: 0.3,
    async run({ pool, call, options }) {
      const pid = await pool.call(`${MODULE}.start_child`, [call.id], options);
      expect(true, Number.isInteger(pid));
    },
  },
};

/** A call that ends its worker, or asks it to. @param {string} how @returns {Kind} */
export const killer = (how) => ({
  target: 'die',
  weight: 0,
  isRepeatable: true,
  async run({ pool, call, options }) {
    const answer = await pool.call(`${MODULE}.die`, [call.id, how], options);
    if (answer !== call.id) throw new WrongAnswerError(`the death of its worker by ${how}`, answer);
  },
});

/** A call that occupies its worker for a moment. @param {(pid: number) => void} answered @returns {Kind} */
export const probe = (answered) => ({
  target: 'probe',
  weight: 0,
  async run({ pool, call, options }) {
    answered(await pool.call(`${MODULE}.probe`, [call.id, 0.02], options));
  },
});

/** Chooses a kind by its weight. @param {import('./random.mjs').Random} random @returns {string} */
export function pickKind(random) {
  let rest = random.next() * TOTAL_WEIGHT;
  for (const [name, { weight }] of Object.entries(KINDS)) {
    rest -= weight;
    if (rest < 0) return name;
  }
  return 'add';
}

const TOTAL_WEIGHT = Object.values(KINDS).reduce((sum, { weight }) => sum + weight, 0);
