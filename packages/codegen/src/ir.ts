/**
 * The intermediate representation that the Python introspector writes and the emitter reads.
 * `python/hognose_introspect/ir.py` holds the same shape for its writer.
 */

/** The version of the shape below; an answer of another version is refused. @internal */
export const IR_VERSION = 1;

/** One type; see `ir.py` for the meaning of each kind. @internal */
export type IrType =
  | { readonly kind: ScalarKind }
  | { readonly kind: 'list' | 'sequence' | 'iterable' | 'collection' | 'set'; readonly item: IrType }
  | { readonly kind: 'dict' | 'mapping'; readonly key: IrType; readonly value: IrType }
  | { readonly kind: 'tuple'; readonly items?: readonly IrType[]; readonly item?: IrType }
  | { readonly kind: 'union'; readonly arms: readonly IrType[] }
  | { readonly kind: 'literal'; readonly values: readonly (string | number | boolean | null)[] }
  | { readonly kind: 'callable'; readonly parameters: readonly IrType[] | null; readonly result: IrType }
  | { readonly kind: 'handle' | 'value'; readonly name: string }
  | { readonly kind: 'ndarray'; readonly dtype?: string };

/** Types without parts. @internal */
export type ScalarKind = 'none' | 'bool' | 'int' | 'float' | 'complex' | 'str' | 'bytes' | 'any' | 'unknown' | 'self';

/** Where a type was found. @public */
export type SlotSource = 'runtime' | 'none';

/** The type of one parameter, result, property or constant, and where it was found. @internal */
export interface Slot {
  readonly type: IrType;
  readonly source: SlotSource;
}

/** One parameter of a {@link Signature}. @internal */
export interface Parameter {
  readonly name: string;
  readonly kind: 'positional_only' | 'positional_or_keyword' | 'var_positional' | 'keyword_only' | 'var_keyword';
  readonly hasDefault: boolean;
  /** What the documentation shows. */
  readonly default: string | null;
  readonly slot: Slot;
}

/** Parameters without `self` or `cls`, and the result. @internal */
export interface Signature {
  readonly parameters: readonly Parameter[];
  readonly result: Slot;
}

/** What can be called; `signature` is null where Python itself cannot tell it. @internal */
export interface Callable {
  readonly name: string;
  readonly signature: Signature | null;
  readonly doc: string | null;
}

/** A function, or another object that can be called. @internal */
export interface FunctionMember extends Callable {
  readonly kind: 'function';
}

/** A method of a {@link ClassMember}. @internal */
export interface Method extends Callable {
  readonly kind: 'method';
  readonly binding: 'instance' | 'class' | 'static';
}

/** A property, slot, cached property or annotated field. @internal */
export interface Property {
  readonly kind: 'property';
  readonly name: string;
  readonly slot: Slot;
  readonly doc: string | null;
}

/** A class with its own and inherited public members. @internal */
export interface ClassMember {
  readonly kind: 'class';
  readonly name: string;
  readonly qualifiedName: string;
  readonly doc: string | null;
  readonly signature: Signature | null;
  readonly methods: readonly Method[];
  readonly properties: readonly Property[];
}

/** A value that is neither called nor a class. @internal */
export interface ConstantMember {
  readonly kind: 'constant';
  readonly name: string;
  readonly slot: Slot;
}

/** One public name of a module. @internal */
export type Member = FunctionMember | ClassMember | ConstantMember;

/** A public name for which nothing is generated, and why. @public */
export interface SkippedName {
  /** Dotted below its module: `Shape.area`. */
  readonly name: string;
  readonly reason: string;
}

/** One module. @internal */
export interface Module {
  readonly name: string;
  readonly doc: string | null;
  readonly members: readonly Member[];
  readonly skipped: readonly SkippedName[];
}

/** An installed distribution that generated modules come from. @public */
export interface LockedPackage {
  /** In the one spelling of PEP 503, such as `scikit-learn`. */
  readonly name: string;
  readonly version: string;
  /**
   * SHA-256 over the lines of its RECORD that the wheel brought, without what an installer adds; null where it has no
   * RECORD.
   */
  readonly record: string | null;
}

/** The whole answer of the introspector. @internal */
export interface Ir {
  readonly irVersion: number;
  /** Major and minor version of the interpreter: `3.11`. */
  readonly python: string;
  readonly modules: readonly Module[];
  readonly packages: readonly LockedPackage[];
}

/** A module that could not be imported. @internal */
export interface ImportFailure {
  readonly module: string;
  /** The last line of Python's own message. */
  readonly error: string;
  /** The module that was not found, where that is what went wrong. */
  readonly missing: string | null;
}

/** What the introspector leaves in its answer file. @internal */
export interface Answer {
  readonly ir?: Ir;
  readonly error?:
    | { readonly kind: 'import'; readonly failures: readonly ImportFailure[] }
    | { readonly kind: 'python-version'; readonly version: string }
    | { readonly kind: 'ir-version'; readonly known: number };
}
