/** How many threads the numerical libraries of one worker use. */
import { availableParallelism } from 'node:os';

/** Read by OpenMP, OpenBLAS, MKL, Accelerate and numexpr when they are loaded. */
const VARIABLES = [
  'OMP_NUM_THREADS',
  'OPENBLAS_NUM_THREADS',
  'MKL_NUM_THREADS',
  'VECLIB_MAXIMUM_THREADS',
  'NUMEXPR_NUM_THREADS',
];

/**
 * Environment variables that share the cores between the workers of a pool. Without them each worker starts a thread
 * per core, and threads that wait for each other by spinning make a fit of 0.2 s take 20 s on a busy machine.
 *
 * @param size - Number of workers.
 * @internal
 */
export function threadLimits(size: number): Readonly<Record<string, string>> {
  const threads = String(Math.max(1, Math.floor(availableParallelism() / size)));
  return Object.fromEntries(VARIABLES.map((name) => [name, threads]));
}
