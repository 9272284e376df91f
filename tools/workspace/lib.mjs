/** What the workspace's own scripts share. No dependency: these run before anything is installed. */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the workspace. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

/** Ends the script with one sentence and no stack. */
export function fail(message) {
  console.error(`\n${message}`);
  process.exit(1);
}

/** The interpreter of the workspace's own Python environment. */
export const venvPython = join(root, '.venv', process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');

/** Tools of the workspace first, so that `jest`, `tsup` and `nx` are found by name on every platform. */
export const toolEnv = () => ({
  ...process.env,
  PATH: [join(root, 'node_modules', '.bin'), dirname(venvPython), process.env.PATH].join(
    process.platform === 'win32' ? ';' : ':',
  ),
  NX_DAEMON: 'false',
  NX_NO_CLOUD: 'true',
});

/** Runs a command with its output shown; resolves to its exit status. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', cwd: root, env: toolEnv(), ...options });
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(signal ? 1 : (code ?? 1)));
  });
}

/** As {@link run}, and ends the script where the command fails. */
export async function runOrFail(command, args, options = {}) {
  const status = await run(command, args, options);
  if (status !== 0)
    fail(`\`${command} ${args.join(' ')}\` failed with status ${status}; its own message stands above.`);
}

const MINIMUM_PYTHON = [3, 10];

const isAtLeast = (version, minimum) => {
  for (const [index, least] of minimum.entries()) {
    if ((version[index] ?? 0) !== least) return (version[index] ?? 0) > least;
  }
  return true;
};

/** The Python that environments are made from: HOGNOSE_PYTHON, else python3, else python. Refuses in one sentence. */
export function findPython() {
  const asked = process.env.HOGNOSE_PYTHON;
  const candidates = asked ? [asked] : ['python3', 'python'];
  const seen = [];
  for (const candidate of candidates) {
    const probe = spawnSync(candidate, ['-c', 'import sys; print("%d.%d.%d" % sys.version_info[:3])'], {
      encoding: 'utf8',
    });
    if (probe.status !== 0) {
      seen.push(`${candidate} (${probe.error?.code === 'ENOENT' ? 'not found' : 'does not run'})`);
      continue;
    }
    const version = probe.stdout.trim();
    if (isAtLeast(version.split('.').map(Number), MINIMUM_PYTHON)) return { command: candidate, version };
    seen.push(`${candidate} (${version})`);
  }
  return fail(
    `Hognose needs Python ${MINIMUM_PYTHON.join('.')} or newer, and found ${seen.join(' and ')}: ` +
      'install one, or name it in the environment variable HOGNOSE_PYTHON, and run this again.',
  );
}

/**
 * Runs `action` unless it was done already for the same inputs. The stamp is written only after success, so that an
 * interrupted step is done again.
 */
export async function once(stamp, inputs, exists, action) {
  const hash = createHash('sha256');
  for (const input of inputs) hash.update(input).update('\0');
  const key = hash.digest('hex');
  const file = join(root, 'node_modules', '.cache', 'hognose', stamp);
  if (existsSync(exists) && existsSync(file) && readFileSync(file, 'utf8') === key) return false;
  await action();
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, key);
  return true;
}

/** The text of a file of the workspace. */
export const readRoot = (path) => readFileSync(join(root, path), 'utf8');
