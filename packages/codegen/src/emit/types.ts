/** Types of the IR as TypeScript: what a parameter accepts, and what a result gives. */
import type { IrType } from '../ir.js';

/**
 * Types that generated declarations import from the runtime, prefixed by `$`, which no Python name can hold.
 *
 * @internal
 */
export type RuntimeType =
  | 'Kw'
  | 'NDArray'
  | 'Pending'
  | 'PyArg'
  | 'PyClass'
  | 'PyComplex'
  | 'PyDate'
  | 'PyDateTime'
  | 'PyDecimal'
  | 'PyFloat'
  | 'PyFraction'
  | 'PyHandle'
  | 'PyInt'
  | 'PyTime'
  | 'PyTimeDelta'
  | 'PyTuple'
  | 'PyUuid'
  | 'TypedArray';

/** What types need to know of the file that they stand in. @internal */
export interface TypeScope {
  /** The name inside this file of a type of the runtime, imported by asking for it. */
  runtime(name: RuntimeType): string;
  /** `T` or a promise of it: a pending result may be passed on without awaiting it. */
  argument(type: string): string;
  /** What `Self` is for a parameter and for a result; undefined outside a class. */
  readonly self?: { readonly parameter: string; readonly result: string };
  /** The interface of a class that this file declares. */
  localClass(qualifiedName: string): string | undefined;
}

/** dtypes that travel as arrays. */
const DTYPES = new Set('bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64'.split(' '));

/** Classes whose instances travel as values of the runtime. Those of a subclass, such as `pandas.Timestamp`, do not. */
const VALUES: ReadonlyMap<string, RuntimeType> = new Map([
  ['datetime.date', 'PyDate'],
  ['datetime.datetime', 'PyDateTime'],
  ['datetime.time', 'PyTime'],
  ['datetime.timedelta', 'PyTimeDelta'],
  ['decimal.Decimal', 'PyDecimal'],
  ['fractions.Fraction', 'PyFraction'],
  ['uuid.UUID', 'PyUuid'],
]);

/** What a parameter of this type accepts; undefined where it is whatever can travel. @internal */
export function parameterType(type: IrType, scope: TypeScope): string | undefined {
  const inner = (part: IrType): string => parameterType(part, scope) ?? scope.runtime('PyArg');
  switch (type.kind) {
    case 'none':
      return 'null';
    case 'bool':
      return 'boolean';
    case 'int':
      return scope.runtime('PyInt');
    case 'float':
      return `number | ${scope.runtime('PyFloat')}`;
    case 'complex':
      return `number | ${scope.runtime('PyFloat')} | ${scope.runtime('PyComplex')}`;
    case 'str':
      return 'string';
    case 'bytes':
      return 'Uint8Array';
    case 'self':
      return scope.self?.parameter;
    case 'list':
    case 'sequence':
      return `readonly ${grouped(inner(type.item))}[] | ${scope.runtime('PyHandle')}`;
    case 'iterable':
      return `Iterable<${inner(type.item)}> | AsyncIterable<${inner(type.item)}> | ${scope.runtime('PyHandle')}`;
    // It is asked for its length or searched, which a generator is not made for.
    case 'collection':
      return `readonly ${grouped(inner(type.item))}[] | ReadonlySet<${inner(type.item)}> | ${scope.runtime('PyHandle')}`;
    case 'set':
      return `ReadonlySet<${inner(type.item)}> | ${scope.runtime('PyHandle')}`;
    case 'dict':
    case 'mapping': {
      const map = `ReadonlyMap<${inner(type.key)}, ${inner(type.value)}>`;
      const keys = keyKind(type.key);
      const record = keys === 'other' ? '' : `{ readonly [key: string]: ${inner(type.value)} } | `;
      return `${record}${map} | ${scope.runtime('PyHandle')}`;
    }
    case 'tuple':
      return type.items === undefined
        ? `readonly ${grouped(type.item ? inner(type.item) : scope.runtime('PyArg'))}[]`
        : `readonly [${type.items.map(inner).join(', ')}]`;
    case 'union': {
      const arms = type.arms.map((arm) => parameterType(arm, scope));
      return arms.some((arm) => arm === undefined) ? undefined : joined(arms as string[]);
    }
    case 'literal':
      return joined(type.values.map((value) => (typeof value === 'string' ? quoted(value) : String(value))));
    // What Python passes to it is not known: a wrapper's own parameters are what it accepts from JavaScript.
    case 'callable':
      return `((...$: never[]) => unknown) | ${scope.runtime('PyHandle')}`;
    case 'handle':
      return handleArgument(type.name, scope);
    case 'ndarray':
      return `${scope.runtime('NDArray')} | ${scope.runtime('TypedArray')} | readonly unknown[] | ${scope.runtime('PyHandle')}`;
    case 'value': {
      const value = VALUES.get(type.name);
      if (value === undefined) return undefined;
      const date = value === 'PyDateTime' ? ' | Date' : '';
      return `${scope.runtime(value)}${date} | ${scope.runtime('PyHandle')}`;
    }
    case 'any':
    case 'unknown':
      return undefined;
  }
}

