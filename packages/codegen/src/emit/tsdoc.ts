/** Docstrings as TSDoc comments. */

/**
 * How much of a docstring is kept: its first paragraph and the defaults, all of it, or nothing.
 *
 * @public
 */
export type Docs = 'short' | 'full' | 'none';

/** A default that the documentation shows. @internal */
export interface DocumentedDefault {
  readonly parameter: string;
  readonly text: string;
}

/** What a comment is made of. @internal */
export interface Comment {
  readonly doc: string | null;
  readonly defaults?: readonly DocumentedDefault[];
}

/** A TSDoc comment with its line end, or nothing where there is nothing to say. @internal */
export function tsdoc(comment: Comment, docs: Docs, indent = ''): string {
  if (docs === 'none') return '';
  const text = comment.doc === null ? [] : docs === 'full' ? fullText(comment.doc) : summary(comment.doc);
  const defaults = (comment.defaults ?? []).map(({ parameter, text }) => `@param ${parameter} - default ${code(text)}`);
  const lines = [...text, ...(text.length > 0 && defaults.length > 0 ? [''] : []), ...defaults];
  if (lines.length === 0) return '';
  if (lines.length === 1) return `${indent}/** ${lines[0] ?? ''} */\n`;
  const body = lines.map((line) => (line === '' ? `${indent} *` : `${indent} * ${line}`));
  return `${indent}/**\n${body.join('\n')}\n${indent} */\n`;
}

/** A default on an option's own line. @internal */
export function defaultComment(text: string | null, docs: Docs, indent: string): string {
  return text === null || docs === 'none' ? '' : `${indent}/** default ${code(text)} */\n`;
}

/** The first paragraph that is prose: C functions begin with their signature, and some docs with a directive. */
function summary(doc: string): string[] {
  const paragraphs = clean(doc)
    .split(/\n[ ]*\n/)
    .map((paragraph) => withoutSignature(paragraph.split('\n').map((line) => line.trim())));
  const first = paragraphs.find((lines) => lines.length > 0 && !NO_PROSE.test(lines.join('\n'))) ?? [];
  const underline = first.findIndex((line) => UNDERLINE.test(line));
  return (underline > 0 ? first.slice(0, underline) : first).map(prose).filter((line) => line !== '');
}

const UNDERLINE = /^[=~^*+-]{3,}$/;
/** A directive, an example, a rule, or the heading of a section. */
const NO_PROSE =
  /^(?:\.\. |>>> |[=~^*+-]{3,}(?:\n|$)|(?:Parameters|Returns|Yields|Raises|Attributes|Methods|Notes|Examples?|See Also)\n-{3,})/;

/** Without `name(...) -> result` and `name(...) --`, with which docstrings of C functions begin. */
function withoutSignature(lines: readonly string[]): string[] {
  const isSignature = /^[\w.]+\(.*\)(?:\s*->\s*\S+|\s*--?)?$/.test(lines[0] ?? '');
  return (isSignature ? lines.slice(1) : [...lines]).filter((line) => line !== '');
}

/** All of a docstring; examples of the interactive prompt become fences. */
function fullText(doc: string): string[] {
  const lines: string[] = [];
  let isExample = false;
  for (const line of clean(doc).split('\n')) {
    const startsExample = /^\s*>>> /.test(line);
    if (startsExample !== isExample && (startsExample || line.trim() === '')) {
      lines.push(startsExample ? '```py' : '```');
      isExample = startsExample;
    }
    lines.push(isExample ? line.trimEnd().replace(/\*\//g, '* /') : prose(line.trimEnd()));
  }
  if (isExample) lines.push('```');
  return lines;
}

/** One line of prose: reStructuredText's inline markup as Markdown's, with what TSDoc would interpret escaped. */
function prose(line: string): string {
  const marked = line
    .replace(/``(.+?)``/g, '`$1`')
    .replace(/`([^`<]+?)\s*<(https?:[^`>\s]+)>`__?/g, '[$1]($2)')
    .replace(/:[\w:+.-]+:`(?:~[\w.]*?([\w]+)|([^`<]*?)\s*<[^`>]*>|([^`]*))`/g, (_, last, title, text) =>
      title !== undefined ? String(title) : `\`${String(last ?? text)}\``,
    );
  return marked
    .split(/(`[^`]+`)/)
    .map((part, index) => (index % 2 === 1 ? part.replace(/\*\//g, '* /') : escapeProse(part)))
    .join('');
}

function escapeProse(text: string): string {
  return text.replace(/[\\@{}<>`]/g, '\\$&').replace(/\*\//g, '*\\/');
}

/** A code span around any text of one line. */
function code(text: string): string {
  const safe = clean(text).replace(/\n/g, ' ').replace(/\*\//g, '* /');
  return safe.includes('`') ? `\`\` ${safe} \`\`` : `\`${safe}\``;
}

/** Without characters that do not show or cannot be written, so that a file reads back as it was. */
function clean(text: string): string {
  return (
    text
      .replace(/\r\n?/g, '\n')
      .replace(/\p{Surrogate}/gu, '\ufffd')
      // eslint-disable-next-line no-control-regex -- they are what is removed
      .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\ufeff]/g, '')
      .replace(/\t/g, '    ')
  );
}
