/** Writes the tables of docs/values.md from the cases that prove them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FROM_PYTHON, TO_PYTHON } from './cases.js';

export const PAGE = fileURLToPath(new URL('../../../../docs/values.md', import.meta.url));

/** The page with the tables that the cases make. */
export function pageWithTables(page = readFileSync(PAGE, 'utf8')): string {
  const withFirst = between(page, 'to-python', toPython());
  return between(withFirst, 'from-python', fromPython());
}

function toPython(): string {
  return table(
    ['JavaScript', 'Python', 'type', 'comes back as'],
    TO_PYTHON.map(({ js, type, repr, backText, value }) => {
      const isHost = type === 'HostObject';
      const back = backText ?? (typeof value === 'function' || isHost ? 'the same object' : 'the same');
      return [code(js), isHost ? hostText(repr) : code(repr), isHost ? '' : code(type), back];
    }),
  );
}

/** What stands for an object of JavaScript in Python. */
function hostText(repr: string): string {
  if (repr.startsWith('<function')) return 'a callable';
  if (repr.startsWith('<error')) return 'a `hognose.JavaScriptError`';
  return repr.includes('asynchronous') ? 'an asynchronous iterable' : 'an iterable';
}

function fromPython(): string {
  return table(
    ['Python', 'JavaScript', 'by `$value()`'],
    FROM_PYTHON.map(({ python, js, plain }) => {
      const asValue = plain === undefined ? 'the same' : plain === 'refused' ? 'an error' : code(plain.js);
      return [code(python.replace(/\bnp\./g, 'numpy.')), js === 'handle' ? 'a handle' : code(js), asValue];
    }),
  );
}

/** A table as prettier writes it. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(...[head, ...rows].map((row) => width(row[column] ?? title))));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell))).join(' | ')} |`;
  return [line(head), `| ${widths.map((count) => '-'.repeat(count)).join(' | ')} |`, ...rows.map(line)].join('\n');
}

/** Columns that a text takes: an emoji takes two. */
const width = (text: string): number => text.length - (text.match(/\p{Variation_Selector}/gu)?.length ?? 0);

const code = (text: string): string => {
  const line = text.replace(/\n\s*/g, ' ').replaceAll('|', '\\|');
  return line === '' ? '' : `\`${line}\``;
};

function between(page: string, name: string, text: string): string {
  const [start, end] = [`<!-- table ${name}: made by test/values/write-docs.ts -->`, `<!-- end ${name} -->`];
  const [from, to] = [page.indexOf(start), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/values.md has no place for the table ${name}`);
  return `${page.slice(0, from + start.length)}\n\n${text}\n\n${page.slice(to)}`;
}
