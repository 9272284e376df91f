/** The ledger as a table. */
import { OUTCOMES } from './ledger.mjs';

const COLUMNS = [
  ['kind of call', (row) => row.kind],
  ['submitted', (row) => row.submitted],
  ...OUTCOMES.map((outcome) => [outcome, (row) => row.outcomes[outcome]]),
  ['retried', (row) => row.retried],
  ['ran', (row) => row.effects],
  ['breaches', (row) => row.breaches],
];

/** @param {import('./chaos.mjs').Report} report @returns {string} */
export function toText(report) {
  const { calls, kills, recovery, workers, host, breaches, breachCount } = report;
  const total = calls.reduce(add, { kind: 'all', submitted: 0, outcomes: {}, retried: 0, effects: 0, breaches: 0 });
  const killed = kills.filter((row) => row.kills > 0);
  const starts = Object.entries(workers.startMs).map(
    ([how, { count, medianMs }]) => `${count} ${how} (median ${ms(medianMs)})`,
  );
  return [
    `Calls, on ${report.transport}, ${report.medianInFlight} of ${report.inFlight} in flight (median), seed ${report.seed}`,
    table(
      COLUMNS.map(([title]) => title),
      [...calls, total].map((row) => COLUMNS.map(([, cell]) => cell(row))),
    ),
    '',
    'Kills',
    table(
      ['how', 'kills', 'told right'],
      killed.map((row) => [row.how, row.kills, row.right]),
    ),
    '',
    `Pools were incomplete ${recovery.count} times, for ${ms(recovery.medianMs)} (median; the longest ${ms(recovery.worstMs)}), and whole ${ms(recovery.lastMs)} after the last call.`,
    `Workers: ${starts.join(', ')}; ${workers.ended} ended, ${workers.retired} of them retired; ${workers.taints} taints, ${workers.clearings} cleared; ${workers.retries} retries; ${workers.linesPrinted} lines printed.`,
    ...Object.entries(workers.withoutZygote).map(([pool, reason]) => `Pool ${pool} has no zygote: ${reason}`),
    `This process: ${host.rssMib.join(' MiB at the start, ')} MiB at the end; of it heap ${host.heapMib.join(' and ')} MiB.`,
    '',
    breachCount === 0 ? 'No breach.' : `${breachCount} breaches:`,
    ...breaches.map((text) => `- ${text}`),
  ].join('\n');
}

function add(sum, row) {
  const outcomes = Object.fromEntries(
    OUTCOMES.map((outcome) => [outcome, (sum.outcomes[outcome] ?? 0) + row.outcomes[outcome]]),
  );
  const [submitted, retried, effects, breaches] = ['submitted', 'retried', 'effects', 'breaches'].map(
    (field) => sum[field] + row[field],
  );
  return { kind: sum.kind, submitted, outcomes, retried, effects, breaches };
}

function table(titles, rows) {
  const cells = [titles, ...rows.map((row) => row.map(String))];
  const widths = titles.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const line = (row) =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n');
}

const ms = (value) => `${Math.round(value)} ms`;
