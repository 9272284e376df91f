/** A version of Python: major, minor, patch. */
export type PythonVersion = readonly [major: number, minor: number, patch: number];

/** The oldest Python on which the worker runs. */
export const OLDEST_PYTHON: PythonVersion = [3, 10, 0];

interface Bound {
  readonly operator: string;
  readonly version: readonly number[];
  readonly isPrefix: boolean;
}

/** Reads `3.11.7`, `3.13.0rc1` or `3.12`; undefined where the text is no version. */
export function parsePythonVersion(text: string): PythonVersion | undefined {
  const [, major, minor, patch] = /^\s*(\d+)\.(\d+)(?:\.(\d+))?/u.exec(text) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor), Number(patch ?? 0)];
}

/** Reads a range such as `>=3.10,<3.14` or `==3.12.*`; undefined where it is none. */
export function parseVersionRange(text: string): readonly Bound[] | undefined {
  const bounds: Bound[] = [];
  for (const part of text.split(',')) {
    const [, operator, version, star] = /^\s*(>=|<=|==|!=|~=|>|<)\s*(\d+(?:\.\d+){0,2})(\.\*)?\s*$/u.exec(part) ?? [];
    if (operator === undefined || version === undefined) return undefined;
    bounds.push({ operator, version: version.split('.').map(Number), isPrefix: star !== undefined });
  }
  return bounds;
}

/** Whether a version lies in every bound of a range (PEP 440, as far as interpreters need it). */
export function isInRange(version: PythonVersion, range: string): boolean {
  return (parseVersionRange(range) ?? []).every((bound) => satisfies(version, bound));
}

/** The lowest minor version that a range names by `>=`, `~=` or `==`, as `3.11`; undefined where it names none. */
export function lowestMinor(range: string): string | undefined {
  const lower = (parseVersionRange(range) ?? []).find((bound) => ['>=', '~=', '=='].includes(bound.operator));
  return lower?.version[1] === undefined ? undefined : `${lower.version[0] ?? 3}.${lower.version[1]}`;
}

/** `3.11.7`. */
export function formatVersion(version: PythonVersion): string {
  return version.join('.');
}

/** Whether `version` is `least` or newer. */
export function isAtLeast(version: readonly number[], least: readonly number[]): boolean {
  return compare(version, least) >= 0;
}

function satisfies(version: PythonVersion, { operator, version: bound, isPrefix }: Bound): boolean {
  const order = compare(isPrefix ? version.slice(0, bound.length) : version, bound);
  switch (operator) {
    case '>=':
      return order >= 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '<':
      return order < 0;
    case '!=':
      return order !== 0;
    case '~=':
      return order >= 0 && compare(version.slice(0, bound.length - 1), bound.slice(0, -1)) === 0;
    default:
      return order === 0;
  }
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
