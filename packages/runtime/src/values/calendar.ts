/** What dates and times have in common: ranges, texts, and offsets from UTC in microseconds. */

/** @internal */
export const MICROSECONDS_PER_DAY = 86_400_000_000;

/** A field that must be an integer of a range. @internal */
export function checked(type: string, name: string, value: number, from: number, to: number): number {
  if (!Number.isInteger(value) || value < from || value > to) {
    throw new RangeError(`${type}: ${name} must be an integer from ${from} to ${to}, and is ${value}`);
  }
  return value + 0; // never -0
}

/** An offset from UTC in microseconds, less than a day; null for none. @internal */
export function checkedOffset(type: string, offset: number | null | undefined): number | null {
  const limit = MICROSECONDS_PER_DAY - 1;
  return offset == null ? null : checked(type, 'offset', offset, -limit, limit);
}

/** @internal */
export function checkDate(type: string, year: number, month: number, day: number): void {
  checked(type, 'year', year, 1, 9999);
  checked(type, 'month', month, 1, 12);
  checked(type, 'day', day, 1, new Date(utcMilliseconds(year, month + 1, 0)).getUTCDate());
}

/** @internal */
export function checkTime(type: string, hour: number, minute: number, second: number, microsecond: number): void {
  checked(type, 'hour', hour, 0, 23);
  checked(type, 'minute', minute, 0, 59);
  checked(type, 'second', second, 0, 59);
  checked(type, 'microsecond', microsecond, 0, 999_999);
}

/** Milliseconds since 1970 of a date in UTC, of any year. @internal */
export function utcMilliseconds(year: number, month: number, day: number): number {
  return new Date(0).setUTCFullYear(year, month - 1, day); // Date.UTC takes the year 70 for 1970
}

/** @internal */
export function dateText(year: number, month: number, day: number): string {
  return `${pad(year, 4)}-${pad(month)}-${pad(day)}`;
}

/** @internal */
export function timeText(hour: number, minute: number, second: number, microsecond: number): string {
  return `${pad(hour)}:${pad(minute)}:${pad(second)}${fractionText(microsecond)}`;
}

/** `+01:00`, with seconds where there are any; empty for none. @internal */
export function offsetText(offset: number | null): string {
  if (offset === null) return '';
  const magnitude = Math.abs(offset);
  const seconds = Math.floor(magnitude / 1_000_000) % 60;
  const rest = seconds === 0 && magnitude % 1_000_000 === 0 ? '' : `:${pad(seconds)}`;
  return (
    (offset < 0 ? '-' : '+') +
    `${pad(Math.floor(magnitude / 3_600_000_000))}:${pad(Math.floor(magnitude / 60_000_000) % 60)}` +
    rest +
    fractionText(magnitude % 1_000_000)
  );
}

/** A date and, behind `T` or a space, a time, an offset and a zone in brackets. @internal */
export const DATE_TIME =
  /^(?<date>\d{4}-\d\d-\d\d)(?:[T ](?<time>\d\d:\d\d(?::\d\d(?:[.,]\d{1,6})?)?)(?<offset>Z|[+-]\d\d:?\d\d(?::?\d\d(?:\.\d{1,6})?)?)?)?(?:\[(?<zone>[^\]]+)\])?$/;

/** @internal */
export const TIME =
  /^(?<time>\d\d:\d\d(?::\d\d(?:[.,]\d{1,6})?)?)(?<offset>Z|[+-]\d\d:?\d\d(?::?\d\d(?:\.\d{1,6})?)?)?$/;

/** @internal */
export function parseTime(text: string): [hour: number, minute: number, second: number, microsecond: number] {
  const [hour, minute, second = '0'] = text.replace(',', '.').split(':');
  const [whole, fraction = ''] = second.split('.');
  return [Number(hour), Number(minute), Number(whole), Number(fraction.padEnd(6, '0'))];
}

/** Microseconds of an offset as {@link DATE_TIME} has it; null where there is none. @internal */
export function parseOffset(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (text === 'Z') return 0;
  const digits = text.slice(1).replace(/:/g, '');
  const [whole = '', fraction = ''] = digits.split('.');
  const seconds = Number(whole.slice(0, 2)) * 3600 + Number(whole.slice(2, 4)) * 60 + Number(whole.slice(4, 6));
  const microseconds = seconds * 1_000_000 + Number(fraction.padEnd(6, '0'));
  return text.startsWith('-') && microseconds !== 0 ? -microseconds : microseconds;
}

/**
 * The offset of a zone at a local time, in microseconds.
 *
 * @param local - The local time as milliseconds since 1970, as if it were UTC.
 * @param fold - Which of the two offsets where the time occurs twice, or not at all (PEP 495).
 * @throws RangeError When the zone is unknown.
 * @internal
 */
export function offsetInZone(zone: string, local: number, fold: number): number {
  const before = offsetAt(zone, local - 86_400_000);
  const after = offsetAt(zone, local + 86_400_000);
  const fitting = [before, after].filter((offset) => offsetAt(zone, local - offset) === offset);
  const [only] = fitting;
  return (only !== undefined && (fitting.length === 1 || before === after) ? only : fold === 1 ? after : before) * 1000;
}

/** Milliseconds that a zone is ahead of UTC at a moment. */
function offsetAt(zone: string, moment: number): number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
  const name = format.formatToParts(moment).find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const text = name.replace('GMT', '').replace('\u2212', '-');
  return (parseOffset(text === '' ? 'Z' : text) ?? 0) / 1000;
}

const pad = (value: number, length = 2): string => String(value).padStart(length, '0');

const fractionText = (microsecond: number): string => (microsecond === 0 ? '' : `.${pad(microsecond, 6)}`);
