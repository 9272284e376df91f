import { isInRange, lowestMinor, parsePythonVersion, parseVersionRange } from '../src/environment/python-version.js';

describe('ranges of Python versions', () => {
  it.each([
    ['3.11.7', '>=3.10', true],
    ['3.9.18', '>=3.10', false],
    ['3.13.0rc1', '>=3.10,<3.14', true],
    ['3.14.1', '>=3.10,<3.14', false],
    ['3.12.4', '==3.12.*', true],
    ['3.13.0', '==3.12.*', false],
    ['3.12.0', '~=3.11', true],
    ['3.12.0', '~=3.11.2', false],
    ['3.11.0', '!=3.11.0', false],
    ['3.11.0', '>3.11', false],
    ['3.11.0', '<=3.11', true],
  ])('%s in %s is %s', (version, range, expected) => {
    expect(isInRange(parsePythonVersion(version) ?? [0, 0, 0], range)).toBe(expected);
  });

  it('names the lowest minor version that a range starts from', () => {
    expect(lowestMinor('>=3.11,<3.14')).toBe('3.11');
    expect(lowestMinor('<3.14')).toBeUndefined();
  });

  it('refuses what is no range', () => {
    expect(parseVersionRange('3.11')).toBeUndefined();
    expect(parseVersionRange('>=3.x')).toBeUndefined();
  });
});
