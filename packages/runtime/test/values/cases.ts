/**
 * The cases that prove how values travel. The tables of docs/values.md are made of them: a case is a row where it has
 * a text.
 */
import { PyDate } from '../../src/values/date.js';
import { PyDateTime } from '../../src/values/datetime.js';
import { PyComplex, PyDecimal, PyFraction } from '../../src/values/numbers.js';
import { registerCodec } from '../../src/values/registry.js';
import { PyTime } from '../../src/values/time.js';
import { PyTimeDelta } from '../../src/values/timedelta.js';
import { float, ndarray, tuple } from '../../src/values/types.js';
import { PyUuid } from '../../src/values/uuid.js';

/** A value of JavaScript on its way to Python and back. */
export interface ToPython {
  /** How the value is written in JavaScript. */
  readonly js: string;
  readonly value: unknown;
  /** The name of its type in Python. */
  readonly type: string;
  /** Its repr in Python. */
  readonly repr: string;
  /** What comes back, where that is not the same. */
  readonly back?: unknown;
  /** What comes back, for the table; by default that it is the same. */
  readonly backText?: string;
}

/** A value of Python as it arrives in JavaScript. */
export interface FromPython {
  /** The expression in Python. */
  readonly python: string;
  /** What arrives, as it is written in JavaScript; `handle` for a handle. */
  readonly js: string;
  readonly value: unknown;
  /** What `$value()` gives, where that differs; `refused` for an error. */
  readonly plain?: { readonly js: string; readonly value: unknown } | 'refused';
}

/** Stands for a handle of an object of this class. */
export class HandleOf {
  constructor(readonly type: string) {}
}

export class Point {
  constructor(
    readonly x: number,
    readonly y: number,
  ) {}
}

registerCodec({
  name: 'test.Point',
  type: Point,
  encode: ({ x, y }) => ({ x, y }),
  decode: ({ x, y }: { x: number; y: number }) => new Point(x, y),
});

function named(): string {
  return 'named';
}

async function* counts(): AsyncGenerator<number> {
  await Promise.resolve();
  yield 1;
}

const generator = (function* (): Generator<number> {
  yield 1;
})();
const asynchronous = counts();
const failure = new TypeError('wrong');

