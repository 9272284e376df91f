/** Brings a fresh clone to where its commands work: Node packages, the Python environment for tests, the builds. */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findPython, once, readRoot, root, run, runOrFail, venvPython, fail } from './lib.mjs';

const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

/** Node packages, exactly as locked. */
async function installNodePackages() {
  await once(
    'npm',
    [readRoot('package-lock.json'), process.version],
    join(root, 'node_modules', '.bin', 'nx'),
    async () => {
      console.log('> Installing Node packages (npm ci, about a minute)');
      const status = await run(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
      if (status !== 0)
        fail('npm could not install the locked packages: is the npm registry reachable? Its own message stands above.');
    },
  );
}

/** The environment that tests and lint run in, exactly as locked, with hashes. */
async function installPythonEnvironment(python) {
  const lock = 'tools/python/requirements-dev.lock';
  await once('python', [readRoot(lock), python.version], venvPython, async () => {
    console.log(`> Installing Python packages for Python ${python.version} (about a minute)`);
    rmSync(join(root, '.venv'), { recursive: true, force: true });
    await runOrFail(python.command, ['-m', 'venv', '.venv']);
    const hasUv = spawnSync('uv', ['--version']).status === 0;
    const uvDone = hasUv && (await run('uv', ['pip', 'sync', '--python', venvPython, '--require-hashes', lock])) === 0;
    if (!uvDone) {
      const pip = [
        '-m',
        'pip',
        'install',
        '--require-hashes',
        '--disable-pip-version-check',
        '--progress-bar',
        'off',
        '-q',
        '-r',
        lock,
      ];
      if ((await run(venvPython, pip)) !== 0) {
        fail(
          'pip could not install the locked packages: is the Python package index reachable? Its own message stands above.',
        );
      }
    }
  });
}

/** Everything that `npm test` and the other targets need. */
export async function prepare() {
  const python = findPython();
  await installNodePackages();
  await installPythonEnvironment(python);
  console.log('> Building the packages');
  await runOrFail('nx', ['run-many', '-t', 'build', '--output-style=static']);
}

/** What the quickstart needs: no test environment. */
export async function prepareToRun() {
  findPython();
  await installNodePackages();
  console.log('> Building the packages');
  await runOrFail('nx', ['run-many', '-t', 'build', '--output-style=static']);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await prepare();
