/** Hognose's public API, as its users install it, with one worker unless its options say otherwise. */
import { buildRuntime } from '../../workspace/build-runtime.mjs';
import { PYTHON, PYTHON_PATH } from './python-process.mjs';

export const hognose = hognoseWith({});
export const hognoseGrpc = hognoseWith({ transport: 'grpc' });

/**
 * Hognose with options.
 *
 * @param {object | ((hognose: typeof import('@hognose/runtime')) => object)} options
 */
export function hognoseWith(options) {
  return { start: () => startRuntime(options) };
}

async function startRuntime(options) {
  await buildRuntime();
  // Here, and not at the head: it may have been built only now.
  const hognoseRuntime = await import('@hognose/runtime');
  const runtime = await hognoseRuntime.createRuntime({
    size: 1,
    python: PYTHON,
    pythonPath: [PYTHON_PATH],
    preload: ['fixture'],
    ...(typeof options === 'function' ? options(hognoseRuntime) : options),
  });
  return {
    runtime,
    pids: () => runtime.stats().workers.map((worker) => worker.pid),
    call: (a, b) => runtime.call('fixture.add', [a, b]),
    echo: (value) => runtime.call('fixture.echo', [value]),
    close: () => runtime.close(),
  };
}
