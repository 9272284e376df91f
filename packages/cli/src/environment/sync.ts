import { existsSync, readFileSync } from 'node:fs';
import type { ResolvedConfig } from '../config/validate.js';
import { ConfigError, PythonEnvironmentError } from '../errors.js';
import { runProgram } from '../process.js';
import type { Progress } from '../progress.js';
import { writeFileAtomically } from '../project/atomic-write.js';
import { venvPython, type Project } from '../project/project.js';
import { installLock } from './install.js';
import { chooseInterpreter, inspectInterpreter, type Interpreter } from './interpreter.js';
import {
  formatVersion,
  isAtLeast,
  isInRange,
  lowestMinor,
  OLDEST_PYTHON,
  parsePythonVersion,
} from './python-version.js';
import { formatLock, hashDeclared, parseLock, sha256, type RequirementsLock } from './requirements-lock.js';
import { resolveRequirements } from './resolve.js';
import { readStamp, writeStamp } from './stamp.js';
import { installedEntries, isRecord } from './site-packages.js';
import { createVenv, stateOfVenv } from './virtual-environment.js';

/** How an environment is brought up to date. */
export interface SyncOptions {
  /** The interpreter that a new environment is made from. */
  readonly python?: string | undefined;
  /** Installs into a `.venv` that Hognose did not make. */
  readonly force?: boolean | undefined;
  /** Refuses to resolve: the lock must already fit the configuration. */
  readonly frozen?: boolean | undefined;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
}

/** An environment that holds exactly what the lock names. */
export interface SyncedEnvironment {
  /** The path of its interpreter. */
  readonly python: string;
  /** The interpreter's version, as `3.11.7`. */
  readonly version: string;
  readonly lock: RequirementsLock;
  /** The SHA-256 of the lock file. */
  readonly lockHash: string;
  /** Whether anything was made, resolved or installed. */
  readonly changed: boolean;
}

/** What an environment must hold for a configuration: its packages and the worker's own. */
export function requirementsOf(config: ResolvedConfig): string[] {
  const { transport, pools = [] } = config.runtime;
  const lane = [transport, ...pools.map((pool) => pool.transport)].includes('grpc') ? ['grpcio', 'protobuf>=4.22'] : [];
  return [...config.packages, 'msgpack', ...lane];
}

/**
 * Brings `.venv` and `python/requirements.lock` to what the configuration declares. Takes milliseconds, and no
 * network, where nothing changed since the last time.
 *
 * @throws PythonEnvironmentError when there is no usable Python, a package cannot be had, or `.venv` is not ours.
 */
export async function syncEnvironment(
  project: Project,
  config: ResolvedConfig,
  options: SyncOptions,
): Promise<SyncedEnvironment> {
  const { progress, signal } = options;
  const requirements = requirementsOf(config);
  const declared = hashDeclared(requirements, config.pythonVersion);
  const text = existsSync(project.requirementsLock) ? readFileSync(project.requirementsLock, 'utf8') : undefined;
  const previous = text === undefined ? undefined : parseLock(text);
  const python = venvPython(project.venv);
  const stamp = readStamp(project.venv);

  const state = stateOfVenv(project.venv);
  const isFresh = previous?.declared === declared;
  if (options.frozen && !isFresh) {
    throw new ConfigError(
      text === undefined
        ? 'python/requirements.lock is missing: run `hognose generate` and commit it'
        : 'python/requirements.lock does not fit hognose.config.ts: run `hognose generate` and commit it',
    );
  }
  const isThere = state === 'ours' || state === 'adopted';
  const present = isThere ? new Set(installedEntries(project.venv)) : new Set<string>();
  const lost = (stamp?.entries ?? []).filter((entry) => !present.has(entry));
  const isWhole = lost.length === 0;
  if (text !== undefined && isFresh && isThere && isWhole && stamp?.lock === sha256(text) && existsSync(python)) {
    return { python, version: stamp.python, lock: previous, lockHash: stamp.lock, changed: false };
  }
  if (state === 'foreign' && options.force !== true) throw foreignVenv(project);

  const isManaged = state !== 'foreign' && state !== 'adopted';
  const interpreter =
    state === 'absent' || state === 'broken'
      ? await newVenv(project, config, options)
      : await checkedVenv(project, config, isManaged, options);
  const version = formatVersion(interpreter.version);

  let lock = previous;
  if (lock === undefined || !isFresh) {
    const pythonMinor = oldestMinor(config.pythonVersion, interpreter);
    const { venv, root } = project;
    const request = {
      root,
      venv,
      requirements,
      pythonRange: config.pythonVersion,
      pythonMinor,
      previous: text,
      progress,
      signal,
    };
    lock = await resolveRequirements(request);
    writeFileAtomically(project.requirementsLock, formatLock(lock));
  } else if (!isAtLeast(interpreter.version, parsePythonVersion(lock.python) ?? OLDEST_PYTHON)) {
    throw new PythonEnvironmentError(
      `python/requirements.lock was made for Python ${lock.python} and .venv has ${version}: remove .venv and run this ` +
        'again with --python naming a newer one, or remove the lock to make it anew',
    );
  }
  const lockHash = sha256(readFileSync(project.requirementsLock));
  // An installation that is interrupted is done again: only a complete one is stamped with its lock.
  // pip goes by the record of a package: where that is there and files are not, it must be told to install again.
  const isDamaged = lost.some((entry) => !isRecord(entry));
  const entries = stamp?.entries ?? [];
  writeStamp(project.venv, { isManaged, lock: null, python: version, entries });
  await installLock(project, lock, { isManaged, isDamaged }, progress, signal);
  writeStamp(project.venv, { isManaged, lock: lockHash, python: version, entries: installedEntries(project.venv) });
  progress.done();
  return { python, version, lock, lockHash, changed: true };
}

/** An environment that is there and runs, in a version that the configuration allows. */
async function checkedVenv(
  project: Project,
  config: ResolvedConfig,
  isManaged: boolean,
  options: SyncOptions,
): Promise<Interpreter> {
  const python = venvPython(project.venv);
  const probe = await runProgram(python, ['-c', 'pass'], { signal: options.signal });
  if (probe.exitCode !== 0) {
    if (isManaged) return newVenv(project, config, options);
    throw new PythonEnvironmentError(
      `${python} does not run, and Hognose did not make .venv: remove it and run this again`,
    );
  }
  const interpreter = await inspectInterpreter(python, options.signal);
  if (isAtLeast(interpreter.version, OLDEST_PYTHON) && isInRange(interpreter.version, config.pythonVersion))
    return interpreter;
  if (isManaged) return newVenv(project, config, options);
  throw new PythonEnvironmentError(
    `.venv is Python ${formatVersion(interpreter.version)}, and the project asks for ${config.pythonVersion || '3.10 or newer'}: remove it and run this again`,
  );
}

async function newVenv(project: Project, config: ResolvedConfig, options: SyncOptions): Promise<Interpreter> {
  const interpreter = await chooseInterpreter(project, options.python, config.pythonVersion, options.signal);
  await createVenv(project.venv, interpreter, options.progress, options.signal);
  return interpreter;
}

/** The lock holds from the oldest Python that the configuration names, else from this one. */
function oldestMinor(range: string, interpreter: Interpreter): string {
  const [major, minor] = interpreter.version;
  const here = `${major}.${minor}`;
  return lowestMinor(range) ?? here;
}

function foreignVenv(project: Project): PythonEnvironmentError {
  return new PythonEnvironmentError(
    `${project.venv} exists and was not made by Hognose, so nothing was installed into it. Remove it to have one made, ` +
      'or run this again with --force to install into it (what is in it stays)',
  );
}
