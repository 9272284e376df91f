/** Finds the Python interpreter, and the file in which a project says how its runtime starts. */
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import { ConfigError, PythonEnvironmentError } from './errors.js';
import type { RuntimeOptions } from './options.js';

/** Name of the file that `hognose generate` writes at the root of a project. @internal */
export const RUNTIME_FILE = 'hognose.runtime.json';

const isWindows = process.platform === 'win32';

/** Where an interpreter was found. @public */
export interface FoundPython {
  /** Absolute path of the interpreter. */
  readonly path: string;
  /** What named it, such as `the option python` or `HOGNOSE_PYTHON`. */
  readonly source: string;
}

/** What to look for. @public */
export interface FindPythonOptions {
  /** An interpreter by path or by name; first in the order. */
  readonly python?: string;
  /** Where the project's `.venv` stands. @defaultValue the nearest directory upwards that has one, or a hognose.runtime.json */
  readonly projectRoot?: string;
}

/**
 * Finds the interpreter that workers run on, in this order: the option, the environment variable `HOGNOSE_PYTHON`, the
 * project's `.venv`, `VIRTUAL_ENV`, `python3` on the PATH.
 *
 * The first that is named counts: a wrong one is an error, and never passed over for the next.
 *
 * @throws {@link PythonEnvironmentError} When it does not exist or is not executable, with the order of search.
 * @public
 */
export function findPython(options: FindPythonOptions = {}): FoundPython {
  const projectRoot = options.projectRoot ?? findProjectRoot(process.cwd());
  const venv = join(projectRoot, '.venv');
  const candidates: readonly (readonly [name: string | undefined, source: string])[] = [
    [options.python, 'the option python'],
    [process.env['HOGNOSE_PYTHON'], 'HOGNOSE_PYTHON'],
    [existsSync(venv) ? interpreterIn(venv) : undefined, `the project's .venv`],
    [process.env['VIRTUAL_ENV'] === undefined ? undefined : interpreterIn(process.env['VIRTUAL_ENV']), 'VIRTUAL_ENV'],
    [isWindows ? 'python' : 'python3', 'the PATH'],
  ];
  for (const [name, source] of candidates) {
    if (name === undefined || name === '') continue;
    const found = locate(name, projectRoot);
    if (typeof found === 'object') return { path: found.path, source };
    throw new PythonEnvironmentError(
      `no Python interpreter: ${source} names ${name}, which ${found}. The order of search is: the option python, ` +
        `HOGNOSE_PYTHON, ${venv}, VIRTUAL_ENV, ${isWindows ? 'python' : 'python3'} on the PATH.`,
    );
  }
  throw new PythonEnvironmentError('no Python interpreter'); // the last candidate always has a name
}

const interpreterIn = (venv: string): string =>
  isWindows ? join(venv, 'Scripts', 'python.exe') : join(venv, 'bin', 'python');

/** The absolute path of an interpreter, or what is wrong with it. */
function locate(name: string, projectRoot: string): { readonly path: string } | string {
  if (isAbsolute(name) || name.includes('/') || name.includes('\\')) {
    const path = resolve(projectRoot, name);
    const problem = problemOf(path);
    return problem ?? { path };
  }
  const endings = isWindows ? ['.exe', ''] : [''];
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const ending of endings) {
      const path = join(directory, name + ending);
      if (directory !== '' && problemOf(path) === undefined) return { path };
    }
  }
  return 'is not on the PATH';
}

function problemOf(path: string): string | undefined {
  try {
    if (statSync(path).isDirectory()) return 'is a directory';
    accessSync(path, constants.X_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES' ? 'is not executable' : 'does not exist';
  }
}

/** The nearest directory upwards that holds a project's environment or runtime file; else the directory itself. @internal */
export function findProjectRoot(from: string): string {
  return findUpwards(from, [RUNTIME_FILE, '.venv']) ?? resolve(from);
}

/** The nearest directory upwards that holds one of these names. @internal */
export function findUpwards(from: string, names: readonly string[]): string | undefined {
  for (let directory = resolve(from); ; directory = dirname(directory)) {
    if (names.some((name) => existsSync(join(directory, name)))) return directory;
    if (dirname(directory) === directory) return undefined;
  }
}

/**
 * Options of the project's default runtime, from its hognose.runtime.json; none where there is no such file.
 *
 * @throws {@link ConfigError} When the file cannot be read.
 * @throws {@link PythonEnvironmentError} When the interpreter that it names is not there.
 * @internal
 */
export function readRuntimeFile(projectRoot: string): RuntimeOptions {
  const file = join(projectRoot, RUNTIME_FILE);
  if (!existsSync(file)) return { projectRoot };
  let content: Record<string, unknown>;
  try {
    content = { ...(JSON.parse(readFileSync(file, 'utf8')) as object) };
  } catch (cause) {
    throw new ConfigError(
      `${file} cannot be read (${(cause as Error).message}): run \`hognose generate\` to write it anew`,
      { cause },
    );
  }
  const { version, python, pythonPath, ...options } = content;
  // What is no text is left for the check of the options to report.
  const fromRoot = (path: unknown): unknown => (typeof path === 'string' ? resolve(projectRoot, path) : path);
  if (version !== 1) {
    throw new ConfigError(
      `${file} is of version ${String(version)} and this runtime reads version 1: run \`hognose generate\``,
    );
  }
  const named = fromRoot(python);
  if (!process.env['HOGNOSE_PYTHON'] && typeof named === 'string' && !existsSync(named)) {
    throw new PythonEnvironmentError(
      `${file} names the interpreter ${named}, which does not exist: run \`npx hognose generate\`, which makes the ` +
        `project's environment anew`,
    );
  }
  return {
    ...options,
    projectRoot,
    // An environment variable counts before the file: whoever sets it means it.
    ...(process.env['HOGNOSE_PYTHON'] ? {} : { python: named as string }),
    pythonPath: (Array.isArray(pythonPath) ? pythonPath.map(fromRoot) : pythonPath) as string[],
  };
}
