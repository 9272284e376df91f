import { tsdoc } from '../../src/emit/tsdoc.js';

const short = (doc: string) => tsdoc({ doc }, 'short');

it('keeps the first paragraph', () => {
  expect(short('One.\n\nTwo.')).toBe('/** One. */\n');
  expect(short('One\nline more.\n\nTwo.')).toBe('/**\n * One\n * line more.\n */\n');
});

it('skips the signatures, directives and headings that are no prose', () => {
  expect(short('sin(x, /, out=None, *, where=True)\n\nSine.')).toBe('/** Sine. */\n');
  expect(short('Exception.add_note(note) --\nadd a note')).toBe('/** add a note */\n');
  expect(short('.. deprecated:: 1.0\n   Use other.\n\nOld.')).toBe('/** Old. */\n');
  expect(short('Parameters\n----------\na : int')).toBe('');
  expect(short('Title\n=====\nmore')).toBe('/** Title */\n');
});

it('escapes what ends a comment or reads as a tag', () => {
  expect(short('a */ b @param {c} <d> \\e `f')).toBe('/** a *\\/ b \\@param \\{c\\} \\<d\\> \\\\e \\`f */\n');
  expect(short('``a */ @b {c}``')).toBe('/** `a * / @b {c}` */\n');
});

it('turns the inline markup of reStructuredText into that of Markdown', () => {
  expect(short('See :func:`~a.b.c`, :class:`d` and :ref:`the guide <guide>`.')).toBe(
    '/** See `c`, `d` and the guide. */\n',
  );
  expect(short('See `here <https://example.org/x>`_.')).toBe('/** See [here](https://example.org/x). */\n');
});

it('removes characters that cannot be read back', () => {
  expect(short('a\u0000b\ud800c\r\nd\u2028e\ufeff')).toBe('/**\n * ab\ufffdc\n * de\n */\n');
});

it('names the defaults of parameters', () => {
  const defaults = [
    { parameter: 'a', text: '10' },
    { parameter: 'b', text: "'`*/'" },
  ];
  expect(tsdoc({ doc: 'F.', defaults }, 'short', '  ')).toBe(
    "  /**\n   * F.\n   *\n   * @param a - default `10`\n   * @param b - default `` '`* /' ``\n   */\n",
  );
  expect(tsdoc({ doc: null, defaults: defaults.slice(0, 1) }, 'short')).toBe('/** @param a - default `10` */\n');
  expect(tsdoc({ doc: 'F.', defaults }, 'none')).toBe('');
});

it('fences the examples of a whole docstring', () => {
  expect(tsdoc({ doc: 'F.\n\n>>> f(1)  # */ @x\n2\n\nMore.' }, 'full')).toBe(
    '/**\n * F.\n *\n * ```py\n * >>> f(1)  # * / @x\n * 2\n * ```\n *\n * More.\n */\n',
  );
});
