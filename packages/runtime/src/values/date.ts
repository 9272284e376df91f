/** `datetime.date` of Python. */
import { inspect } from 'node:util';
import { brand } from './brand.js';
import { checkDate, dateText, utcMilliseconds } from './calendar.js';

/** A day of the calendar: `datetime.date` of Python. @public */
export class PyDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;

  /** @throws RangeError When there is no such day, or its year is not one of 1 to 9999. */
  constructor(year: number, month: number, day: number) {
    checkDate('PyDate', year, month, day);
    this.year = year;
    this.month = month;
    this.day = day;
    Object.freeze(this);
  }

  /**
   * The day of a Date in UTC.
   *
   * @throws RangeError When the Date is invalid, or its year is not one of 1 to 9999.
   */
  static from(date: Date): PyDate {
    return new PyDate(date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate());
  }

  /**
   * Reads `YYYY-MM-DD`.
   *
   * @throws RangeError When the text is none, or there is no such day.
   */
  static parse(text: string): PyDate {
    if (!/^\d{4}-\d\d-\d\d$/.test(text)) throw new RangeError(`PyDate: ${inspect(text)} is no date like 2024-06-01`);
    return new PyDate(Number(text.slice(0, 4)), Number(text.slice(5, 7)), Number(text.slice(8)));
  }

  /** Midnight of the day in UTC. */
  toDate(): Date {
    return new Date(utcMilliseconds(this.year, this.month, this.day));
  }

  /** What Python's `str` says. */
  toString(): string {
    return dateText(this.year, this.month, this.day);
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return `PyDate(${this.toString()})`;
  }
}
brand(PyDate, 'date');
