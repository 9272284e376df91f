/**
 * Jest for one package: TypeScript through swc as native ESM, siblings resolved from source without a build.
 *
 * @param {string} name The project's name, for the report.
 * @returns {import('jest').Config}
 */
export const preset = (name) => ({
  displayName: name,
  testEnvironment: 'node',
  testEnvironmentOptions: {
    customExportConditions: ['@hognose/source', 'node', 'node-addons'],
    // A runtime may still be closing when its test file has ended.
    globalsCleanup: 'off',
  },
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'es6' }, sourceMaps: 'inline' },
    ],
  },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  testPathIgnorePatterns: ['/node_modules/', '/fixtures/'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.tsc/'],
  testTimeout: 60_000,
});
