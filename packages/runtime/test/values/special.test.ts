import { inspect } from 'node:util';
import { PyDate } from '../../src/values/date.js';
import { PyDateTime } from '../../src/values/datetime.js';
import { PyComplex, PyDecimal, PyFraction } from '../../src/values/numbers.js';
import { PyTime } from '../../src/values/time.js';
import { PyTimeDelta } from '../../src/values/timedelta.js';
import { PyUuid } from '../../src/values/uuid.js';
import { PythonPeer } from './python-peer.js';

/** Values with the expression that makes them in Python. */
const TEXTS: readonly (readonly [{ toString(): string }, string])[] = [
  [PyDateTime.parse('2024-01-02T03:04:05.000006'), 'datetime.datetime(2024, 1, 2, 3, 4, 5, 6)'],
  [PyDateTime.parse('0001-01-01'), 'datetime.datetime(1, 1, 1)'],
  [PyDateTime.parse('2024-01-02T03:04:05-00:00:30.5'), 'datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone(-datetime.timedelta(seconds=30.5)))'], // prettier-ignore
  [PyDateTime.parse('2024-10-27T02:30[Europe/Berlin]'), "datetime.datetime(2024, 10, 27, 2, 30, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'))"], // prettier-ignore
  [new PyDateTime({ year: 2024, month: 10, day: 27, hour: 2, minute: 30, fold: 1, zone: 'Europe/Berlin' }), "datetime.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'))"], // prettier-ignore
  [new PyDateTime({ year: 2024, month: 3, day: 31, hour: 2, minute: 30, zone: 'Europe/Berlin' }), "datetime.datetime(2024, 3, 31, 2, 30, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'))"], // prettier-ignore
  [PyDateTime.parse('2024-07-01T00:00[America/New_York]'), "datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo('America/New_York'))"], // prettier-ignore
  [PyDateTime.parse('2024-07-01T00:00[Asia/Kathmandu]'), "datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo('Asia/Kathmandu'))"], // prettier-ignore
  [new PyDate(999, 12, 31), 'datetime.date(999, 12, 31)'],
  [PyTime.parse('23:59:59.999999+01:00'), 'datetime.time(23, 59, 59, 999999, datetime.timezone(datetime.timedelta(hours=1)))'], // prettier-ignore
  [PyTime.parse('00:00'), 'datetime.time()'],
  [new PyTimeDelta(0), 'datetime.timedelta()'],
  [new PyTimeDelta(1, 3600), 'datetime.timedelta(1, 3600)'],
  [new PyTimeDelta(-1, 86_399, 5), 'datetime.timedelta(-1, 86399, 5)'],
  [new PyTimeDelta(999_999_999, 86_399, 999_999), 'datetime.timedelta.max'],
  ...['1.10', '-0', '1E+3', '0E-7', '0.000001', '0.0000001', '123456789012345678901234567890.5', 'NaN', 'sNaN12', '-Infinity', '1e-999999999999'].map((text) => [PyDecimal.from(text), `decimal.Decimal('${text}')`] as const), // prettier-ignore
  ...['.5', '5.', '+1', '00.10', '1e5', '12e-3', 'inf', 'nan0'].map((text) => [PyDecimal.from(text), `decimal.Decimal('${text}')`] as const), // prettier-ignore
  [new PyFraction(-2, 6), 'fractions.Fraction(-2, 6)'],
  [new PyFraction(4, -2), 'fractions.Fraction(4, -2)'],
  ...[['1', '2'], ['0.0', '-0.0'], ['-0.0', '1.5'], ['1e16', '1e-5'], ['1e300', '123456.75'], ['0.0001', '9999999999999998.0'], ['float("nan")', 'float("-inf")']].map(([re = '', im = '']) => [new PyComplex(number(re), number(im)), `complex(${re}, ${im})`] as const), // prettier-ignore
  [PyUuid.from('12345678-1234-5678-1234-567812345678'), "uuid.UUID('12345678-1234-5678-1234-567812345678')"],
];

function number(text: string): number {
  const inner = /"(.*)"/.exec(text)?.[1];
  return Number(inner === undefined ? text : inner.replace('inf', 'Infinity').replace('nan', 'NaN'));
}

test('S15 the text of each value is what Python says', async () => {
  await using peer = new PythonPeer();
  for (const [value, source] of TEXTS) {
    expect([source, value.toString()]).toEqual([source, await peer.evaluate(`str(${source})`)]);
    expect(await peer.describe(value)).toEqual(await peer.describe(await peer.evaluate(source)));
    expect(String(await peer.evaluate(source))).toBe(value.toString());
  }
});

