import {
  formatLock,
  hashDeclared,
  parseLock,
  parseRequirements,
  type RequirementsLock,
} from '../src/environment/requirements-lock.js';

const [a, b] = ['a'.repeat(64), 'b'.repeat(64)];
const lock: RequirementsLock = {
  tool: 'uv',
  python: '3.11',
  platform: 'any',
  declared: 'c'.repeat(64),
  packages: [
    { name: 'Zope.Interface', version: '5.0', hashes: [b, a, a] },
    { name: 'numpy', version: '2.4.6', marker: "python_full_version < '3.12'", hashes: [a] },
    { name: 'numpy', version: '2.5.5', marker: "python_full_version >= '3.12'", hashes: [b] },
  ],
};

describe('python/requirements.lock', () => {
  it('reads back what it writes, in one order', () => {
    const text = formatLock(lock);
    expect(parseLock(text)).toEqual({
      ...lock,
      packages: [lock.packages[1], lock.packages[2], { name: 'zope-interface', version: '5.0', hashes: [a, b] }],
    });
    expect(formatLock({ ...lock, packages: [...lock.packages].reverse() })).toBe(text);
  });

  it('leaves out every option, so that no index address gets into it', () => {
    const text = [
      '--index-url https://user:secret@example.org/simple',
      '--find-links /somewhere',
      '# a comment',
      'six==1.17.0 \\',
      `    --hash=sha256:${a} \\`,
      `    --hash=sha256:${b}`,
      '    # via -r in.txt',
    ].join('\n');
    expect(parseRequirements(text)).toEqual([{ name: 'six', version: '1.17.0', hashes: [a, b] }]);
  });

  it('is no lock of ours without our header', () => {
    expect(parseLock('six==1.17.0\n')).toBeUndefined();
  });

  it('is stale once the declared packages or the range of Pythons change, and not by their order', () => {
    const declared = hashDeclared(['six', 'attrs>=20'], '>=3.10');
    expect(hashDeclared(['attrs>=20', 'six'], '>=3.10')).toBe(declared);
    expect(hashDeclared(['six', 'attrs>=21'], '>=3.10')).not.toBe(declared);
    expect(hashDeclared(['six', 'attrs>=20'], '>=3.11')).not.toBe(declared);
  });
});