/** What a result of this type gives; undefined where that is not known. @internal */
export function resultType(type: IrType, scope: TypeScope): string | undefined {
  const inner = (part: IrType): string => resultType(part, scope) ?? 'unknown';
  switch (type.kind) {
    case 'none':
    case 'bool':
    case 'int':
    case 'str':
    case 'bytes':
    case 'literal':
      return parameterType(type, scope);
    case 'float':
      return 'number';
    case 'complex':
      return scope.runtime('PyComplex');
    case 'self':
      return scope.self?.result;
    case 'list':
      return `${grouped(inner(type.item))}[]`;
    case 'sequence':
      return `readonly ${grouped(inner(type.item))}[]`;
    case 'dict':
    case 'mapping': {
      const keys = keyKind(type.key);
      if (keys === 'unknown') return undefined;
      const [key, value] = [inner(type.key), inner(type.value)];
      return keys === 'string' ? `{ [key: string]: ${value} }` : `Map<${key}, ${value}>`;
    }
    case 'tuple': {
      const items =
        type.items === undefined
          ? `readonly ${grouped(type.item ? inner(type.item) : 'unknown')}[]`
          : `readonly [${type.items.map(inner).join(', ')}]`;
      return `${scope.runtime('PyTuple')}<${items}>`;
    }
    case 'union': {
      const arms = type.arms.map((arm) => resultType(arm, scope));
      return arms.some((arm) => arm === undefined) ? undefined : joined(arms as string[]);
    }
    case 'set':
      return `Set<${inner(type.item)}>`;
    case 'callable':
      return scope.runtime('PyHandle');
    case 'handle':
      return handle(type.name, scope);
    case 'ndarray': {
      const dtype = type.dtype !== undefined && DTYPES.has(type.dtype) ? `<'${type.dtype}'>` : '';
      return `${scope.runtime('NDArray')}${dtype}`;
    }
    case 'value': {
      const value = VALUES.get(type.name);
      return value && scope.runtime(value);
    }
    // An iterable may be a list, which arrives as an array, or a generator, which stays a handle.
    case 'iterable':
    case 'collection':
    case 'any':
    case 'unknown':
      return undefined;
  }
}

/**
 * Whether a plain object could be meant as this parameter's value; if so, one that stands last is never taken as
 * keywords.
 *
 * @internal
 */
export function acceptsMapping(type: IrType): boolean {
  switch (type.kind) {
    case 'any':
    case 'unknown':
    case 'iterable':
    case 'collection':
    case 'dict':
    case 'mapping':
      return true;
    case 'value':
      return !VALUES.has(type.name);
    case 'union':
      return type.arms.some(acceptsMapping);
    default:
      return false;
  }
}

function keyKind(key: IrType): 'string' | 'unknown' | 'other' {
  if (key.kind === 'str') return 'string';
  if (key.kind === 'literal' && key.values.every((value) => typeof value === 'string')) return 'string';
  if (key.kind === 'value') return VALUES.has(key.name) ? 'other' : 'unknown';
  return key.kind === 'unknown' || key.kind === 'any' || key.kind === 'union' ? 'unknown' : 'other';
}

/** An object of a class: its interface where this file has it. */
function handle(qualifiedName: string, scope: TypeScope): string {
  return scope.localClass(qualifiedName) ?? `${scope.runtime('PyHandle')}<${quoted(qualifiedName)}>`;
}

/**
 * What a parameter of a class accepts: any handle, since an object of a subclass is as good and its type need not say
 * what it derives from. The class is named for the reader.
 *
 * @internal
 */
export function handleArgument(qualifiedName: string, scope: TypeScope): string {
  return `${handle(qualifiedName, scope)} | ${scope.runtime('PyHandle')}`;
}

/** A string in single quotes. @internal */
export function quoted(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replace(/\\"/g, '"').replace(/'/g, "\\'")}'`;
}

/** A type that may stand before `[]`. */
function grouped(type: string): string {
  return /^[\w$]+(?:<[\w$', .]*>)?$/u.test(type) ? type : `(${type})`;
}

/** A union; an arm that is a function type carries its own parentheses. */
function joined(arms: readonly string[]): string {
  return [...new Set(arms)].join(' | ');
}
