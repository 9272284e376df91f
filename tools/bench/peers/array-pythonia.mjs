/** Arrays over pythonia, which carries JSON: as base64, as numbers spelt out take ten times as long. */
import { join } from 'node:path';
import { bytesOf } from './array-source.mjs';
import { PYTHON_PATH } from './python-process.mjs';
import { startPythonia } from './pythonia.mjs';

export const arrayPythonia = {
  async start() {
    const { module, ...peer } = await startPythonia(join(PYTHON_PATH, 'array_edges.py'));
    return {
      ...peer,
      async send(array) {
        const edges = await module.edges_of_base64(bytesOf(array).toString('base64'));
        return edges.valueOf();
      },
    };
  },
};
