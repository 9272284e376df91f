/**
 * Names that are legal and safe in the generated files. Python's names are kept as what is exported; a name that
 * JavaScript or TypeScript reserves gets another one inside the file.
 */
import { RESERVED_MEMBERS } from '@hognose/runtime';
import type { Member, Module, SkippedName } from '../ir.js';

/** A public name of Python: what it is called inside the generated file, and what is exported. @internal */
export interface LocalName {
  readonly local: string;
  readonly exported: string;
}

/** Words that cannot be bound in a module, and what the generated files use themselves. */
const RESERVED = new Set(
  (
    'arguments await break case catch class const continue debugger default delete do else enum eval export extends ' +
    'false finally for function if implements import in instanceof interface let new null package private protected ' +
    'public return static super switch this throw true try typeof var void while with yield ' +
    'undefined globalThis pyModule __esModule'
  ).split(' '),
);

/** What no interface may be called, what reads as an operator in a type, and the global types that generated code uses. */
const RESERVED_TYPES = new Set(
  (
    'any unknown never object string number boolean bigint symbol keyof readonly unique infer asserts is abstract ' +
    'intrinsic type out declare namespace module global accessor override ' +
    'AsyncIterable Date Iterable Map Promise ReadonlyMap ReadonlySet Set Uint8Array'
  ).split(' '),
);

const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;

/**
 * A module without the names that JavaScript cannot bear, and without members that it would not get from Python; they
 * are recorded as skipped.
 *
 * @internal
 */
export function withUsableNames(module: Module): Module {
  const skipped: SkippedName[] = [];
  const isUsable = (name: string, path: string): boolean => {
    if (isIdentifier(name)) return true;
    skipped.push({ name: path, reason: 'not a name in JavaScript' });
    return false;
  };
  const members = module.members
    .filter((member) => isUsable(member.name, member.name))
    .map((member) => {
      if (member.kind !== 'class') return member;
      const isUsableMember = ({ name }: { name: string }) => {
        const path = `${member.name}.${name}`;
        if (!isKeptForJavaScript(name)) return isUsable(name, path);
        skipped.push({ name: path, reason: 'kept for JavaScript, use $get' });
        return false;
      };
      return {
        ...member,
        methods: member.methods.filter(isUsableMember),
        properties: member.properties.filter(isUsableMember),
      };
    });
  return { ...module, members, skipped: [...module.skipped, ...skipped] };
}

/**
 * Whether the runtime keeps a member for JavaScript, so that Python's is not reached by its name or another.
 *
 * @internal
 */
export function isKeptForJavaScript(name: string): boolean {
  return RESERVED_MEMBERS.includes(name) && memberName(name) === name;
}

/** Whether JavaScript accepts a name: newer letters of Unicode may be known to Python alone. @internal */
export function isIdentifier(name: string): boolean {
  return IDENTIFIER.test(name);
}

/**
 * Names the members of one module.
 *
 * `then` is exported as `then_`: `await import()` would call a module that has a `then`.
 *
 * @internal
 */
export function nameMembers(members: readonly Member[]): ReadonlyMap<string, LocalName> {
  const taken = new Set(members.map((member) => member.name));
  const unused = (name: string): string => {
    let free = `${name}_`;
    while (taken.has(free) || isReserved(free, true)) free = `${free}_`;
    taken.add(free);
    return free;
  };
  const names = new Map<string, LocalName>();
  for (const { name, kind } of members) {
    if (name === 'then') {
      const renamed = unused(name);
      names.set(name, { local: renamed, exported: renamed });
    } else {
      names.set(name, { local: isReserved(name, kind === 'class') ? unused(name) : name, exported: name });
    }
  }
  return names;
}

function isReserved(name: string, isType: boolean): boolean {
  return RESERVED.has(name) || (isType && RESERVED_TYPES.has(name));
}

/** Names of positional parameters: they are documentation only, so that a reserved one may be changed. @internal */
export function nameParameters(names: readonly string[]): readonly string[] {
  const taken = new Set(names);
  return names.map((name, index) => {
    if (!isIdentifier(name)) return `$${index}`;
    if (!RESERVED.has(name) && name !== 'readonly' && name !== 'override') return name;
    let free = `${name}_`;
    while (taken.has(free)) free = `${free}_`;
    taken.add(free);
    return free;
  });
}

/**
 * What a member of an object is called in its interface: a promise has `then` and `catch` of its own, which would make
 * the object be mistaken for one.
 *
 * @internal
 */
export function memberName(name: string): string {
  return name === 'then' || name === 'catch' ? `${name}_` : name;
}

/** A property's name as it stands in an interface; `new(...)` there would be a constructor. @internal */
export function propertyKey(name: string): string {
  return isIdentifier(name) && name !== 'new' ? name : `'${name}'`;
}
