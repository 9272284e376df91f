import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileError } from '../errors.js';

/**
 * Replaces a file as a whole: a reader sees the old text or the new, and a crash leaves one of them.
 *
 * @returns Whether the content differed and was written.
 * @throws ConfigError when the file cannot be written, naming it and the way out.
 */
export function writeFileAtomically(path: string, content: string | Uint8Array): boolean {
  const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const before = statSync(path, { throwIfNoEntry: false });
    if (before?.isFile() && readFileSync(path).equals(bytes)) return false;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(temporary, bytes, before === undefined ? {} : { mode: before.mode });
    renameSync(temporary, path);
    return true;
  } catch (error) {
    try {
      rmSync(temporary, { force: true });
    } catch {
      // The directory itself is in the way; the first error says so.
    }
    throw fileError(path, error);
  }
}
