/**
 * The one way in which a package is built: ESM and CJS with types for each, flat in `dist/`, so that
 * `../python/` is right from `src/`, `dist/*.js` and `dist/*.cjs` alike.
 *
 * @type {(overrides?: import('tsup').Options) => import('tsup').Options}
 */
export const library = (overrides = {}) => ({
  entry: ['src/index.ts'],
  format: ['esm', 'cjs'],
  target: 'node20',
  platform: 'node',
  shims: true,
  clean: true,
  sourcemap: true,
  silent: true,
  splitting: false,
  dts: { compilerOptions: { composite: false, customConditions: [] } },
  ...overrides,
});
