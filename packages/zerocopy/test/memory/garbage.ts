import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** Collects until the condition holds; gives up after so many rounds that it never will. */
export async function collectUntil(condition: () => boolean): Promise<boolean> {
  for (let round = 0; round < 100 && !condition(); round++) {
    gc();
    await setImmediate();
  }
  return condition();
}

/** Collects several times, for what must not be collected. */
export async function collect(): Promise<void> {
  for (let round = 0; round < 5; round++) {
    gc();
    await setImmediate();
  }
}
