/** Functions, iterables and errors of JavaScript that Python refers to: each has one number in this process. */
import { pullFrom } from './host-iterables.js';

/** @internal */
export interface HostFunction {
  /** Unique in this process. */
  readonly id: number;
  /** The function or iterable itself, for when Python hands it back. */
  readonly target: object;
  /** Calls it; what it returns may be a promise. Keywords are its last argument, an object, where there are any. */
  readonly invoke: (args: unknown[], kwargs: Record<string, unknown>) => unknown;
}

/** An error of JavaScript among values. @internal */
export interface HostErrorValue {
  /** Unique in this process, and none that a worker's functions have thrown. */
  readonly id: number;
  readonly error: object;
}

/** What stands for a function or an iterable in Python: always the same for the same one. @internal */
export function functionOf(target: object): HostFunction {
  const { functions } = registry();
  const known = functions.get(target);
  if (known !== undefined) return known;
  const invoke = typeof target === 'function' ? caller(target as AnyFunction) : pullFrom(target);
  const made: HostFunction = { id: registry().nextFunction++, target, invoke };
  functions.set(target, made);
  return made;
}

/** The number of an error: always the same for the same one. @internal */
export function hostErrorOf(error: object): HostErrorValue {
  const { errors } = registry();
  let known = errors.get(error);
  if (known === undefined) {
    known = { id: registry().nextError++, error };
    errors.set(error, known);
  }
  return known;
}

type AnyFunction = (...args: unknown[]) => unknown;

const caller =
  (target: AnyFunction): HostFunction['invoke'] =>
  (args, kwargs) =>
    Object.keys(kwargs).length === 0 ? target(...args) : target(...args, kwargs);

interface Registry {
  nextFunction: number;
  nextError: number;
  readonly functions: WeakMap<object, HostFunction>;
  readonly errors: WeakMap<object, HostErrorValue>;
}

/** What functions throw is numbered from 1 for each worker: these numbers are none of those. */
const FIRST_ERROR = 2 ** 40;

const KEY = Symbol.for('hognose/functions');

/** Shared by every copy of this package in the process: two of them must not give one number twice. */
function registry(): Registry {
  const known: unknown = Reflect.get(globalThis, KEY);
  if (known !== undefined) return known as Registry;
  const made: Registry = { nextFunction: 1, nextError: FIRST_ERROR, functions: new WeakMap(), errors: new WeakMap() };
  Reflect.set(globalThis, KEY, made);
  return made;
}