export const TO_PYTHON: readonly ToPython[] = [
  { js: 'null', value: null, type: 'NoneType', repr: 'None' },
  { js: 'true', value: true, type: 'bool', repr: 'True' },
  { js: '3', value: 3, type: 'int', repr: '3' },
  { js: '3.5', value: 3.5, type: 'float', repr: '3.5' },
  { js: '-0', value: -0, type: 'float', repr: '-0.0' },
  { js: 'NaN', value: NaN, type: 'float', repr: 'nan' },
  { js: '-Infinity', value: -Infinity, type: 'float', repr: '-inf' },
  { js: '2 ** 53 - 1', value: 2 ** 53 - 1, type: 'int', repr: '9007199254740991' },
  { js: '2 ** 53', value: 2 ** 53, type: 'float', repr: '9007199254740992.0' },
  { js: 'py.float(3)', value: float(3), type: 'float', repr: '3.0', back: 3, backText: '`3`' },
  { js: '3n', value: 3n, type: 'int', repr: '3', back: 3, backText: '`3`' },
  { js: '2n ** 70n', value: 2n ** 70n, type: 'int', repr: '1180591620717411303424' },
  { js: "'hé😀'", value: 'hé😀', type: 'str', repr: "'hé😀'" },
  { js: "'\\ud800'", value: '\ud800', type: 'str', repr: "'\\ud800'" },
  { js: 'Uint8Array.of(0, 255)', value: Uint8Array.of(0, 255), type: 'bytes', repr: "b'\\x00\\xff'" },
  {
    js: "Buffer.from('ab')",
    value: Buffer.from('ab'),
    type: 'bytes',
    repr: "b'ab'",
    back: Uint8Array.of(97, 98),
    backText: 'a `Uint8Array`',
  },
  {
    js: 'Float64Array.of(1, 2)',
    value: Float64Array.of(1, 2),
    type: 'ndarray',
    repr: 'array([1., 2.])',
    back: ndarray(Float64Array.of(1, 2)),
    backText: 'an `NDArray`',
  },
  {
    js: 'ndarray(Int8Array.of(1, 2), [2, 1])',
    value: ndarray(Int8Array.of(1, 2), [2, 1]),
    type: 'ndarray',
    repr: 'array([[1],\n       [2]], dtype=int8)',
  },
  { js: "[1, 'a', [null]]", value: [1, 'a', [null]], type: 'list', repr: "[1, 'a', [None]]" },
  { js: '[]', value: [], type: 'list', repr: '[]' },
  { js: 'tuple(1, tuple())', value: tuple(1, tuple()), type: 'tuple', repr: '(1, ())' },
  { js: '{ a: 1 }', value: { a: 1 }, type: 'dict', repr: "{'a': 1}" },
  {
    js: "new Map([[1, 'a'], ['1', 'b']])",
    value: new Map<unknown, string>([
      [1, 'a'],
      ['1', 'b'],
    ]),
    type: 'dict',
    repr: "{1: 'a', '1': 'b'}",
  },
  {
    js: "new Map([['a', 1]])",
    value: new Map([['a', 1]]),
    type: 'dict',
    repr: "{'a': 1}",
    back: { a: 1 },
    backText: '`{ a: 1 }`',
  },
  { js: 'new Set([1])', value: new Set([1]), type: 'set', repr: '{1}' },
  { js: 'new Set()', value: new Set(), type: 'set', repr: 'set()' },
  {
    js: 'new Set([new Set([1])])',
    value: new Set([new Set([1])]),
    type: 'set',
    repr: '{frozenset({1})}',
  },
  {
    js: 'new Date(0)',
    value: new Date(0),
    type: 'datetime',
    repr: 'datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)',
    back: PyDateTime.from(new Date(0)),
    backText: 'a `PyDateTime`',
  },
  {
    js: "PyDateTime.parse('2024-01-02T03:04:05.000006')",
    value: PyDateTime.parse('2024-01-02T03:04:05.000006'),
    type: 'datetime',
    repr: 'datetime.datetime(2024, 1, 2, 3, 4, 5, 6)',
  },
  {
    js: "PyDateTime.parse('2024-06-01T12:00+02:00')",
    value: PyDateTime.parse('2024-06-01T12:00+02:00'),
    type: 'datetime',
    repr: 'datetime.datetime(2024, 6, 1, 12, 0, tzinfo=datetime.timezone(datetime.timedelta(seconds=7200)))',
  },
  {
    js: "PyDateTime.parse('2024-06-01T12:00[Europe/Berlin]')",
    value: PyDateTime.parse('2024-06-01T12:00[Europe/Berlin]'),
    type: 'datetime',
    repr: "datetime.datetime(2024, 6, 1, 12, 0, tzinfo=zoneinfo.ZoneInfo(key='Europe/Berlin'))",
    back: new PyDateTime({
      ...{ year: 2024, month: 6, day: 1, hour: 12 },
      ...{ offset: 7_200_000_000, zone: 'Europe/Berlin', name: 'CEST' },
    }),
    backText: 'the same, with the name `CEST`',
  },
  { js: 'new PyDate(2024, 2, 29)', value: new PyDate(2024, 2, 29), type: 'date', repr: 'datetime.date(2024, 2, 29)' },
  {
    js: "PyTime.parse('12:30:00.5')",
    value: PyTime.parse('12:30:00.5'),
    type: 'time',
    repr: 'datetime.time(12, 30, 0, 500000)',
  },
  {
    js: 'PyTimeDelta.from({ microseconds: -1 })',
    value: PyTimeDelta.from({ microseconds: -1 }),
    type: 'timedelta',
    repr: 'datetime.timedelta(days=-1, seconds=86399, microseconds=999999)',
  },
  { js: "PyDecimal.from('1.10')", value: PyDecimal.from('1.10'), type: 'Decimal', repr: "Decimal('1.10')" },
  { js: 'new PyFraction(2, 6)', value: new PyFraction(2, 6), type: 'Fraction', repr: 'Fraction(1, 3)' },
  { js: 'new PyComplex(1, -2)', value: new PyComplex(1, -2), type: 'complex', repr: '(1-2j)' },
  {
    js: "PyUuid.from('12345678-1234-5678-1234-567812345678')",
    value: PyUuid.from('12345678-1234-5678-1234-567812345678'),
    type: 'UUID',
    repr: "UUID('12345678-1234-5678-1234-567812345678')",
  },
  { js: 'function named() {}', value: named, type: 'HostObject', repr: '<function named>' },
  { js: 'a generator', value: generator, type: 'HostObject', repr: '<iterable synchronous>' },
  { js: 'an async generator', value: asynchronous, type: 'HostObject', repr: '<iterable asynchronous>' },
  {
    js: "new TypeError('wrong')",
    value: failure,
    type: 'HostObject',
    repr: `<error TypeError wrong ${failure.stack ?? ''}>`,
  },
  { js: 'new Point(1, 2), with a codec', value: new Point(1, 2), type: 'Point', repr: 'Point(1, 2)' },
];

