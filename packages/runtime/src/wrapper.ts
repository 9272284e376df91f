/** What generated wrappers are made of. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { globalState } from './global-state.js';
import { makeReference } from './handles/chain.js';

/** The members of one Python module. @internal */
export interface PyModule {
  /**
   * A function or class.
   *
   * @param keywordsFrom - From this position on a plain trailing object is taken as keyword arguments.
   */
  callable(name: string, keywordsFrom?: number): unknown;
  /** A value: awaiting it reads the attribute. */
  constant(name: string): unknown;
}

/**
 * The start of a generated module; only generated code calls this.
 *
 * @param name - The Python module.
 * @param url - `import.meta.url` of the generated file: the project's hognose.runtime.json is looked for from there.
 * @public
 */
export function pyModule(name: string, url: string): PyModule {
  const { projectRoots } = globalState();
  if (url.startsWith('file:')) {
    const directory = dirname(fileURLToPath(url));
    if (!projectRoots.includes(directory)) projectRoots.push(directory);
  }
  return {
    callable: (attribute, keywordsFrom) => makeReference(`${name}.${attribute}`, { keywordsFrom }),
    constant: (attribute) => makeReference(`${name}.${attribute}`, { isValue: true }),
  };
}
