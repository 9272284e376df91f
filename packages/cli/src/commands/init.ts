import { existsSync, mkdirSync } from 'node:fs';
import { basename, relative, resolve, sep } from 'node:path';
import { loadConfig } from '../config/load.js';
import { resolveConfig } from '../config/validate.js';
import { chooseInterpreter } from '../environment/interpreter.js';
import { stateOfVenv } from '../environment/virtual-environment.js';
import { syncEnvironment } from '../environment/sync.js';
import { fileError } from '../errors.js';
import { silent } from '../progress.js';
import { writeFileAtomically } from '../project/atomic-write.js';
import { exclusively } from '../project/exclusive.js';
import { extendGitignore } from '../project/gitignore.js';
import { extendPackageJson } from '../project/package-json.js';
import { checkLayout, projectAt } from '../project/project.js';
import { runtimeFileText } from '../project/runtime-file.js';
import { transaction } from '../project/transaction.js';
import type { CommandOptions } from './options.js';

/**
 * Options of {@link init}.
 *
 * @public
 */
export interface InitOptions extends CommandOptions {
  /**
   * Whether the Python environment is made; false writes the files only.
   *
   * @defaultValue `true`
   */
  install?: boolean | undefined;
}

/**
 * What {@link init} did; paths are relative to `root`, with `/`.
 *
 * @public
 */
export interface InitResult {
  /** The project's directory; an absolute path. */
  readonly root: string;
  /** Files that were not there. */
  readonly created: readonly string[];
  /** Files that were extended. */
  readonly extended: readonly string[];
  /** Files that already held what they need. */
  readonly unchanged: readonly string[];
  /** The environment's Python, as `3.11.7`; undefined where none was asked for. */
  readonly python?: string;
  /** Whether the environment was made or changed. */
  readonly installed: boolean;
}

const CONFIG = `import { defineConfig } from '@hognose/cli';

export default defineConfig({
  python: {
    // Python packages, written as for pip: 'numpy', 'scikit-learn>=1.5'. \`hognose add\` writes here.
    packages: [],
  },
  // Python modules that get typed wrappers, imported as '#py/<module>'.
  modules: [],
});
`;

/**
 * Makes a directory a Hognose project: configuration, import map, Python environment and its lock. What is there
 * already is extended and never overwritten.
 *
 * @throws PythonEnvironmentError when there is no usable Python or the worker's packages cannot be installed.
 * @throws ConfigError when a file of the project cannot be read or written.
 * @public
 */
export async function init(options: InitOptions = {}): Promise<InitResult> {
  const { progress = silent, signal } = options;
  const root = resolve(options.cwd ?? '.');
  try {
    mkdirSync(root, { recursive: true });
  } catch (error) {
    throw fileError(root, error);
  }
  const project = projectAt(root);
  checkLayout(project);
  return exclusively(root, progress, signal, () =>
    transaction(project, signal, async () => {
      const created: string[] = [];
      const extended: string[] = [];
      const unchanged: string[] = [];
      const write = (file: string, text: string): void => {
        const isNew = !existsSync(file);
        const list = writeFileAtomically(file, text) ? (isNew ? created : extended) : unchanged;
        list.push(relative(root, file).split(sep).join('/'));
      };

      const isNew = !existsSync(project.configFile);
      // A fresh configuration is known without being loaded, which needs the project's packages installed.
      const config = isNew ? resolveConfig({}, basename(project.configFile)) : await loadConfig(project);
      const install = options.install ?? true;
      // A Python that is missing or too old is told before anything is written.
      if (install && stateOfVenv(project.venv) === 'absent') {
        await chooseInterpreter(project, options.python, config.pythonVersion, signal);
      }
      if (isNew) write(project.configFile, CONFIG);
      else unchanged.push(basename(project.configFile));
      const edit = extendPackageJson(project.packageJson);
      write(project.packageJson, edit.text);
      if (edit.note !== undefined) progress.note(edit.note);
      if (edit.isCommonJs) {
        progress.note(
          'this package is CommonJS, where a .ts file has no top-level await: name yours .mts, or run `npm pkg set type=module`',
        );
      }
      write(project.gitignore, extendGitignore(project.gitignore));
      if (!install) return { root, created, extended, unchanged, installed: false };

      const hadLock = existsSync(project.requirementsLock);
      const environment = await syncEnvironment(project, config, { ...options, progress });
      if (!hadLock) created.push('python/requirements.lock');
      write(project.runtimeFile, runtimeFileText(project, config));
      signal?.throwIfAborted();
      return { root, created, extended, unchanged, python: environment.version, installed: environment.changed };
    }),
  );
}
