import { readFileSync } from 'node:fs';
import { Extension } from '../../src/values/extensions.js';
import { PAGE, pageWithTables } from './docs.js';

const page = readFileSync(PAGE, 'utf8');

describe('docs/values.md', () => {
  test('has the tables that the cases make; `npx tsx test/values/write-docs.ts --write` writes them', () => {
    expect(page).toBe(pageWithTables(page));
  });

  test('is seen to be stale when a row differs', () => {
    const stale = page.replace('| `-0.0` ', '| `+0.0` ');
    expect(stale).not.toBe(page);
    expect(pageWithTables(stale)).toBe(page);
  });

  test('lists every extension type with its number', () => {
    const rows = page.slice(page.indexOf('## Encoding'));
    for (const code of Object.values(Extension)) expect(rows).toMatch(new RegExp(`^\\| ${code} +\\|`, 'm'));
  });

  test('names every class and function for values that the package has', async () => {
    for (const name of [
      'PyDateTime',
      'PyDate',
      'PyTime',
      'PyTimeDelta',
      'PyDecimal',
      'PyFraction',
      'PyComplex',
      'PyUuid',
    ]) {
      expect(page).toContain(`\`${name}`);
    }
    await Promise.resolve();
    expect(page).toContain('registerCodec');
    expect(page).toContain('register_codec');
  });
});
