/**
 * Derives from worker.proto what both sides need: typed messages and the socket lane's tables for TypeScript and
 * Python, and the gRPC lane's descriptors. A pure function of the file's text.
 */
import protobuf from 'protobufjs';
import 'protobufjs/ext/descriptor.js';

const PACKAGE = 'hognose.v1';

/** What a field holds in the tables: a scalar's class, `value`, or a message. */
function fieldType(field) {
  if (field.resolvedType instanceof protobuf.Enum) return 'number';
  if (field.resolvedType) return field.resolvedType.name === 'Value' ? 'value' : 'message';
  if (field.type === 'string' || field.type === 'bool' || field.type === 'bytes') return field.type;
  if (field.type === 'uint32' || field.type === 'uint64') return 'number';
  throw new Error(`${field.fullName}: the lanes have no rule for ${field.type}`);
}

/** Names of all messages that `type` reaches, itself included. */
function reach(type, found = new Set()) {
  if (found.has(type.name)) return found;
  found.add(type.name);
  for (const field of type.fieldsArray)
    if (field.resolvedType instanceof protobuf.Type) reach(field.resolvedType, found);
  return found;
}

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const constant = (name) => snake(name).replace(/^_/, '').toUpperCase();

/** Reads the schema; fields stand in the order of their numbers. */
function parse(text) {
  const { root } = protobuf.parse(text, { keepCase: false, alternateCommentMode: true });
  root.resolveAll();
  const namespace = root.lookup(PACKAGE);
  const types = namespace.nestedArray.filter((item) => item instanceof protobuf.Type);
  for (const type of types) {
    const ids = type.fieldsArray.map((field) => field.id);
    if (ids.some((id, index) => id !== index + 1))
      throw new Error(`${type.name}: field numbers must run from 1 without gaps`);
  }
  const enums = namespace.nestedArray.filter((item) => item instanceof protobuf.Enum);
  return { root, namespace, types, enums };
}

const docComment = (text, indent) => (text ? `${indent}/** ${text.replace(/\s+/g, ' ').trim()} */\n` : '');

const BANNER =
  'Derived from proto/hognose/v1/worker.proto by tools/protocol. Do not edit: run `node tools/protocol/generate.mjs`.';

/** TypeScript: interfaces, constants and tables. */
function emitTypeScript({ namespace, types, enums }) {
  const sent = reach(namespace.lookupType('HostMessage'));
  const received = reach(namespace.lookupType('WorkerMessage'));
  const isFrame = (type) => type.name === 'HostFrame' || type.name === 'WorkerFrame';
  const isUnion = (type) => type.name === 'HostMessage' || type.name === 'WorkerMessage';
  const lines = [`// ${BANNER}`, ''];
  lines.push('/** A value in msgpack, as it stands in a frame. */', 'export type EncodedValue = Uint8Array;', '');
  for (const item of enums) {
    lines.push(`${docComment(item.comment, '')}export const ${item.name} = {`);
    for (const [name, id] of Object.entries(item.values))
      lines.push(`${docComment(item.comments[name], '  ')}  ${name}: ${id},`);
    lines.push('} as const;', `export type ${item.name} = (typeof ${item.name})[keyof typeof ${item.name}];`, '');
  }
  for (const type of types) {
    if (type.name === 'Value' || isFrame(type)) continue;
    if (isUnion(type)) {
      const arms = type.fieldsArray.map((field) => `({ kind: '${field.name}' } & ${field.resolvedType.name})`);
      lines.push(`export type ${type.name} = ${arms.join(' | ')};`, '');
      lines.push(`/** Numbers of the messages of {@link ${type.name}} on the socket lane. */`);
      lines.push(`export const ${constant(type.name)}_KINDS = {`);
      for (const field of type.fieldsArray) lines.push(`  ${field.name}: ${field.id},`);
      lines.push('} as const;', '');
      continue;
    }
    const value = received.has(type.name) && !sent.has(type.name) ? 'unknown' : 'EncodedValue | null';
    lines.push(`${docComment(type.comment, '')}export interface ${type.name} {`);
    for (const field of type.fieldsArray) {
      const kind = fieldType(field);
      let ts = { number: 'number', string: 'string', bool: 'boolean', bytes: 'Uint8Array', value }[kind];
      if (field.resolvedType instanceof protobuf.Enum) ts = field.resolvedType.name;
      if (kind === 'message') ts = field.repeated ? field.resolvedType.name : `${field.resolvedType.name} | null`;
      lines.push(`${docComment(field.comment, '  ')}  ${field.name}: ${field.repeated ? `readonly ${ts}[]` : ts};`);
    }
    lines.push('}', '');
  }
  lines.push(
    '/** One field of a message: its name, what it holds, whether it repeats, and the message that it holds. */',
    "export type Field = readonly [name: string, type: 'number' | 'string' | 'bool' | 'bytes' | 'value' | 'message', repeated: boolean, message: string];",
    '',
    '/** Fields of every message in the order in which they stand on the socket lane. */',
    'export const LAYOUT: Readonly<Record<string, readonly Field[]>> = {',
  );
  for (const type of types) {
    if (type.name === 'Value' || isFrame(type)) continue;
    lines.push(`  ${type.name}: [`);
    for (const field of type.fieldsArray) {
      lines.push(
        `    ['${field.name}', '${fieldType(field)}', ${field.repeated}, '${field.resolvedType instanceof protobuf.Type ? field.resolvedType.name : ''}'],`,
      );
    }
    lines.push('  ],');
  }
  lines.push('};', '');
  return lines.join('\n');
}

