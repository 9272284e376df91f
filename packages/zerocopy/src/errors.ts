/**
 * What went wrong, as a stable code to branch on.
 *
 * - `ZEROCOPY_UNAVAILABLE`: this process cannot share memory at all (platform, koffi, kernel or socket); copy instead.
 * - `ZEROCOPY_NO_SPACE`: the memory or the file descriptors are used up; free some and try again.
 * - `ZEROCOPY_RANGE`: an argument names memory that a segment does not have.
 * - `ZEROCOPY_CLOSED`: the segment was closed.
 * - `ZEROCOPY_RELEASED`: the array's memory was given back with `$release()`, or moved away.
 *
 * @public
 */
export type ZeroCopyErrorCode =
  'ZEROCOPY_UNAVAILABLE' | 'ZEROCOPY_NO_SPACE' | 'ZEROCOPY_RANGE' | 'ZEROCOPY_CLOSED' | 'ZEROCOPY_RELEASED';

const brand = Symbol.for('@hognose/zerocopy/ZeroCopyError');

/**
 * Every error that this package throws. `code` is stable, `message` is for people. `cause` is the system's own error
 * where there is one.
 *
 * An error of the ESM copy of this package is `instanceof` the CommonJS copy's class, and the other way round.
 *
 * @public
 */
export class ZeroCopyError extends Error {
  declare readonly name: 'ZeroCopyError';

  /** What went wrong, to branch on. */
  readonly code: ZeroCopyErrorCode;

  /** @internal */
  constructor(code: ZeroCopyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** Recognises an error by its brand, whichever copy of this package made it. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // A subclass inherits this method and must still be told apart from its parent.
    if (this !== ZeroCopyError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === 'object' && value !== null && brand in value;
  }
}

// On the prototype: the brand does not show when an error is printed, and the stack begins with the right name although
// bundlers rename the class.
Object.defineProperties(ZeroCopyError.prototype, { [brand]: { value: true }, name: { value: 'ZeroCopyError' } });
