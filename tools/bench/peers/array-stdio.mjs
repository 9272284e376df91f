/** Arrays in files of /dev/shm, whose paths go over stdio as JSON lines: what people write by hand for large arrays. */
import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, open, unlink } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { end, startScript } from './python-process.mjs';

const SHARED_MEMORY = '/dev/shm';

/** A new file for each array: Python may keep what it was sent. */
export const arrayStdio = { start: () => startStdio({ isKept: false }) };

/**
 * The same file, written over each time. Its pages are there already, but whatever Python still has of the array before
 * changes under its hands: no way to hand arrays over, and a limit of what files can do.
 */
export const arrayStdioKept = { start: () => startStdio({ isKept: true }) };

async function startStdio({ isKept }) {
  if (!existsSync(SHARED_MEMORY)) throw new Error(`there is no ${SHARED_MEMORY} here`);
  const folder = await mkdtemp(join(SHARED_MEMORY, 'hognose-bench-'));
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  process.on('exit', removeFolder);
  const { child, ended } = startScript('array_stdio.py');
  child.stdout.setEncoding('utf8');
  let count = 0;
  return {
    pids: () => [child.pid],
    /** One at a time. */
    async send(array) {
      if (!isKept) count += 1;
      const path = join(folder, `${count}`);
      const file = await open(path, isKept && existsSync(path) ? 'r+' : 'w');
      // One call to the system, off the event loop.
      await file.write(array);
      await file.close();
      const answered = once(child.stdout, 'data');
      child.stdin.write(`${JSON.stringify({ path })}\n`);
      const [line] = await Promise.race([answered, ended]);
      if (!isKept) await unlink(path);
      return JSON.parse(line);
    },
    async close() {
      await end(child);
      process.off('exit', removeFolder);
      removeFolder();
    },
  };
}
