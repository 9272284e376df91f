import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const hognose = fileURLToPath(new URL('../../../packages/cli/dist/cli.js', import.meta.url));
const project = fileURLToPath(new URL('../', import.meta.url));

it('fits, predicts on several workers, survives a segmentation fault and asks SymPy', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [hognose, 'run', 'src/main.ts'], {
    cwd: project,
    // The workspace's environment has what the example needs.
    env: { ...process.env, NODE_OPTIONS: '', HOGNOSE_RUN_PYTHON: process.env['HOGNOSE_PYTHON'] },
  });
  expect(stdout).toContain('1797 x 64 pixels (float64) arrived from Python without a copy');
  expect(stdout).toContain('fitted a LogisticRegression on 1297 images');
  expect(stdout).toContain('predicted 500 images in 10 batches on 2 workers at once');
  expect(stdout).toContain('meanwhile a call killed its worker: WorkerCrashedError, signal SIGSEGV');
  expect(stdout).toContain('1 of 2 workers is new');
  expect(Number(/accuracy: ([\d.]+) %/.exec(stdout)?.[1])).toBeGreaterThan(90);
  expect(stdout).toContain('SymPy: 2x^2 - 8x + 6 = 0 holds for x = 1 and x = 3');
  expect(stdout).toContain('the image with the most ink shows a 1');
});
