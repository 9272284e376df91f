/** Context managers of Python around code of JavaScript. */
import { inspect, types } from 'node:util';
import { PythonError } from '../errors.js';
import type { View } from './chain.js';
import { homeOf } from './node.js';

/** What a context manager has given, until it is disposed of. @public */
export interface PyScope<T = unknown> {
  /** What `__enter__` has returned. */
  readonly value: T;
  /** Leaves the context, without an exception. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A context that was entered. */
interface Entered {
  readonly value: unknown;
  /** Leaves it, because of what was thrown if anything was; whether that is to be forgotten. */
  readonly leave: (...thrown: readonly unknown[]) => Promise<boolean>;
}

/** Enters a context, for `await using`. @internal */
export async function enter(view: View): Promise<PyScope> {
  const { value, leave } = await enterManager(view);
  let isInside = true;
  return {
    value,
    async [Symbol.asyncDispose]() {
      if (!isInside) return;
      isInside = false;
      await leave();
    },
  };
}

/**
 * Runs a function within a context, as a `with` statement does.
 *
 * @returns What the function returns; undefined where the context has suppressed an error.
 * @internal
 */
export async function runWithin(view: View, action: (value: unknown) => unknown): Promise<unknown> {
  const { value, leave } = await enterManager(view);
  let result: unknown;
  try {
    result = await action(value);
  } catch (error) {
    const isSuppressed = await leave(error).catch((onTheWay: unknown) => {
      // As in Python, what leaving raises comes instead. Where the worker is gone, what has led there says more.
      throw onTheWay instanceof PythonError ? onTheWay : error;
    });
    if (isSuppressed) return undefined;
    throw error;
  }
  await leave();
  return result;
}

async function enterManager(view: View): Promise<Entered> {
  const pending = view.result();
  // Both in one tick: an expression that makes a context manager is entered in the same message.
  const [manager, value] = await Promise.all([
    pending.core === undefined ? pending.node().promise() : Promise.resolve(pending.proxy),
    pending.passTo('hognose.interop.enter').node().promise(),
  ]);
  const leave = async (...thrown: readonly unknown[]): Promise<boolean> => {
    const { context, executor, owner } = homeOf(pending.root);
    // Whatever was aborted within: the context is left all the same.
    const home = { context: { ...context, signal: undefined }, executor, owner };
    const raised = thrown.flatMap((error) => [asError(error), error instanceof PythonError ? original(error) : null]);
    return (await pending
      .callAt('hognose.interop.leave', [manager, ...raised], home)
      .node()
      .promise()) as boolean;
  };
  return { value, leave };
}

const asError = (error: unknown): Error => (types.isNativeError(error) ? error : new Error(inspect(error)));

/** What an exception of Python can be made anew from. */
const original = ({ module, mro, args }: PythonError): readonly unknown[] => [module, mro[0] ?? '', args];
