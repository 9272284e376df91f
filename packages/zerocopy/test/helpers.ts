import { execFile } from 'node:child_process';
import { fstatSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { ZeroCopyError, type ZeroCopyErrorCode } from '../src/index.js';

/** Shared memory is there on Linux alone; what holds everywhere is tested everywhere. */
export const describeOnLinux = process.platform === 'linux' ? describe : describe.skip;

/** The error that `action` throws, which must be this package's own. */
export function errorOf(action: () => unknown): ZeroCopyError {
  try {
    action();
  } catch (error) {
    if (error instanceof ZeroCopyError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Asserts the code and a part of the message of what `action` throws. */
export function expectError(action: () => unknown, code: ZeroCopyErrorCode, message: RegExp | string): void {
  const error = errorOf(action);
  expect(error.code).toBe(code);
  expect(error.message).toMatch(message);
}

/** The code and message that a promise rejects with, which must be this package's own. */
export async function rejection(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ZeroCopyError)) throw new Error(`no error of this package: ${String(error)}`);
  return `${error.code}: ${error.message}`;
}

/** The line of `/proc/<pid>/maps` that covers an address. */
export function mappingAt(address: bigint, pid: number | 'self' = 'self'): { inode: number; text: string } | undefined {
  for (const text of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
    const [, from, to, inode] = /^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ (\d+)/.exec(text) ?? [];
    if (BigInt(`0x${from ?? '0'}`) <= address && address < BigInt(`0x${to ?? '0'}`)) {
      return { inode: Number(inode), text };
    }
  }
  return undefined;
}

export const inodeOf = (fd: number): number => fstatSync(fd).ino;

/** How a fixture is run. `limit` is what `ulimit` takes. */
export interface FixtureOptions {
  nodeOptions?: readonly string[];
  limit?: string;
  env?: Readonly<Record<string, string>>;
}

/** Runs a fixture with the built package in a process of its own and parses what it prints. */
export async function runFixture(name: string, options: FixtureOptions = {}): Promise<Record<string, unknown>> {
  const { nodeOptions = [], limit, env = {} } = options;
  const command = [...nodeOptions, fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))];
  const [file, args] =
    limit === undefined
      ? [process.execPath, command]
      : ['/bin/sh', ['-c', `ulimit ${limit} && exec "$@"`, 'sh', process.execPath, ...command]];
  const { stdout } = await promisify(execFile)(file, args, { env: { ...process.env, NODE_OPTIONS: '', ...env } });
  return JSON.parse(stdout) as Record<string, unknown>;
}
