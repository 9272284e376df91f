import type { Docs } from './emit/tsdoc.js';
import { emitModule } from './emit/module.js';
import { withUsableNames } from './emit/names.js';
import { CodegenError } from './errors.js';
import { introspect } from './introspect.js';
import type { LockedPackage } from './ir.js';
import { coverageOf, type CoverageReport } from './report.js';

/** What is generated, and from what. @public */
export interface GenerateOptions {
  /** The interpreter: a path, or a name on PATH. The modules are imported in it. */
  readonly python: string;
  /**
   * Folders in which modules are looked up before the interpreter's own.
   * @defaultValue none
   */
  readonly pythonPath?: readonly string[];
  /** Dotted names of Python modules, such as `sklearn.linear_model`; repeated ones count once. */
  readonly modules: readonly string[];
  /**
   * How much of the docstrings becomes TSDoc.
   * @defaultValue `'short'`: the first paragraph, and the defaults of parameters
   */
  readonly docs?: Docs;
  /** Ends the introspection; `generate` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Wrappers in memory. @public */
export interface Generated {
  /** Text by path, relative to the folder that they are meant for, with `/`, sorted. */
  readonly files: ReadonlyMap<string, string>;
  /** How much of the modules is typed, and what was left out. */
  readonly report: CoverageReport;
  /** The installed distributions that the modules come from, sorted by name; the standard library has none. */
  readonly packages: readonly LockedPackage[];
  /** Major and minor version of the interpreter: `3.11`. */
  readonly python: string;
}

/**
 * Generates typed wrappers for the public names of Python modules. Nothing is written to the project.
 *
 * The same packages under the same Python minor version give the same bytes, whatever the hash seed, the working
 * directory, the locale or the place of the environment.
 *
 * @throws {@link CodegenError} When a module cannot be imported, or the introspection crashes or takes over 10 minutes.
 * @throws PythonEnvironmentError When there is no such interpreter, or it is older than Python 3.10.
 * @public
 */
export async function generate(options: GenerateOptions): Promise<Generated> {
  const modules = [...new Set(options.modules)];
  const wrong = modules.filter(
    (name) => !/^[\p{ID_Start}_][\p{ID_Continue}]*(?:\.[\p{ID_Start}_][\p{ID_Continue}]*)*$/u.test(name),
  );
  if (wrong.length > 0) {
    throw new CodegenError(
      `Not a module's name: ${wrong.map((name) => JSON.stringify(name)).join(', ')}. Write it as Python imports it, such as "sklearn.linear_model".`,
    );
  }
  const ir = await introspect({
    python: options.python,
    pythonPath: options.pythonPath ?? [],
    modules,
    signal: options.signal,
  });
  const usable = ir.modules.map(withUsableNames);
  const files = new Map([['package.json', '{ "type": "module" }\n']]);
  for (const module of usable) {
    for (const [path, text] of emitModule(module, ir.python, options.docs ?? 'short')) files.set(path, text);
  }
  return {
    files: new Map([...files].sort(([one], [other]) => (one < other ? -1 : 1))),
    report: coverageOf(usable),
    packages: ir.packages,
    python: ir.python,
  };
}
