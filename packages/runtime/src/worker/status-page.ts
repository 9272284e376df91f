/** What a worker has written about the calls that it runs: readable whatever it does, and after its death. */
import { closeSync, openSync, readSync, rmSync } from 'node:fs';

const PAGE_BYTES = 4096;
const MAGIC = 0x31534748n;
/** Words of 64 bits: the magic, the number of calls started, slots of two words, then a ring of the last calls. */
const COUNT_WORD = 1;
const SLOTS = { first: 8, count: 64 } as const;
const RING = { first: 256, count: 256 } as const;

/** @internal */
export class StatusPage {
  /** The file that the worker maps. */
  readonly path: string;

  /** @param path - Where the worker makes it: in a directory that only this user may enter. */
  constructor(path: string) {
    this.path = path;
  }

  /** Which calls run, and which were started lately; undefined where the worker has not written anything yet. */
  read(): { readonly running: ReadonlySet<number>; readonly started: ReadonlySet<number> } | undefined {
    const words = this.#words();
    if (words?.[0] !== MAGIC) return undefined;
    const running = new Set<number>();
    for (let slot = 0; slot < SLOTS.count; slot += 1) {
      const id = Number(words[SLOTS.first + 2 * slot]);
      if (id !== 0) running.add(id);
    }
    const startedCount = Math.min(Number(words[COUNT_WORD]), RING.count);
    const ring = words.subarray(RING.first, RING.first + RING.count);
    const started = new Set([...(startedCount < RING.count ? ring.subarray(0, startedCount) : ring)].map(Number));
    return { running, started };
  }

  remove(): void {
    rmSync(this.path, { force: true });
  }

  #words(): BigUint64Array | undefined {
    const bytes = new Uint8Array(PAGE_BYTES);
    try {
      const file = openSync(this.path, 'r');
      try {
        if (readSync(file, bytes) !== PAGE_BYTES) return undefined;
      } finally {
        closeSync(file);
      }
    } catch {
      return undefined; // not there yet; or removed, by whoever cleans temporary directories
    }
    return new BigUint64Array(bytes.buffer);
  }
}
