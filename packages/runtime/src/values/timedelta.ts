/** `datetime.timedelta` of Python. */
import { inspect } from 'node:util';
import { brand } from './brand.js';
import { checked, MICROSECONDS_PER_DAY, timeText } from './calendar.js';

/** What a {@link PyTimeDelta} may be made of; all are integers, and added up. @public */
export interface PyTimeDeltaParts {
  readonly weeks?: number;
  readonly days?: number;
  readonly hours?: number;
  readonly minutes?: number;
  readonly seconds?: number;
  readonly milliseconds?: number;
  readonly microseconds?: number;
}

const MICROSECONDS = {
  weeks: 604_800_000_000n,
  days: 86_400_000_000n,
  hours: 3_600_000_000n,
  minutes: 60_000_000n,
  seconds: 1_000_000n,
  milliseconds: 1000n,
  microseconds: 1n,
} as const;

const PER_DAY = BigInt(MICROSECONDS_PER_DAY);

/**
 * A span of time with microseconds: `datetime.timedelta` of Python, and normalised like it.
 *
 * @example `PyTimeDelta.from({ days: 1, milliseconds: -1 })`
 * @public
 */
export class PyTimeDelta {
  /** Negative for a negative span. */
  readonly days: number;
  /** From 0 to 86399. */
  readonly seconds: number;
  /** From 0 to 999999. */
  readonly microseconds: number;

  /** @throws RangeError When a field is out of its range; {@link PyTimeDelta.from} adds up any. */
  constructor(days: number, seconds = 0, microseconds = 0) {
    this.days = checked('PyTimeDelta', 'days', days, -999_999_999, 999_999_999);
    this.seconds = checked('PyTimeDelta', 'seconds', seconds, 0, 86_399);
    this.microseconds = checked('PyTimeDelta', 'microseconds', microseconds, 0, 999_999);
    Object.freeze(this);
  }

  /** @throws RangeError When a part is no integer, or the sum is beyond 999999999 days. */
  static from(parts: PyTimeDeltaParts): PyTimeDelta {
    let total = 0n;
    for (const [name, microseconds] of Object.entries(MICROSECONDS)) {
      const part = parts[name as keyof PyTimeDeltaParts] ?? 0;
      if (!Number.isSafeInteger(part)) throw new RangeError(`PyTimeDelta: ${name} must be an integer, and is ${part}`);
      total += BigInt(part) * microseconds;
    }
    const days = total / PER_DAY - (total % PER_DAY < 0n ? 1n : 0n);
    const rest = Number(total - days * PER_DAY);
    return new PyTimeDelta(Number(days), Math.floor(rest / 1_000_000), rest % 1_000_000);
  }

  /** The whole span. */
  get totalMicroseconds(): bigint {
    return BigInt(this.days) * PER_DAY + BigInt(this.seconds) * 1_000_000n + BigInt(this.microseconds);
  }

  /** The whole span in milliseconds, with the microseconds as a fraction. */
  toMilliseconds(): number {
    return Number(this.totalMicroseconds) / 1000;
  }

  /** What Python's `str` says. */
  toString(): string {
    const hours = Math.floor(this.seconds / 3600);
    const time = timeText(hours, Math.floor(this.seconds / 60) % 60, this.seconds % 60, this.microseconds);
    const days = this.days === 0 ? '' : `${this.days} day${Math.abs(this.days) === 1 ? '' : 's'}, `;
    return days + time.replace(/^0/, '');
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return `PyTimeDelta(${this.toString()})`;
  }
}
brand(PyTimeDelta, 'timedelta');
