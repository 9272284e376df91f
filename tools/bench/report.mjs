/** What a run tells: each benchmark's value and verdict, as a table and as JSON. */
import { median } from './measure.mjs';

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {string} unit
 * @property {import('./measure.mjs').Goal} [goal]
 * @property {number} [value] The median over rounds, or the worst of them; of a ratio, that of each round's ratio.
 * @property {readonly [number, number]} [range] The least and the most of all rounds.
 * @property {string} [reason] Why there is no value.
 */

/**
 * @param {readonly import('./measure.mjs').Benchmark[]} benchmarks
 * @param {ReadonlyMap<string, import('./measure.mjs').Result>} results
 * @param {import('./placement.mjs').Placement} placement
 * @returns {Row[]}
 */
export function evaluate(benchmarks, results, placement) {
  return benchmarks.map(({ name, unit, goal, of, isWorst = false, combine, mayLack = [] }) => {
    const row = { name, unit, ...(goal === undefined ? {} : { goal }) };
    const parts = of.map((key) => results.get(key));
    if (parts.includes(undefined)) {
      const mode = ['same', 'cross'].find((candidate) => of[0].split('.').includes(candidate));
      return { ...row, reason: placement.whyNot(mode) ?? 'nothing measures it' };
    }
    const failed = parts.findIndex((part, index) => part.error !== undefined && !mayLack.includes(of[index]));
    if (failed !== -1) return { ...row, reason: `${of.length > 1 ? `${of[failed]}: ` : ''}${parts[failed].error}` };
    const figuresOf = (round) => parts.map((part) => (part.error === undefined ? part.values[round] : undefined));
    const values = parts[0].values.map((_, round) => (combine ?? firstOverSecond)(...figuresOf(round)));
    if (!values.every(Number.isFinite)) return { ...row, reason: 'there is nothing that it could be compared with' };
    const range = [Math.min(...values), Math.max(...values)];
    return { ...row, value: isWorst ? range[1] : median(values), range };
  });
}

const firstOverSecond = (first, second = 1) => first / second;

/** @param {readonly Row[]} rows */
export function printTable(rows) {
  const judged = rows.filter((row) => row.goal !== undefined);
  const informative = rows.filter((row) => row.goal === undefined);
  const width = Math.max(...rows.map((row) => row.name.length));
  const cells = (row) => {
    const value = row.value === undefined ? '-' : formatNumber(row.value);
    const range = row.range?.map(formatNumber).join(' to ') ?? '';
    return `${row.name.padEnd(width)}  ${value.padStart(10)} ${row.unit.padEnd(7)}  ${range.padEnd(18)}`;
  };
  const reason = (row) => (row.value === undefined ? `not measured: ${row.reason}` : '');
  if (judged.length > 0) console.log('\nGoals');
  for (const row of judged) {
    const verdict = row.value === undefined ? reason(row) : isMet(row.goal, row.value) ? 'met' : 'MISSED';
    console.log(`${cells(row)}  ${describeGoal(row.goal).padEnd(8)}  ${verdict}`.trimEnd());
  }
  if (informative.length > 0) console.log('\nFor information');
  for (const row of informative) console.log(`${cells(row)}  ${reason(row)}`.trimEnd());
  console.log('');
}

/** @param {readonly Row[]} rows */
export function toJson(rows) {
  return {
    benchmarks: rows
      .filter((row) => row.value !== undefined)
      .map(({ name, value, unit }) => ({ name, value: Number(value.toPrecision(6)), unit })),
  };
}

const isMet = (goal, value) => ('atMost' in goal ? value <= goal.atMost : value >= goal.atLeast);
const describeGoal = (goal) => ('atMost' in goal ? `<= ${goal.atMost}` : `>= ${goal.atLeast}`);

/** Three digits that count, and no exponent. */
export function formatNumber(value) {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}
