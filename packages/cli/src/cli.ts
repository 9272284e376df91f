#!/usr/bin/env node
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { sep } from 'node:path';
import { Command, CommanderError } from 'commander';
import { add } from './commands/add.js';
import { generate } from './commands/generate.js';
import { init } from './commands/init.js';
import { run } from './commands/run.js';
import { HognoseError, InterruptedError, messageOf } from './errors.js';
import { terminalProgress, type Progress } from './progress.js';
import { addSummary, checkSummary, generateSummary, initSummary } from './summary.js';

process.exitCode = await main(process.argv.slice(2));

/** Runs one command line; resolves to the exit status. */
async function main(args: readonly string[]): Promise<number> {
  const progress = terminalProgress();
  try {
    return await dispatch(args, progress);
  } catch (error) {
    progress.failed();
    return report(error);
  }
}

interface EnvironmentFlags {
  readonly python?: string;
  readonly force?: boolean;
}

interface AddFlags extends EnvironmentFlags {
  readonly modules?: string;
  readonly verbose?: boolean;
}

interface GenerateFlags extends EnvironmentFlags {
  readonly check?: boolean;
  readonly verbose?: boolean;
}

const VERBOSE = 'name what was left out of the wrappers, and why';

async function dispatch(args: readonly string[], progress: Progress): Promise<number> {
  const { version } = createRequire(import.meta.url)('../package.json') as { readonly version: string };
  let status = 0;
  const program = new Command('hognose')
    .description('Typed access to Python libraries from Node.js: environments, wrappers and configuration.')
    .version(version)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => {
        write(text.replace(/^error: /u, 'hognose: '));
      },
    })
    .showHelpAfterError('(hognose --help lists the commands)');
  const command = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .option('--python <path>', 'the interpreter that a new .venv is made from')
      .option('--force', 'install into a .venv that Hognose did not make');
  const print = (lines: readonly string[]): void =>
    void process.stdout.write(lines.map((line) => `${line}\n`).join(''));

  command('init', 'make this directory a Hognose project')
    .option('--no-install', 'write the files and make no Python environment')
    .action((flags: EnvironmentFlags & { readonly install: boolean }) =>
      interruptible(async (signal) => {
        print(initSummary(await init({ ...flags, progress, signal })));
      }),
    );
  command('add <packages...>', 'add Python packages: install them and generate their wrappers')
    .option('--modules <names>', 'the modules to wrap, by their import names: a.b,c.d')
    .option('--verbose', VERBOSE)
    .action((packages: string[], { modules, verbose, ...flags }: AddFlags) =>
      interruptible(async (signal) => {
        const names = modules
          ?.split(',')
          .map((name) => name.trim())
          .filter((name) => name !== '');
        print(addSummary(await add(packages, { ...flags, modules: names, progress, signal }), verbose ?? false));
      }),
    );
  command('generate', 'generate the wrappers of the configured modules')
    .option('--check', 'write nothing, and fail where the wrappers are not up to date')
    .option('--verbose', VERBOSE)
    .action(({ verbose = false, ...flags }: GenerateFlags) =>
      interruptible(async (signal) => {
        const result = await generate({ ...flags, progress, signal });
        print(flags.check ? checkSummary(result, verbose) : generateSummary(result, verbose));
        const [first] = result.differences;
        if (first === undefined) return;
        const more = result.differences.length - 1;
        throw new HognoseError(
          'OUT_OF_DATE',
          `the wrappers are not up to date: ${first}${more > 0 ? ` (and ${more} more)` : ''}; run \`hognose generate\` and commit the result`,
        );
      }),
    );
  program
    .command('run <script> [args...]')
    .description("run a TypeScript or JavaScript file with the project's Python")
    .passThroughOptions()
    .action(async (script: string, rest: string[]) => {
      status = await run(script, rest);
    });
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    // Commander has printed its message, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode;
    throw error;
  }
  return status;
}

/** Runs a command that Ctrl-C ends early: what it has begun is put back before the process ends. */
async function interruptible(action: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const stop = (signal: NodeJS.Signals): void => {
    controller.abort(new InterruptedError(signal));
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
  try {
    await action(controller.signal);
  } catch (error) {
    // Whatever a stopped step threw, the reason is the signal.
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop);
  }
}

/** Prints an error as one message and gives its exit status; the stack is for those who ask. */
function report(error: unknown): number {
  const isDebug = process.env['HOGNOSE_DEBUG'] === '1';
  const isOurs = error instanceof HognoseError || error instanceof InterruptedError;
  const hint = isOurs || isDebug ? '' : ' (set HOGNOSE_DEBUG=1 for the stack)';
  // A path below the working directory is read faster without it.
  const message = messageOf(error).replaceAll(process.cwd() + sep, '');
  process.stderr.write(`hognose: ${message}${hint}\n`);
  if (isDebug) process.stderr.write(`${error instanceof Error ? (error.stack ?? '') : String(error)}\n`);
  return error instanceof InterruptedError ? 128 + constants.signals[error.signal] : 1;
}
