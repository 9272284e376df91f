/** What cannot travel, and where it stands. */

/** A failure on its way up, gathering the path. @internal */
export class Problem extends Error {
  path = '';
  readonly details: { readonly cause?: unknown };

  constructor(message: string, details: { readonly cause?: unknown } = {}) {
    super(message);
    this.details = details;
  }
}

/** An error with a further segment of its path. @internal */
export function within(error: unknown, segment: string): unknown {
  if (error instanceof Problem) error.path = segment + error.path;
  return error;
}

/** How a path goes on to a property. @internal */
export const property = (key = ''): string =>
  /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
