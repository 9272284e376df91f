/** The layers of the workspace: an import may only point down. */
import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

const layers = [
  { sourceTag: 'layer:0', onlyDependOnLibsWithTags: [] },
  { sourceTag: 'layer:1', onlyDependOnLibsWithTags: ['layer:0'] },
  { sourceTag: 'layer:2', onlyDependOnLibsWithTags: ['layer:0', 'layer:1', 'layer:2'] },
  { sourceTag: 'layer:3', onlyDependOnLibsWithTags: ['layer:0', 'layer:1', 'layer:2'] },
  { sourceTag: 'layer:examples', onlyDependOnLibsWithTags: ['layer:0', 'layer:1', 'layer:2', 'layer:3'] },
  { sourceTag: 'layer:tools', onlyDependOnLibsWithTags: ['*'] },
];

/** ESLint's configuration of the boundaries alone. */
export const boundaries = {
  files: ['**/*.{ts,mjs,js}'],
  languageOptions: { parser: tseslint.parser },
  plugins: { '@nx': nx },
  rules: {
    '@nx/enforce-module-boundaries': [
      'error',
      // A package's examples import it by name, as its users do.
      { allow: ['.*/workspace/.*'], allowCircularSelfDependency: true, depConstraints: layers },
    ],
  },
};
