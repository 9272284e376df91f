import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, extname, join, relative, resolve, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { loadConfig } from '../config/load.js';
import { ConfigError, PythonEnvironmentError } from '../errors.js';
import { findProject, venvPython, type Project } from '../project/project.js';

/** The signals that a script gets when this process does. */
const PASSED_ON: readonly NodeJS.Signals[] =
  process.platform === 'win32' ? ['SIGTERM', 'SIGINT'] : ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR2'];

/**
 * Runs a TypeScript or JavaScript file of a project in a process of its own, with source maps and with the project's
 * Python. That process ends with this one.
 *
 * @param script The file, from the working directory.
 * @param args Its arguments, in `process.argv` from index 2.
 * @returns The script's exit status; 128 plus the signal's number where one ended it, as shells count.
 * @throws ConfigError when the file or the project is not there.
 * @throws PythonEnvironmentError when the project has no environment yet.
 */
export async function run(script: string, args: readonly string[]): Promise<number> {
  const file = resolve(script);
  if (!existsSync(file))
    throw new ConfigError(`${file} does not exist; name a script as in \`hognose run src/main.ts\``);
  const project = findProject(dirname(file));
  const python = workerPython(project);
  const child = spawn(
    process.execPath,
    ['--enable-source-maps', '--require', WATCH, ...compiler(file), file, ...args],
    {
      stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
      env: {
        ...process.env,
        HOGNOSE_PYTHON: python,
        HOGNOSE_RUN_PIPE: '3',
        HOGNOSE_RUN_COMMONJS: extname(file) === '.cts' ? '1' : '',
      },
    },
  );
  const pipe = child.stdio[3] as Readable | null;
  let told = '';
  pipe?.setEncoding('utf8').on('data', (text: string) => (told += text));
  pipe?.on('error', () => undefined);
  // A terminal sends Ctrl-C to the script as well: passing it on would end a script that asks twice.
  const fromTerminal = new Set<NodeJS.Signals>(process.stdin.isTTY ? ['SIGINT', 'SIGQUIT', 'SIGHUP'] : []);
  const listeners = PASSED_ON.map((signal) => {
    const passOn = (): void => {
      if (!fromTerminal.has(signal)) child.kill(signal);
    };
    process.on(signal, passOn);
    return () => process.off(signal, passOn);
  });
  try {
    const status = await new Promise<number>((settle, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        settle(signal === null ? (code ?? 1) : 128 + constants.signals[signal]);
      });
    });
    if (status !== 0) await explain(told, project);
    return status;
  } finally {
    for (const remove of listeners) remove();
  }
}

/** What the script loads first; beside the command once that is built. */
const WATCH = fileURLToPath(new URL('run-watch.cjs', import.meta.url));

/**
 * How Node is told to compile TypeScript. A CommonJS script must start in Node's own loader of CommonJS: started in the
 * one of ES modules, as `--import` makes it, `require` of the wrappers, which are ES modules, fails.
 */
function compiler(file: string): readonly string[] {
  const { resolve: find } = createRequire(import.meta.url);
  return isCommonJs(file) ? ['--require', find('tsx/cjs')] : ['--import', pathToFileURL(find('tsx')).href];
}

function isCommonJs(file: string): boolean {
  const extension = extname(file);
  if (extension.startsWith('.c') || extension.startsWith('.m')) return extension.startsWith('.c');
  for (let directory = dirname(file); ; directory = dirname(directory)) {
    const manifest = join(directory, 'package.json');
    if (existsSync(manifest)) {
      // Node reads it as well, and reports what is wrong with it.
      return !/"type"\s*:\s*"module"/u.test(readFileSync(manifest, 'utf8'));
    }
    if (dirname(directory) === directory) return true;
  }
}

/** The project's own Python, whatever HOGNOSE_PYTHON says: only that one has the project's packages. */
function workerPython(project: Project): string {
  const venv = venvPython(project.venv);
  const { HOGNOSE_RUN_PYTHON: asked, HOGNOSE_PYTHON: base } = process.env;
  const python = asked || (existsSync(venv) ? venv : base);
  if (python) return python;
  throw new PythonEnvironmentError(
    `${project.root} has no Python environment yet: run \`hognose generate\` to make it`,
  );
}

/** Says in our words why the script failed, where it told that. */
async function explain(told: string, project: Project): Promise<void> {
  for (const line of told.split('\n').filter((text) => text !== '')) {
    const { problem, place } = JSON.parse(line) as { readonly problem: string; readonly place: string };
    if (problem === 'top-level await') throw topLevelAwait(place);
    const module = moduleOf(place, project);
    if (module !== undefined) throw await notGenerated(module, project);
  }
}

function topLevelAwait(place: string): ConfigError {
  const file = place.replace(/:\d+:\d+$/u, '');
  const name = `${file.slice(0, -extname(file).length)}.m${extname(file).slice(1)}`;
  return new ConfigError(
    `${place}: top-level await needs an ES module, and this file is CommonJS: run \`npm pkg set type=module\`, or name ` +
      `the file ${name}`,
  );
}

/** The Python module whose wrapper was looked for at a path; undefined where it is no wrapper's path. */
function moduleOf(place: string, project: Project): string | undefined {
  const path = relative(project.generated, place.startsWith('file:') ? fileURLToPath(place) : place);
  if (path.startsWith('..') || !path.endsWith('.js')) return undefined;
  return path.slice(0, -'.js'.length).split(sep).join('.');
}

async function notGenerated(module: string, project: Project): Promise<ConfigError> {
  const { modules } = await loadConfig(project);
  const [top = module] = module.split('.');
  const add = top === module ? `hognose add ${module}` : `hognose add <package> --modules ${module}`;
  const command = modules.includes(module) ? 'hognose generate' : add;
  return new ConfigError(`#py/${module.replaceAll('.', '/')} has no wrapper yet: run \`${command}\``);
}
