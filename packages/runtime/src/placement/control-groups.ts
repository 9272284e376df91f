/** Where the control groups of this process are (man 7 cgroups). */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A control group that this process is in. @internal */
export interface ControlGroup {
  readonly version: 1 | 2;
  readonly directory: string;
  /** Where the hierarchy is mounted: what lies above cannot be seen. */
  readonly mountPoint: string;
}

/**
 * The groups that may account for this process's memory: that of the unified hierarchy (version 2), and that of version 1's hierarchy
 * of memory. Only directories that exist. The controller of memory is in one of the two: its files are for the caller to look for.
 *
 * @internal
 */
export function memoryGroups(proc = '/proc'): readonly ControlGroup[] {
  const paths = pathsOf(readIfThere(join(proc, 'self/cgroup')) ?? '');
  const found: ControlGroup[] = [];
  for (const mount of mountsOf(readIfThere(join(proc, 'self/mountinfo')) ?? '')) {
    const path = mount.version === 2 ? paths.unified : paths.memory;
    const directory = path === undefined ? undefined : withinMount(mount, path);
    if (directory !== undefined && existsSync(directory))
      found.push({ version: mount.version, directory, mountPoint: mount.mountPoint });
  }
  return found;
}

/** The group and what lies above it, up to the mount. @internal */
export function withAncestors({ directory, mountPoint }: ControlGroup): readonly string[] {
  const directories = [directory];
  for (let at = directory; at !== mountPoint && at !== dirname(at); directories.push(at)) at = dirname(at);
  return directories;
}

/** The text of a file of the kernel's; undefined where there is none. @internal */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** A number of a file in which every line is a name and a number, such as `memory.events`. @internal */
export function numberIn(path: string, name: string): number | undefined {
  const line = readIfThere(path)
    ?.split('\n')
    .find((text) => text.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

interface Mount {
  readonly version: 1 | 2;
  /** Which part of the hierarchy is mounted: a container may see its own alone. */
  readonly root: string;
  readonly mountPoint: string;
}

/** Lines of `hierarchy:controllers:path`; the unified hierarchy is number 0 and names no controllers. */
function pathsOf(text: string): { readonly unified: string | undefined; readonly memory: string | undefined } {
  const lines = text.split('\n').map((line) => /^(\d+):([^:]*):(.*)$/.exec(line));
  const unified = lines.find((line) => line?.[1] === '0' && line[2] === '');
  const memory = lines.find((line) => line?.[2]?.split(',').includes('memory'));
  return { unified: unified?.[3], memory: memory?.[3] };
}

/** See `/proc/pid/mountinfo` in man 5 proc: after the sixth field come optional ones, and a hyphen ends them. */
function mountsOf(text: string): readonly Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const [before = '', after = ''] = line.split(' - ', 2);
    const [, , , root, mountPoint] = before.split(' ').map(unescape);
    const [type, , options = ''] = after.split(' ');
    if (root === undefined || mountPoint === undefined) continue;
    if (type === 'cgroup2') mounts.push({ version: 2, root, mountPoint });
    else if (type === 'cgroup' && options.split(',').includes('memory')) mounts.push({ version: 1, root, mountPoint });
  }
  return mounts;
}

/** Spaces and such stand in octal. */
function unescape(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)));
}

/** Where a path of the hierarchy is under its mount; undefined where the mount does not show it. */
function withinMount({ root, mountPoint }: Mount, path: string): string | undefined {
  if (path.split('/').includes('..') || root.split('/').includes('..')) return undefined; // outside of this namespace
  if (path !== root && !path.startsWith(root === '/' ? '/' : `${root}/`)) return undefined;
  const inside = path.slice(root === '/' ? 0 : root.length);
  return inside === '' || inside === '/' ? mountPoint : join(mountPoint, inside);
}
