/** The limit that copies are compared with: one copy within this process, of memory that is there to memory that is. */
import { ELEMENTS_OF_100_MB, nextArray } from './array-source.mjs';

export const arrayMemory = {
  async start() {
    const target = new Float64Array(ELEMENTS_OF_100_MB).fill(1);
    return {
      pids: () => [],
      async copy() {
        target.set(nextArray());
      },
      close: async () => undefined,
    };
  },
};
