import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Project } from './project.js';

/**
 * Where a module stands in the project's own `python/` directory, as `python/acc.py`; undefined where it does not. No
 * package of that name is looked for: it would be a stranger's.
 *
 * @param name A module's import name; the first part decides.
 */
export function ownModule(project: Project, name: string): string | undefined {
  const directory = dirname(project.generated);
  const top = name.split('.')[0] ?? name;
  if (existsSync(join(directory, `${top}.py`))) return `python/${top}.py`;
  return top !== basename(project.generated) && holdsPython(join(directory, top)) ? `python/${top}/` : undefined;
}

function holdsPython(directory: string): boolean {
  try {
    return readdirSync(directory, { recursive: true, encoding: 'utf8' }).some((path) => path.endsWith('.py'));
  } catch {
    return false;
  }
}
