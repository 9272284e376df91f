import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '../src/environment/requirements-lock.js';
import { writeStamp } from '../src/environment/stamp.js';
import { InterruptedError } from '../src/errors.js';
import { projectAt } from '../src/project/project.js';
import { transaction } from '../src/project/transaction.js';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hognose transaction '));
  mkdirSync(join(root, '.venv'));
  mkdirSync(join(root, 'python'));
  writeFileSync(join(root, 'python', 'requirements.lock'), 'lock');
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** The message of a command that a signal ends when the environment has this lock's packages. */
async function interruptedWith(lock: string | null): Promise<string> {
  const project = projectAt(root);
  const stamp = { isManaged: true, python: '3.11.7', entries: [] };
  writeStamp(project.venv, { ...stamp, lock: sha256('lock') });
  const controller = new AbortController();
  const reason = new InterruptedError('SIGINT');
  const ended = transaction(project, controller.signal, async () => {
    writeStamp(project.venv, { ...stamp, lock });
    writeFileSync(project.requirementsLock, 'other');
    controller.abort(reason);
    await Promise.reject(new Error('stopped'));
  });
  await expect(ended).rejects.toThrow('stopped');
  return reason.message;
}

describe('transaction', () => {
  it('says of an interrupted command what is true of .venv', async () => {
    expect(await interruptedWith(sha256('lock'))).toBe('stopped by SIGINT; the project is as it was before');
    for (const lock of [null, sha256('other')]) {
      expect(await interruptedWith(lock)).toMatch(/the files of the project are as .* \.venv is brought back to/u);
    }
  });
});
