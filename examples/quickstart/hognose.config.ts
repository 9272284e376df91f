import { defineConfig } from '@hognose/cli';

export default defineConfig({
  python: { packages: ['scikit-learn', 'sympy'], version: '>=3.10' },
  modules: ['sklearn.datasets', 'sklearn.linear_model'],
  // NumPy takes the memory of its larger arrays from what is shared with Node.js.
  runtime: { size: 2, numpyArena: true },
});
