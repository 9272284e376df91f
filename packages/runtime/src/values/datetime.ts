/** `datetime.datetime` of Python. */
import { inspect } from 'node:util';
import { brand } from './brand.js';
import {
  checkDate,
  checked,
  checkedOffset,
  checkTime,
  DATE_TIME,
  dateText,
  offsetInZone,
  offsetText,
  parseOffset,
  parseTime,
  timeText,
  utcMilliseconds,
} from './calendar.js';

/** What a {@link PyDateTime} is made of. @public */
export interface PyDateTimeFields {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  /** @defaultValue 0 */
  readonly hour?: number;
  /** @defaultValue 0 */
  readonly minute?: number;
  /** @defaultValue 0 */
  readonly second?: number;
  /** @defaultValue 0 */
  readonly microsecond?: number;
  /** 1 for the second of two times that a clock shows twice. @defaultValue 0 */
  readonly fold?: number;
  /** Microseconds ahead of UTC. @defaultValue that of the zone; without a zone null: a naive time */
  readonly offset?: number | null;
  /** A zone of the IANA database, such as `Europe/Berlin`; it is a `ZoneInfo` in Python. @defaultValue null */
  readonly zone?: string | null;
  /** The name of the offset or zone at that time, such as `CEST`. @defaultValue null */
  readonly name?: string | null;
}

/**
 * A date and time with microseconds, naive or with an offset from UTC: `datetime.datetime` of Python.
 *
 * @example `PyDateTime.parse('2024-06-01T12:00:00.000001+02:00').toDate()`
 * @public
 */
export class PyDateTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly microsecond: number;
  readonly fold: number;
  /** Microseconds ahead of UTC; null for a naive time. */
  readonly offset: number | null;
  readonly zone: string | null;
  readonly name: string | null;

  /** @throws RangeError When a field is out of its range, or the zone is unknown. */
  constructor(fields: PyDateTimeFields) {
    this.year = fields.year;
    this.month = fields.month;
    this.day = fields.day;
    this.hour = fields.hour ?? 0;
    this.minute = fields.minute ?? 0;
    this.second = fields.second ?? 0;
    this.microsecond = fields.microsecond ?? 0;
    this.fold = checked('PyDateTime', 'fold', fields.fold ?? 0, 0, 1);
    checkDate('PyDateTime', this.year, this.month, this.day);
    checkTime('PyDateTime', this.hour, this.minute, this.second, this.microsecond);
    this.zone = fields.zone ?? null;
    this.name = fields.name ?? null;
    this.offset =
      fields.offset == null && this.zone !== null
        ? offsetInZone(this.zone, this.#localMs(), this.fold)
        : checkedOffset('PyDateTime', fields.offset);
    Object.freeze(this);
  }

  /**
   * The moment of a Date, in UTC.
   *
   * @throws RangeError When the Date is invalid, or its year is not one of 1 to 9999.
   */
  static from(date: Date): PyDateTime {
    return new PyDateTime({
      year: date.getUTCFullYear(),
      month: date.getUTCMonth() + 1,
      day: date.getUTCDate(),
      hour: date.getUTCHours(),
      minute: date.getUTCMinutes(),
      second: date.getUTCSeconds(),
      microsecond: date.getUTCMilliseconds() * 1000,
      offset: 0,
    });
  }

  /**
   * Reads ISO 8601: a date, and behind `T` a time, an offset and a zone in brackets.
   *
   * @throws RangeError When the text is none, or a part of it is out of its range.
   * @example `PyDateTime.parse('2024-06-01T12:00[Europe/Berlin]')`
   */
  static parse(text: string): PyDateTime {
    const { date = '', time = '00:00', offset, zone } = DATE_TIME.exec(text)?.groups ?? {};
    if (date === '') throw new RangeError(`PyDateTime: ${inspect(text)} is no date and time of ISO 8601`);
    const [hour, minute, second, microsecond] = parseTime(time);
    return new PyDateTime({
      year: Number(date.slice(0, 4)),
      month: Number(date.slice(5, 7)),
      day: Number(date.slice(8)),
      hour,
      minute,
      second,
      microsecond,
      offset: parseOffset(offset),
      zone: zone ?? null,
    });
  }

  /** Whether it has no offset from UTC, so that it names no moment. */
  get isNaive(): boolean {
    return this.offset === null;
  }

  /**
   * The moment as a Date, which has milliseconds: further microseconds are cut off.
   *
   * @param options - `assume`: what a naive time is in, UTC or the zone of this process.
   * @throws RangeError When the time is naive and nothing is assumed.
   */
  toDate(options: { readonly assume?: 'utc' | 'local' } = {}): Date {
    if (this.offset !== null) {
      return new Date(this.#localMs() + Math.floor(((this.microsecond % 1000) - this.offset) / 1000));
    }
    if (options.assume === 'utc') return new Date(this.#localMs());
    if (options.assume !== 'local') {
      throw new RangeError(
        `PyDateTime: ${this.toString()} has no offset from UTC: say toDate({ assume: 'utc' }) or toDate({ assume: 'local' })`,
      );
    }
    const date = new Date(0);
    date.setFullYear(this.year, this.month - 1, this.day);
    date.setHours(this.hour, this.minute, this.second, Math.floor(this.microsecond / 1000));
    return date;
  }

  /** What Python's `str` says. */
  toString(): string {
    return this.#text(' ');
  }

  /** ISO 8601, as Python's `isoformat` says. */
  toJSON(): string {
    return this.#text('T');
  }

  [inspect.custom](): string {
    return `PyDateTime(${this.#text('T')}${this.zone === null ? '' : `[${this.zone}]`})`;
  }

  #text(separator: string): string {
    return (
      dateText(this.year, this.month, this.day) +
      separator +
      timeText(this.hour, this.minute, this.second, this.microsecond) +
      offsetText(this.offset)
    );
  }

  /** Milliseconds since 1970, as if it were UTC. */
  #localMs(): number {
    const seconds = (this.hour * 60 + this.minute) * 60 + this.second;
    return utcMilliseconds(this.year, this.month, this.day) + seconds * 1000 + Math.floor(this.microsecond / 1000);
  }
}
brand(PyDateTime, 'datetime');
