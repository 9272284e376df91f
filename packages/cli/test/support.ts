import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const packages = fileURLToPath(new URL('../../', import.meta.url));

/** The command as it is built. */
export const CLI = join(packages, 'cli', 'dist', 'cli.js');

/** How a command ended. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command's environment: what the tests themselves run under must not choose its Python. */
export function environment(extra: Record<string, string | undefined> = {}): NodeJS.ProcessEnv {
  return {
    ...process.env,
    HOGNOSE_PYTHON: undefined,
    HOGNOSE_RUN_PYTHON: undefined,
    VIRTUAL_ENV: undefined,
    NODE_OPTIONS: undefined,
    ...extra,
  };
}

/** Starts the command and leaves it to the caller. */
export function start(cwd: string, args: readonly string[], env: Record<string, string | undefined> = {}) {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd,
    env: environment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text.stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text.stderr += chunk));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      resolve({ status, ...text });
    });
  });
  return { child, ended };
}

/** Runs the command to its end. */
export function hognose(
  cwd: string,
  args: readonly string[],
  env: Record<string, string | undefined> = {},
): Promise<Ended> {
  return start(cwd, args, env).ended;
}

/** Runs the command and gives what it prints; fails with all of it where the command does. */
export async function succeed(
  cwd: string,
  args: readonly string[],
  env: Record<string, string | undefined> = {},
): Promise<string> {
  const { status, stdout, stderr } = await hognose(cwd, args, env);
  if (status !== 0) throw new Error(`hognose ${args.join(' ')} ended with ${String(status)}:\n${stdout}${stderr}`);
  return stdout;
}

/** A directory of its own, with a space and a letter beyond ASCII in its path, in which the packages are installed. */
export function makeDirectory(name = 'project'): string {
  const root = join(mkdtempSync(join(tmpdir(), 'hognose cli é ')), name);
  const scope = join(root, 'node_modules', '@hognose');
  mkdirSync(scope, { recursive: true });
  for (const name of ['cli', 'runtime']) symlinkSync(join(packages, name), join(scope, name), 'dir');
  return root;
}

/** Removes a directory of {@link makeDirectory}. */
export function removeDirectory(root: string): void {
  rmSync(join(root, '..'), { recursive: true, force: true });
}

/** Every file of a project with its text, without what is installed. */
export function contents(root: string): Record<string, string> {
  if (!existsSync(root)) return {};
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => !/^(\.venv|node_modules)\//u.test(path) && !path.includes('__pycache__'));
  return Object.fromEntries(files.sort().map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}

/** Copies a project's own files, without what is installed, over a fresh directory. */
export function copyProject(root: string): string {
  const copy = makeDirectory('copy');
  for (const path of Object.keys(contents(root))) cpSync(join(root, path), join(copy, path), { recursive: true });
  return copy;
}

/** Writes an executable shell script. */
export function writeScript(path: string, body: string): string {
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return path;
}

/** Settings with which pip and uv reach no index. */
export function offline(cache: string): Record<string, string> {
  const index = 'http://127.0.0.1:9/simple';
  return {
    PIP_INDEX_URL: index,
    PIP_RETRIES: '0',
    PIP_CACHE_DIR: join(cache, 'pip'),
    UV_INDEX_URL: index,
    UV_HTTP_RETRIES: '0',
    UV_CACHE_DIR: join(cache, 'uv'),
  };
}
