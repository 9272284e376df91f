/** Brands by which values of this package are recognised, whichever copy of it and whichever realm made them. */

const KIND = Symbol.for('hognose/value');

/** The values that have a class of their own in JavaScript. @internal */
export type ValueKind = 'datetime' | 'date' | 'time' | 'timedelta' | 'decimal' | 'fraction' | 'uuid' | 'complex';

/** Marks the instances of a class, and lets its `instanceof` accept those of another copy of this package. @internal */
export function brand(type: { prototype: object }, kind: ValueKind): void {
  Object.defineProperty(type.prototype, KIND, { value: kind });
  Object.defineProperty(type, Symbol.hasInstance, {
    value: (value: unknown): boolean => typeof value === 'object' && value !== null && kindOf(value) === kind,
  });
}

/** The kind of a branded value; undefined for anything else. @internal */
export function kindOf(value: object): ValueKind | undefined {
  return (value as { readonly [KIND]?: ValueKind })[KIND];
}
