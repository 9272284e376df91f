/** The copy of apache-arrow that the program uses, loaded when the first table is met. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** apache-arrow as it is imported: `import * as arrow from 'apache-arrow'`. @internal */
export type ArrowModule = typeof import('apache-arrow');

/** What {@link registerArrow} asks of a module, so that the types of apache-arrow need not be installed. @public */
export interface ArrowLibrary {
  readonly Table: object;
  readonly RecordBatchReader: object;
  readonly RecordBatchStreamWriter: object;
}

let chosen: ArrowModule | undefined;

/**
 * Says which copy of apache-arrow makes the tables that come from Python. Needed only where a program has several, or
 * one that cannot be found from here, such as a bundled one.
 *
 * @example registerArrow(await import('apache-arrow'));
 * @public
 */
export function registerArrow(library: ArrowLibrary): void {
  chosen = library as ArrowModule;
}

/**
 * The registered copy, else the one that the program has loaded or would load.
 *
 * @throws Error When the package is missing or too old.
 * @internal
 */
export function loadArrow(): ArrowModule {
  chosen ??= installedArrow();
  if (!('_assembleRecordBatch' in chosen.RecordBatchStreamWriter.prototype))
    throw new Error('this apache-arrow is too old for Hognose: run `npm install apache-arrow@latest` (21.2 or later)');
  return chosen;
}

function installedArrow(): ArrowModule {
  const require = createRequire(import.meta.url);
  const cjs = pathOfArrow(require);
  if (require.cache[cjs] !== undefined) return require(cjs) as ArrowModule;
  try {
    // Node gives the same instance to `require` and `import`, so that `table instanceof Table` holds for the caller.
    return require(join(dirname(cjs), 'Arrow.node.mjs')) as ArrowModule;
  } catch {
    return require(cjs) as ArrowModule; // a loader that cannot require ES modules, such as Jest's
  }
}

function pathOfArrow(require: NodeJS.Require): string {
  try {
    return require.resolve('apache-arrow');
  } catch {
    return pathFromProgram();
  }
}

/** Where this package is linked into a program, only the program's own directory leads to the program's packages. */
function pathFromProgram(): string {
  try {
    return createRequire(join(process.cwd(), 'package.json')).resolve('apache-arrow');
  } catch (error) {
    throw new Error('Arrow tables need the package apache-arrow: run `npm install apache-arrow`', { cause: error });
  }
}
