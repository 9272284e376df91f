/** What handles, pending results and wrappers look like to TypeScript. */
import type { IterationOptions } from './iterate.js';
import type { DType, NDArray } from '../values/types.js';
import type { PyScope } from './with.js';

declare const TYPE: unique symbol;

/**
 * An object that lives in Python.
 *
 * Python's attributes are its properties: `await model.coef_`, `await model.fit(x, y)`. Reading one sends nothing;
 * calling, awaiting and iterating do. What Hognose adds begins with `$`, which no name of Python can. Keyword arguments
 * are passed by {@link kw}.
 *
 * The object is kept alive in its worker until the handle is released or collected, and is lost with its worker.
 *
 * @public
 */
export interface PyHandle<Name extends string = string> extends PyOperators {
  /** Sets handles of different classes apart; not there at run time. */
  readonly [TYPE]?: Name;
  /** Qualified name of the object's class. */
  readonly $type: string;
  /** Qualified names of the class and its bases, the class first, without `builtins.object`. */
  readonly $mro: readonly string[];
  /**
   * Whether the object is of a class or of one derived from it; asks nobody.
   *
   * @param type - The class by its plain or qualified name: `Path`, `pathlib.Path`.
   */
  $is(type: string): boolean;
  /** Reads an attribute whatever its name. */
  $get<R = unknown>(name: string): Pending<R>;
  /** Sets an attribute. */
  $set(name: string, value: unknown): Promise<void>;
  /** Indexes: `object[key]`. */
  $item<R = unknown>(key: unknown): Pending<R>;
  /** Assigns an item: `object[key] = value`. */
  $setItem(key: unknown, value: unknown): Promise<void>;
  /** Removes an item: `del object[key]`. */
  $delItem(key: unknown): Promise<void>;
  /** Calls the object itself. */
  $call<R = unknown>(...args: readonly unknown[]): Pending<R>;
  /**
   * Iterates with options of one's own, where `for await (const item of object)` does not do.
   *
   * Leaving early closes a generator, whose `finally` has run then. An iterator that cannot be closed goes on where the
   * consumer stood, the next time that it is iterated here.
   */
  $iter<R = unknown>(options?: IterationOptions): AsyncIterableIterator<R>;
  [Symbol.asyncIterator](): AsyncIterator<unknown>;
  /**
   * The object in its plain form: an enum member as its value, a dataclass as a dict; what has none is an error.
   *
   * @throws {@link PythonError} When it has no plain form.
   */
  $value<R = unknown>(): Promise<R>;
  /** Python's `str(object)`. */
  $str(): Promise<string>;
  /** Python's `repr(object)`. */
  $repr(): Promise<string>;
  /** Python's `len(object)`. */
  $len(): Promise<number>;
  /** Python's `bool(object)`. */
  $bool(): Promise<boolean>;
  /**
   * The elements of a tensor, or of anything with `__dlpack__`, `__array__` or a buffer, in the memory of the CPU.
   *
   * @throws {@link PythonError} When it has none of them, or lies on a device.
   */
  $array<D extends DType = DType>(): Promise<NDArray<D>>;
  /**
   * A frame of pandas or polars, or anything that Arrow can see, as a `Table` of `apache-arrow`: docs/zero-copy.md says what is lost.
   *
   * @throws {@link PythonError} When Arrow cannot see it.
   */
  $arrow<T = unknown>(): Promise<T>;
  /**
   * Runs a function within the object as a context manager: `with object as value`.
   *
   * What the function throws reaches `__exit__` as an exception: an exception of Python as its own kind, anything else as a
   * `hognose.JavaScriptError`.
   *
   * @param action - Gets what `__enter__` has returned.
   * @returns What the function returns; `undefined` where the context has suppressed what it threw.
   */
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller knows it
  $with<T, V = unknown>(action: (value: V) => T | PromiseLike<T>): Promise<T | undefined>;
  /**
   * Enters the object as a context manager, for `await using scope = await object.$enter()`; it is left without an
   * exception.
   */
  $enter<V = unknown>(): Promise<PyScope<V>>;
  /** The handle itself; see {@link PendingResult.$keep}. */
  $keep(): this;
  /**
   * Gives the object up, behind the calls that were made before; using the handle afterwards is a HandleReleasedError.
   * Twice is harmless.
   */
  $release(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Python's operators; reflected ones of the other operand count too. @public */
export interface PyOperators {
  /** `object + other` */
  $add<R = unknown>(other: unknown): Pending<R>;
  /** `object - other` */
  $sub<R = unknown>(other: unknown): Pending<R>;
  /** `object * other` */
  $mul<R = unknown>(other: unknown): Pending<R>;
  /** `object / other` */
  $div<R = unknown>(other: unknown): Pending<R>;
  /** `object // other` */
  $floordiv<R = unknown>(other: unknown): Pending<R>;
  /** `object % other` */
  $mod<R = unknown>(other: unknown): Pending<R>;
  /** `object ** other` */
  $pow<R = unknown>(other: unknown): Pending<R>;
  /** `object @ other` */
  $matmul<R = unknown>(other: unknown): Pending<R>;
  /** `object & other` */
  $and<R = unknown>(other: unknown): Pending<R>;
  /** `object | other` */
  $or<R = unknown>(other: unknown): Pending<R>;
  /** `object ^ other` */
  $xor<R = unknown>(other: unknown): Pending<R>;
  /** `object << other` */
  $lshift<R = unknown>(other: unknown): Pending<R>;
  /** `object >> other` */
  $rshift<R = unknown>(other: unknown): Pending<R>;
  /** `object == other`, which need not be a bool in Python */
  $eq<R = boolean>(other: unknown): Pending<R>;
  /** `object != other` */
  $ne<R = boolean>(other: unknown): Pending<R>;
  /** `object < other` */
  $lt<R = boolean>(other: unknown): Pending<R>;
  /** `object <= other` */
  $le<R = boolean>(other: unknown): Pending<R>;
  /** `object > other` */
  $gt<R = boolean>(other: unknown): Pending<R>;
  /** `object >= other` */
  $ge<R = boolean>(other: unknown): Pending<R>;
  /** `other in object` */
  $contains(other: unknown): Pending<boolean>;
  /** `-object` */
  $neg<R = unknown>(): Pending<R>;
  /** `+object` */
  $pos<R = unknown>(): Pending<R>;
  /** `abs(object)` */
  $abs<R = unknown>(): Pending<R>;
  /** `~object` */
  $invert<R = unknown>(): Pending<R>;
}

/**
 * A result on its way: a promise, and where it is an object in Python, also that object's methods. A chain of them
 * travels as one message, and so does a result that is an argument of another call.
 *
 * It is evaluated once, at the end of the tick, whether or not somebody awaits it. Where one call or chain uses it in that
 * tick, it moves into that and leaves nothing behind: using it later is a ChainConsumedError. Where several do, where it
 * is awaited in the same tick, or after `$keep()`, it has a result of its own, which can be used again and again.
 *
 * @public
 */
export type Pending<T> = Promise<T> & PendingMembers<T>;

/** What a result on its way has that is an object in Python, besides what that has. @public */
export interface PendingResult<T> {
  /** Gives it a result of its own, whatever goes on from it in this tick; returns itself. */
  $keep(): Pending<T>;
}

/** What of a handle can be used before it has arrived. @public */
export type PendingMembers<T> = [T] extends [PyHandle]
  ? PendingResult<T> &
      Omit<T, '$type' | '$mro' | '$is' | '$keep' | '$release' | typeof Symbol.asyncDispose | keyof Promise<unknown>>
  : unknown;

/**
 * A class of Python: callable, and itself a value that can be passed to Python, such as a dtype or an estimator.
 *
 * @public
 */
export interface PyClass<T> {
  /** What an instance is; not there at run time. */
  readonly [TYPE]?: T;
  /** Dotted path of the class. */
  readonly $name: string;
}
