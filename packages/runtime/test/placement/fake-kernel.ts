/** A directory that looks like what the kernel tells of processes, and hierarchies of control groups beside it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What makes kernels; all are removed after the tests of the file. */
export function fakeKernels(): () => FakeKernel {
  const directory = mkdtempSync(join(tmpdir(), 'hognose kernél-'));
  afterAll(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  let count = 0;
  return () => new FakeKernel(join(directory, String(++count)));
}

export class FakeKernel {
  readonly proc: string;
  readonly #directory: string;
  #mounts = '';

  constructor(directory: string) {
    this.#directory = directory;
    this.proc = join(directory, 'proc');
    mkdirSync(join(this.proc, 'self'), { recursive: true });
  }

  /** Mounts a hierarchy; `root` is the part of it that is seen. */
  mount(type: 'cgroup' | 'cgroup2', { at = '', options = 'rw', root = '/' } = {}): string {
    const mountPoint = this.#path(at);
    mkdirSync(mountPoint, { recursive: true });
    // As the kernel writes it: spaces in octal, and any number of optional fields before the hyphen.
    const escaped = mountPoint.replace(/ /g, '\\040');
    const optional = this.#mounts === '' ? '' : 'shared:9 master:1 ';
    this.#mounts += `41 31 0:38 ${root} ${escaped} rw,relatime ${optional}- ${type} ${type} ${options}\n`;
    writeFileSync(join(this.proc, 'self', 'mountinfo'), this.#mounts);
    return mountPoint;
  }

  /** Puts this process into groups, one line each: `hierarchy:controllers:path`. */
  join(...lines: readonly string[]): void {
    writeFileSync(join(this.proc, 'self', 'cgroup'), `${lines.join('\n')}\n`);
  }

  /** Makes a group with these files; returns what changes one. */
  group(path: string, files: Readonly<Record<string, string>>, at = ''): (file: string, text: string) => void {
    const directory = join(this.#path(at), path);
    mkdirSync(directory, { recursive: true });
    const write = (file: string, text: string): void => {
      writeFileSync(join(directory, file), text);
    };
    for (const [file, text] of Object.entries(files)) write(file, text);
    return write;
  }

  vmstat(kills: number): void {
    writeFileSync(join(this.proc, 'vmstat'), `nr_free_pages 1\noom_kill ${kills}\nnuma_hit 3\n`);
  }

  #path(at: string): string {
    return join(this.#directory, 'sys fs cgroup', at);
  }
}