const pythonDefault = (field) => {
  if (field.repeated) return '()';
  return { number: '0', string: '""', bool: 'False', bytes: 'b""', value: 'None', message: 'None' }[fieldType(field)];
};

/** TypeScript: the socket lane's codec, straight from field to field, as it runs for every call. */
function emitCodec({ namespace }) {
  const host = namespace.lookupType('HostMessage').fieldsArray;
  const worker = namespace.lookupType('WorkerMessage').fieldsArray;
  const lines = [
    `// ${BANNER}`,
    "import { inspect } from 'node:util';",
    "import { DecodeError } from '../errors.js';",
    "import type { MsgpackWriter } from '../values/msgpack-writer.js';",
    "import type * as contract from './messages.js';",
    '',
    '/** Writes one message; fields at its end that hold their default are left out. */',
    'export function writeHostMessage(out: MsgpackWriter, message: contract.HostMessage): void {',
    '  switch (message.kind) {',
  ];
  for (const field of host)
    lines.push(
      `    case '${field.name}':`,
      `      write${field.resolvedType.name}Message(out, message);`,
      '      return;',
    );
  lines.push('  }', '}', '');
  for (const field of host) lines.push(...emitMessageWriter(field.resolvedType, field.id));
  const nestedSent = [...reach(namespace.lookupType('HostMessage'))]
    .map((name) => namespace.lookupType(name))
    .filter((type) => type.name !== 'Value' && type.name !== 'HostMessage');
  const inner = nestedSent.filter((type) => !host.some((field) => field.resolvedType === type));
  for (const type of inner) lines.push(...emitNestedWriter(type));
  lines.push(
    '/**',
    ' * A message as it stands in a frame, with names.',
    ' *',
    ' * @throws DecodeError When it is of an unknown kind or a field is of another type.',
    ' */',
    'export function readWorkerMessage(fields: unknown): contract.WorkerMessage {',
    "  if (!Array.isArray(fields)) throw new DecodeError('a message is no array');",
    '  const f = fields as readonly unknown[];',
    '  switch (f[0]) {',
  );
  for (const field of worker) {
    lines.push(`    case ${field.id}:`, `      return ${literal(field.resolvedType, `kind: '${field.name}', `)};`);
  }
  lines.push(
    '    default:',
    '      throw new DecodeError(`the worker sent a message of the unknown kind ${inspect(f[0])}: it is of another version`);',
    '  }',
    '}',
    '',
  );
  const nestedReceived = [...reach(namespace.lookupType('WorkerMessage'))]
    .map((name) => namespace.lookupType(name))
    .filter((type) => type.name !== 'Value' && type.name !== 'WorkerMessage');
  for (const type of nestedReceived.filter((type) => !worker.some((field) => field.resolvedType === type))) {
    lines.push(
      `function read${type.name}(fields: unknown): contract.${type.name} {`,
      `  if (!Array.isArray(fields)) throw new DecodeError('${type.name} is no array');`,
      '  const f: readonly unknown[] = [0, ...(fields as readonly unknown[])];',
      `  return ${literal(type, '')};`,
      '}',
      '',
    );
  }
  for (const [name, ts, fallback] of [
    ['number', 'number', '0'],
    ['string', 'string', "''"],
    ['boolean', 'boolean', 'false'],
  ]) {
    lines.push(
      `function ${name}Of(value: unknown, field: string): ${ts} {`,
      `  if (typeof value === '${name}') return value;`,
      `  if (value === undefined) return ${fallback};`,
      `  throw new DecodeError(\`\${field} is a \${typeof value} and not a ${name}\`);`,
      '}',
      '',
    );
  }
  lines.push(
    'function bytesOf(value: unknown, field: string): Uint8Array {',
    '  if (value === undefined) return new Uint8Array(0);',
    '  if (ArrayBuffer.isView(value)) return value as Uint8Array;',
    '  throw new DecodeError(`${field} is a ${typeof value} and no bytes`);',
    '}',
    '',
    'function listOf<T>(value: unknown, field: string, read: (item: unknown, field: string) => T): readonly T[] {',
    '  if (value === undefined) return [];',
    '  if (!Array.isArray(value)) throw new DecodeError(`${field} is no array`);',
    '  return value.map((item: unknown) => read(item, field));',
    '}',
    '',
  );
  return lines.join('\n');
}

