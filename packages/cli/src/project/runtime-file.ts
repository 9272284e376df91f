import { existsSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import type { ResolvedConfig } from '../config/validate.js';
import { venvPython, type Project } from './project.js';

/**
 * The text of `hognose.runtime.json`, by which the default runtime starts: production loads no TypeScript. Paths are
 * relative to the file, so that the project can be moved.
 */
export function runtimeFileText(project: Project, config: ResolvedConfig): string {
  const { size, preload, env, transport, timeoutMs } = config.runtime;
  const content = {
    version: 1,
    python: relative(project.root, venvPython(project.venv)).split(sep).join('/'),
    pythonPath: pythonPathOf(project).map((path) => relative(project.root, path).split(sep).join('/')),
    size,
    preload,
    env: env === undefined ? undefined : Object.fromEntries(Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))),
    transport,
    timeoutMs,
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** Where the project's own Python stands; absolute paths. */
export function pythonPathOf(project: Project): string[] {
  return [join(project.root, 'python')].filter((path) => existsSync(path));
}