describe('PyDateTime', () => {
  test('S15 is a Date where it names a moment', () => {
    const date = new Date('2024-06-01T10:00:00.123Z');
    expect(PyDateTime.from(date).toDate()).toEqual(date);
    expect(PyDateTime.parse('2024-06-01T12:00:00.123999+02:00').toDate()).toEqual(date);
    expect(PyDateTime.parse('9999-12-31T23:59:59.999999-23:59').toDate().getTime()).toBe(253_402_387_139_999);
    expect(PyDateTime.parse('1969-12-31T23:59:59.999999Z').toDate().getTime()).toBe(-1);
    expect(new PyDate(2024, 2, 29).toDate()).toEqual(new Date('2024-02-29T00:00Z'));
  });

  test('S15 refuses to be a Date where it is naive, unless it is told what to assume', () => {
    const naive = PyDateTime.parse('2024-06-01T12:00');
    expect(naive.isNaive).toBe(true);
    expect(() => naive.toDate()).toThrow('has no offset from UTC: say toDate');
    expect(naive.toDate({ assume: 'utc' })).toEqual(new Date('2024-06-01T12:00Z'));
    expect(naive.toDate({ assume: 'local' })).toEqual(new Date(2024, 5, 1, 12));
  });

  test.each<[string, () => unknown]>([
    ['a day that there is not', () => PyDateTime.parse('2023-02-29T00:00')],
    ['an hour beyond 23', () => PyDateTime.parse('2023-02-28T24:00')],
    ['the year 0', () => new PyDate(0, 1, 1)],
    ['the year 10000', () => PyDateTime.from(new Date(8e14))],
    ['an invalid Date', () => PyDateTime.from(new Date(NaN))],
    ['half a microsecond', () => new PyTime({ hour: 1, microsecond: 0.5 })],
    ['an offset of a day', () => new PyTime({ hour: 1, offset: 86_400_000_000 })],
    ['a fold of 2', () => new PyTime({ hour: 1, fold: 2 })],
    ['an unknown zone', () => PyDateTime.parse('2024-01-01T00:00[Nowhere/Here]')],
    ['other text', () => PyDateTime.parse('yesterday')],
    ['other text for a date', () => PyDate.parse('2024-1-1')],
    ['other text for a time', () => PyTime.parse('noon')],
    ['too many days', () => PyTimeDelta.from({ days: 1_000_000_000 })],
    ['half a day', () => PyTimeDelta.from({ days: 0.5 })],
    ['seconds of a day', () => new PyTimeDelta(0, 86_400)],
    ['a text that is no number', () => PyDecimal.from('1.2.3')],
    ['an empty text', () => PyDecimal.from('')],
    ['a dot', () => PyDecimal.from('.')],
    ['a fraction over 0', () => new PyFraction(1, 0)],
    ['a fraction of halves', () => new PyFraction(0.5)],
    ['a short UUID', () => PyUuid.from('1234')],
    ['a UUID of other letters', () => PyUuid.from('x'.repeat(32))],
  ])('and the others refuse %s', (_, make) => {
    expect(make).toThrow(RangeError);
  });
});

test('values are immutable, and recognised whichever copy of the package has made them', () => {
  for (const [value] of TEXTS) {
    expect(Object.isFrozen(value)).toBe(true);
    expect(inspect(value)).toMatch(/^Py[A-Za-z]+\(.+\)$/);
    expect(JSON.parse(JSON.stringify({ value }))).toEqual({
      value: value.toString().replace(/^(\d{4}-\d\d-\d\d) /, '$1T'),
    });
  }
  const foreign = Object.create({ [Symbol.for('hognose/value')]: 'decimal' }) as object;
  expect(foreign).toBeInstanceOf(PyDecimal);
  expect(foreign).not.toBeInstanceOf(PyFraction);
  expect({}).not.toBeInstanceOf(PyDecimal);
});

test('numbers have the nearest number of JavaScript', () => {
  expect(PyDecimal.from(0.1).toNumber()).toBe(0.1);
  expect(PyDecimal.from('-Infinity').toNumber()).toBe(-Infinity);
  expect(PyDecimal.from('sNaN5').toNumber()).toBeNaN();
  expect(PyDecimal.from(2n ** 70n).text).toBe(String(2n ** 70n));
  expect(String(PyDecimal.from(-0))).toBe('-0');
  expect(new PyFraction(1, 4).toNumber()).toBe(0.25);
  expect(PyTimeDelta.from({ weeks: -1, hours: 1, milliseconds: 1, microseconds: 500 }).toMilliseconds()).toBe(
    -601_199_998.5,
  );
  expect(PyUuid.from(PyUuid.from('12345678123456781234567812345678').bytes).text).toBe(
    '12345678-1234-5678-1234-567812345678',
  );
});
