/** What stands in the folder that generated files go to. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CodegenError } from './errors.js';
import { HEADER } from './emit/module.js';

/** A file's text; undefined where there is none. @internal */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw unusable(path, error);
  }
}

/**
 * Paths of files that an earlier run generated and this one did not, relative with `/`, sorted.
 *
 * @internal
 */
export async function staleFiles(folder: string, current: ReadonlyMap<string, string>): Promise<string[]> {
  const candidates = (await filesBelow(folder, '')).filter(
    (path) => /\.(?:js|d\.ts)$/.test(path) && !current.has(path),
  );
  const stale: string[] = [];
  for (const path of candidates.sort()) {
    if ((await readIfThere(join(folder, path)))?.startsWith(HEADER) === true) stale.push(path);
  }
  return stale;
}

/**
 * What the file system refused, with the path and a remedy.
 *
 * @param state - What has become of the folder.
 * @internal
 */
export function unusable(path: string, cause: unknown, state = 'Nothing was changed.'): CodegenError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const remedies: Readonly<Record<string, string>> = {
    ENOTDIR: 'a file stands where a folder is needed: move it away, or choose another folder',
    EEXIST: 'a file stands where a folder is needed: move it away, or choose another folder',
    EISDIR: 'a folder stands where a file is to be written: move it away, or choose another folder',
    ENOSPC: 'the disk is full: make room and run this again',
    EROFS: 'the file system is read-only: choose another folder',
  };
  const remedy = remedies[code] ?? 'give this user the right to write there, or choose another folder';
  return new CodegenError(`Generated files cannot be written to ${path} (${code}): ${remedy}. ${state}`, { cause });
}

async function filesBelow(folder: string, prefix: string): Promise<string[]> {
  try {
    const entries = await readdir(join(folder, prefix), { withFileTypes: true });
    const nested = entries.map(async (entry) => {
      const path = `${prefix}${entry.name}`;
      if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesBelow(folder, `${path}/`);
      return entry.isFile() ? [path] : [];
    });
    return (await Promise.all(nested)).flat();
  } catch (error) {
    if (isMissing(error)) return [];
    throw unusable(join(folder, prefix), error);
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
