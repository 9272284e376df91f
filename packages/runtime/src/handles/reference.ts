/** References: wrappers of module attributes, which travel as their dotted path. */

/** Under this symbol a wrapper tells its path. @internal */
export const REFERENCE = Symbol.for('hognose/reference');

/** The dotted path that a wrapper stands for; undefined for anything else. @internal */
export function referencePathOf(value: object): string | undefined {
  return (value as { [REFERENCE]?: string })[REFERENCE];
}
