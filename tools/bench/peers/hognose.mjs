/** Hognose's public API, as its users install it, with one worker. */
import { buildRuntime } from '../build.mjs';
import { PYTHON, PYTHON_PATH } from './python-process.mjs';

export const hognose = { start: () => startRuntime({}) };
export const hognoseGrpc = { start: () => startRuntime({ transport: 'grpc' }) };

async function startRuntime(options) {
  await buildRuntime();
  // Here, and not at the head: it may have been built only now.
  const { createRuntime } = await import('@hognose/runtime');
  const runtime = await createRuntime({
    size: 1,
    python: PYTHON,
    pythonPath: [PYTHON_PATH],
    preload: ['fixture'],
    ...options,
  });
  return {
    runtime,
    pids: () => runtime.stats().workers.map((worker) => worker.pid),
    call: (a, b) => runtime.call('fixture.add', [a, b]),
    echo: (value) => runtime.call('fixture.echo', [value]),
    close: () => runtime.close(),
  };
}