export const FROM_PYTHON: readonly FromPython[] = [
  { python: 'None', js: 'null', value: null },
  { python: '3.0', js: '3', value: 3 },
  { python: '2**53 + 1', js: '2n ** 53n + 1n', value: 2n ** 53n + 1n },
  { python: '2**70', js: '2n ** 70n', value: 2n ** 70n },
  { python: "bytearray(b'ab')", js: 'Uint8Array.of(97, 98)', value: Uint8Array.of(97, 98) },
  { python: "memoryview(b'ab')", js: 'Uint8Array.of(97, 98)', value: Uint8Array.of(97, 98) },
  {
    python: "{'a': 1, 7: 2}",
    js: "new Map([['a', 1], [7, 2]])",
    value: new Map<unknown, number>([
      ['a', 1],
      [7, 2],
    ]),
  },
  { python: 'frozenset({1})', js: 'new Set([1])', value: new Set([1]) },
  {
    python: 'datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)',
    js: "PyDateTime.parse('2024-01-01T00:00Z')",
    value: PyDateTime.parse('2024-01-01T00:00Z'),
  },
  { python: "decimal.Decimal('NaN')", js: "PyDecimal.from('NaN')", value: PyDecimal.from('NaN') },
  { python: 'np.int64(7)', js: '7', value: 7 },
  { python: 'np.uint64(2**64 - 1)', js: '2n ** 64n - 1n', value: 2n ** 64n - 1n },
  { python: 'np.float32(0.5)', js: '0.5', value: 0.5 },
  { python: 'np.bool_(True)', js: 'true', value: true },
  { python: 'np.complex128(1j)', js: 'new PyComplex(0, 1)', value: new PyComplex(0, 1) },
  {
    python: 'np.arange(2.0)',
    js: 'ndarray(Float64Array.of(0, 1))',
    value: ndarray(Float64Array.of(0, 1)),
  },
  { python: 'np.zeros(2, object)', js: 'handle', value: new HandleOf('numpy.ndarray'), plain: 'refused' },
  { python: "np.datetime64('2024-01-01')", js: 'handle', value: new HandleOf('numpy.datetime64'), plain: 'refused' },
  {
    python: 'Colour.RED',
    js: 'handle',
    value: new HandleOf('__main__.Colour'),
    plain: { js: "'red'", value: 'red' },
  },
  { python: 'Size.SMALL', js: 'handle', value: new HandleOf('__main__.Size'), plain: { js: '1', value: 1 } },
  { python: 'Unit.METRE', js: 'handle', value: new HandleOf('__main__.Unit'), plain: { js: "'m'", value: 'm' } },
  {
    python: 'Pair(1, [2])',
    js: 'handle',
    value: new HandleOf('__main__.Pair'),
    plain: { js: 'tuple(1, [2])', value: tuple(1, [2]) },
  },
  {
    python: "Item('x', [Size.SMALL])",
    js: 'handle',
    value: new HandleOf('__main__.Item'),
    plain: { js: "{ name: 'x', sizes: [1] }", value: { name: 'x', sizes: [1] } },
  },
  {
    python: "collections.Counter('aab')",
    js: 'handle',
    value: new HandleOf('collections.Counter'),
    plain: { js: '{ a: 2, b: 1 }', value: { a: 2, b: 1 } },
  },
  {
    python: 'collections.OrderedDict(a=1)',
    js: 'handle',
    value: new HandleOf('collections.OrderedDict'),
    plain: { js: '{ a: 1 }', value: { a: 1 } },
  },
  {
    python: 'collections.defaultdict(list, a=1)',
    js: 'handle',
    value: new HandleOf('collections.defaultdict'),
    plain: { js: '{ a: 1 }', value: { a: 1 } },
  },
  { python: "re.compile('x')", js: 'handle', value: new HandleOf('re.Pattern'), plain: 'refused' },
  { python: 'range(3)', js: 'handle', value: new HandleOf('builtins.range'), plain: 'refused' },
  {
    python: "[{'name': 'n', 'pattern': re.compile('x')}]",
    js: "[{ name: 'n', pattern: handle }]",
    value: [{ name: 'n', pattern: new HandleOf('re.Pattern') }],
    plain: 'refused',
  },
  { python: 'Point(1, 2)', js: 'new Point(1, 2), with a codec', value: new Point(1, 2) },
];
