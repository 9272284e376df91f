import { existsSync, readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { editConfig } from '../config/edit.js';
import { loadConfig } from '../config/load.js';
import type { ResolvedConfig } from '../config/validate.js';
import { chooseInterpreter } from '../environment/interpreter.js';
import { importNames, standardModules } from '../environment/import-names.js';
import { packageKey, parseRequirement, type Requirement } from '../environment/requirement.js';
import { syncEnvironment } from '../environment/sync.js';
import { ConfigError } from '../errors.js';
import { silent, type Progress } from '../progress.js';
import { writeFileAtomically } from '../project/atomic-write.js';
import { exclusively } from '../project/exclusive.js';
import { ownModule } from '../project/own-modules.js';
import { findProject, venvPython, type Project } from '../project/project.js';
import { transaction } from '../project/transaction.js';
import { generateInto, type GenerateResult } from './generate.js';
import type { CommandOptions } from './options.js';

/**
 * Options of {@link add}.
 *
 * @public
 */
export interface AddOptions extends CommandOptions {
  /** The modules to wrap, by their import names; else every public one that the packages bring. */
  modules?: readonly string[] | undefined;
}

/**
 * What {@link add} did.
 *
 * @public
 */
export interface AddResult {
  /** The packages that were declared, each with the version that was installed. */
  readonly packages: readonly { readonly name: string; readonly version: string }[];
  /** The names that are modules of Python's standard library and no packages. */
  readonly standardModules: readonly string[];
  /** The names that are modules of the project's own `python/` directory, each with the file or directory. */
  readonly ownModules: Readonly<Record<string, string>>;
  /** The modules that have wrappers now because of this. */
  readonly modules: readonly string[];
  /** How the wrappers were generated. */
  readonly generated: GenerateResult;
}

/**
 * Adds Python packages to a project: resolves them first, then installs them, declares them in the configuration and
 * generates their wrappers. Where any of this fails, the project is as it was before.
 *
 * @param packages Requirements as pip takes them, or names of modules of Python's standard library or of `python/`.
 * @throws ConfigError when a name is no requirement or the configuration cannot be edited.
 * @throws PythonEnvironmentError when a package is unknown, does not fit the others, or cannot be installed.
 * @public
 */
export async function add(packages: readonly string[], options: AddOptions = {}): Promise<AddResult> {
  const { progress = silent, signal } = options;
  const project = findProject(resolve(options.cwd ?? '.'));
  const wanted = packages.map(requirement);
  return exclusively(project.root, progress, signal, () =>
    transaction(project, signal, async () => {
      const before = await loadConfig(project);
      const own = ownAmong(project, before, wanted);
      const others = wanted.filter((entry) => !own.has(entry.name));
      const standard = await standardAmong(project, before, others, options);
      const added = others.filter((entry) => !standard.includes(entry.name));
      // Naming what is declared already asks for its modules, not for any version to be forgotten.
      const fresh = added.filter((entry) => !(entry.isBare && isDeclared(before, entry)));
      const declared = withPackages(before, fresh);
      edited(project, { packages: fresh, modules: [] });

      const environment = await syncEnvironment(project, declared, { ...options, progress });
      const modules = await modulesOf(
        environment.python,
        added,
        [...own.keys(), ...standard],
        options.modules,
        progress,
        signal,
      );
      const text = edited(project, { packages: fresh, modules });
      signal?.throwIfAborted();
      writeFileAtomically(project.configFile, text);
      const after = await loadConfig(project);
      checkEdit(project, after, fresh, modules);
      const generated = await generateInto(project, after, { ...options, progress });
      const version = (key: string): string =>
        environment.lock.packages.find((entry) => packageKey(entry.name) === key)?.version ?? '';
      return {
        packages: added.map(({ name, key }) => ({ name, version: version(key) })),
        standardModules: standard,
        ownModules: Object.fromEntries(own),
        modules,
        generated,
      };
    }),
  );
}

function requirement(text: string): Requirement {
  const parsed = parseRequirement(text);
  if (typeof parsed === 'string') throw new ConfigError(parsed);
  return parsed;
}

/** Those of the names that are modules of the project's own, with where they stand: no package is looked for. */
function ownAmong(
  project: Project,
  config: ResolvedConfig,
  wanted: readonly Requirement[],
): ReadonlyMap<string, string> {
  const own = new Map<string, string>();
  for (const entry of wanted) {
    const place = entry.isBare && !isDeclared(config, entry) ? ownModule(project, entry.name) : undefined;
    if (place !== undefined) own.set(entry.name, place);
  }
  return own;
}

/** Those of the names that are modules of the standard library: no package is looked for under them. */
async function standardAmong(
  project: Project,
  config: ResolvedConfig,
  wanted: readonly Requirement[],
  options: AddOptions,
): Promise<readonly string[]> {
  const bare = wanted.filter((entry) => entry.isBare && !isDeclared(config, entry)).map((entry) => entry.name);
  if (bare.length === 0) return [];
  const python = existsSync(venvPython(project.venv))
    ? venvPython(project.venv)
    : (await chooseInterpreter(project, options.python, config.pythonVersion, options.signal)).path;
  const standard = await standardModules(python, bare, options.signal);
  return bare.filter((name) => standard.has(name));
}

/** The modules to wrap: those that were named, else those that the packages bring. */
async function modulesOf(
  python: string,
  added: readonly Requirement[],
  withoutPackage: readonly string[],
  named: readonly string[] | undefined,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  if (named !== undefined) return [...new Set([...withoutPackage, ...named])];
  const found = await importNames(
    python,
    added.map((entry) => entry.name),
    signal,
  );
  for (const [name, modules] of found) {
    if (modules.length === 0) progress.note(`${name} brings no module of its own; name others with --modules a.b,c.d`);
  }
  return [...new Set([...withoutPackage, ...[...found.values()].flat()])];
}

function isDeclared(config: ResolvedConfig, { key }: Requirement): boolean {
  return config.packages.some((text) => requirement(text).key === key);
}

function withPackages(config: ResolvedConfig, added: readonly Requirement[]): ResolvedConfig {
  const kept = config.packages.filter((text) => !added.some((entry) => entry.key === requirement(text).key));
  return { ...config, packages: [...kept, ...added.map((entry) => entry.text)] };
}

function edited(
  project: Project,
  additions: { readonly packages: readonly Requirement[]; readonly modules: readonly string[] },
): string {
  const source = readFileSync(project.configFile, 'utf8');
  const packages = additions.packages.map((entry) => entry.text);
  return editConfig(source, basename(project.configFile), { packages, modules: additions.modules });
}

/** A configuration may compute on what it lists: what was written must be what is read. */
function checkEdit(
  project: Project,
  after: ResolvedConfig,
  packages: readonly Requirement[],
  modules: readonly string[],
): void {
  const missing = [
    ...packages.map((entry) => entry.text).filter((text) => !after.packages.includes(text)),
    ...modules.filter((name) => !after.modules.includes(name)),
  ];
  if (missing.length === 0) return;
  throw new ConfigError(
    `${basename(project.configFile)} computes its lists, so ${missing.join(', ')} could not be added to it: add it ` +
      'yourself and run `hognose generate`',
  );
}
