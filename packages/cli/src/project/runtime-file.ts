import { existsSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import type { ResolvedConfig } from '../config/validate.js';
import { venvPython, type Project } from './project.js';

/**
 * The text of `hognose.runtime.json`, by which the default runtime starts: production loads no TypeScript. Paths are
 * relative to the file, so that the project can be moved.
 */
export function runtimeFileText(project: Project, config: ResolvedConfig): string {
  const content = {
    version: 1,
    python: relative(project.root, venvPython(project.venv)).split(sep).join('/'),
    pythonPath: pythonPathOf(project).map((path) => relative(project.root, path).split(sep).join('/')),
    ...Object.fromEntries(Object.entries(config.runtime).map(([name, value]) => [name, stable(name, value)])),
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** A value whose text does not depend on the order in which somebody wrote its fields; those of pools have one already. */
function stable(name: string, value: unknown): unknown {
  if (name === 'pools')
    return (value as readonly object[]).map((pool) =>
      Object.fromEntries(Object.entries(pool).map(([field, inner]) => [field, stable(field, inner)])),
    );
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Where the project's own Python stands; absolute paths. */
export function pythonPathOf(project: Project): string[] {
  return [join(project.root, 'python')].filter((path) => existsSync(path));
}
