/** Runs one project's tests, TypeScript with Jest and Python with pytest, and leaves their counts in `.test-results/`. */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run, toolEnv, venvPython } from './lib.mjs';

const project = process.cwd();
const results = join(project, '.test-results');
rmSync(results, { recursive: true, force: true });
mkdirSync(results, { recursive: true });

let failed = false;
if (existsSync(join(project, 'jest.config.mjs'))) {
  const nodeOptions = [process.env.NODE_OPTIONS, '--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const status = await run('jest', ['--json', `--outputFile=${join(results, 'jest.json')}`, ...process.argv.slice(2)], {
    cwd: project,
    env: {
      ...toolEnv(),
      NODE_OPTIONS: nodeOptions.filter(Boolean).join(' '),
      HOGNOSE_PYTHON: venvPython,
      // Nx asks for colours from everything below it, and tests compare what programs print.
      FORCE_COLOR: '0',
    },
  });
  failed ||= status !== 0;
}
if (existsSync(join(project, 'python', 'tests'))) {
  const status = await run(
    venvPython,
    ['-m', 'pytest', '-q', '-rs', '-p', 'no:cacheprovider', `--junitxml=${join(results, 'pytest.xml')}`, 'tests'],
    {
      cwd: join(project, 'python'),
    },
  );
  failed ||= status !== 0;
}
process.exit(failed ? 1 : 0);
