import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigError, PythonEnvironmentError } from '../errors.js';
import { findProject, venvPython } from '../project/project.js';

/** The signals that a script gets when this process does. */
const PASSED_ON: readonly NodeJS.Signals[] =
  process.platform === 'win32' ? ['SIGTERM', 'SIGINT'] : ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR2'];

/**
 * Runs a TypeScript or JavaScript file of a project in a process of its own, with source maps and with the project's
 * Python.
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
  const python = venvPython(project.venv);
  const named = process.env['HOGNOSE_PYTHON'];
  if (!named && !existsSync(python)) {
    throw new PythonEnvironmentError(
      `${project.root} has no Python environment yet: run \`hognose generate\` to make it`,
    );
  }
  if (named && resolve(named) !== python) {
    process.stderr.write(`note: HOGNOSE_PYTHON is set, so workers run on ${named} and not on the project's .venv\n`);
  }
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  const child = spawn(process.execPath, ['--enable-source-maps', '--import', tsx, file, ...args], {
    stdio: 'inherit',
    env: { ...process.env, HOGNOSE_PYTHON: named || python },
  });
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
    return await new Promise<number>((settle, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        settle(signal === null ? (code ?? 1) : 128 + constants.signals[signal]);
      });
    });
  } finally {
    for (const remove of listeners) remove();
  }
}
