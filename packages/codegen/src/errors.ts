import { HognoseError } from '@hognose/runtime';

const BRAND = Symbol.for('hognose/error/CodegenError');

/**
 * Wrappers could not be generated or written. The message says what happened, where, and what to do.
 *
 * @public
 */
export class CodegenError extends HognoseError {
  readonly [BRAND] = true;

  constructor(message: string, options?: { readonly cause?: unknown }) {
    super('CODEGEN', message, options);
  }

  /** Also true for an error of another copy of this package: ESM and CJS may both be loaded. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && BRAND in value;
  }
}
