import * as codegen from '../src/index.js';

it('exports what the documentation names, and nothing else', () => {
  expect(Object.keys(codegen).sort()).toEqual([
    'CodegenError',
    'compareGenerated',
    'formatReport',
    'generate',
    'writeGenerated',
  ]);
});

it('recognises its error in another copy of the package', () => {
  const error = new codegen.CodegenError('what, where, what to do', { cause: 1 });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: 'CodegenError', code: 'CODEGEN', cause: 1 });
  const foreign = { [Symbol.for('hognose/error/CodegenError')]: true };
  expect(foreign instanceof codegen.CodegenError).toBe(true);
  expect(new Error('other') instanceof codegen.CodegenError).toBe(false);
  expect(codegen.CodegenError[Symbol.hasInstance](null)).toBe(false);
});
