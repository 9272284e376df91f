import { existsSync, statSync, type Stats } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ConfigError, HognoseError } from '../errors.js';

/** The names under which a configuration is found, in this order. */
export const CONFIG_FILES = [
  'hognose.config.ts',
  'hognose.config.mts',
  'hognose.config.js',
  'hognose.config.mjs',
] as const;

/** Where everything of one project stands; absolute paths. */
export interface Project {
  readonly root: string;
  readonly configFile: string;
  readonly packageJson: string;
  readonly gitignore: string;
  /** `python/requirements.lock`: what is installed, with hashes. */
  readonly requirementsLock: string;
  /** `python/generated`: the wrappers. */
  readonly generated: string;
  readonly runtimeFile: string;
  /** `hognose.lock.json`: what the wrappers were generated from. */
  readonly lockFile: string;
  readonly venv: string;
}

/** The layout of a project at `root`; the configuration is the one that exists, else `hognose.config.ts`. */
export function projectAt(root: string): Project {
  const name = CONFIG_FILES.find((file) => existsSync(join(root, file))) ?? CONFIG_FILES[0];
  return {
    root,
    configFile: join(root, name),
    packageJson: join(root, 'package.json'),
    gitignore: join(root, '.gitignore'),
    requirementsLock: join(root, 'python', 'requirements.lock'),
    generated: join(root, 'python', 'generated'),
    runtimeFile: join(root, 'hognose.runtime.json'),
    lockFile: join(root, 'hognose.lock.json'),
    venv: join(root, '.venv'),
  };
}

/**
 * The project that `cwd` lies in.
 *
 * @throws {@link ConfigError} when neither `cwd` nor a directory above it has a configuration.
 */
export function findProject(cwd: string): Project {
  for (let directory = resolve(cwd); ; directory = dirname(directory)) {
    if (CONFIG_FILES.some((file) => existsSync(join(directory, file)))) {
      const project = projectAt(directory);
      checkLayout(project);
      return project;
    }
    if (dirname(directory) === directory) {
      throw new ConfigError(
        `no hognose.config.ts in ${resolve(cwd)} or above it: run \`npx hognose init\` in the root of your project first`,
      );
    }
  }
}

/**
 * Refuses a project in which a file stands in the way of a directory of ours, or the other way round, before anything
 * is changed.
 *
 * @throws HognoseError naming each of them.
 */
export function checkLayout(project: Project): void {
  const { root } = project;
  const inTheWay = [
    ...['python', 'python/generated', '.venv'].filter((path) => isFile(join(root, path))),
    ...['package.json', '.gitignore', 'hognose.runtime.json', 'hognose.lock.json', 'python/requirements.lock'].filter(
      (path) => isDirectory(join(root, path)),
    ),
  ];
  if (inTheWay.length === 0) return;
  const what = inTheWay.map((path) => `${path} is a ${isFile(join(root, path)) ? 'file' : 'directory'}`).join(' and ');
  throw new HognoseError(
    'PROJECT',
    `cannot write in ${root}: ${what}, and Hognose needs a ${isFile(join(root, inTheWay[0] ?? '')) ? 'directory' : 'file'} ` +
      'of that name; move it away and run this again',
  );
}

/** The path of an environment's interpreter. */
export function venvPython(venv: string): string {
  return process.platform === 'win32' ? join(venv, 'Scripts', 'python.exe') : join(venv, 'bin', 'python');
}

function isFile(path: string): boolean {
  return statsOf(path)?.isFile() === true;
}

function isDirectory(path: string): boolean {
  return statsOf(path)?.isDirectory() === true;
}

function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    // A file on the way (ENOTDIR) is reported for itself.
    return undefined;
  }
}
