import { editConfig } from '../src/config/edit.js';
import { ConfigError } from '../src/errors.js';

const add = (source: string, packages: readonly string[], modules: readonly string[] = []): string =>
  editConfig(source, 'hognose.config.ts', { packages, modules });

describe('editConfig', () => {
  it('writes in the layout, quotes and comments that it finds', () => {
    const source = `import { defineConfig } from '@hognose/cli';

// ours
export default defineConfig({
  python: { packages: ["numpy", "pandas>=2"] /* data */, version: '>=3.11' },
  modules: [
    'numpy', // arrays
    'pandas',
  ],
});
`;
    expect(add(source, ['six'], ['six', 'attr'])).toBe(
      source
        .replace('"pandas>=2"]', '"pandas>=2", "six"]')
        .replace("'pandas',\n", "'pandas',\n    'six',\n    'attr',\n"),
    );
  });

  it('fills the lists of a fresh configuration', () => {
    expect(add('export default { python: { packages: [] }, modules: [] };\n', ['six'], ['six'])).toBe(
      'export default { python: { packages: ["six"] }, modules: ["six"] };\n'.replaceAll('"', "'"),
    );
  });

  it('adds the lists where there are none, also through a constant and satisfies', () => {
    const source = 'const config = {\n  docs: "full",\n};\nexport default config satisfies object;\n';
    expect(add(source, ['six'], ['six'])).toBe(
      'const config = {\n  docs: "full",\n  python: { packages: ["six"] },\n  modules: ["six"],\n};\nexport default config satisfies object;\n',
    );
    expect(add('export default {}', ['six'])).toBe("export default { python: { packages: ['six'] } }");
  });

  it('puts a new requirement in the place of the old one for the same package', () => {
    const source = "export default { python: { packages: ['Scikit_Learn>=1', 'six'] }, modules: ['six'] };";
    expect(add(source, ['scikit-learn>=1.5'], ['six'])).toBe(source.replace('Scikit_Learn>=1', 'scikit-learn>=1.5'));
  });

  it('keeps a comment in an empty list, tabs and Windows line ends', () => {
    expect(add('export default {\n  modules: [\n    // none yet\n  ],\n};\n', [], ['six'])).toBe(
      "export default {\n  modules: [\n    // none yet\n    'six',\n  ],\n};\n",
    );
    expect(add("\uFEFFexport default {\r\n\tmodules: [\r\n\t\t'a',\r\n\t],\r\n};\r\n", [], ['b'])).toBe(
      "\uFEFFexport default {\r\n\tmodules: [\r\n\t\t'a',\r\n\t\t'b',\r\n\t],\r\n};\r\n",
    );
  });

  it('refuses a list that is computed, and says what to write', () => {
    const source = 'const names = ["a"];\nexport default { modules: names.map(String) };\n';
    expect(() => add(source, [], ['six'])).toThrow(ConfigError);
    expect(() => add(source, [], ['six'])).toThrow('computes modules rather than listing it');
    expect(() => add('export default make();', ['six'])).toThrow("add 'six' to it yourself");
  });
});
