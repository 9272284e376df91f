import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Generated } from '../../src/index.js';
import { writeGenerated } from '../../src/index.js';

/** The workspace's interpreter. */
export const python =
  process.env['HOGNOSE_PYTHON'] ?? fileURLToPath(new URL('../../../../.venv/bin/python', import.meta.url));

/** The folder that holds the package `specimen`. */
export const fixtures = fileURLToPath(new URL('../fixtures/python', import.meta.url));

/** Every module of the fixture that can be imported. */
export const specimenModules = [
  'specimen',
  'specimen.annotated',
  'specimen.lazy',
  'specimen.names',
  'specimen.parameters',
  'specimen.shapes',
];

/** A project of its own, with packages of the workspace, in a folder whose path has a space and a letter beyond ASCII. */
export class Project {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async create({ link = ['runtime'] }: { link?: readonly string[] } = {}): Promise<Project> {
    const root = join(await realpath(await mkdtemp(join(tmpdir(), 'hognose '))), 'projet é');
    await mkdir(join(root, 'node_modules', '@hognose'), { recursive: true });
    for (const name of link) {
      const source = fileURLToPath(new URL(`../../../${name}`, import.meta.url));
      await symlink(source, join(root, 'node_modules', '@hognose', name), 'junction');
    }
    const project = new Project(root);
    const target = { types: './python/generated/*.d.ts', default: './python/generated/*.js' };
    await project.write('package.json', JSON.stringify({ name: 'p', type: 'module', imports: { '#py/*': target } }));
    return project;
  }

  /** The folder of the generated files. */
  get generated(): string {
    return join(this.root, 'python', 'generated');
  }

  async write(file: string, text: string): Promise<string> {
    const path = join(this.root, file);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, text);
    return path;
  }

  async writeGenerated(generated: Generated): Promise<void> {
    await writeGenerated(generated, this.generated);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(join(this.root, '..'), { recursive: true, force: true });
  }
}
