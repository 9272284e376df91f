import { defineConfig } from '@hognose/cli';

export default defineConfig({
  python: { packages: ['scikit-learn', 'sympy'], version: '>=3.10' },
  modules: ['sklearn.datasets', 'sklearn.linear_model'],
  runtime: { size: 2 },
});
