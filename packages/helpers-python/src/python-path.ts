/** Makes the packs' Python code importable in every worker; a side effect, as importing a pack must be enough. */
import { addPythonPath } from '@hognose/runtime';

addPythonPath(new URL('../python/', import.meta.url));
