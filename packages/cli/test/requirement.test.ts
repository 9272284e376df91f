import { parseRequirement } from '../src/environment/requirement.js';

describe('parseRequirement', () => {
  it.each([
    ['numpy', 'numpy', true],
    ['scikit-learn>=1.5', 'scikit-learn', false],
    [' Zope.Interface ~= 5.0', 'zope-interface', false],
    ['uvicorn[standard]', 'uvicorn', false],
    ['six (>=1.0)', 'six', false],
    ['attrs; python_version >= "3.11"', 'attrs', false],
  ])('reads %s', (text, key, isBare) => {
    expect(parseRequirement(text)).toMatchObject({ text: text.trim(), key, isBare });
  });

  it.each([
    ['six@1.17.0', "'six==1.17.0'"],
    ['./local', 'a path or an address'],
    ['git+https://example.org/x.git', 'a path or an address'],
    ['x @ https://example.org/x.whl', 'a path or an address'],
    ['--index-url', 'an option of pip'],
    ['numpy 2', 'a version follows one of'],
    ['', 'is not a package'],
  ])('refuses %s and says why', (text, reason) => {
    expect(parseRequirement(text)).toEqual(expect.stringContaining(reason));
  });
});
