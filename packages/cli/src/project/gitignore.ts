import { existsSync, readFileSync } from 'node:fs';

const LINES = ['.venv/', '.hognose.pid'] as const;

/** `.gitignore` with the lines for what Hognose makes and nobody commits; what is there stays. */
export function extendGitignore(file: string): string {
  const source = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const present = new Set(source.split(/\r?\n/u).map((line) => line.trim().replace(/^\/|\/$/gu, '')));
  const missing = LINES.filter((line) => !present.has(line.replace(/\/$/u, '')));
  if (missing.length === 0) return source;
  const end = source.includes('\r\n') ? '\r\n' : '\n';
  const gap = source === '' || source.endsWith('\n') ? '' : end;
  return `${source}${gap}${missing.join(end)}${end}`;
}
