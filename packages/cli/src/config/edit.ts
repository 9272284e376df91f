import { parseModule } from 'magicast';
import { packageKey, parseRequirement } from '../environment/requirement.js';
import { ConfigError, messageOf } from '../errors.js';

/** What is to be declared besides what is declared already. */
export interface ConfigAdditions {
  /** Requirements; one for a package that is declared already takes that one's place. */
  readonly packages: readonly string[];
  readonly modules: readonly string[];
}

/**
 * Adds packages and modules to the text of a configuration. Only the entries themselves are written: comments, quotes
 * and line breaks stay as the user has them.
 *
 * @param file The file's name, for the message.
 * @throws {@link ConfigError} when the lists are computed rather than written, and so cannot be edited.
 */
export function editConfig(source: string, file: string, additions: ConfigAdditions): string {
  const isWindows = source.includes('\r\n');
  let text = source.replace(/\r\n/gu, '\n');
  for (const requirement of additions.packages) text = declare(text, file, ['python', 'packages'], requirement);
  for (const module of additions.modules) text = declare(text, file, ['modules'], module);
  return isWindows ? text.replace(/\n/gu, '\r\n') : text;
}

/** A node of the syntax tree, as far as it is read here. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

// One entry at a time, on a fresh tree: positions are right again after each, and a configuration is a page long.
function declare(source: string, file: string, path: readonly string[], entry: string): string {
  const config = configObject(parse(source, file));
  if (config === undefined) throw notEditable(file, path, entry);
  let holder = config;
  for (const [depth, name] of path.entries()) {
    const value = propertyValue(holder, name);
    if (value === undefined) {
      return addProperty(source, holder, path.slice(depth), quote(source, entry));
    }
    if (value.type !== (depth === path.length - 1 ? 'ArrayExpression' : 'ObjectExpression')) {
      throw notEditable(file, path, entry);
    }
    holder = value;
  }
  if (source[holder.start] !== '[') throw notEditable(file, path, entry);
  return addElement(source, holder, entry);
}

function parse(source: string, file: string): Node {
  try {
    // The parser widens tabs and drops a byte order mark before it counts: positions are right for what has neither.
    return parseModule(source.replace(/[\t\uFEFF]/gu, ' ')).$ast as unknown as Node;
  } catch (error) {
    throw new ConfigError(`${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** The object literal that is exported, through `defineConfig(...)`, `as`, `satisfies` and a constant. */
function configObject(program: Node): Node | undefined {
  const body = program['body'] as readonly Node[];
  let node = body.find((statement) => statement.type === 'ExportDefaultDeclaration')?.['declaration'] as
    Node | undefined;
  for (let depth = 0; node !== undefined && depth < 8; depth++) {
    if (node.type === 'ObjectExpression') return node;
    if (node.type === 'CallExpression') node = (node['arguments'] as readonly Node[])[0];
    else if (node.type === 'Identifier') node = constant(body, node['name'] as string);
    else node = node['expression'] as Node | undefined;
  }
  return undefined;
}

function constant(body: readonly Node[], name: string): Node | undefined {
  for (const statement of body) {
    if (statement.type !== 'VariableDeclaration') continue;
    for (const declarator of statement['declarations'] as readonly Node[]) {
      if ((declarator['id'] as Node)['name'] === name) return (declarator['init'] as Node | null) ?? undefined;
    }
  }
  return undefined;
}

function propertyValue(object: Node, name: string): Node | undefined {
  const property = (object['properties'] as readonly Node[]).find((candidate) => {
    const key = candidate['key'] as Node | undefined;
    return key !== undefined && (key['name'] === name || key['value'] === name);
  });
  return property?.['value'] as Node | undefined;
}

/** Adds a string to an array literal, in the array's own layout. */
function addElement(source: string, array: Node, entry: string): string {
  const elements = array['elements'] as readonly Node[];
  const same = elements.find(
    (element) => element.type === 'StringLiteral' && isSame(element['value'] as string, entry),
  );
  if (same !== undefined) {
    return splice(source, same.start, same.end, quote(source, entry, source[same.start]));
  }
  const last = elements.at(-1);
  if (last === undefined) return insertFirst(source, array, quote(source, entry));
  const written = quote(source, entry, source[last.start]);
  return splice(source, last.end, last.end, `,${gapBefore(source, last)}${written}`);
}

/** Adds `name: ['entry']`, or `python: { packages: ['entry'] }`, to an object literal. */
function addProperty(source: string, object: Node, path: readonly string[], written: string): string {
  const [name = '', ...rest] = path;
  const value = rest.length === 0 ? `[${written}]` : `{ ${rest[0] ?? ''}: [${written}] }`;
  const last = (object['properties'] as readonly Node[]).at(-1);
  if (last === undefined) return insertFirst(source, object, ` ${name}: ${value} `);
  return splice(source, last.end, last.end, `,${gapBefore(source, last)}${name}: ${value}`);
}

/** Writes the only entry of an empty literal; a comment inside stays, above it. */
function insertFirst(source: string, literal: Node, written: string): string {
  const inside = source.slice(literal.start + 1, literal.end - 1);
  if (inside.trim() === '') return splice(source, literal.start + 1, literal.end - 1, written);
  const outer = /\n?([ \t]*)$/u.exec(inside)?.[1] ?? '';
  return splice(
    source,
    literal.start + 1,
    literal.end - 1,
    `${inside.trimEnd()}\n${outer}  ${written.trim()},\n${outer}`,
  );
}

/** What stands between an entry and the one before it: a line break with its indentation, or one space. */
function gapBefore(source: string, node: Node): string {
  const line = source.slice(source.lastIndexOf('\n', node.start - 1) + 1, node.start);
  const isFirstOnLine = line.trim() === '' && source.lastIndexOf('\n', node.start - 1) >= 0;
  return isFirstOnLine ? `\n${line}` : ' ';
}

/** A string literal in the quotes of its neighbour, else of the file's first string. */
function quote(source: string, entry: string, neighbour?: string): string {
  const mark = neighbour === '"' || neighbour === "'" ? neighbour : (/["']/u.exec(source)?.[0] ?? "'");
  const escaped = JSON.stringify(entry);
  return mark === '"' ? escaped : `'${escaped.slice(1, -1).replace(/\\"/gu, '"').replace(/'/gu, "\\'")}'`;
}

/** Whether two entries name the same package, or are the same module. */
function isSame(a: string, b: string): boolean {
  if (a === b) return true;
  const [left, right] = [parseRequirement(a), parseRequirement(b)];
  return typeof left !== 'string' && typeof right !== 'string' && packageKey(left.name) === packageKey(right.name);
}

function splice(source: string, start: number, end: number, text: string): string {
  return source.slice(0, start) + text + source.slice(end);
}

function notEditable(file: string, path: readonly string[], entry: string): ConfigError {
  return new ConfigError(
    `${file} computes ${path.join('.')} rather than listing it, so it cannot be edited: add '${entry}' to it yourself and ` +
      'run `hognose generate`',
  );
}