/** An expression that reads the fields of a message from the array `f`, whose first item is not one of them. */
function literal(type, kind) {
  const parts = type.fieldsArray.map((field, index) => {
    const at = `f[${index + 1}]`;
    const label = `'${type.name}.${field.name}'`;
    const holds = fieldType(field);
    const reader =
      { number: 'numberOf', string: 'stringOf', bool: 'booleanOf', bytes: 'bytesOf' }[holds] ??
      `read${field.resolvedType.name}`;
    const cast = field.resolvedType instanceof protobuf.Enum ? ` as contract.${field.resolvedType.name}` : '';
    if (field.repeated) return `${field.name}: listOf(${at}, ${label}, ${reader})`;
    if (holds === 'value') return `${field.name}: ${at} ?? null`;
    if (holds === 'message') return `${field.name}: ${at} == null ? null : ${reader}(${at})`;
    return `${field.name}: ${reader}(${at}, ${label})${cast}`;
  });
  return `{ ${kind}${parts.join(', ')} }`;
}

/** Statements that write one field of `message`. */
function writeField(field) {
  const at = `message.${field.name}`;
  const holds = fieldType(field);
  const one = (item) =>
    ({
      number: `out.integer(${item});`,
      string: `out.string(${item});`,
      bool: `out.boolean(${item});`,
      bytes: `out.binary(${item});`,
      value: `if (${item} === null) out.nil(); else out.raw(${item});`,
      message: field.repeated
        ? `write${field.resolvedType?.name}(out, ${item});`
        : `if (${item} === null) out.nil(); else write${field.resolvedType?.name}(out, ${item});`,
    })[holds];
  if (!field.repeated) return [`  ${one(at)}`];
  return [`  out.arrayHeader(${at}.length);`, `  for (const item of ${at}) ${one('item')}`];
}

const isDefault = (field) => {
  const at = `message.${field.name}`;
  if (field.repeated) return `${at}.length === 0`;
  const holds = fieldType(field);
  return (
    { number: `${at} === 0`, string: `${at} === ''`, bool: `!${at}`, bytes: `${at}.length === 0` }[holds] ??
    `${at} === null`
  );
};

