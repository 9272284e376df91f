import { join } from 'node:path';
import type { Generated } from './generate.js';
import { readIfThere, staleFiles } from './output-folder.js';

/** A file that is not as it would be generated now. @public */
export interface Difference {
  /** Relative to the folder, with `/`. */
  readonly path: string;
  /** `missing`: not there. `changed`: other text. `stale`: generated once, by nothing now. */
  readonly kind: 'missing' | 'changed' | 'stale';
  /** The first line that differs, from 1; only of `changed`. */
  readonly line?: number;
  /** The line as it would be generated; undefined where the file should end before it. */
  readonly expected?: string;
  /** The line as it is; undefined where the file ends before it. */
  readonly actual?: string;
  /** The Python name that the line belongs to, where it belongs to one. */
  readonly symbol?: string;
}

/**
 * Compares a folder with what would be generated now. Nothing is written.
 *
 * @returns One difference for each file that is not the same, sorted by path; none where all is well.
 * @throws {@link CodegenError} When the folder cannot be read.
 * @public
 */
export async function compareGenerated(generated: Generated, outDir: string): Promise<readonly Difference[]> {
  const differences: Difference[] = [];
  for (const [path, text] of generated.files) {
    const current = await readIfThere(join(outDir, path));
    if (current === undefined) differences.push({ path, kind: 'missing' });
    else if (current !== text) differences.push(firstDifference(path, text, current));
  }
  for (const path of await staleFiles(outDir, generated.files)) differences.push({ path, kind: 'stale' });
  return differences.sort((one, other) => (one.path < other.path ? -1 : 1));
}

function firstDifference(path: string, expectedText: string, actualText: string): Difference {
  const expectedLines = expectedText.split('\n');
  const actualLines = actualText.split('\n');
  const index = expectedLines.findIndex((line, position) => line !== actualLines[position]);
  const at = index === -1 ? expectedLines.length : index;
  const [expected, actual] = [expectedLines[at], actualLines[at]];
  const symbol = symbolAt(expectedLines, at) ?? symbolAt(actualLines, at);
  return {
    path,
    kind: 'changed',
    line: at + 1,
    ...(expected === undefined ? {} : { expected }),
    ...(actual === undefined ? {} : { actual }),
    ...(symbol === undefined ? {} : { symbol }),
  };
}

const DECLARATION = /^(?:export )?(?:declare )?(?:const|function|interface) ([^\s<({:=]+)/u;

/** The name that a line declares, or that the comment or declaration around it belongs to. */
function symbolAt(lines: readonly string[], at: number): string | undefined {
  // A comment at the margin stands before its declaration; every other line stands after it, or in it.
  const step = /^(?:\/\*\*| \*)/.test(lines[at] ?? '') ? 1 : -1;
  for (let index = at; index >= 0 && index < lines.length; index += step) {
    const name = DECLARATION.exec(lines[index] ?? '')?.[1];
    // Interfaces of keywords are called `function$kw`, `Class$kw` and `Class$method$kw`.
    if (name !== undefined) return name.replace(/\$kw$/, '').replace('$', '.');
  }
  return undefined;
}
