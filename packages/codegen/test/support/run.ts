import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { python, type Project } from './project.js';

/** What a program of a project prints when Node runs it. */
export async function outputOf(project: Project, program: string): Promise<string> {
  const child = spawn(process.execPath, [join(project.root, program)], {
    cwd: project.root,
    env: { ...process.env, NODE_OPTIONS: '', HOGNOSE_PYTHON: python },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(child, 'close')) as [number];
  expect({ program, code }).toEqual({ program, code: 0 });
  return Buffer.concat(chunks).toString('utf8');
}
