import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PythonEnvironmentError } from '../errors.js';
import { runProgram, temporaryFilesIn, withTemporaryFolder } from '../process.js';
import type { Progress } from '../progress.js';
import { venvPython } from '../project/project.js';
import { diagnose, explainResolution, lastError, progressOf } from './pip-output.js';
import { packageKey } from './requirement.js';
import {
  hashDeclared,
  parseLock,
  parseRequirements,
  sha256,
  type LockedRequirement,
  type RequirementsLock,
} from './requirements-lock.js';
import { findUv } from './uv.js';
import { ensurePip } from './virtual-environment.js';

/** What is to be resolved, and for what. */
export interface ResolveRequest {
  readonly root: string;
  readonly venv: string;
  /** Everything that the environment must hold, the worker's own needs included. */
  readonly requirements: readonly string[];
  /** The versions of Python that the configuration allows. */
  readonly pythonRange: string;
  /** The oldest Python that the lock must hold for, as `3.11`. */
  readonly pythonMinor: string;
  /** The lock as it is: its versions are kept where the new requirements allow them. */
  readonly previous: string | undefined;
  readonly progress: Progress;
  readonly signal: AbortSignal | undefined;
}

/**
 * Resolves requirements to exact versions with hashes, with uv for every platform or with pip for this one. Installs
 * and writes nothing.
 *
 * @returns The lock; {@link formatLock} is its text.
 * @throws PythonEnvironmentError that says which package is unknown, which versions clash, or that the index cannot be
 * reached.
 */
export async function resolveRequirements(request: ResolveRequest): Promise<RequirementsLock> {
  const { progress, signal } = request;
  const declared = hashDeclared(request.requirements, request.pythonRange);
  const uv = await findUv(signal);
  progress.step(`Resolving ${count(request.requirements.length)} with ${uv === undefined ? 'pip' : 'uv'}`);
  return withTemporaryFolder(async (folder) => {
    let uvFailure: string | undefined;
    if (uv !== undefined) {
      const resolved = await resolveWithUv(uv, folder, request);
      if (typeof resolved !== 'string') {
        return { tool: 'uv', python: request.pythonMinor, platform: 'any', declared, packages: resolved };
      }
      uvFailure = resolved;
      progress.detail('uv could not resolve them; trying pip');
    }
    const { packages, python } = await resolveWithPip(folder, request);
    if (uvFailure !== undefined) {
      progress.note(
        `uv could not resolve the packages (${uvFailure}), and pip could: the lock is for this platform only`,
      );
    }
    return { tool: 'pip', python, platform: `${process.platform}-${process.arch}`, declared, packages };
  });
}

/** The locked packages, or why uv could not resolve them. */
async function resolveWithUv(
  uv: string,
  folder: string,
  request: ResolveRequest,
): Promise<LockedRequirement[] | string> {
  // uv keeps the versions that it finds in the output file.
  const output = join(folder, 'requirements.lock');
  if (request.previous !== undefined) await writeFile(output, request.previous);
  const args = ['pip', 'compile', '-', '--universal', '--generate-hashes', '--no-header', '--no-annotate', '--quiet'];
  args.push('--no-emit-index-url', '--no-emit-find-links', '--no-python-downloads', '--output-file', output);
  args.push('--python', venvPython(request.venv), '--python-version', request.pythonMinor);
  const input = `${request.requirements.join('\n')}\n`;
  const outcome = await runProgram(uv, args, { cwd: request.root, input, signal: request.signal });
  if (outcome.exitCode !== 0) return lastError(outcome.stderr);
  // Only pinned packages are taken over: whatever else uv writes, an index address included, is left out.
  const packages = parseRequirements(await readFile(output, 'utf8'));
  const bare = packages.find((entry) => entry.hashes.length === 0);
  return bare === undefined ? packages : `it gave no hash for ${bare.name}`;
}

async function resolveWithPip(
  folder: string,
  request: ResolveRequest,
): Promise<{ packages: LockedRequirement[]; python: string }> {
  const { venv, requirements, progress, signal } = request;
  await ensurePip(venv, progress, signal);
  const pins = join(folder, 'pins.txt');
  const previous = parseLock(request.previous ?? '')?.packages ?? [];
  await writeFile(
    pins,
    previous.map((entry) => `${entry.name}==${entry.version}${entry.marker ? ` ; ${entry.marker}` : ''}\n`).join(''),
  );
  const report = join(folder, 'report.json');
  const args = ['-I', '-m', 'pip', 'install', '--dry-run', '--ignore-installed', '--no-input', '--progress-bar', 'off'];
  args.push('--disable-pip-version-check', '--report', report);
  const run = (extra: readonly string[]): ReturnType<typeof runProgram> =>
    runProgram(venvPython(venv), [...args, ...extra, '--', ...requirements], {
      cwd: request.root,
      env: temporaryFilesIn(folder),
      signal,
      onLine: (line) => {
        const told = progressOf(line);
        if (told !== undefined) progress.detail(told);
      },
    });
  let outcome = previous.length > 0 ? await run(['--constraint', pins]) : await run([]);
  // The pins may be what stands in the way: another version is then what the user asks for.
  if (
    outcome.exitCode !== 0 &&
    previous.length > 0 &&
    !/from versions: none|Invalid requirement/u.test(outcome.stderr)
  ) {
    outcome = await run([]);
  }
  if (outcome.exitCode !== 0) {
    const said = `${outcome.stdout}\n${outcome.stderr}`;
    const diagnosis = await diagnose(venvPython(venv), said, request.root, signal);
    throw new PythonEnvironmentError(explainResolution(said, requirements, diagnosis));
  }
  return readReport(await readFile(report, 'utf8'));
}

interface PipReport {
  readonly install: readonly {
    readonly metadata: { readonly name: string; readonly version: string };
    readonly download_info: {
      readonly url: string;
      readonly archive_info?: { readonly hash?: string; readonly hashes?: Record<string, string> };
    };
  }[];
  readonly environment: { readonly python_version: string };
}

/** Reads pip's installation report (format version 1). */
function readReport(text: string): { packages: LockedRequirement[]; python: string } {
  const report = JSON.parse(text) as PipReport;
  const packages = report.install.map(({ metadata, download_info: { url, archive_info: archive } }) => {
    let hash = archive?.hashes?.['sha256'] ?? /^sha256=(.*)$/u.exec(archive?.hash ?? '')?.[1];
    // pip does not hash what it takes from a local directory (find-links).
    if (hash === undefined && url.startsWith('file:')) hash = sha256(readFileSync(fileURLToPath(url)));
    if (hash === undefined) {
      throw new PythonEnvironmentError(
        `the index gives no SHA-256 for ${metadata.name} ${metadata.version}, so it cannot be locked`,
      );
    }
    return { name: packageKey(metadata.name), version: metadata.version, hashes: [hash] };
  });
  return { packages, python: report.environment.python_version };
}

/** `1 package`, `2 packages`. */
export function count(number: number, noun = 'package'): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