function emitMessageWriter(type, kind) {
  const fields = type.fieldsArray;
  const lines = [
    `function write${type.name}Message(out: MsgpackWriter, ${fields.length > 0 ? 'message' : '_message'}: contract.${type.name}): void {`,
  ];
  if (fields.length > 0) {
    lines.push(`  let count = ${fields.length};`);
    [...fields].reverse().forEach((field, index) => {
      const count = fields.length - index;
      lines.push(`  ${index === 0 ? 'if (' : `if (count === ${count} && `}${isDefault(field)}) count = ${count - 1};`);
    });
    lines.push('  out.arrayHeader(count + 1);');
  } else lines.push('  out.arrayHeader(1);');
  lines.push(`  out.integer(${kind});`);
  fields.forEach((field, index) => {
    lines.push(`  if (count === ${index}) return;`, ...writeField(field));
  });
  lines.push('}', '');
  return lines;
}

function emitNestedWriter(type) {
  return [
    `function write${type.name}(out: MsgpackWriter, message: contract.${type.name}): void {`,
    `  out.arrayHeader(${type.fieldsArray.length});`,
    ...type.fieldsArray.flatMap(writeField),
    '}',
    '',
  ];
}

/** Python: constants, positions of fields and tables. */
function emitPython({ types, enums }) {
  const lines = [`"""${BANNER}"""`, '', 'from __future__ import annotations', '', 'from typing import Final', ''];
  for (const item of enums) {
    for (const [name, id] of Object.entries(item.values)) {
      if (id !== 0 || !name.endsWith('UNSPECIFIED')) lines.push(`${constant(item.name)}_${name}: Final = ${id}`);
    }
    lines.push('');
  }
  for (const type of types) {
    if (type.name !== 'HostMessage' && type.name !== 'WorkerMessage') continue;
    for (const field of type.fieldsArray)
      lines.push(`${constant(type.name)}_${constant(field.name)}: Final = ${field.id}`);
    lines.push('');
  }
  for (const type of types) {
    if (type.name !== 'HostMessage') continue;
    lines.push(
      '# A whole message of each kind with every field at its default: what the end of a shorter one stands for.',
      'HOST_DEFAULTS: Final[dict[int, list[object]]] = {',
    );
    for (const field of type.fieldsArray) {
      const defaults = field.resolvedType.fieldsArray.map(pythonDefault);
      lines.push(`    ${field.id}: [${[field.id, ...defaults].join(', ')}],`);
    }
    lines.push('}', '');
  }
  lines.push(
    '# (name, what it holds, whether it repeats, the message that it holds), in the order of the socket lane.',
  );
  lines.push('LAYOUT: Final[dict[str, tuple[tuple[str, str, bool, str], ...]]] = {');
  for (const type of types) {
    if (['Value', 'HostFrame', 'WorkerFrame'].includes(type.name)) continue;
    lines.push(`    "${type.name}": (`);
    for (const field of type.fieldsArray) {
      const message = field.resolvedType instanceof protobuf.Type ? field.resolvedType.name : '';
      lines.push(
        `        ("${snake(field.name)}", "${fieldType(field)}", ${field.repeated ? 'True' : 'False'}, "${message}"),`,
      );
    }
    lines.push('    ),');
  }
  lines.push('}', '');
  return lines.join('\n');
}

/** The file's descriptor, for protobufjs as JSON and for Python's protobuf as bytes. */
function emitDescriptors({ root }) {
  const set = root.toDescriptor('proto3');
  for (const file of set.file) {
    file.name = 'hognose/v1/worker.proto';
    file.syntax = 'proto3';
  }
  const bytes = Buffer.from(set.file[0].constructor.encode(set.file[0]).finish()).toString('base64');
  const wrapped = bytes.match(/.{1,100}/g).map((line) => `    b"${line}"`);
  const json = JSON.stringify(
    root.toJSON({ keepComments: false }),
    (key, value) => (key === 'protoName' ? undefined : value),
    2,
  );
  return {
    typescript: `// ${BANNER}\nimport type { INamespace } from 'protobufjs';\n\n/** The contract for protobufjs. */\nexport const DESCRIPTOR: INamespace = ${json};\n`,
    python: `"""${BANNER}"""\n\nfrom __future__ import annotations\n\nimport base64\nfrom typing import Final\n\n# A serialised FileDescriptorProto: loaded into a private pool, so that any protobuf from 4.22 on reads it.\nFILE_DESCRIPTOR: Final[bytes] = base64.b64decode(\n${wrapped.join('\n')}\n)\n`,
  };
}

/**
 * All derived files.
 *
 * @param {string} text The text of worker.proto.
 * @returns {Record<string, string>} Text by path, relative to packages/runtime.
 */
export function derive(text) {
  const schema = parse(text);
  const descriptors = emitDescriptors(schema);
  return {
    'src/gen/messages.ts': emitTypeScript(schema),
    'src/gen/codec.ts': emitCodec(schema),
    'src/gen/descriptor.ts': descriptors.typescript,
    'python/hognose/gen/__init__.py': `"""${BANNER}"""\n`,
    'python/hognose/gen/messages.py': emitPython(schema),
    'python/hognose/gen/descriptor.py': descriptors.python,
  };
}
