import { SourceTextModule } from 'node:vm';
import { pyModule } from '@hognose/runtime';
import { emitModule } from '../../src/emit/module.js';
import { isKeptForJavaScript, nameMembers, withUsableNames } from '../../src/emit/names.js';
import type { IrType, Member, Module, Parameter, Signature } from '../../src/ir.js';
import { errorsOf, syntaxErrorsOf } from '../support/compiler.js';
import { Project } from '../support/project.js';

/** A small generator of pseudo-random numbers (mulberry32): a failure can be repeated by its seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const words = (
  'delete class new default then catch constructor __proto__ prototype toString T t R K Symbol Set Array Promise Map ' +
  'Object any unknown string number void keyof readonly unique infer abstract declare get set async await of as is type ' +
  'static public this arguments eval undefined globalThis pyModule import export let yield enum interface name length ' +
  'größe 名前 ª ℘ x y z a b c delete_ new_ then_ in_ module namespace require exports NaN Infinity kw PyArg Pending Arg'
).split(' ');
words.push('a_name_that_is_longer_than_most', 'AClassWhoseNameGoesOnAndOnUntilNoLineCanHoldWhatIsSaidOfIt');
const pieces = ['*/', '/*', '@', '`', '``', '{', '}', '\\', '\n', '\n\n', '>>> ', '<a>', '-->', ':func:`~a.b`', '${x}'];
pieces.push('word', ' ', '//', '\u2028', '\r', '\0', '\ud800', '```', '  * ', '@param x - ', '&#42;/', "'", '"', 'é😀');

class Anything {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  text(): string {
    return Array.from({ length: this.below(12) }, () => this.of(pieces)).join('');
  }

  names(count: number): string[] {
    return [...new Set(Array.from({ length: this.below(count) }, () => this.of(words)))];
  }

  type(depth = 0): IrType {
    const scalars = ['none', 'bool', 'int', 'float', 'complex', 'str', 'bytes', 'any', 'unknown', 'self'] as const;
    const inner = () => this.type(depth + 1);
    const many = () => Array.from({ length: 1 + this.below(3) }, inner);
    switch (depth > 2 ? 0 : this.below(10)) {
      case 1:
        return { kind: this.of(['list', 'sequence', 'iterable', 'collection', 'set'] as const), item: inner() };
      case 2:
        return { kind: this.of(['dict', 'mapping'] as const), key: inner(), value: inner() };
      case 3:
        return { kind: 'tuple', items: this.below(2) === 0 ? [] : many() };
      case 4:
        return { kind: 'tuple', item: inner() };
      case 5:
        return { kind: 'union', arms: many() };
      case 6:
        return { kind: 'literal', values: [this.text(), 1, true, null] };
      case 7:
        return { kind: 'callable', parameters: this.below(2) === 0 ? null : many(), result: inner() };
      case 8:
        return { kind: this.of(['handle', 'value'] as const), name: `m.${this.of(words)}` };
      case 9:
        return { kind: 'ndarray', ...(this.below(2) === 0 ? { dtype: this.of(['float64', 'str_']) } : {}) };
      default:
        return { kind: this.of(scalars) };
    }
  }

  signature(): Signature | null {
    if (this.below(8) === 0) return null;
    const kinds = [
      'positional_only',
      'positional_or_keyword',
      'var_positional',
      'keyword_only',
      'var_keyword',
    ] as const;
    let [last, hasDefault] = [0, false];
    const parameters: Parameter[] = [];
    for (const name of this.names(7)) {
      last = Math.min(last + this.below(3), 4);
      const kind = kinds[last] as Parameter['kind'];
      if (kind.startsWith('var_')) last += 1;
      hasDefault = kind === 'keyword_only' ? this.below(2) === 0 : hasDefault || this.below(2) === 0;
      const isOptional = hasDefault && !kind.startsWith('var_');
      const slot = { type: this.type(), source: 'runtime' } as const;
      parameters.push({ name, kind, hasDefault: isOptional, default: isOptional ? this.text() : null, slot });
      if (last > 4) break;
    }
    return { parameters, result: { type: this.type(), source: 'runtime' } };
  }

  member(name: string): Member {
    const slot = () => ({ type: this.type(), source: 'runtime' }) as const;
    const call = () => ({ signature: this.signature(), doc: this.text() });
    const kind = this.of(['function', 'class', 'constant'] as const);
    if (kind === 'constant') return { kind, name, slot: slot() };
    if (kind === 'function') return { kind, name, ...call() };
    const bindings = ['instance', 'class', 'static'] as const;
    const methods = this.names(6).map(
      (each) => ({ kind: 'method', name: each, binding: this.of(bindings), ...call() }) as const,
    );
    const taken = new Set(methods.map((method) => method.name));
    const properties = this.names(4)
      .filter((each) => !taken.has(each))
      .map((each) => ({ kind: 'property', name: each, slot: slot(), doc: this.text() }) as const);
    return { kind, name, qualifiedName: `m.${name}`, ...call(), methods, properties };
  }

  module(): Module {
    const members = this.names(12).map((name) => this.member(name));
    return { name: 'm', doc: this.text(), members, skipped: [] };
  }
}

it('gives files that TypeScript and V8 can parse for any name, docstring and type', () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const anything = new Anything(seed);
    const module = anything.module();
    const files = new Map(emitModule(module, '3.11', anything.of(['short', 'full', 'none'] as const)));
    const script = files.get('m.js') ?? '';
    const declarations = files.get('m.d.ts') ?? '';
    expect({ seed, errors: syntaxErrorsOf(declarations) }).toEqual({ seed, errors: [] });
    expect(() => new SourceTextModule(script)).not.toThrow();
    for (const text of [script, declarations]) expect(text).toBe(Buffer.from(text, 'utf8').toString('utf8'));
  }
});

it('gives declarations without a type error for any name and type', async () => {
  await using project = await Project.create();
  const files: string[] = [];
  for (let seed = 1; seed <= 80; seed += 1) {
    const module = { ...new Anything(seed).module(), name: `m${seed}` };
    const [, declarations] = emitModule(module, '3.11', 'none');
    await project.write(declarations?.[0] ?? '', declarations?.[1] ?? '');
    files.push(`m${seed}.d.ts`);
  }
  expect(errorsOf(project, files)).toEqual([]);
});

it('exports each Python name once, whatever else the module holds', () => {
  for (let seed = 1; seed <= 100; seed += 1) {
    const { members } = new Anything(seed).module();
    const names = [...nameMembers(members).values()];
    expect(new Set(names.map(({ local }) => local)).size).toBe(members.length);
    expect(new Set(names.map(({ exported }) => exported)).size).toBe(members.length);
    const renamed = names.filter(({ exported }) => !members.some(({ name }) => name === exported));
    expect(renamed.every(({ exported }) => /^then_+$/.test(exported))).toBe(true);
  }
});

it('leaves out and records a name that JavaScript does not know as one', () => {
  const signature = { parameters: [], result: { type: { kind: 'unknown' }, source: 'none' } } as const;
  const call = { signature, doc: null } as const;
  const module = withUsableNames({
    name: 'm',
    doc: null,
    skipped: [],
    members: [
      { kind: 'function', name: 'a\u0378', ...call },
      {
        ...call,
        kind: 'class',
        name: 'C',
        qualifiedName: 'm.C',
        methods: [{ kind: 'method', name: '\u{e0100}', binding: 'instance', ...call }],
        properties: [],
      },
    ],
  });
  expect(module.members).toMatchObject([{ name: 'C', methods: [] }]);
  expect(module.skipped.map(({ name }) => name)).toEqual(['a\u0378', 'C.\u{e0100}']);
});

it('leaves out and records the members that the runtime keeps for JavaScript, and no others', () => {
  const own = [Object.prototype, Function.prototype, Promise.prototype, Array.prototype, Error.prototype];
  const names = new Set(own.flatMap((each) => Object.getOwnPropertyNames(each)));
  for (const name of ['toJSON', 'inspect', 'default', 'asymmetricMatch', 'nodeType', 'tagName']) names.add(name);
  // Python's `then` and `catch` are declared as `then_` and `catch_`, which the runtime reads as such.
  names.delete('then');
  names.delete('catch');
  const object = pyModule('m', '').callable('C') as { readonly attribute: Readonly<Record<string, unknown>> };
  const isAttribute = (name: string) => {
    const value = object.attribute[name];
    return typeof value === 'function' && String(value) === `Pending<m.C.attribute.${name}>`;
  };
  expect([...names].filter((name) => !isAttribute(name)).sort()).toEqual([...names].filter(isKeptForJavaScript).sort());

  const signature = { parameters: [], result: { type: { kind: 'unknown' }, source: 'none' } } as const;
  const [binding, slot] = ['static', signature.result] as const;
  const { members, skipped } = withUsableNames({
    name: 'm',
    doc: null,
    skipped: [],
    members: [
      {
        kind: 'class',
        name: 'C',
        qualifiedName: 'm.C',
        doc: null,
        signature,
        methods: ['toString', 'has'].map((name) => ({ kind: 'method', name, binding, signature, doc: null })),
        properties: ['toJSON', 'nodeType'].map((name) => ({ kind: 'property', name, slot, doc: null })),
      },
    ],
  });
  expect(members).toMatchObject([{ methods: [{ name: 'has' }], properties: [{ name: 'nodeType' }] }]);
  const reason = 'kept for JavaScript, use $get';
  expect(skipped).toEqual([
    { name: 'C.toString', reason },
    { name: 'C.toJSON', reason },
  ]);
});
