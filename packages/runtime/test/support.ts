/** What the tests share: runtimes over both lanes, the fixture module, processes, temporary directories. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRuntime, type Runtime, type RuntimeOptions, type LogEvent } from '../src/index.js';

export const LANES = ['socket', 'grpc'] as const;

export const FIXTURES = fileURLToPath(new URL('./fixtures/', import.meta.url));
export const PYTHON_FIXTURES = join(FIXTURES, 'python');

/** The interpreter of the workspace, which has everything that the tests need. */
export const PYTHON =
  process.env['HOGNOSE_PYTHON'] ?? fileURLToPath(new URL('../../../.venv/bin/python', import.meta.url));

export const isLinux = process.platform === 'linux';
/** For what only Linux can show; the reason stands in the title where it is skipped. */
export const onLinux = isLinux ? test : test.skip;

/** Options of a runtime that can import the fixture modules and keeps what they print. */
export function fixtureOptions(options: RuntimeOptions = {}, output: LogEvent[] = []): RuntimeOptions {
  return {
    size: 1,
    python: PYTHON,
    pythonPath: [PYTHON_FIXTURES],
    onLog: (line) => output.push(line),
    ...options,
  };
}

export async function startFixtureRuntime(options: RuntimeOptions = {}, output: LogEvent[] = []): Promise<Runtime> {
  return createRuntime(fixtureOptions(options, output));
}

/** What a promise rejects with; a failure where it resolves. */
export async function rejection<E = Error>(promise: Promise<unknown>): Promise<E> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error as E;
  }
  throw new Error(`a rejection was expected, and it resolved to ${String(value)}`);
}

/** Whether a process is there, and more than a zombie. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return !isLinux || !/^\d+ \(.*\) Z/s.test(readIfThere(`/proc/${pid}/stat`) || '0 (x) Z');
}

const readIfThere = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** Resolves when a condition holds; fails after some seconds with what was waited for. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`${what}: still not so after ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A directory that is removed after the tests of the file; its name has a space and a letter beyond ASCII. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'hognose tést-'));
  afterAll(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

/** A script in a Node process of its own: its output line by line, and its end. */
export interface NodeScript {
  readonly pid: number;
  readonly lines: readonly string[];
  readonly ended: Promise<{
    readonly code: number | null;
    readonly signal: NodeJS.Signals | null;
    readonly stderr: string;
  }>;
  /** The next line that it prints after those that were asked for. */
  line(): Promise<string>;
  kill(signal: NodeJS.Signals): void;
}

export const DIST = fileURLToPath(new URL('../dist/', import.meta.url));

/** Runs ESM source that can import the built package from `DIST`. */
export function runNode(source: string, nodeOptions: readonly string[] = [], cwd?: string): NodeScript {
  if (!existsSync(join(DIST, 'index.js')))
    throw new Error('dist/ is missing: run `npx tsup` in packages/runtime first');
  const prelude = `import * as hognose from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};\n`;
  const child = spawn(process.execPath, [...nodeOptions, '--input-type=module', '--eval', prelude + source], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd,
    env: { ...process.env, NODE_OPTIONS: '', HOGNOSE_PYTHON: PYTHON, FIXTURES: PYTHON_FIXTURES },
  });
  let stderr = '';
  let text = '';
  let taken = 0;
  const lines: string[] = [];
  const waiting: (() => void)[] = [];
  let hasEnded = false;
  const wake = (): void => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    const parts = text.split('\n');
    text = parts.pop() ?? '';
    lines.push(...parts);
    wake();
  });
  const ended = new Promise<Awaited<NodeScript['ended']>>((resolve) => {
    child.once('close', (code, signal) => {
      hasEnded = true;
      wake();
      resolve({ code, signal, stderr });
    });
  });
  return {
    pid: child.pid ?? 0,
    lines,
    ended,
    kill: (signal) => child.kill(signal),
    async line() {
      while (lines.length <= taken) {
        if (hasEnded) throw new Error(`the script has ended, and printed: ${lines.join('\n')}\n${stderr}`);
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
      return lines[taken++] ?? '';
    },
  };
}
