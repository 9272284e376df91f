/** Exceptions of Python as they are thrown here. */
import { PythonError, PythonErrorGroup, ZeroCopyUnavailableError } from '../errors.js';
import type { Error as RaisedError } from '../gen/messages.js';
import { Undecodable } from '../values/decode.js';

/**
 * What a call rejects with.
 *
 * @param thrown - What a function of JavaScript threw, by its number: an exception that Python made of it, and did not
 *   handle, is that very value again.
 * @internal
 */
export function pythonErrorOf(
  error: RaisedError,
  thrown: (id: number) => { readonly error: unknown } | undefined,
): unknown {
  const own = error.hostError === 0 ? undefined : thrown(error.hostError);
  if (own !== undefined) return own.error;
  const { cause, args, exceptions, hostError: _, ...rest } = error;
  const fields = {
    ...rest,
    args: Array.isArray(args) && !(args instanceof Undecodable) ? (args as unknown[]) : [],
    ...(cause === null ? {} : { cause: pythonErrorOf(cause, thrown) }),
  };
  if (exceptions.length === 0) {
    const raised = new PythonError(fields);
    const isRefusal = error.module === 'hognose.errors' && error.type === 'ZeroCopyUnavailableError';
    return isRefusal ? new ZeroCopyUnavailableError(error.message, { cause: raised }) : raised;
  }
  return new PythonErrorGroup(
    fields,
    exceptions.map((inner) => pythonErrorOf(inner, thrown)),
  );
}
