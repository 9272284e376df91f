/** Started by array-in-process.mjs: hands arrays to Python in this very process, for as long as it is told to. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { durations, median } from '../measure.mjs';
import { bytesOf, checkEdges, nextArray } from './array-source.mjs';

const [addon, pythonPath, sitePackages] = process.argv.slice(2);
const require = createRequire(import.meta.url);

/** How each addon is given bytes, and answers with the first and the last element. */
const SENDERS = {
  'node-calls-python'() {
    const { interpreter } = require(addon);
    for (const path of [sitePackages, pythonPath]) interpreter.addImportPath(path);
    const module = interpreter.importSync(join(pythonPath, 'array_edges.py'), false);
    return (array) => interpreter.callSync(module, 'edges_of_bytes', array);
  },
  pymport() {
    const { pymport, PyObject } = require(addon);
    const importPath = pymport('sys').get('path');
    for (const path of [sitePackages, pythonPath]) importPath.get('insert').call(0, path);
    const edgesOfBytes = pymport('array_edges').get('edges_of_bytes');
    return (array) => edgesOfBytes.call(PyObject.fromJS(bytesOf(array))).toJS();
  },
};

let send;

async function sendOnce() {
  const array = nextArray();
  checkEdges(array, send(array));
}

process.on('message', (ms) => {
  measureFor(ms).then(
    (taken) => process.send({ taken }),
    (error) => process.send({ error: error.message }),
  );
});
// Whoever measures is gone: nobody else ends this process.
process.on('disconnect', () => process.exit());

async function measureFor(ms) {
  send ??= SENDERS[addon]();
  return median(await durations(sendOnce, ms));
}
