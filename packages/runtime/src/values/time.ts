/** `datetime.time` of Python. */
import { inspect } from 'node:util';
import { brand } from './brand.js';
import { checked, checkedOffset, checkTime, offsetText, parseOffset, parseTime, TIME, timeText } from './calendar.js';

/** What a {@link PyTime} is made of. @public */
export interface PyTimeFields {
  readonly hour: number;
  /** @defaultValue 0 */
  readonly minute?: number;
  /** @defaultValue 0 */
  readonly second?: number;
  /** @defaultValue 0 */
  readonly microsecond?: number;
  /** @defaultValue 0 */
  readonly fold?: number;
  /** Microseconds ahead of UTC. @defaultValue null: a naive time */
  readonly offset?: number | null;
  /** The name of the offset. @defaultValue null */
  readonly name?: string | null;
}

/** A time of day with microseconds, naive or with an offset from UTC: `datetime.time` of Python. @public */
export class PyTime {
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly microsecond: number;
  readonly fold: number;
  /** Microseconds ahead of UTC; null for a naive time. */
  readonly offset: number | null;
  readonly name: string | null;

  /** @throws RangeError When a field is out of its range. */
  constructor(fields: PyTimeFields) {
    this.hour = fields.hour;
    this.minute = fields.minute ?? 0;
    this.second = fields.second ?? 0;
    this.microsecond = fields.microsecond ?? 0;
    checkTime('PyTime', this.hour, this.minute, this.second, this.microsecond);
    this.fold = checked('PyTime', 'fold', fields.fold ?? 0, 0, 1);
    this.offset = checkedOffset('PyTime', fields.offset);
    this.name = fields.name ?? null;
    Object.freeze(this);
  }

  /**
   * Reads `HH:MM:SS.ffffff` with an offset or without.
   *
   * @throws RangeError When the text is none, or a part of it is out of its range.
   */
  static parse(text: string): PyTime {
    const groups = TIME.exec(text)?.groups;
    if (groups === undefined) throw new RangeError(`PyTime: ${inspect(text)} is no time like 12:30:00.5`);
    const [hour, minute, second, microsecond] = parseTime(groups['time'] ?? '');
    return new PyTime({ hour, minute, second, microsecond, offset: parseOffset(groups['offset']) });
  }

  /** What Python's `str` says. */
  toString(): string {
    return timeText(this.hour, this.minute, this.second, this.microsecond) + offsetText(this.offset);
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return `PyTime(${this.toString()})`;
  }
}
brand(PyTime, 'time');
