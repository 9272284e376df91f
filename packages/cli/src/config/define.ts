/**
 * What a project declares in `hognose.config.ts`.
 *
 * @public
 */
export interface HognoseConfig {
  /** The project's Python: its packages and the versions of Python that it runs on. */
  python?: PythonConfig;
  /**
   * Python modules that get typed wrappers, by their import names: `numpy`, `sklearn.linear_model`.
   *
   * @defaultValue `[]`
   */
  modules?: readonly string[];
  /**
   * How much of Python's documentation the wrappers carry.
   *
   * @defaultValue `'short'`
   */
  docs?: 'short' | 'full' | 'none';
  /** How the default runtime starts its workers; `hognose generate` writes it to `hognose.runtime.json`. */
  runtime?: RuntimeConfig;
}

/**
 * The Python side of a project.
 *
 * @public
 */
export interface PythonConfig {
  /**
   * Packages as pip names them, with optional extras, versions and markers: `'numpy'`, `'scikit-learn>=1.5'`.
   *
   * @defaultValue `[]`
   */
  packages?: readonly string[];
  /**
   * The versions of Python that the project runs on, such as `'>=3.11'` or `'>=3.10,<3.14'`. The lock is made for the
   * oldest of them (with uv).
   *
   * @defaultValue any from 3.10 on, with a lock for the one that it is made with
   */
  version?: string;
}

/**
 * Settings of the default runtime. What is left out takes the runtime's own default.
 *
 * @public
 */
export interface RuntimeConfig {
  /** How many worker processes run; a whole number from 1. */
  size?: number;
  /** Python modules that every worker imports before its first call. */
  preload?: readonly string[];
  /** Environment variables of the workers, on top of those of the Node process. */
  env?: Readonly<Record<string, string>>;
  /** The lane between Node and the workers. `'grpc'` also installs `grpcio` and `protobuf`. */
  transport?: 'socket' | 'grpc';
  /** The time limit of one call in milliseconds; 0 is none. */
  timeoutMs?: number;
}

/**
 * Gives `hognose.config.ts` completion and type checks; returns what it is given.
 *
 * @example
 * ```ts
 * import { defineConfig } from '@hognose/cli';
 *
 * export default defineConfig({
 *   python: { packages: ['numpy', 'scikit-learn>=1.5'] },
 *   modules: ['numpy', 'sklearn.linear_model'],
 * });
 * ```
 *
 * @public
 */
export function defineConfig(config: HognoseConfig): HognoseConfig {
  return config;
}
