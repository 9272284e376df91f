/** The `.d.ts` of one module. */
import type { ClassMember, FunctionMember, Method, Module, Property } from '../ir.js';
import { callShape, type CallShape, type SignatureScope } from './signature.js';
import { memberName, propertyKey, type LocalName } from './names.js';
import { handleArgument, quoted, resultType, type RuntimeType } from './types.js';
import { tsdoc, type Docs } from './tsdoc.js';

/** Declares every member of a module. @internal */
export function emitDeclarations(module: Module, names: ReadonlyMap<string, LocalName>, docs: Docs): string {
  const scope = new FileScope(module, names, docs);
  const aliases: string[] = [];
  const body: string[] = [];
  for (const member of module.members) {
    const name = names.get(member.name);
    if (name === undefined) continue;
    const declare = name.local === name.exported ? 'export declare' : 'declare';
    if (name.local !== name.exported) aliases.push(`${name.local} as ${name.exported}`);
    if (member.kind === 'function') body.push(declareFunction(member, name.local, declare, scope));
    else if (member.kind === 'class') body.push(declareClass(member, name.local, declare, scope));
    else {
      const type = resultType(member.slot.type, scope) ?? 'unknown';
      body.push(`${declare} const ${name.local}: ${scope.runtime('Pending')}<${type}>;\n`);
    }
  }
  // Without an export statement every declaration of the file would be exported, the interfaces of keywords too.
  const exported = `export {${aliases.length === 0 ? '' : ` ${aliases.join(', ')} `}};\n`;
  return [moduleComment(module, docs) + scope.head(), ...body, exported].filter((part) => part !== '').join('\n');
}

function moduleComment(module: Module, docs: Docs): string {
  const comment = tsdoc({ doc: module.doc }, docs);
  if (comment === '') return '';
  const multiline = comment.startsWith('/** ')
    ? comment.replace(/^\/\*\* (.*) \*\/\n$/su, '/**\n * $1\n */\n')
    : comment;
  return multiline.replace(/\n \*\/\n$/u, '\n *\n * @packageDocumentation\n */\n');
}

function declareFunction(member: FunctionMember, local: string, declare: string, scope: FileScope): string {
  const context = { keywordsName: `${local}$kw`, takesPlainKeywords: true };
  const shape = callShape(member.signature, context, scope);
  const calls = shape.calls.map((call) => `${declare} function ${local}${flush(call)};\n`).join('');
  return shape.keywords + tsdoc({ doc: member.doc, defaults: shape.defaults }, scope.docs) + calls;
}

function declareClass(member: ClassMember, local: string, declare: string, scope: FileScope): string {
  const keywords: string[] = [];
  const shapeOf = (method: Method, isStatic: boolean): CallShape => {
    const context = { keywordsName: `${local}$${method.name}$kw`, takesPlainKeywords: false };
    // Outside an interface there is no `this`: what a class method returns as itself is the class.
    const shape = callShape(method.signature, context, scope.within(member, isStatic ? local : 'this'));
    if (shape.keywords !== '') keywords.push(shape.keywords);
    return shape;
  };
  const declareMethod = (method: Method, key: string, isStatic: boolean): string => {
    const shape = shapeOf(method, isStatic);
    const comment = tsdoc({ doc: method.doc, defaults: shape.defaults }, scope.docs, '  ');
    return comment + shape.calls.map((call) => `  ${propertyKey(key)}${call};\n`).join('');
  };

  const members = new Map<string, string>();
  for (const property of member.properties) {
    members.set(memberName(property.name), declareProperty(property, scope.within(member, 'this')));
  }
  for (const method of member.methods.filter(({ binding }) => binding === 'instance')) {
    const key = memberName(method.name);
    // A class with both `then` and `then_` loses the second: the runtime reads `then_` as `then`.
    if (!members.has(key) || key !== method.name) members.set(key, declareMethod(method, key, false));
  }
  const constructor = callShape(
    member.signature,
    { keywordsName: `${local}$kw`, result: local, takesPlainKeywords: true },
    scope.within(member, local),
  );
  if (constructor.keywords !== '') keywords.unshift(constructor.keywords);
  const statics = new Map<string, string>();
  for (const method of member.methods.filter(({ binding }) => binding !== 'instance')) {
    statics.set(memberName(method.name), declareMethod(method, memberName(method.name), true));
  }

  const body = [...members.values()].join('');
  const handle = `${scope.runtime('PyHandle')}<${quoted(member.qualifiedName)}>`;
  return (
    keywords.join('') +
    tsdoc({ doc: member.doc }, scope.docs) +
    `${declare.replace(' declare', '')} interface ${local} extends ${handle} {${body === '' ? '' : `\n${body}`}}\n` +
    `${declare} const ${local}: ${scope.runtime('PyClass')}<${local}> & {\n` +
    tsdoc({ doc: null, defaults: constructor.defaults }, scope.docs, '  ') +
    constructor.calls.map((call) => `  ${call};\n`).join('') +
    [...statics.values()].join('') +
    `};\n`
  );
}

function declareProperty(property: Property, scope: SignatureScope): string {
  const type = resultType(property.slot.type, scope) ?? 'unknown';
  return (
    tsdoc({ doc: property.doc }, scope.docs, '  ') +
    `  readonly ${propertyKey(memberName(property.name))}: ${scope.runtime('Pending')}<${type}>;\n`
  );
}

/** A call signature at the left margin. */
function flush(call: string): string {
  return call.replace(/\n {2}/g, '\n');
}

/** What the declarations of one file share: its imports and its classes. */
class FileScope implements SignatureScope {
  readonly docs: Docs;
  readonly resultParameter: string;
  readonly #used = new Set<RuntimeType>();
  readonly #classes = new Map<string, string>();
  #usesArgument = false;

  constructor(module: Module, names: ReadonlyMap<string, LocalName>, docs: Docs) {
    this.docs = docs;
    for (const member of module.members) {
      const name = names.get(member.name);
      if (member.kind !== 'class' || name === undefined) continue;
      // Under its own name rather than an alias, where it has several.
      const isOwn = member.qualifiedName.endsWith(`.${member.name}`);
      if (isOwn || !this.#classes.has(member.qualifiedName)) this.#classes.set(member.qualifiedName, name.local);
    }
    this.resultParameter = [...this.#classes.values()].includes('R') ? '$R' : 'R';
  }

  runtime(name: RuntimeType): string {
    this.#used.add(name);
    return `$${name}`;
  }

  argument(type: string): string {
    this.#usesArgument = true;
    return `$Arg<${type}>`;
  }

  localClass(qualifiedName: string): string | undefined {
    return this.#classes.get(qualifiedName);
  }

  /** The same scope inside a class: what `Self` is there. */
  within({ qualifiedName }: ClassMember, result: string): SignatureScope {
    return {
      docs: this.docs,
      resultParameter: this.resultParameter,
      self: { parameter: handleArgument(qualifiedName, this), result },
      runtime: (name) => this.runtime(name),
      argument: (type) => this.argument(type),
      localClass: (name) => this.localClass(name),
    };
  }

  head(): string {
    const imports = [...this.#used].sort().map((name) => `${name} as $${name}`);
    const from = imports.length === 0 ? '' : `import type { ${imports.join(', ')} } from '@hognose/runtime';\n`;
    return from + (this.#usesArgument ? 'type $Arg<T> = T | Promise<T>;\n' : '');
  }
}
