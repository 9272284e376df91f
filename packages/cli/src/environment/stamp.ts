import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from '../project/atomic-write.js';

/** What `.venv/hognose.json` says of an environment. */
export interface Stamp {
  /** Whether Hognose made the environment; it removes packages only from such a one. */
  readonly isManaged: boolean;
  /** The SHA-256 of the lock that was installed last, or null while nothing is known to be complete. */
  readonly lock: string | null;
  /** The interpreter's version, as `3.11.7`. */
  readonly python: string;
  /** What stood in site-packages after that, by which damage is seen. */
  readonly entries: readonly string[];
}

const FILE = 'hognose.json';

/** Reads an environment's stamp; undefined where there is none that can be read. */
export function readStamp(venv: string): Stamp | undefined {
  try {
    const stamp = JSON.parse(readFileSync(join(venv, FILE), 'utf8')) as Partial<Stamp> | null;
    if (typeof stamp?.isManaged !== 'boolean' || typeof stamp.python !== 'string') return undefined;
    return {
      isManaged: stamp.isManaged,
      lock: typeof stamp.lock === 'string' ? stamp.lock : null,
      python: stamp.python,
      entries: Array.isArray(stamp.entries) ? stamp.entries : [],
    };
  } catch {
    return undefined;
  }
}

/** Writes an environment's stamp. */
export function writeStamp(venv: string, stamp: Stamp): void {
  writeFileAtomically(join(venv, FILE), `${JSON.stringify(stamp, null, 2)}\n`);
}
