/**
 * `npm run bench -- SUITE`: measures one suite, prints its table, and writes its figures and its chart.
 *
 * A goal that is missed and a peer that does not run are told in the table; neither fails the run.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { buildRuntime } from '../workspace/build-runtime.mjs';
import { fail, root } from '../workspace/lib.mjs';
import { measure } from './measure.mjs';
import { Placement } from './placement.mjs';
import { evaluate, printTable, toJson } from './report.mjs';

/** Every suite exports what {@link import('./measure.mjs').Suite} says. */
const SUITES = {
  call: () => import('./call.mjs'),
  recovery: () => import('./recovery.mjs'),
  array: () => import('./array.mjs'),
};

const USAGE = `npm run bench -- ${Object.keys(SUITES).join('|')} [--json FILE] [--chart FILE] [--rounds N] [--only NAME,...] [--quick] [--list]
  --json FILE    writes { "benchmarks": [{ "name", "value", "unit" }] }; what was not measured is not in it
  --chart FILE   draws the chart there; without it a full run draws docs/benchmarks/SUITE.svg
  --rounds N     rounds of which each figure is the median (7)
  --only NAMES   measures only these, and what they are computed from
  --quick        short rounds: whether everything runs, and no figures to quote
  --list         prints all names`;

/** Work of one measurement in one round. */
const FULL = { ms: 150, warmUpMs: 400, limitMs: 60_000 };
const QUICK = { ms: 20, warmUpMs: 60, limitMs: 10_000 };

const { name, suite, options } = await readArguments();
const placement = new Placement();
const benchmarks = select(suite.benchmarks(placement.modes), options.only);
if (options.list) {
  for (const benchmark of benchmarks) console.log(benchmark.name);
} else await run();

async function run() {
  // Before the clocks run; where it fails, the figures that need it say so.
  await buildRuntime().catch(() => undefined);
  if (!placement.isPinned) console.log(`Only unpinned figures (\`any\`) are measured: ${placement.whyNotPinned}.`);
  const needed = new Set(benchmarks.flatMap((benchmark) => benchmark.of));
  const measurements = suite.measurements(placement.modes).filter((measurement) => needed.has(measurement.name));
  const results = await measure(measurements, suite.peers, {
    rounds: options.rounds,
    effort: options.quick ? QUICK : FULL,
    placement,
  });
  const rows = evaluate(benchmarks, results, placement);
  printTable(rows);
  if (options.json !== undefined) write(options.json, `${JSON.stringify(toJson(rows), null, 2)}\n`);
  if (options.chart !== undefined) write(options.chart, suite.chart(rows));
}

async function readArguments() {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'string' },
        chart: { type: 'string' },
        rounds: { type: 'string', default: '7' },
        only: { type: 'string' },
        quick: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    return fail(`${error.message}\n\n${USAGE}`);
  }
  const { positionals, values } = parsed;
  const [suiteName] = positionals;
  if (positionals.length !== 1 || !Object.hasOwn(SUITES, suiteName)) return fail(USAGE);
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) return fail(`--rounds: must be an integer from 1, not ${values.rounds}`);
  const only = values.only?.split(',').filter(Boolean);
  // A part of the figures, or hasty ones, must not replace the chart that the documentation shows.
  const chart =
    values.chart ??
    (only === undefined && !values.quick ? join(root, 'docs', 'benchmarks', `${suiteName}.svg`) : undefined);
  return {
    name: suiteName,
    suite: await SUITES[suiteName](),
    options: { ...values, rounds, only, chart },
  };
}

function select(all, only) {
  if (only === undefined) return all;
  const unknown = only.find((wanted) => !all.some((benchmark) => benchmark.name === wanted));
  if (unknown !== undefined)
    fail(`--only: ${unknown} is no benchmark of ${name}; \`npm run bench -- ${name} --list\` prints all names`);
  const given = new Set(all.filter((benchmark) => only.includes(benchmark.name)).flatMap((benchmark) => benchmark.of));
  return all.filter(
    (benchmark) =>
      only.includes(benchmark.name) || (benchmark.goal === undefined && benchmark.of.every((key) => given.has(key))),
  );
}

function write(file, text) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  console.log(`Written: ${relative(process.cwd(), file)}`);
}
