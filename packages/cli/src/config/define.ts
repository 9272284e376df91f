import type { NamedPoolOptions, RuntimeOptions } from '@hognose/runtime';

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

/** What the project itself settles (its interpreter, `python/`), and what no file can hold. */
type NotConfigured = 'python' | 'pythonPath' | 'placement';

/**
 * Settings of the default runtime: the options of `createRuntime`, but for `python`, `pythonPath` and `projectRoot`, which
 * the project settles, and functions, which no file can hold. What is left out takes the runtime's own default.
 * `transport: 'grpc'` also installs `grpcio` and `protobuf`.
 *
 * @public
 */
export interface RuntimeConfig extends Omit<
  RuntimeOptions,
  NotConfigured | 'pools' | 'projectRoot' | 'onLog' | 'onEvent'
> {
  /** The pools, when one is not enough. Calls go to the one named `default`, or else to the first. */
  readonly pools?: readonly PoolConfig[];
}

/**
 * Settings of a pool of the default runtime, with its name; as for {@link RuntimeConfig}.
 *
 * @public
 */
export type PoolConfig = Omit<NamedPoolOptions, NotConfigured>;

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
