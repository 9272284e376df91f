import { runProgram } from '../process.js';

/** The uv command where one is on the PATH and runs. */
export async function findUv(signal?: AbortSignal): Promise<string | undefined> {
  const outcome = await runProgram('uv', ['--version'], { signal });
  return outcome.exitCode === 0 ? 'uv' : undefined;
}
