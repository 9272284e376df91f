import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hognose, makeDirectory, removeDirectory, succeed } from './support.js';

let root = '';
beforeAll(async () => {
  root = makeDirectory();
  writeFileSync(join(root, 'package.json'), '{ "name": "mine" }\n');
  const { stderr } = await hognose(root, ['init']);
  expect(stderr).toContain('note: this package is CommonJS');
  mkdirSync(join(root, 'python', 'attr'), { recursive: true });
  writeFileSync(join(root, 'python', 'six.py'), 'def double(x: int) -> int:\n    return 2 * x\n');
  writeFileSync(join(root, 'python', 'attr', '__init__.py'), 'def half(x: float) -> float:\n    return x / 2\n');
});
afterAll(() => {
  removeDirectory(root);
});

describe("the project's own Python", () => {
  it.each([
    ['six', 'python/six.py', 'double'],
    ['attr', 'python/attr/', 'half'],
  ])('is wrapped where a package of the name %s exists too', async (name, place, member) => {
    const printed = await succeed(root, ['add', name]);
    expect(printed).toContain(`added      ${name} (${place} of this project: nothing to install)\n`);
    expect(readFileSync(join(root, 'python', 'generated', `${name}.js`), 'utf8')).toContain(member);
    expect(readFileSync(join(root, 'hognose.config.ts'), 'utf8')).toContain('packages: []');
    expect(readFileSync(join(root, 'python', 'requirements.lock'), 'utf8')).not.toContain(`${name}==`);
  });
});
