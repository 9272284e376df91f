/** Values of JavaScript to msgpack: total, or an EncodeError that names the path of what cannot travel. */
import { EncodeError } from '../errors.js';
import type { EncodedValue } from '../gen/messages.js';
import type { EncodeContext } from './encode-context.js';
import { Encoder, NO_CONTEXT, refuseSymbols, Snapshot, symbolIn } from './encoder.js';
import { TooLargeError } from './msgpack-writer.js';
import { Problem } from './problem.js';

export { EncodeContext, type Copied, type ResultSource } from './encode-context.js';
export { functionOf, type HostErrorValue, type HostFunction } from './host-functions.js';

/**
 * Encodes positional arguments; trailing `undefined` means "not passed".
 *
 * @throws {@link EncodeError} When a value cannot travel.
 * @internal
 */
export function encodeArguments(args: readonly unknown[], context: EncodeContext): EncodedValue | null {
  let count = args.length;
  while (count > 0 && args[count - 1] === undefined) count -= 1;
  if (count === 0) return null;
  return encodeWith('args', context, (encoder) => {
    encoder.array(count === args.length ? args : args.slice(0, count), 0);
  });
}

/**
 * Encodes keyword arguments; a keyword that is `undefined` is not passed.
 *
 * @throws {@link EncodeError} When a value cannot travel.
 * @internal
 */
export function encodeKeywords(
  keywords: Readonly<Record<string, unknown>> | undefined,
  context: EncodeContext,
): EncodedValue | null {
  if (keywords === undefined) return null;
  const keys = Object.keys(keywords).filter((key) => keywords[key] !== undefined);
  if (keys.length === 0 && symbolIn(keywords) === undefined) return null;
  return encodeWith('kwargs', context, (encoder) => {
    refuseSymbols(keywords);
    encoder.properties(keywords, keys, 0);
  });
}

/**
 * Encodes one value ahead of the others, so that what the caller changes later does not change it.
 *
 * @param path - Where it will stand, such as `args[0]`.
 * @returns What stands for it in `encodeArguments` and `encodeKeywords` with the same context.
 * @throws {@link EncodeError} When it cannot travel.
 * @internal
 */
export function encodeValue(value: unknown, path: string, context: EncodeContext): unknown {
  return new Snapshot(
    encodeWith(path, context, (encoder) => {
      encoder.value(value, 1);
    }),
  );
}

/**
 * Encodes what a function of JavaScript has returned to Python; `undefined` is None.
 *
 * @throws {@link EncodeError} When it cannot travel.
 * @internal
 */
export function encodeResult(value: unknown, context: EncodeContext): EncodedValue {
  return encodeWith('result', context, (encoder) => {
    encoder.value(value === undefined ? null : value, 0);
  });
}

function encodeWith(root: string, context: EncodeContext, write: (encoder: Encoder) => void): EncodedValue {
  const encoder = idle.pop() ?? new Encoder();
  encoder.context = context;
  encoder.reset();
  try {
    write(encoder);
    return encoder.out.take();
  } catch (error) {
    encoder.out.reset();
    context.drop();
    if (error instanceof Problem) throw new EncodeError(root + abbreviate(error.path), error.message, error.details);
    if (error instanceof TooLargeError) throw new EncodeError(root, error.message);
    throw error;
  } finally {
    encoder.context = NO_CONTEXT; // or the handles of this call were held until the next
    idle.push(encoder);
  }
}

const idle: Encoder[] = [];

/** A path of hundreds of steps without its middle, which tells nobody anything. */
const abbreviate = (path: string): string => (path.length > 200 ? `${path.slice(0, 60)}…${path.slice(-60)}` : path);
